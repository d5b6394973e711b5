"""From the bytes of an alert, POSTed to a real `hemostat serve`, to the first byte that the firewall gets, and to the proved block."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

from lab.range import Range
from tasks.model import Step
from tests.bench.clock import Figure
from tests.serve.house import Office, Serve, alert, wait


class Tap:
    """A listener before the laboratory device that notes when the first byte of each session came, and passes everything on."""

    def __init__(self, device: tuple[str, int]) -> None:
        self.device = device
        self.first: list[float] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._session, args=(client,), daemon=True).start()

    def _session(self, client: socket.socket) -> None:
        with suppress(OSError), socket.create_connection(self.device) as device:
            threading.Thread(target=_pass_on, args=(device, client), daemon=True).start()
            for end in (client, device):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            data = client.recv(65536)
            self.first.append(time.time())
            device.sendall(data)
            _pass_on(client, device)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def figures(lab: Range, folder: Path, rounds: int) -> dict[str, Figure]:
    """Milliseconds, medians; each round is an alert of its own, sent when the one before is at rest."""
    office, tap = Office(folder, lab), Tap(lab.plan.device)
    office.furnish(rounds + 1)
    office.write("inventory/hosts.yaml", {"asa": {"hostname": "127.0.0.1", "port": tap.port}})
    office.write("inventory/policy.yaml", {"own": [lab.plan.device[0], "127.0.0.1"]})
    with Serve(office) as serve:
        times = [_one(serve, office, tap, number) for number in range(rounds + 1)][1:]
    tap.close()
    first, proved = (Figure.of([1000 * second for second in part]) for part in zip(*times, strict=True))
    return {
        "hemostat serve: alert POSTed to first byte at the firewall (stored, guards, one look at the host)": first,
        "hemostat serve: alert POSTed to proved block": proved,
    }


def _one(serve: Serve, office: Office, tap: Tap, number: int) -> tuple[float, float]:
    tap.first.clear()
    begun = time.time()
    incident = serve.post(alert(number, remote=100 + number)).json()["incidents"][0]["id"]
    assert wait(lambda: bool(tap.first), 20), "the firewall got nothing"
    assert serve.idle(30)
    ended = next(
        r.time for r in office.state(incident).records if r.kind == "step.ended" and r.data["step"] == Step.BLOCK
    )
    return tap.first[0] - begun, ended.timestamp() - begun
