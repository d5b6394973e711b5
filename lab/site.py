"""The owner's files and the alert that fit a range. Knows the shapes of inventory, playbook and EVE; starts nothing."""

from __future__ import annotations

import json
from datetime import datetime
from io import StringIO
from pathlib import Path

import paramiko
from ruamel.yaml import YAML

from lab.plan import Plan
from tasks.model import Json

PASSWORD = "HEMOSTAT_LAB_PASSWORD"  # noqa: S105 - names of environment variables
SECRET = "HEMOSTAT_LAB_SECRET"  # noqa: S105
SIGNATURE = "ET MALWARE Generic Beacon CnC Checkin"


def alert(victim: str, remote: tuple[str, int], source_port: int, at: datetime) -> bytes:
    """An alert record (Suricata user guide, "EVE JSON Format": alert), one line."""
    record = {
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%f%z"),
        "flow_id": int(at.timestamp() * 1e6),
        "event_type": "alert",
        "src_ip": victim,
        "src_port": source_port,
        "dest_ip": remote[0],
        "dest_port": remote[1],
        "proto": "TCP",
        "alert": {
            "action": "allowed",
            "gid": 1,
            "signature_id": 9000001,
            "rev": 1,
            "signature": SIGNATURE,
            "category": "Malware Command and Control Activity Detected",
            "severity": 1,
        },
    }
    return json.dumps(record).encode() + b"\n"


def write(plan: Plan, root: Path, folder: Path) -> None:
    """Write inventory/ and playbooks/."""
    put(folder, _hosts(plan, root), policy(plan), playbook(plan.interval))


def put(folder: Path, hosts: Json, policy: Json, drill: Json) -> None:
    """Write a site of these hosts, this policy and this playbook."""
    files = {
        "inventory/hosts.yaml": hosts,
        "inventory/groups.yaml": {"drill": {"site": "laboratory", "owner": "drill"}},
        "inventory/defaults.yaml": {"timeout": 10.0},
        "inventory/policy.yaml": policy,
        "playbooks/drill.yaml": drill,
        # Every site has this one, for alerts that no other playbook matches; the drill's own alert matches drill.yaml.
        "playbooks/beacon.yaml": drill | {"sources": [], "signatures": []},
    }
    yaml = YAML()
    yaml.default_flow_style = False
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(content, file)


def _hosts(plan: Plan, root: Path) -> Json:
    return {
        "victim": {
            "hostname": plan.victim,
            "platform": "linux",
            "transport": "local",
            "addresses": [plan.victim],
            "groups": ["drill"],
            "firewalls": ["asa"],
            "root": str(root),
        },
    } | devices(plan)


def devices(plan: Plan, password: str = PASSWORD, secret: str = SECRET) -> dict[str, Json]:
    """The range's firewall as the inventory has it; `password` and `secret` are the environment variables that hold them."""
    return {
        "asa": {
            "hostname": plan.device[0],
            "port": plan.device[1],
            "platform": "cisco_asa",
            "transport": "device",
            "groups": ["drill"],
            "username": plan.username,
            "password": f"env:{password}",
            "secret": f"env:{secret}",
            "host_key": line_of(plan.key),
        },
    }


def line_of(key: str) -> str:
    """The public half of a private key in OpenSSH's format, as ssh-keyscan prints it without the host."""
    found = paramiko.Ed25519Key(file_obj=StringIO(key))
    return f"{found.get_name()} {found.get_base64()}"


def policy(plan: Plan) -> Json:
    """What is inside, ours, and a laboratory's."""
    return {
        "internal": ["127.10.0.0/16", "127.20.0.0/16"],
        "own": [plan.device[0]],
        "laboratory": ["127.66.0.0/16"],
    }


def playbook(interval: float) -> dict[str, Json]:
    """A playbook whose windows fit a beacon of that interval in seconds."""
    window = max(1.5, 4 * interval)
    return {
        "description": "A drill: one host calls home, on a range that hemostat made itself.",
        "sources": ["suricata"],
        "signatures": ["ET MALWARE *"],
        "confirm": {"samples": 3, "window": window},
        "block": {"scope": "address", "minutes": 0, "cut_sessions": True, "save": True},
        "triage": {"samples": 3, "window": window},
        "verify": {"intervals": 4, "at_least": max(2.0, 4 * interval), "at_most": 60.0},
        "approvals": {"block": "auto", "cleanup": "ask"},
    }
