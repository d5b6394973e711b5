"""FRR as it is: vtysh behind OpenSSH, netmiko's unmodified cisco_ios driver, and routes in a kernel's forwarding table."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tasks.firewalls import Command, Entry, Listing, frr
from tasks.model import Remote, TargetError
from tasks.settings import Host
from tasks.transports import device
from tasks.transports.device import Session
from tests.firewalls.conftest import sleeps
from tests.patience import BUSY, until
from tests.transports.sshd import free_port

ZEBRA, STATICD = Path("/usr/lib/frr/zebra"), Path("/usr/lib/frr/staticd")
pytestmark = [
    pytest.mark.range,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not ZEBRA.exists(), reason="Debian's frr is not installed"),
]
NETNS = f"hemostat-frr-{os.getpid()}"
REMOTES = ("203.0.113.9", "2001:db8::9")
INCIDENT = "20260101-000000-victim"


def run(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, timeout=20 * BUSY, check=True).stdout


def wait(what: Callable[[], bool], told: str) -> None:
    """Wait until it is so."""
    assert until(what, 10), f"not in time: {told}"


def answers(place: Path) -> bool:
    """Does somebody listen at that socket? It has its name a moment before."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as one:
        one.connect(str(place))
        return True
    return False


@contextmanager
def started(*argv: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of this test, ended with it."""
    with log.open("wb") as out, subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(10 * BUSY)


@dataclass
class Router:
    """A running FRR in a network namespace of its own, and how hemostat reaches it."""

    folder: Path
    host: Host
    stack: ExitStack = field(default_factory=ExitStack)

    def vtysh(self, *lines: str) -> str:
        said = [word for line in lines for word in ("-c", line)]
        return run("vtysh", "--vty_socket", str(self.folder), "--config_dir", str(self.folder), *said)

    def daemons(self) -> None:
        """Start zebra and staticd with the saved configuration, as a boot does."""
        inside = ("ip", "netns", "exec", NETNS)
        paths = ("--vty_socket", str(self.folder), "-z", str(self.folder / "zserv.api"), "-f", "/dev/null", "-P", "0")
        for program, place in ((ZEBRA, "zebra.vty"), (STATICD, "staticd.vty")):
            pid = ("-i", str(self.folder / f"{program.name}.pid"))
            self.stack.enter_context(
                started(*inside, str(program), *paths, *pid, log=self.folder / f"{program.name}.log")
            )
            wait(lambda place=place: answers(self.folder / place), f"{program.name} has its socket")
        run("vtysh", "--vty_socket", str(self.folder), "--config_dir", str(self.folder), "-b")

    def reboot(self) -> None:
        """The daemons end and come up again with what was saved."""
        self.stack.close()
        for left in (*self.folder.glob("*.vty"), *self.folder.glob("zserv.api")):
            left.unlink()
        self.daemons()

    @contextmanager
    def session(self) -> Iterator[Session]:
        with device.opened(self.host, frr, lambda ref: "", self.folder / "locks") as session:
            yield session

    def kernel(self, remote: str) -> str:
        """What the namespace's kernel has for this remote."""
        return run("ip", "-n", NETNS, "-6" if ":" in remote else "-4", "route", "show", remote)


@pytest.fixture(scope="module")
def router() -> Iterator[Router]:
    """FRR's zebra and staticd in a namespace; vtysh as the forced command of an OpenSSH server on loopback."""
    folder = Path(tempfile.mkdtemp(prefix="hemostat-frr-"))
    shutil.chown(folder, "frr", "frr")
    folder.chmod(0o755)
    for name in ("frr.conf", "vtysh.conf"):
        (folder / name).write_text("ip forwarding\nipv6 forwarding\n" if name == "frr.conf" else "")
        shutil.chown(folder / name, "frr", "frr")
    for name in ("host", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    port = free_port()
    vtysh = f"/usr/bin/vtysh --vty_socket {folder} --config_dir {folder}"
    (folder / "sshd.conf").write_text(
        f"Port {port}\nListenAddress 127.20.0.4\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        f"StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nForceCommand {vtysh}\n"
    )
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where OpenSSH separates privileges; a container has none yet
    key = (folder / "host.pub").read_text().rsplit(maxsplit=1)[0]
    host = Host("frr", "127.20.0.4", "frr", "device", port, username="root", key=str(folder / "user"), host_key=key)
    router = Router(folder, host)
    run("ip", "netns", "add", NETNS)
    try:
        with started("/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd.conf"), log=folder / "sshd.log"):
            run("ip", "-n", NETNS, "link", "set", "lo", "up")
            router.daemons()
            wait(lambda: "Server listening" in (folder / "sshd.log").read_text(), "sshd listens")
            yield router
    finally:
        router.stack.close()
        run("ip", "netns", "del", NETNS)
        shutil.rmtree(folder)


def entry(remote: str) -> Entry:
    return Entry(Remote.parse(remote), INCIDENT)


def look(session: Session, remote: str) -> Listing:
    return frr.read(entry(remote), session.ask(frr.look(entry(remote))))


@pytest.mark.parametrize("remote", REMOTES)
def test_block_look_unblock_on_a_real_router(router: Router, remote: str) -> None:
    """In, in force in the kernel, out, gone there as well; twice in and twice out is still one route."""
    before = router.vtysh("show running-config")
    with router.session() as session:
        seen = look(session, remote)
        assert seen.enforced, seen
        assert not seen.present
        for _ in range(2):
            session.ask(frr.block(entry(remote), seen))
        assert look(session, remote).present
        wait(lambda: "blackhole" in router.kernel(remote), "the kernel has the route")
        assert "this one in the forwarding table" in look(session, remote).seen
        for _ in range(2):
            session.ask(frr.unblock(entry(remote), seen))
        assert not look(session, remote).present
    wait(lambda: not router.kernel(remote), "the kernel has lost the route")
    assert router.vtysh("show running-config") == before


def test_what_was_saved_survives_a_restart(router: Router) -> None:
    """After `write memory` the route is there again; one that was not saved is lost."""
    first, second = "203.0.113.10", "203.0.113.11"
    with router.session() as session:
        session.ask(frr.block(entry(first), look(session, first)))
        session.ask(frr.save())
        session.ask(frr.block(entry(second), look(session, second)))
    router.reboot()
    with router.session() as session:
        assert look(session, first).present
        assert not look(session, second).present
        session.ask((*frr.unblock(entry(first), look(session, first)), *frr.save()))


def test_a_word_that_frr_does_not_know_is_heard(router: Router) -> None:
    """FRR's own refusals begin with %, and the session is usable after one."""
    with router.session() as session:
        with pytest.raises(TargetError, match="Unknown command"):
            session.ask((Command("configure terminal"), Command("frobnicate"), Command("end")))
        assert not look(session, REMOTES[0]).present


def test_a_router_that_does_not_forward_is_told(router: Router) -> None:
    """A blackhole on a machine that routes nothing blocks nothing: the listing says so, and which line helps."""
    router.vtysh("configure terminal", "no ip forwarding")
    try:
        with router.session() as session:
            seen = look(session, REMOTES[0])
            assert (seen.enforced, seen.missing) == (False, ("ip forwarding",))
    finally:
        router.vtysh("configure terminal", "ip forwarding")


def test_the_cycle_is_quick_on_the_real_thing(router: Router) -> None:
    """Look, block, look, unblock: prompts, no sleeps."""
    remote = "203.0.113.12"
    with router.session() as session, sleeps() as slept:
        session.ask(frr.block(entry(remote), look(session, remote)))
        assert look(session, remote).present
        session.ask(frr.unblock(entry(remote), look(session, remote)))
    assert slept == [], "which answer does the prompt not end?"
