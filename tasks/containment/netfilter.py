"""The host's own packet filter, as nft or as iptables: which one there is, and how to speak to it. Knows no rule's purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from tasks import nftables
from tasks.model import Json, Refused, TargetError, inert
from tasks.transports.hands import Hands, Ran

FOLDERS = ("/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/")
# Another program may hold xtables' lock: iptables(8), --wait.
WAIT = ("-w", "5")


@dataclass(frozen=True, slots=True)
class Filter:
    """The programs of one host: `nft`, or `tables` (iptables, and ip6tables where it is), by IP version."""

    hands: Hands
    nft: str = ""
    tables: tuple[tuple[int, str], ...] = ()

    def table(self, name: str) -> list[Json] | None:
        """What nft shows of the table inet `name`; None when there is none."""
        shown = self._listed("-j", name)
        return None if shown is None else nftables.objects(shown)

    def text(self, name: str) -> str:
        """The same table in nft's own words; empty when there is none."""
        return self._listed("-y", name) or ""

    def _listed(self, how: str, name: str) -> str | None:
        """A refusal is no absence: an interrupted dump (EINTR) or a busy kernel must not read as "nothing of ours is there"."""
        ran = self.hands.run([self.nft, how, "list", "table", "inet", name])
        if ran.status and b"No such file or directory" in ran.err:
            return None
        _told(ran, f"read the host's table inet {name}")
        return ran.out.decode(errors="replace")

    def load(self, ruleset: str) -> None:
        """One transaction for nft: all of it or nothing (nft(8), --file)."""
        _told(self.hands.run([self.nft, "-f", "-"], ruleset.encode()), "change the host's nftables")

    def chain(self, program: str, name: str) -> list[str]:
        """The rules of one chain as iptables would take them again (-S), without their -A; empty when there is no such chain."""
        ran = self.hands.run([program, *WAIT, "-S", name])
        lines = ran.out.decode(errors="replace").splitlines() if ran.status == 0 else []
        return [line.removeprefix(f"-A {name} ") for line in lines if line.startswith(f"-A {name} ")]

    def meets_first(self, program: str, caller: str, chain: str) -> bool:
        """Does every packet of that hook come to our chain before a rule of others'? Other chains of ours may stand before it."""
        ours = takewhile(lambda rule: rule.startswith("-j HEMOSTAT-"), self.chain(program, caller))
        return f"-j {chain}" in ours

    def say(self, program: str, *words: str) -> None:
        """One change by iptables."""
        _told(self.hands.run([program, *WAIT, *words]), f"change the host's {program}")

    def restore(self, program: str, ruleset: str) -> None:
        """One transaction for iptables: the chains that it names are replaced, all others stay (iptables-restore(8))."""
        ran = self.hands.run([f"{program}-restore", *WAIT, "--noflush"], ruleset.encode())
        _told(ran, f"change the host's {program}")

    def tried(self, program: str, *words: str) -> bool:
        """The same, where a refusal is an answer."""
        return self.hands.run([program, *WAIT, *words]).status == 0


def found(hands: Hands) -> Filter:
    """nft where it works, else iptables.

    Raises:
        Refused: the host is fenced to a folder: its packet filter is that of the machine around it.
        TargetError: neither works.
    """
    if hands.root != "/":
        raise Refused("fence", "this host is a folder of another machine, and has no packet filter of its own")
    nft = program(hands, "nft")
    if nft and _works(hands, [nft, "-j", "list", "tables"]):
        return Filter(hands, nft)
    tables = [(version, program(hands, name)) for version, name in ((4, "iptables"), (6, "ip6tables"))]
    working = tuple(
        (version, path) for version, path in tables if path and _works(hands, [path, *WAIT, "-S", "OUTPUT"])
    )
    if not working or working[0][0] != 4:
        raise TargetError(
            "find the host's packet filter",
            "neither nft nor iptables works there",
            "is the login root, or does sudo make it so? Else block on the firewalls alone",
        )
    return Filter(hands, "", working)


def program(hands: Hands, name: str) -> str:
    """Where that program is; empty for nowhere."""
    return next((folder + name for folder in FOLDERS if hands.stat(folder + name) is not None), "")


def _works(hands: Hands, argv: Sequence[str]) -> bool:
    try:
        return hands.run(argv).status == 0
    except TargetError:
        return False


def _told(ran: Ran, tried: str) -> None:
    if ran.status:
        seen = inert((ran.err or ran.out).decode(errors="replace").strip(), 300)
        raise TargetError(tried, seen or f"exit status {ran.status}", "try the words by hand on the host")
