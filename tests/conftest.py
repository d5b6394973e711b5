"""What all tests share: real SSH hosts; hypothesis does not judge how busy the machine is."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.transports.sshd import servers

__all__ = ["servers"]

# What commands print is as wide as it is for a log, whatever terminal started the tests (xdist tells its workers one).
os.environ.pop("COLUMNS", None)

settings.register_profile("hemostat", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("hemostat")
