"""The firewall of a Windows host, as its shipped script tells and changes it: groups of block rules. Knows no rule's purpose."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.model import Json, TargetError, inert
from tasks.transports.hands import Hands
from tasks.windows.ranges import Span, merged

# The script's own: a second login, and cmdlets that take seconds each.
TIMEOUT = 120.0
_KEYS = ("rules", "enabled", "addresses", "armed", "off", "dns", "dhcp")


@dataclass(frozen=True, slots=True)
class Group:
    """What stands under one group's name. `off`: why its rules are not in force, as far as they are not."""

    rules: int
    enabled: int
    covers: tuple[Span, ...]
    armed: bool
    off: tuple[str, ...]
    dns: tuple[str, ...] = ()
    dhcp: tuple[str, ...] = ()

    @property
    def seen(self) -> str:
        """In words."""
        lame = f"; not in force: {'; '.join(self.off)}" if self.off and self.rules else ""
        return f"{self.enabled} of {self.rules} rules enabled{lame}"


def group(purpose: str, incident: str) -> str:
    """The name under which the rules of one incident stand, and by which they are taken away."""
    return f"hemostat-{purpose}-{incident}"


def told(hands: Hands, verb: str, name: str, **more: Json) -> Group:
    """Run one verb of the script and read what stands afterwards.

    Raises:
        TargetError: it failed (2008 R2 has no such cmdlets), or its answer is none.
    """
    answer = hands.shipped(
        "firewall", {"do": verb, "group": name, "addresses": [], "port": 0, "seconds": 0, **more}, TIMEOUT
    )
    if not isinstance(answer, dict) or not set(_KEYS) <= answer.keys():
        raise TargetError("read the host's own firewall", "its answer lacks what was asked", "look at it by hand")
    try:
        covers = tuple(merged(map(str, answer["addresses"])))
    except ValueError as error:
        raise TargetError(
            "read the host's own firewall", f"no addresses: {inert(error, 100)}", "look at its rules by hand"
        ) from None
    off, dns, dhcp = (tuple(inert(text, 120) for text in answer[key]) for key in ("off", "dns", "dhcp"))
    return Group(int(answer["rules"]), int(answer["enabled"]), covers, bool(answer["armed"]), off, dns, dhcp)
