"""Two hosts in network namespaces, a victim and the world around it, with real traffic between them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.patience import BUSY, until

REPO = Path(__file__).parents[2]
C2, C2_V6, INNOCENT = "203.0.113.9", "2001:db8:77::9", "203.0.113.80"
RUNNER, RUNNER_V6 = "10.77.0.1", "2001:db8:77::1"
SILENT = "10.77.0.99"  # an address of the owner's at which nobody is
# The steps above the packet filter are the same for both: one is enough.
NFT_ALONE = pytest.mark.parametrize("net", ["nft"], indirect=True)
NEEDS = os.geteuid() == 0 and all(map(shutil.which, ("ip", "nft", "iptables", "ip6tables")))

ECHO = """
import asyncio, sys
async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()
async def main():
    servers = [await asyncio.start_server(serve, None, port) for port in (22, 4443)]
    print("ready", flush=True)
    await asyncio.gather(*(s.serve_forever() for s in servers))
asyncio.run(main())
"""
TALK = """
import socket, sys, time
link = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60)
link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
link.settimeout(60)
while True:
    link.sendall(b"still here\\n")
    link.recv(64)
    print("heard", flush=True)
    time.sleep(0.02)
"""
TRY = (
    "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])).close()"
)


@dataclass
class Net:
    """The victim and the world. `hide_nft`: the victim has no working nft."""

    name: str
    hide_nft: bool = False
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def victim(self) -> str:
        return f"{self.name}v"

    @property
    def world(self) -> str:
        return f"{self.name}w"

    def at(self, space: str, *argv: str) -> list[str]:
        """The words that run a program there."""
        enter = ["ip", "netns", "exec", space]
        if space == self.victim and self.hide_nft:
            enter += ["sh", "-c", 'mount --make-rprivate /; mount --bind /dev/null /usr/sbin/nft; exec "$@"', "sh"]
        return [*enter, *argv]

    def start(self, space: str, *argv: str, **more: Any) -> subprocess.Popen[str]:
        child = subprocess.Popen(self.at(space, *argv), stdout=subprocess.PIPE, text=True, env=_env(), **more)
        self.running.append(child)
        return child

    def say(self, space: str, *argv: str) -> str:
        return subprocess.run(self.at(space, *argv), capture_output=True, text=True, check=True, env=_env()).stdout

    def reaches(self, address: str, port: int = 4443, seconds: float = 0.5, space: str = "") -> bool:
        """Does a new connection come about?"""
        words = self.at(space or self.victim, sys.executable, "-c", TRY, address, str(port), str(seconds))
        return subprocess.run(words, capture_output=True, env=_env()).returncode == 0

    def talk(self, address: str, port: int = 4443) -> Talk:
        """An established flow from the victim, which is heard."""
        talk = Talk(self.start(self.victim, sys.executable, "-c", TALK, address, str(port)))
        assert talk.process.stdout is not None
        assert talk.process.stdout.readline() == "heard\n"
        os.set_blocking(talk.process.stdout.fileno(), False)
        return talk

    def hemostat(self, deed: str, folder: Path, **wish: Any) -> subprocess.Popen[str]:
        words = (
            sys.executable,
            "-m",
            "tests.containment.inside",
            deed,
            str(folder),
            json.dumps({"remote": C2, **wish}),
        )
        return self.start(self.victim, *words, cwd=REPO, stderr=subprocess.PIPE)

    def do(self, deed: str, folder: Path, **wish: Any) -> dict[str, Any]:
        """Run it to its end; what it told."""
        out, err = self.hemostat(deed, folder, **wish).communicate(timeout=60 * BUSY)
        assert out, err
        return dict(json.loads(out.splitlines()[-1]))

    def rules(self) -> str:
        """Everything that the victim's packet filters hold, counters left out."""
        tables = "\n".join(self.say(self.victim, program, "-S") for program in ("iptables", "ip6tables"))
        return tables if self.hide_nft else tables + self.say(self.victim, "nft", "-s", "list", "ruleset")


@dataclass
class Talk:
    """One flow that goes on as long as it is let."""

    process: subprocess.Popen[str]

    def heard(self, seconds: float = 0.3) -> int:
        """How many answers came within that time from now on."""
        self._read()
        time.sleep(seconds)
        return self._read().count(b"heard")

    def goes_on(self, answers: int = 4) -> bool:
        """Do more answers come from now on?"""
        self._read()
        came = 0

        def enough() -> bool:
            nonlocal came
            came += self._read().count(b"heard")
            return came >= answers

        return until(enough, 10)

    def _read(self) -> bytes:
        assert self.process.stdout is not None
        try:
            return os.read(self.process.stdout.fileno(), 1 << 20)
        except BlockingIOError:
            return b""


def _env() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPO), "HOME": "/nonexistent", "LC_ALL": "C"}


def never(true: Callable[[], bool], seconds: float) -> bool:
    """Did it not come true within that time, which is not longer on a busy machine?"""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return False
        time.sleep(0.1)
    return True


@pytest.fixture(params=["nft", "iptables"])
def net(request: pytest.FixtureRequest) -> Iterator[Net]:
    """Both packet filters: the victim has nft, or iptables alone."""
    net = Net(f"hs{os.getpid() % 100000}", hide_nft=request.param == "iptables")
    _build(net)
    try:
        server = net.start(net.world, sys.executable, "-c", ECHO)
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield net
    finally:
        for child in net.running:
            child.kill()
            child.wait()
            for pipe in filter(None, (child.stdout, child.stderr)):
                pipe.close()
        for space in (net.victim, net.world):
            subprocess.run(["ip", "netns", "delete", space], check=True)


def _build(net: Net) -> None:
    for space in (net.victim, net.world):
        subprocess.run(["ip", "netns", "add", space], check=True)
    subprocess.run(
        ["ip", "link", "add", "eth0", "netns", net.victim, "type", "veth", "peer", "name", "eth0", "netns", net.world],
        check=True,
    )
    addresses = {
        net.victim: ("10.77.0.2/24", "2001:db8:77::2/64"),
        net.world: (f"{RUNNER}/24", f"{RUNNER_V6}/64", f"{C2}/32", f"{INNOCENT}/32", f"{C2_V6}/64"),
    }
    for space, several in addresses.items():
        lines = [
            "link set lo up",
            *(f"address add {a} dev eth0{' nodad' if ':' in a else ''}" for a in several),
            "link set eth0 up",
        ]
        lines += [f"route add default via {RUNNER}"] if space == net.victim else []
        subprocess.run(["ip", "-n", space, "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)
