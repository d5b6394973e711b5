"""VyOS: one address-group a family behind the first rule of the forward filter. Knows the words; must not know who says them.

VyOS 1.4 and later. VyOS documentation, "Firewall > Groups" (address-group, ipv6-address-group), "Firewall > IPv4" (forward filter
rules, `show firewall ipv4 forward filter`), "Command Line Interface" (configure, compare, commit comment, discard, exit, save).
Every configuration session works on a copy of its own, so others' pending changes stay theirs; `compare` before the commit proves
it, and anything but our one line is a refusal. The commit's comment carries the incident; members have none and no time to live.
Sessions: conntrack(8), `-D` and `-L` with `-d` and `-s`; a rule after them meets what conntrack picks up again as new.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from tasks.firewalls.shape import Channel, Command, Entry, Listing
from tasks.model import Address, TargetError, inert

platform = "vyos"
driver = "vyos"
channel: Channel = "cli"
# bash may switch bracketed paste on in front of the prompt.
prompt = r"[\r\n](?:\x1b\[\?2004h)?{base}(?::\S*)?[$#>] ?$"
failures = (
    r"^\s*Invalid command: .*",
    r"^\s*(?:Ambiguous|Incomplete) command: .*",
    r"^\s*Configuration path: .* is not valid",
    r"\A[\s\S]*?(?:Commit|Set|Delete|Value validation) failed",
    r"^\s*Configuration system temporarily locked.*",
    r"^\s*Cannot exit: configuration modified.*",
    r"^(?:-?v?bash|sudo): .*",
    r"^conntrack v\S+ \(conntrack-tools\): (?!\d+ flow entries).*",
    r"^[+-] ?[^-\s].*",  # what `compare` shows and is not ours
)
ports = False
timed = False

KINDS = {4: "address-group", 6: "ipv6-address-group"}
RULE = 1


def _group(entry: Entry) -> str:
    return f"{KINDS[entry.address.version]} {entry.name}"


def _filter(entry: Entry) -> str:
    return f"ipv{entry.address.version} forward filter"


def look(entry: Entry) -> tuple[Command, ...]:
    return (
        Command(f"show configuration commands | match {entry.name}"),
        Command("show configuration commands | match forward"),
        Command(f"show firewall {_filter(entry)}"),
    )


def read(entry: Entry, answers: tuple[str, ...]) -> Listing:
    configured, rules, counters = answers
    _readable(configured + rules)
    group = re.findall(rf"^set firewall group {_group(entry)}\b(.*)", configured, re.M)
    members = [m.group(1) for line in group if (m := re.fullmatch(r" address '?([^'\s]+)'?\s*", line))]
    number = _deny(entry, rules)
    enforced = bool(group) and number is not None
    hits = re.search(rf"^\s*{number}\s+(?:drop|reject)\s+\S+\s+(\d+)\s", counters, re.M)
    return Listing(
        present=entry.address in map(_address, members),
        enforced=enforced,
        seen=f"{len(members)} members, "
        + (f"denied by rule {number} of {_filter(entry)}" if enforced else f"no first deny rule in {_filter(entry)}"),
        missing=() if enforced else _lines(entry.address.version, entry.name, bool(group)),
        hits=int(hits.group(1)) if enforced and hits else None,
    )


def _readable(answer: str) -> None:
    strange = [line for line in answer.splitlines() if line.strip() and not re.match(r"\s*(?:set |\x1b)", line)]
    if strange:
        raise TargetError("read VyOS's configuration", f"it answered {inert(strange[0], 200)!r}", "look at it by hand")


def _address(text: str) -> Address | None:
    """A member as an address; a range is none."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _deny(entry: Entry, text: str) -> int | None:
    """The number of the first rule in force, if it denies the group and nothing narrows it."""
    rules: dict[int, set[str]] = {}
    for number, words in re.findall(rf"^set firewall {_filter(entry)} rule (\d+)(.*)", text, re.M):
        rules.setdefault(int(number), set()).add(words.replace("'", "").strip())
    first = min((n for n, words in rules.items() if "disable" not in words), default=None)
    if first is None:
        return None
    narrowing = {w for w in rules[first] if w and not re.match(r"description |log\b", w)}
    wanted = f"destination group {_group(entry)}"
    return first if narrowing in ({"action drop", wanted}, {"action reject", wanted}) else None


def _change(entry: Entry, verb: str, sign: str) -> tuple[Command, ...]:
    head = rf"\[(?:edit )?firewall group {_group(entry)}\]"
    line = rf'[{sign}] ?address "?{re.escape(str(entry.address))}"?'
    ours = rf"\A(?:\x1b\[\?2004l)?\s*{head}\s*{line}\s*(?:\[edit\]\s*)?\Z"
    return (
        Command("configure"),
        Command(f"{verb} firewall group {_group(entry)} address {entry.address}"),
        Command("compare", tolerate=ours),
        Command(f'commit comment "hemostat {entry.incident}"', patience=120.0),
        Command("exit"),
    )


def block(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    return _change(entry, "set", "+")


def unblock(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    return _change(entry, "delete", "-")


def _conntrack(entry: Entry, verb: str) -> tuple[Command, ...]:
    # Without -d or -s conntrack would mean every session; the address is an IPv4Address or IPv6Address, never text.
    return tuple(
        Command(f"sudo conntrack {verb} -f ipv{entry.address.version} {side} {entry.address}") for side in ("-d", "-s")
    )


def cut(entry: Entry) -> tuple[Command, ...]:
    return _conntrack(entry, "-D")


def sessions(entry: Entry) -> tuple[Command, ...]:
    return _conntrack(entry, "-L")


def count(entry: Entry, answers: tuple[str, ...]) -> int:
    return sum(" src=" in line and " dst=" in line for answer in answers for line in answer.splitlines())


def save() -> tuple[Command, ...]:
    return (Command("configure"), Command("save", patience=60.0), Command("exit"))


def leave() -> tuple[Command, ...]:
    # In operational mode `discard` is refused, which ends this before `exit` would end the session.
    return (Command("discard"), Command("exit"))


def provision(name: str) -> tuple[str, ...]:
    return _lines(4, name) + _lines(6, name)


def _lines(version: int, name: str, group: bool = False) -> tuple[str, ...]:
    rule = f"set firewall ipv{version} forward filter rule {RULE}"
    described = (
        () if group else (f"set firewall group {KINDS[version]} {name} description 'remotes that hemostat blocks'",)
    )
    return (*described, f"{rule} action drop", f"{rule} destination group {KINDS[version]} {name}")
