"""A user locked: no password fits any more and the account has expired. Knows passwd(5) and shadow(5); must not know why it is bad.

That is what `usermod --lock --expiredate 1` writes, done here by the hands' own careful replacement, so that it works where there is no
usermod, and only the two fields of that one line change. A key or a standing password both end at the expired account (sshd(8), PAM's
account check); sessions that stand are processes, and another remedy's. The password's hash is never journalled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

from tasks.model import Action, Finding, Look, Receipt, Refused, TargetError, inert
from tasks.remedies.shape import Scope, mark
from tasks.transports.hands import Hands

kinds = ("account.lock",)
# login.defs(5), UID_MIN: below it are the system's own accounts.
FIRST_USER = 1000
# The day after the epoch: expired for every clock.
EXPIRED = "1"
LIMIT = 8 << 20


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    if scope.windows:
        return []
    users: dict[str, Finding] = {}
    for finding in reversed(findings):
        if (user := user_of(finding)) and user not in ("root", *scope.logins):
            users[user] = finding
    return [_action(user, finding, scope) for user, finding in sorted(users.items())]


def user_of(finding: Finding) -> str:
    """The account that a finding condemns: a second root in etc/passwd, a login that nobody may have made."""
    if finding.rule in ("login.suspicious",) or finding.rule.startswith("account."):
        return str(finding.facts.get("user", ""))
    if finding.facts.get("kind") == "account":
        return str(finding.facts.get("text", "")).partition(":")[0]
    return ""


def _action(user: str, finding: Finding, scope: Scope) -> Action:
    return Action(
        id=f"cleanup/account/{mark(user)}",
        kind="account.lock",
        on=scope.host,
        target=f"user {inert(user)}",
        reason=finding.what,
        commands=(f"what `usermod --lock --expiredate {EXPIRED} {inert(user)}` does, in etc/shadow",),
        facts={"user": user, "logins": list(scope.logins)},
        undo="unlock it, and let it expire when it did before",
        needs_approval=True,
    )


def look(hands: Hands, action: Action) -> Look:
    fields = _fields(_shadow(hands), action.facts["user"])
    locked, expire = _locked(fields[1]), fields[7]
    seen = f"{'locked' if locked else 'not locked'}, {f'expires on day {inert(expire, 20)}' if expire else 'never expires'}"
    return Look(locked and expire == EXPIRED, seen, {"locked": locked, "expire": expire})


def act(hands: Hands, action: Action, before: Look) -> None:
    _spare(hands, action)
    _change(hands, action, lambda f: [f[0], f[1] if _locked(f[1]) else f"!{f[1]}", *f[2:7], EXPIRED, *f[8:]])


def look_restored(hands: Hands, action: Action, receipt: Receipt) -> Look:
    seen = look(hands, action)
    return Look(dict(seen.record) == {key: receipt.record[key] for key in ("locked", "expire")}, seen.seen)


def undo(hands: Hands, action: Action, receipt: Receipt) -> None:
    old, locked = str(receipt.record["expire"]), bool(receipt.record["locked"])
    _change(hands, action, lambda f: [f[0], f[1] if locked else f[1].removeprefix("!"), *f[2:7], old, *f[8:]])


def _locked(password: str) -> bool:
    """passwd(1): no password has a hash that begins so."""
    return password.startswith(("!", "*"))


def _spare(hands: Hands, action: Action) -> None:
    """Lock nobody by whom the machine or our own way lives.

    Raises:
        Refused: root, a login of ours, or a system account that runs something.
    """
    user = action.facts["user"]
    if user == "root" or user in action.facts["logins"]:
        raise Refused("own-login", f"{inert(user)} is root or our own way in", "lock it by hand if it must be")
    rows = (line.split(":") for line in _text(hands, "passwd").split("\n"))
    uid = next((row[2] for row in rows if row[0] == user and len(row) > 2), "")
    if uid.isdigit() and int(uid) < FIRST_USER and (runs := list(_running(hands, user))):
        raise Refused(
            "service-account",
            f"{inert(user)} is a system account (uid {uid}) and runs process {', '.join(map(str, runs[:5]))}",
            "stop that service first, or change the account by hand",
        )


def _running(hands: Hands, user: str) -> Iterator[int]:
    return (process.pid for process in hands.processes() if process.user == user)


def _change(hands: Hands, action: Action, change: Callable[[list[str]], list[str]]) -> None:
    text = _shadow(hands)
    old = _fields(text, action.facts["user"])
    new = change(old)
    lines = [":".join(new) if line.split(":") == old else line for line in text.split("\n")]
    raw = text.encode("utf-8", "surrogateescape")
    changed = "\n".join(lines).encode("utf-8", "surrogateescape")
    hands.replace(_path(hands, "shadow"), changed, sha256(raw).hexdigest())


def _fields(text: str, user: str) -> list[str]:
    for line in text.split("\n"):
        fields = line.split(":")
        if fields[0] == user and len(fields) == 9:
            return fields
    raise TargetError(
        f"look at the account {inert(user)}",
        "it is not in the host's etc/shadow: its password may stand in its line of etc/passwd, or a directory keeps it",
        "lock it by hand where it is kept: put ! before the password there (vipw), or lock it in the directory",
    )


def _shadow(hands: Hands) -> str:
    return _text(hands, "shadow")


def _text(hands: Hands, name: str) -> str:
    return hands.read(_path(hands, name), LIMIT).decode("utf-8", "surrogateescape")


def _path(hands: Hands, name: str) -> str:
    return f"{hands.root.rstrip('/')}/etc/{name}"
