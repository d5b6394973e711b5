"""The signs of a door left open: PAM, sudoers, sshd, accounts, generators, library paths. Text in, words out; looks at no host."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tasks.collectors.context import Context
from tasks.facts import Autostart
from tasks.model import inert
from tasks.signs import Sign, place

_MODULES = re.compile(r"^/(?:usr/)?lib\w*/(?:[\w-]+/)?security/")
_OPEN_TO_ALL = re.compile(r"^\s*-?auth\s+(?:sufficient|\[.*success=(?:done|ok).*\])\s+(?:\S*/)?pam_permit\.so\b")
# FRRouting's package ships this for vtysh, which a group's socket guards.
_VTYSH = "/pam.d/frr"
_NO_PASSWORD = re.compile(r"\bNOPASSWD\s*:\s*ALL\b")
_KEYS_FILE = re.compile(r"^\s*AuthorizedKeysFile\s+(.*)$", re.IGNORECASE)
# Where an administrator's generators would be; packages bring theirs to /usr/lib.
_OWN_GENERATORS = ("/etc/", "/run/", "/usr/local/")


def opened(entry: Autostart, context: Context) -> Iterator[tuple[str, Sign]]:
    """What this entry lets in that it should not. Rules begin with `access.`: no remedy takes such a line out by itself."""
    if judge := _BY_KIND.get(entry.kind):
        yield from ((f"access.{entry.kind}", sign) for sign in judge(entry, context))


def _pam(entry: Autostart, context: Context) -> Iterator[Sign]:  # noqa: ARG001 - one shape for all kinds
    words = entry.text.split()
    if _OPEN_TO_ALL.match(entry.text) and not entry.path.endswith(_VTYSH):
        yield Sign("lets everybody in, whatever the password", 80, "T1556.003")
    if "pam_exec.so" in entry.text:
        yield Sign("runs a program at each login, which may be given the password", 50, "T1556.003")
    strange = [word for word in words[2:] if word.startswith("/") and ".so" in word and not _MODULES.match(word)]
    if strange:
        yield Sign(f"loads {inert(strange[0], 120)}, which is not among PAM's own modules", 75, "T1556.003")


def _sudoers(entry: Autostart, context: Context) -> Iterator[Sign]:  # noqa: ARG001 - one shape for all kinds
    if _NO_PASSWORD.search(entry.text):
        yield Sign("makes somebody root without a password (images for clouds do so, too)", 25, "T1548.003")


def _sshd(entry: Autostart, context: Context) -> Iterator[Sign]:
    match = _KEYS_FILE.match(entry.text)
    odd = [
        sign for word in (match[1].split() if match else ()) if word.startswith("/") and (sign := place(word, context))
    ]
    if odd:
        yield Sign(f"takes keys from a file {odd[0].words}", 75, "T1098.004")


def _account(entry: Autostart, context: Context) -> Iterator[Sign]:  # noqa: ARG001 - one shape for all kinds
    yield Sign("is an account with root's number under another name", 80, "T1136.001")


def _generator(entry: Autostart, context: Context) -> Iterator[Sign]:
    if context.own(entry.path).startswith(_OWN_GENERATORS):
        yield Sign("makes units at each boot, and no package puts one there", 40, "T1543.002")


def _ld_conf(entry: Autostart, context: Context) -> Iterator[Sign]:
    if entry.text.startswith("/") and (sign := place(f"{entry.text.rstrip('/')}/x", context)):
        yield Sign(f"makes all programs look for libraries {sign.words}", 70, "T1574.006")


_BY_KIND: dict[str, Callable[[Autostart, Context], Iterator[Sign]]] = {
    "pam": _pam,
    "sudoers": _sudoers,
    "sshd": _sshd,
    "account": _account,
    "generator": _generator,
    "ld_conf": _ld_conf,
}
