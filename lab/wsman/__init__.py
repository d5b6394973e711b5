"""A WS-Management service as strict as WinRM's: real HTTP(S), real logins, faults and quotas. What runs behind it is a Machine's matter.

Sources: MS-WSMV, DSP0226, MS-NLMP; fault numbers are wsmerror.h's. It listens on loopback only.
"""

from lab.wsman.certificate import Certificate, made
from lab.wsman.faults import Cut, Faults
from lab.wsman.logins import Account
from lab.wsman.machine import Machine, Output, Pipes, Program, Shell, Stopped
from lab.wsman.powershell import Failed, Scripts
from lab.wsman.server import Wsman

__all__ = [
    "Account",
    "Certificate",
    "Cut",
    "Failed",
    "Faults",
    "Machine",
    "Output",
    "Pipes",
    "Program",
    "Scripts",
    "Shell",
    "Stopped",
    "Wsman",
    "made",
]
