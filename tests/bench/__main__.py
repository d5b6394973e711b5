"""`make bench`: what users buy is alert to block. Measures it beside the bare tool in the same run, and prints ratios; asserts nothing."""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows import doors
from flows.launch import Launch, urgent
from lab.range import Range
from tasks.block import ask_for
from tasks.case import opened
from tasks.firewalls import Entry, load
from tasks.journal import Journal
from tasks.model import Mode, Remote
from tasks.secrets import resolve
from tasks.settings import Host, Site
from tasks.transports import device
from tests.bench import platforms, serving
from tests.bench.clock import Figure, median


def naive(asa: Host) -> Callable[[int], None]:
    """The same block as the tutorials write it: netmiko's defaults, one config set, one show."""
    from netmiko import ConnectHandler

    def work(number: int) -> None:
        settings = {"device_type": "cisco_asa", "host": asa.hostname, "port": asa.port, "username": asa.username}
        with ConnectHandler(**settings, password=resolve(asa.password), secret=resolve(asa.secret)) as connection:
            connection.send_config_set(
                ["object-group network HEMOSTAT", f"network-object host 198.51.100.{number + 1}"]
            )
            connection.send_command("show running-config object-group id HEMOSTAT")

    return work


def bare(asa: Host) -> Callable[[int], None]:
    """One bare netmiko session: log in, one command, log out. No block can be faster through netmiko."""
    from netmiko import ConnectHandler

    def work(number: int) -> None:
        settings = {"device_type": "cisco_asa", "host": asa.hostname, "port": asa.port, "username": asa.username}
        with ConnectHandler(**settings, password=resolve(asa.password), secret=resolve(asa.secret)) as connection:
            connection.send_command("show running-config object-group id HEMOSTAT")

    return work


def cycle(site: Site, asa: Host) -> Callable[[int], None]:
    """Hemostat's: log in with a verified host key, look, block, look again, cut sessions, count them."""
    firewall = load(asa.platform)

    def work(number: int) -> None:
        entry = Entry(Remote.parse(f"203.0.113.{number + 1}"), "bench")
        with device.opened(asa, firewall, resolve, device.lock_folder(site)) as session:
            before = ask_for(session, firewall, entry)
            session.ask(firewall.block(entry, before))
            ask_for(session, firewall, entry)
            session.ask(firewall.cut(entry))
            session.ask(firewall.sessions(entry))

    return work


def unblocked(range_: Range, site: Site, asa: Host) -> Callable[[], None]:
    """Take the range's block back and wait until the beacon talks again."""
    firewall, entry = load(asa.platform), Entry(replace(range_.remote, port=None), "bench")

    def work() -> None:
        with device.opened(asa, firewall, resolve, device.lock_folder(site)) as session:
            session.ask(firewall.unblock(entry, ask_for(session, firewall, entry)))
        heard = len(range_.c2_messages())
        Range.wait(lambda: len(range_.c2_messages()) > heard, 10)

    return work


def alert_to_block(range_: Range, site: Path, reports: Path) -> Callable[[int], None]:
    """The whole urgent path: bytes of the alert to a proved block, with guards, journal and approval rule."""

    def work(number: int) -> None:
        known, (request,) = doors.by_alert(site, "suricata", range_.alert(), Mode.DRILL)
        playbook = replace(request.playbook, block=replace(request.playbook.block, save=False))
        with opened(reports, known, replace(request, playbook=playbook)) as case:
            urgent(case, Launch())

    return work


def main() -> None:
    """Run all of it on one range and print the table, then every platform's."""
    words = argparse.ArgumentParser(prog="make bench")
    words.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds of each measurement (3)")
    rounds = max(1, words.parse_args().repeat)
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory() as name, Range(Path(name) / "range", "keepalive", 0.5) as range_:
        folder = Path(name)
        os.environ.update(range_.environment)
        range_.write_site(folder / "site")
        from tasks import site as sites

        known = sites.load(folder / "site")
        asa = known.host("asa")
        journal = Journal(folder / "journal")
        figures = {
            "bare netmiko session, one command, nothing changed": median(bare(asa), rounds),
            "naive netmiko block (defaults, config set, show)": median(naive(asa), rounds),
            "hemostat device cycle (look, block, look, cut, count)": median(cycle(known, asa), rounds),
            "hemostat alert to proved block (parse, guards, confirm, journal, cycle)": median(
                alert_to_block(range_, folder / "site", folder / "reports"),
                rounds,
                prepare=unblocked(range_, known, asa),
            ),
            "one journal record, fsynced": median(lambda number: void(journal.append("bench", number=number)), 200),
        }
        journal.close()
        figures |= serving.figures(range_, folder / "serve", rounds)
    show(figures, rounds)
    platforms.show(rounds)


def void(_value: object) -> None:
    """Throw a value away."""


def show(figures: dict[str, Figure], rounds: int) -> None:
    """Milliseconds with their spread, and the ratio to the bare session of this very run."""
    base = next(iter(figures.values()))
    table = Table(title=f"cisco_asa, laboratory on loopback; medians of {rounds}", title_justify="left", box=None)
    for column, justify in (("", "left"), ("ms", "right"), ("least-most", "right"), ("× bare session", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for label, value in figures.items():
        table.add_row(label, f"{value:.1f}", value.spread, f"{value / base:.2f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
