"""A FortiGate's tables, its prompt, and what its policies enforce. Knows its configuration; must know no socket.

Sources: FortiOS CLI Reference (https://docs.fortinet.com/document/fortigate/7.4.0/cli-reference), `config firewall address`, `addrgrp`,
`policy`, their 6-forms and `config system console`; Fortinet Technical Tip 197205 (`append`, `unselect`; `set` replaces). From public
clients that parse them: "command parse error before", "Command fail. Return code -61", "Unknown action 0", "entry not found in
datasource", "value parse error before", "object set operator error, -4 discard the setting", "The entry is used by other 1 entries",
"Attribute 'member' MUST be set", "session info: proto=6". From knowledge, not from a document: what an admin profile without
write access gets, that `edit` works on a copy which `next` and `end` put in force as a whole.

Not as on a real one: no VDOM, no uuid in what it shows, one schedule and one service; it takes loopback addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import ClassVar

from lab.cli import Ambiguous, Denied, Grammar, Incomplete, Invalid, Mode, Session
from lab.device import Flow
from lab.devices.fortinet.tables import DEFAULTS, TABLES, Fields, Rows, table_text
from lab.typed import Typed
from tasks.model import Address

cli = Grammar()


class Box(Typed):
    """The FortiGate. `tables` maps a table's path to its rows; `end` writes them to disk at once."""

    platform = "fortinet"
    first_mode = "root"
    typing_mode = "root"
    remarks = r"new entry '.*' added$|$"
    grammar = cli
    comments = ("#",)
    filters: ClassVar[Mapping[str, str]] = {"grep": "include"}
    more = "--More-- "
    page = 0  # `set output standard`
    modes: ClassVar[Mapping[str, Mode]] = {
        "root": Mode("{host} # "),
        "table": Mode("{host} ({context}) # "),
        "entry": Mode("{host} ({context}) # "),
        "console": Mode("{host} (console) # "),
    }

    def __init__(self, username: str, password: str, secret: str = "", hostname: str = "FGT") -> None:
        super().__init__(username, password, secret, hostname)
        self.clear()

    def clear(self) -> None:
        self.tables: dict[str, Rows] = {name: {} for name in TABLES}
        for name in ("firewall address", "firewall address6"):
            self.tables[name]["all"] = {}

    def typed(self) -> None:
        self.startup = self.config()

    def config(self) -> str:
        shown = (table_text(name, self.mine(name)) for name in TABLES if self.mine(name))
        return "".join(f"{text}\n" for text in shown)

    def mine(self, table: str) -> Rows:
        """The rows that were not there from the factory."""
        return {name: fields for name, fields in self.tables[table].items() if name != "all"}

    def complain(self, error: Exception, line: str, prompt: str) -> str:
        words = line.split()
        if isinstance(error, Incomplete):
            return "incomplete command in the end\nCommand fail. Return code -160\n"
        if isinstance(error, Ambiguous):
            return f"ambiguous command before '{words[-1]}'\nCommand fail. Return code -61\n"
        assert isinstance(error, Invalid)
        wrong = line[error.column :].split()[0]
        if "(" not in prompt and wrong == words[0]:
            return "Unknown action 0\n"
        return f"command parse error before '{wrong}'\nCommand fail. Return code -61\n"

    def guard(self, session: Session[Box], line: str) -> None:
        if self.faults.refuse_config and line.split()[0] == "config":
            raise Denied(f"command parse error before '{line.split()[-1]}'\nCommand fail. Return code -61\n")

    def put(self, table: str, name: str, fields: Fields) -> None:
        """Put a row in force; Denied where FortiOS would discard it."""
        missing = next((f for f in TABLES[table].required if not fields.get(f)), "")
        if missing:
            raise Denied(f"Attribute '{missing}' MUST be set.\nCommand fail. Return code 1\n")
        full = self.faults.full
        if full is not None and len(fields.get("member", [])) > full:
            raise Denied(
                "object set operator error, -4 discard the setting\n"
                "Command fail. Return code -4 (reached the maximum number of entries)\n"
            )
        self.tables[table][name] = fields
        self.startup = self.config()

    def users(self, table: str, name: str) -> int:
        """How many rows of other tables name this row."""
        refer = [(t, f) for t, spec in TABLES.items() for f, kinds in spec.refers.items() if table in kinds]
        return sum(name in fields.get(f, []) for t, f in refer for fields in self.tables[t].values())

    def admit(self, flow: Flow) -> bool:
        with self.lock:
            key = "dstaddr" if flow.target.version == 4 else "dstaddr6"
            for row in self.tables["firewall policy"].values():
                enabled = row.get("status", DEFAULTS["status"]) == ["enable"]
                if enabled and any(self.meets(name, flow.target) for name in row.get(key, [])):
                    return row.get("action", DEFAULTS["action"]) == ["accept"]
            return False

    def meets(self, name: str, address: Address) -> bool:
        """Does this address or group stand for the address?"""
        six = "" if address.version == 4 else "6"
        if name == "all":
            return True
        members = self.tables[f"firewall addrgrp{six}"].get(name, {}).get("member")
        if members is not None:
            return any(self.meets(member, address) for member in members)
        row = self.tables[f"firewall address{six}"].get(name, {})
        value = "/".join(row.get("ip6" if six else "subnet", []))
        return bool(value) and address in ip_network(value)


Fgt = Session[Box]
