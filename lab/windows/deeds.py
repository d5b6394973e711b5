"""Plays the scripts that change a Windows host over a simulated one, with what Windows would refuse. Knows each script's answers."""

from __future__ import annotations

import json
import ntpath
import time
from typing import Any

from lab.windows.host import Process, Rules, Stored, Windows
from lab.windows.looks import digest, iso
from lab.windows.scenario import File
from lab.wsman import Failed, Pipes, Shell
from tasks.windows.paths import plain

Row = dict[str, Any]
_STARTS = {"Boot": 0, "System": 1, "Auto": 2, "Manual": 3, "Disabled": 4}
_NAMES = {number: name for name, number in _STARTS.items()}
_SECRET = ("lsass.exe", "csrss.exe", "smss.exe", "services.exe", "wininit.exe", "winlogon.exe", "MsMpEng.exe")
_CARRIES = ("WinRM", "RpcSs", "DcomLaunch", "Dhcp", "mpssvc", "BFE", "EventLog")


class Deeds:
    """One host's players of process, quarantine, service, task, value, subscription and firewall."""

    def __init__(self, host: Windows) -> None:
        self.host = host

    # --- processes ---------------------------------------------------------------------------------------------------

    def process(self, shell: Shell, data: Row, pipes: Pipes) -> str:
        with self.host.lock:
            root = next(
                (p for p in self.host.alive() if p.pid == data["pid"] and abs(p.created - data["created"]) < 1.5), None
            )
            if root is None:
                return _told(True, f"process {data['pid']} is gone", {}, left=[])
            if data["exe"] and root.exe and plain(root.exe) != plain(data["exe"]):
                raise Failed(f"process {root.pid} runs {root.exe} and not {data['exe']}: look again")
            record = {"cmdline": root.command, "exe": root.exe, "name": root.name}
            if data["do"] != "act":
                return _told(False, f"process {root.pid} runs {root.exe}", record, left=[])
            tree = _tree(root, list(self.host.processes.values()))
            left = [why for p in tree if (why := self._spared(p) or self.host.end(p.pid, p.created))]
            gone = root.pid not in self.host.processes or self.host.processes[root.pid].created != root.created
            return _told(gone, f"{len(tree)} processes in its tree", record, left=left)

    def _spared(self, process: Process) -> str:
        carried = {s["pid"]: s["name"] for s in self.host.services.values() if s["name"] in _CARRIES}
        if process.pid in carried:
            return f"{process.pid} ({process.name}): it runs the service {carried[process.pid]}"
        return ""

    # --- files -------------------------------------------------------------------------------------------------------

    def quarantine(self, shell: Shell, data: Row, pipes: Pipes) -> str:
        with self.host.lock:
            return {"look": self._look_file, "act": self._lock_away, "undo": self._put_back}[data["do"]](data)

    def _look_file(self, data: Row) -> str:
        stored = self.host.file(data["path"])
        if stored is None:
            return _told(True, "it is not there", {"vaulted": bool(self.host.file(data["record"].get("kept", "")))})
        name = f"{digest(stored)[:16]}-1-{ntpath.basename(data['path'])}.quarantined"
        place = f"C:\\ProgramData\\hemostat\\quarantine\\{data['incident']}\\{name}"
        record = {
            "kept": place, "sha256": digest(stored), "attributes": stored.attributes, "sddl": stored.sddl,
            "created": iso(stored.created), "written": iso(stored.modified), "accessed": iso(time.time()),
        }  # fmt: skip
        return _told(False, f"{len(stored.content)} bytes, {stored.file.attributes}", record)

    def _lock_away(self, data: Row) -> str:
        stored = self.host.file(data["path"])
        if stored is None:
            return _told(True, "it is not there", {})
        if digest(stored) != data["sha256"]:
            raise Failed("another file stands in its place: its hash is not the one that triage saw")
        self.host.rename(data["path"], data["record"]["kept"])
        return _told(True, f"it lies in {data['record']['kept']}", {})

    def _put_back(self, data: Row) -> str:
        if self.host.file(data["path"]) is not None:
            raise Failed("another file stands in its place: move that one away first")
        kept: Stored | None = self.host.file(data["record"]["kept"])
        if kept is None or digest(kept) != data["record"]["sha256"]:
            raise Failed("what lies in the quarantine is not what was put there")
        self.host.rename(data["record"]["kept"], data["path"])
        return _told(False, "it stands again", {})

    # --- services and tasks ------------------------------------------------------------------------------------------

    def service(self, shell: Shell, data: Row, pipes: Pipes) -> str:
        with self.host.lock:
            row = self.host.services.get((data["name"],))
            if row is None:
                return _told(True, "there is no such service", {})
            if data["do"] != "look" and data["name"] in _CARRIES:
                raise Failed(f"{data['name']} carries the machine or our way to it")
            if data["do"] == "act":
                if data["dll"] and plain(data["dll"]) != plain(row.get("dll", "")):
                    raise Failed(f"it loads {row.get('dll')} now and not {data['dll']}: look again")
                row["start"] = "Disabled"
                self.host.stop_service(data["name"])
            if data["do"] == "undo":
                row["start"] = _NAMES[data["record"]["start"]]
                row["state"] = data["record"]["state"]
            return self._service_state(row)

    @staticmethod
    def _service_state(row: Row) -> str:
        record = {
            "start": _STARTS[row["start"]], "delayed": 0, "state": row["state"], "command": row["command"], "dll": row.get("dll", ""),
        }  # fmt: skip
        return _told(
            row["start"] == "Disabled" and row["state"] != "Running",
            f"start type {record['start']}, {row['state']}",
            record,
        )

    def task(self, shell: Shell, data: Row, pipes: Pipes) -> str:
        with self.host.lock:
            row = self.host.tasks.get((data["name"],))
            if row is None or row.get("hidden"):
                return _told(True, "no tool lists such a task", {})
            if data["do"] == "act":
                row["enabled"] = False
            if data["do"] == "undo":
                row["enabled"] = data["record"]["enabled"]
            on = row.get("enabled", True)
            return _told(
                not on, f"{'enabled' if on else 'disabled'}, 0 of it run", {"enabled": on, "xml": row.get("xml", "")}
            )

    # --- registry and WMI --------------------------------------------------------------------------------------------

    def value(self, shell: Shell, data: Row, pipes: Pipes) -> str:
        with self.host.lock:
            key = (data["view"], data["key"], data["name"])
            row = self.host.registry.get(key)
            if data["do"] == "act" and row is not None:
                if row["data"] != data["data"]:
                    raise Failed(f"it says {row['data']} now and not {data['data']}: look again")
                self.host.parked[f"{data['incident']} {key}"] = json.dumps(row)
                if data["clean"] is None:
                    del self.host.registry[key]
                else:
                    row["data"] = data["clean"]
            if data["do"] == "undo":
                kept = json.loads(self.host.parked[f"{data['incident']} {key}"])
                self.host.registry[key] = kept | {"data": data["record"]["raw"]}
            return self._value_state(self.host.registry.get(key), data)

    @staticmethod
    def _value_state(row: Row | None, data: Row) -> str:
        if row is None:
            return _told(True, "it is not there", {})
        record = {"type": row.get("type", "REG_SZ"), "raw": row["data"], "text": row["data"]}
        return _told(data["clean"] is not None and row["data"] == data["clean"], f"it says {row['data']}", record)

    def subscription(self, shell: Shell, data: Row, pipes: Pipes) -> str:
        with self.host.lock:
            if data["do"] == "undo":
                self._bind_again(data)
            mine = self._mine(data)
            if data["do"] == "act":
                self.host.subscriptions = [s for s in self.host.subscriptions if s not in mine]
                mine = self._mine(data)
            consumer = next((s for s in mine if s["kind"] == "consumer"), None)
            record = {
                "consumer": {"Name": consumer["name"], "CommandLineTemplate": consumer["text"]} if consumer else None,
                "filters": [
                    {"Name": s["name"], "Query": s["text"], "QueryLanguage": "WQL"}
                    for s in mine
                    if s["kind"] == "filter"
                ],
                "bound": [s["filter"] for s in mine if s["kind"] == "binding"],
            }
            left = [s for s in mine if s["kind"] != "filter"]
            return _told(not left, f"{len(left)} objects", record)

    def _mine(self, data: Row) -> list[Row]:
        """The consumer, its bindings, and the filters that nothing else uses."""
        here = [s for s in self.host.subscriptions if s["namespace"] == data["namespace"]]
        bindings = [s for s in here if s["kind"] == "binding" and s["consumer"] == data["name"]]
        shared = {s["filter"] for s in here if s["kind"] == "binding" and s["consumer"] != data["name"]}
        names = {b["filter"] for b in bindings} - shared
        return [
            s
            for s in here
            if s in bindings
            or (s["kind"] == "consumer" and s["name"] == data["name"])
            or (s["kind"] == "filter" and s["name"] in names)
        ]

    def _bind_again(self, data: Row) -> None:
        space, record = data["namespace"], data["record"]
        row = {
            "namespace": space,
            "kind": "consumer",
            "name": data["name"],
            "type": data["type"],
            "text": record["consumer"]["CommandLineTemplate"],
        }
        filters = [
            {"namespace": space, "kind": "filter", "name": f["Name"], "type": "__EventFilter", "text": f["Query"]}
            for f in record["filters"]
        ]
        bindings = [
            {"namespace": space, "kind": "binding", "name": "", "filter": name, "consumer": data["name"]}
            for name in record["bound"]
        ]
        self.host.subscriptions += [*filters, row, *bindings]

    # --- memory ------------------------------------------------------------------------------------------------------

    def dump(self, shell: Shell, data: Row, pipes: Pipes) -> str:
        path = f"C:\\ProgramData\\hemostat\\memory\\{data['pid']}.dmp"
        with self.host.lock:
            if data["do"] == "clean":
                self.host.files.pop(plain(path), None)
                return json.dumps({"path": path, "size": 0, "seen": "removed"})
            process = self.host.processes.get(data["pid"])
            if process is None or abs(process.created - data["created"]) > 1.5:
                raise Failed(f"process {data['pid']} is gone")
            if process.name in _SECRET:
                raise Failed(
                    f"the memory of {process.name} is never copied: it holds the machine's secrets, or is protected"
                )
            tool = self.host.file(data["tool"])
            if tool is None or tool.file.signed != "Valid" or "O=Microsoft Corporation" not in tool.file.signer:
                raise Failed(f"{data['tool']} is not signed by Microsoft, but by nobody (NotSigned)")
            if process.name in self.host.scenario.protected:
                raise Failed("procdump wrote nothing: the process is protected, or a scanner hindered it")
            self.host.files[plain(path)] = Stored(
                File(path, size=200_000), f"memory of {process.pid}", time.time(), time.time()
            )
            return json.dumps({"path": path, "size": 200_000, "seen": "written"})

    # --- its own firewall --------------------------------------------------------------------------------------------

    def firewall(self, shell: Shell, data: Row, pipes: Pipes) -> str:
        group = data["group"]
        with self.host.lock:
            self.host.tick()
            if data["do"] == "block":
                rules = 4 if data["port"] else 2
                self.host.groups[group] = Rules(tuple(data["addresses"]), rules, data["port"])
            if data["do"] == "unblock":
                self.host.groups.pop(group, None)
            if data["do"] == "arm":
                self.host.timers[group] = time.time() + data["seconds"]
            if data["do"] == "disarm":
                self.host.timers.pop(group, None)
            return json.dumps(self._firewall(group, data["do"] == "net"))

    def _firewall(self, group: str, net: bool) -> Row:
        rules = self.host.groups.get(group, Rules())
        return {
            "rules": rules.rules, "enabled": rules.rules, "addresses": sorted(rules.addresses), "armed": group in self.host.timers,
            "off": list(self.host.off), "dns": ["10.66.0.53"] if net else [], "dhcp": ["10.66.0.67"] if net else [],
        }  # fmt: skip


def _tree(root: Process, everyone: list[Process]) -> list[Process]:
    tree = [root]
    for parent in tree:  # grows while we walk
        tree += [p for p in everyone if p.ppid == parent.pid and p.created >= parent.created and p not in tree]
    return tree


def _told(gone: bool, seen: str, record: Row, **more: Any) -> str:
    return json.dumps({"gone": gone, "seen": seen, "record": record} | more)
