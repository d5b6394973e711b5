"""The firewall's data path: real nftables, by hemostat's own table or by an emulated device's decisions. Knows nft; no vendor's words.

An emulated device decides flow by flow (Device.admit). Which of the range's flows it denies now stands in an nft set on the firewall, so
that its decisions hold for real packets. As on a stateful firewall an established connection goes on until the device
cuts it; then its conntrack entry goes, and without one no packet but a SYN passes (nf_conntrack_tcp_loose off).
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from lab.device import Conn, Device, Flow
from lab.devices import load
from lab.netns import layout
from lab.netns.outbound import AFTER, BEFORE
from lab.netns.plan import Plan
from lab.sshd import Sshd
from tasks import firewalls
from tasks.model import Json

NFT, CONNTRACK = "/usr/sbin/nft", "/usr/sbin/conntrack"
LIST = "HEMOSTAT"
SOURCES = tuple(
    addresses[host] for addresses in (layout.ADDRESS, layout.ADDRESS6) for host in (layout.VICTIM, layout.CONTROL)
)
TABLE = """table inet laboratory {
  set denied4 { type ipv4_addr . ipv4_addr . inet_service; counter; }
  set denied6 { type ipv6_addr . ipv6_addr . inet_service; counter; }
  chain forward {
    type filter hook forward priority 0; policy accept;
    ct state established,related accept
    ct state invalid drop
    ip saddr . ip daddr . tcp dport @denied4 drop
    ip6 saddr . ip6 daddr . tcp dport @denied6 drop
  }
}
"""
_ENTRY = re.compile(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)")


def nft(words: str) -> None:
    """Say lines to nft in this network namespace; OSError with its own words when it refuses them."""
    done = subprocess.run([NFT, "-f", "-"], input=words, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise OSError(f"nft: {done.stderr.strip()[-300:]}")


# A firewall's usual filter: what hemostat's own table denies must end established flows before this lets them pass.
FILTER = """table inet filter {
  chain forward { type filter hook forward priority filter; policy accept; ct state established,related accept; }
}
"""


class Nft:
    """The firewall as a Linux machine of its own: hemostat's table is provisioned, and what is in it stays over a restart."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "firewall.nft"

    def load(self) -> None:
        words = "\n".join(firewalls.load("linux").provision(LIST))
        nft(self.file.read_text() if self.file.exists() else f"{FILTER}{words}\n")

    def save(self) -> None:
        """Keep the ruleset as it is."""
        done = subprocess.run([NFT, "list", "ruleset"], capture_output=True, check=True)  # noqa: S603
        self.file.write_bytes(done.stdout)


def start(plan: Plan, platform: str, folder: Path) -> Enforcer:
    """An emulated device behind its own SSH server on the firewall's address, in force from now on."""
    device = load(platform)("ops", plan.password, plan.secret)
    enforcer = Enforcer(device, folder / "device.json", flows(plan))
    Sshd(device, (layout.address(layout.FIREWALL, plan.scenario.path), layout.DEVICE), plan.keys[layout.FIREWALL])
    return enforcer


class Enforcer:
    """One emulated device in force: its denials in the set, the kernel's connections in its table, its hits from the set's counters."""

    def __init__(self, device: Device, state: Path, flows: tuple[Flow, ...]) -> None:
        self.device, self.state, self.flows = device, state, flows
        device.restore(json.loads(state.read_text("ascii")) if state.exists() else provisioned(device.platform))
        Path("/proc/sys/net/netfilter/nf_conntrack_tcp_loose").write_text("0")
        nft(TABLE)
        self._seen: Json = None
        self._denied: set[Flow] = set()
        self._conns: dict[tuple[str, ...], Conn] = {}
        self._counted: dict[Flow, int] = {}
        self._turn = threading.Lock()
        self.tick()
        device.seen, device.enforced = self._turns(self._connections), self._turns(self._decide)

    def _turns(self, work: Callable[[], None]) -> Callable[[], None]:
        def one() -> None:
            with self._turn:
                work()

        return one

    def tick(self) -> None:
        """Put what the device decides now in force (a commit that reverts has no line), and tell it what the kernel saw."""
        with self._turn:
            self._decide()
            self._connections()
            self._hits()

    def save(self) -> None:
        """Keep the device's state, so that a later range brings the same one up again."""
        self.state.write_text(json.dumps(self.device.dump(), indent=1), encoding="ascii")

    def _decide(self) -> None:
        state = self.device.dump()
        if state == self._seen:
            return
        self._seen = state
        denied = denials(self.device.platform, state, self.flows)
        for verb, flows in (("add", denied - self._denied), ("delete", self._denied - denied)):
            for flow in flows:
                nft(f"{verb} element inet laboratory {_set(flow)} {{ {_element(flow)} }}\n")
                self._counted.pop(flow, None)
        self._denied = denied

    def _connections(self) -> None:
        now = set(_established())
        for gone in self._conns.keys() - now:
            self.device.conns.remove(self._conns.pop(gone))
        for new in now - self._conns.keys():
            flow = Flow(ip_address(new[0]), int(new[2]), ip_address(new[1]), int(new[3]))
            self._conns[new] = Conn(flow, partial(_cut, new))
            self.device.conns.add(self._conns[new])

    def _hits(self) -> None:
        """Every packet that the set stopped is a connection that the device denied: it counts it with its own rules."""
        for flow, packets in _counters(self._denied):
            for _ in range(min(100, packets - self._counted.get(flow, 0))):
                self.device.admit(flow)
            self._counted[flow] = packets


def provisioned(platform: str) -> Json:
    """The state of a device that has hemostat's list in force and forwards all else."""
    box = load(platform)("ops", "", "")
    ours = "".join(f"{line}\n" for line in firewalls.load(platform).provision(LIST))
    box.load(BEFORE.get(platform, "") + ours + AFTER.get(platform, ""))  # type: ignore[attr-defined]
    box.startup = box.config()  # type: ignore[attr-defined]
    return box.dump()


def flows(plan: Plan) -> tuple[Flow, ...]:
    """All that crosses the firewall of a range: from each host inside to each server outside."""
    servers = (plan.c2, layout.WEB, layout.WEB6)
    known = (Flow(ip_address(s), 40000, ip_address(t), port) for s in SOURCES for t, port in servers)
    return tuple(flow for flow in known if flow.source.version == flow.target.version)


def denials(platform: str, state: Json, flows: tuple[Flow, ...]) -> set[Flow]:
    """Which of these flows a device in that state denies. A second device is asked, so that the first counts no hits."""
    twin = load(platform)("ops", "", "")
    twin.restore(state)
    return {flow for flow in flows if not twin.admit(flow)}


def _set(flow: Flow) -> str:
    return f"denied{flow.target.version}"


def _element(flow: Flow) -> str:
    return f"{flow.source} . {flow.target} . {flow.target_port}"


def _established() -> Iterator[tuple[str, ...]]:
    """The kernel's TCP connections from inside to outside: source, target, source port, target port."""
    words = [CONNTRACK, "-L", "-p", "tcp", "--state", "ESTABLISHED", "-f"]
    texts = (
        subprocess.run([*words, family], capture_output=True, text=True, check=False).stdout  # noqa: S603
        for family in ("ipv4", "ipv6")
    )
    for row in "".join(texts).splitlines():
        found = _ENTRY.search(row)
        if found and found[1] in SOURCES:
            yield found.groups()


def _cut(entry: tuple[str, ...]) -> None:
    source, target, source_port, target_port = entry
    family = "ipv6" if ":" in target else "ipv4"
    words = [
        "-D",
        "-f",
        family,
        "-p",
        "tcp",
        "-s",
        source,
        "-d",
        target,
        "--sport",
        source_port,
        "--dport",
        target_port,
    ]
    subprocess.run([CONNTRACK, *words], capture_output=True, check=False)  # noqa: S603


def _counters(flows: set[Flow]) -> Iterator[tuple[Flow, int]]:
    if not flows:
        return
    words = [NFT, "-j", "list", "table", "inet", "laboratory"]
    text = subprocess.run(words, capture_output=True, text=True, check=False).stdout  # noqa: S603
    held: list[Json] = [e for o in json.loads(text)["nftables"] if "set" in o for e in o["set"].get("elem", [])]
    packets = {
        tuple(map(str, e["elem"]["val"]["concat"])): e["elem"]["counter"]["packets"] for e in held if "elem" in e
    }
    for flow in flows:
        yield flow, packets.get((str(flow.source), str(flow.target), str(flow.target_port)), 0)
