"""What all tests share: real SSH hosts; hypothesis does not judge how busy the machine is."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from tests.transports.sshd import servers

__all__ = ["servers"]

# What commands print is as wide as it is for a log, whatever terminal started the tests (xdist tells its workers one).
os.environ.pop("COLUMNS", None)

# A shell that starts a job in the background has it ignore Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("hemostat", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("hemostat")

# Derandomized, yet it also draws constants from the sources that are imported by then, which are those of whatever files this process was
# given before. Without them a property is tried on the same examples wherever it runs.
providers._get_local_constants = providers.Constants


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A test that failed and then passed is not hidden: what it failed with stands in the output."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"failed at first: {report.nodeid} ({report.when})", yellow=True)
        terminalreporter.write_line(report.longreprtext)
