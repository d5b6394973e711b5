"""Each platform's block cycle beside naive netmiko and a bare netmiko session, on its laboratory device, in one run."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.clock import Figure, median
from tests.firewalls import cases
from tests.firewalls.conftest import SECRETS, Rig, rig
from tests.firewalls.test_platforms import ready

# Words with which a dialogue enters and leaves its mode; naive netmiko has its own for that.
MODES = (
    "configure",
    "end",
    "exit",
    "quit",
    "return",
    "system-view",
    "commit",
    "save",
    "discard",
    "compare",
    "show",
    "display",
)


def connect(device: Rig) -> Any:
    """netmiko as its documentation shows it: defaults, host keys not verified."""
    from netmiko import ConnectHandler

    return ConnectHandler(
        device_type=device.firewall.driver,
        host=device.host.hostname,
        port=device.host.port,
        username=device.host.username,
        password=SECRETS["env:PASSWORD"],
        secret=SECRETS["env:ENABLE"] if device.case.enable else "",
    )


def bare(device: Rig) -> Callable[[int], None]:
    """Log in, nothing said, log out: what netmiko itself takes."""

    def work(_number: int) -> None:
        connect(device).disconnect()

    return work


def naive(device: Rig) -> Callable[[int], None]:
    """The same lines by send_config_set, commit where the driver has one."""

    def work(number: int) -> None:
        listing = device.firewall.read(entry := device.entry(f"198.51.100.{number + 1}"), device_answers(device, entry))
        lines = [c.text for c in device.firewall.block(entry, listing) if not c.text.strip("/ ").startswith(MODES)]
        with connect(device) as connection:
            connection.send_config_set(lines, exit_config_mode=False)
            with contextlib.suppress(AttributeError, NotImplementedError):
                connection.commit()

    return work


def device_answers(device: Rig, entry: Any) -> tuple[str, ...]:
    """The listing that a block needs, read over a session of its own."""
    with device.session() as session:
        return session.ask(device.firewall.look(entry))


def cycle(device: Rig) -> Callable[[int], None]:
    """Hemostat's: log in with a verified host key, look, block, look again, cut."""

    def work(number: int) -> None:
        remote = f"203.0.113.{number + 1}"
        with device.session() as session:
            device.block(session, remote)
            device.look(session, remote)
            session.ask(device.firewall.cut(device.entry(remote)))

    return work


def tried(work: Callable[[int], None], rounds: int) -> Figure | None:
    """The median, netmiko being warm from the bare sessions, or None where the driver cannot do it that way at all."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return median(work, rounds, warm_up=False)
    except Exception:  # noqa: BLE001 - the naive way is allowed to fail; the table says so
        return None


def measure(rounds: int) -> Table:
    """The table, one row a platform."""
    table = Table(
        title="Block cycle by platform, laboratory devices on loopback; medians in ms, (least-most)",
        title_justify="left",
        box=None,
    )
    for column in ("platform", "hemostat", "bare session", "× bare", "naive netmiko", "naive ÷ hemostat"):
        table.add_column(column, justify="left" if column == "platform" else "right")
    for name in cases.names():
        case = cases.load(name)
        with tempfile.TemporaryDirectory() as folder, rig(case, Path(folder), ready(case)) as device:
            ours, base, theirs = (
                median(cycle(device), rounds),
                median(bare(device), rounds),
                tried(naive(device), max(1, rounds // 3)),
            )
        slow = shown(theirs) if theirs else "refused"
        table.add_row(
            name, shown(ours), shown(base), f"{ours / base:.2f}", slow, f"{theirs / ours:.1f}" if theirs else ""
        )
    return table


def shown(figure: Figure) -> str:
    """With its spread."""
    return f"{figure:.0f} ({figure.spread})"


def show(rounds: int) -> None:
    """Print it."""
    Console(width=120).print(measure(rounds))
