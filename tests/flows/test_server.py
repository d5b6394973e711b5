"""Which port the embedded Prefect server takes, and whose answers count as its own. No Prefect is started here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from flows import server
from flows.server import Server
from tests.cli.house import CODE

CHOOSE = """
import sys
from pathlib import Path
from flows import server
server.PORT = int(sys.argv[1])
made = server.Server(Path())
print(made._port(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the real one: a server of another test may have it. Below those that the kernel gives to who wants any (ip(7))."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    first = 20_000 + os.getpid() % 10_000
    with server._bound(*range(first, first + 1000)) as free:
        monkeypatch.setattr(server, "PORT", free.getsockname()[1])


def chosen() -> int:
    """What one more command would choose now."""
    made = Server(Path())
    try:
        return made._port()
    finally:
        made.stop()


def test_two_commands_that_start_at_once_choose_different_ports() -> None:
    """The first one's child does not listen yet; its claim ends with its process, even by SIGKILL."""
    first = Server(Path())
    assert first._port() == server.PORT
    assert chosen() != server.PORT
    first.stop()
    assert chosen() == server.PORT


def test_a_killed_commands_claim_is_gone() -> None:
    """No file is left that would keep the port for ever."""
    with subprocess.Popen(
        [sys.executable, "-c", CHOOSE, str(server.PORT)],
        cwd=CODE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")},
    ) as other:
        assert other.stdout is not None
        assert int(other.stdout.readline()) == server.PORT
        assert chosen() != server.PORT
        other.kill()
    assert chosen() == server.PORT


def test_a_port_that_was_chosen_is_given_to_nobody_but_the_child() -> None:
    """Whoever wants any port does not get it while the child comes up; the child may bind it, as Prefect does, and listen."""
    made = Server(Path())
    port = made._port()
    with pytest.raises(OSError, match="in use"), socket.socket() as stranger:
        stranger.bind(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)) as child:
        assert child.getsockname()[1] == port
    made.stop()


def test_a_dead_childs_port_is_not_asked(tmp_path: Path) -> None:
    """Somebody else may answer there by now."""
    made = Server(tmp_path)
    made.url = "http://127.0.0.1:9/api"
    assert not made.ready() and not made.alive


def test_a_second_command_uses_the_sites_server_and_never_ends_it(tmp_path: Path) -> None:
    """Only that very process counts: not another one that has its id, nor one that has ended. Then an own one would be started."""
    url = "http://127.0.0.1:9/api"
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as child:
        server.record(tmp_path, url, child.pid)
        with server.running(tmp_path) as second:
            assert (second.url, os.environ["PREFECT_API_URL"], second.alive) == (url, url, True)
            assert os.environ["PREFECT_API_AUTH_STRING"] == second.password_file.read_text()
        assert "PREFECT_API_URL" not in os.environ
        assert child.poll() is None, "the second command ended the first one's server"
        kept = tmp_path / "server.json"
        kept.write_text(kept.read_text().replace(str(child.pid), str(os.getpid())))
        assert server.recorded(tmp_path) is None
        server.record(tmp_path, url, child.pid)
        child.kill()
    assert not second.alive and server.recorded(tmp_path) is None
