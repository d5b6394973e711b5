"""A Cisco ASA's command line and what it enforces. Knows its words and its configuration; must know no socket.

Sources: Cisco ASA Series Command Reference (modes, `show curpriv`, `show conn`, `clear conn`, `object-group`) and General
Operations CLI Configuration Guide, "Management Access" (five SSH sessions; `show curpriv` modes P_UNPR, P_PRIV, P_CONF),
https://www.cisco.com/c/en/us/td/docs/security/asa/asa94/config-guides/cli/general/asa-94-general-config/admin-management.html
"You cannot remove an object group or make an object group empty if it is used in a command": ASA 5500 Series Configuration
Guide using the CLI, 8.4, page 13-3. The refusals "Adding obj (…) to grp (…) failed; object already exists", "obj does not exist
in this group" and "Removing obj from object-group not allowed; …" are those that Netspoc-Approve and other public clients
parse. From knowledge, not from a document: what it says about an unknown group, a full one, a list that is absent.

Not as on a real one: `packet-tracer`, contexts, NAT; it takes loopback addresses; a real ASA may not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from lab.acl import Ace, Group, Policy
from lab.cli import Ambiguous, Denied, Grammar, Invalid, Mode, Session, Word
from lab.device import Device, Flow
from lab.devices.cisco_asa.text import binding_lines, group_lines, list_lines
from lab.typed import Typed
from tasks.model import Json

cli = Grammar()
INTERFACES = ("inside", "outside")
HEAD = """ASA Version 9.16(4)
!
hostname {host}
enable password ***** pbkdf2
names
!
interface GigabitEthernet0/0
 nameif outside
 security-level 0
!
interface GigabitEthernet0/1
 nameif inside
 security-level 100
!"""


class Box(Typed):
    """The ASA. Its configuration is a Policy."""

    platform = "cisco_asa"
    first_mode = "user"
    typing_mode = "config"
    grammar = cli
    comments = ("!", ":")
    more = "<--- More --->"
    max_sessions = 5
    filters: ClassVar[Mapping[str, str]] = {**Device.filters, "grep": "include"}
    modes: ClassVar[Mapping[str, Mode]] = {
        "user": Mode("{host}> "),
        "priv": Mode("{host}# ", ("user",)),
        "config": Mode("{host}(config)# ", ("priv", "user")),
        "group": Mode("{host}(config-network-object-group)# ", ("config", "priv", "user")),
    }

    def __init__(self, username: str, password: str, secret: str = "", hostname: str = "ciscoasa") -> None:
        super().__init__(username, password, secret, hostname)
        self.clear()

    def clear(self) -> None:
        self.policy = Policy()

    def banner(self, user: str) -> str:
        return f"User {user} logged in to {self.hostname}\nType help or '?' for a list of available commands.\n"

    def complain(self, error: Exception, line: str, prompt: str) -> str:
        if isinstance(error, Invalid):
            return " " * (len(prompt) + error.column) + "^\nERROR: % Invalid input detected at '^' marker."
        if isinstance(error, Ambiguous):
            return f'ERROR: % Ambiguous command:  "{line.strip()}"'
        return "ERROR: % Incomplete command"

    def guard(self, session: Session[Box], line: str) -> None:
        # Command authorization (TACACS+ or local) refuses configuration to this user; reading stays allowed.
        if self.faults.refuse_config and line.split()[0].startswith("conf"):
            raise Denied("Command authorization failed")

    def admit(self, flow: Flow) -> bool:
        with self.lock:
            return self.policy.admits(flow)

    def config(self) -> str:
        """The part of the running configuration that can be changed, as `show running-config` prints it."""
        parts = [*group_lines(self.policy), *list_lines(self.policy), *binding_lines(self.policy)]
        return "".join(f"{line}\n" for line in parts)

    def dump(self) -> Json:
        with self.lock:
            hits = {name: [ace.hits for ace in entries] for name, entries in self.policy.lists.items()}
            return super().dump() | {"hits": hits}

    def restore(self, state: Json) -> None:
        super().restore(state)
        for name, counts in state["hits"].items():
            for ace, hits in zip(self.policy.lists[name], counts, strict=True):
                ace.hits = dict(hits)


Asa = Session[Box]


def here(session: Asa) -> Group:
    # Another session may have removed the group that this one stands in.
    return session.device.policy.groups.setdefault(session.context, Group(session.context))


def group_of(session: Asa, name: str) -> Group:
    if name not in session.device.policy.groups:
        raise Denied(f"ERROR: specified object-group <{name}> not found")
    return session.device.policy.groups[name]


def list_of(session: Asa, name: str) -> list[Ace]:
    if name not in session.device.policy.lists:
        raise Denied(f"ERROR: access-list <{name}> does not exist")
    return session.device.policy.lists[name]


def interface_of(word: Word) -> str:
    if word not in INTERFACES:
        raise Invalid(word.column)
    return str(word)
