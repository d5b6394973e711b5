"""The owner's files that fit a range in namespaces. Knows the shapes of inventory and playbook; starts nothing."""

from __future__ import annotations

from pathlib import Path

from lab import site
from lab.netns import layout
from lab.netns.plan import Plan
from lab.site import PASSWORD, SECRET
from tasks.model import Json

REAL = {"linux": layout.FIREWALL, "frr": layout.ROUTER}
ENABLE = ("cisco_asa", "cisco_ios")


def write(plan: Plan, key: Path, folder: Path) -> None:
    """Write inventory/ and playbooks/; `key` is the file of the runner's private key."""
    site.put(folder, _hosts(plan, key), _policy(), _playbook(plan))


def _hosts(plan: Plan, key: Path) -> dict[str, Json]:
    """The inventory: every host over SSH with its pinned key, the firewalls of the scenario in their order."""
    devices = {device_name(platform): _device(plan, key, platform) for platform in plan.scenario.firewalls}
    victim = _host(plan, key, layout.VICTIM, plan.username) | {"firewalls": list(devices)}
    victim["ssh"] = _sudo(plan.scenario.login)
    return {
        layout.VICTIM: victim,
        layout.CONTROL: _host(plan, key, layout.CONTROL, "root") | {"firewalls": list(devices)},
        **devices,
    }


def device_name(platform: str) -> str:
    """The inventory name of the scenario's firewall of that platform."""
    return REAL.get(platform, platform.replace("_", "-"))


def _sudo(login: str) -> dict[str, Json]:
    if login == "sudo_password":
        return {"sudo": "password", "sudo_password": f"env:{PASSWORD}"}
    return {"sudo": "nopasswd" if login == "sudo" else "none"}


def _host(plan: Plan, key: Path, name: str, user: str) -> dict[str, Json]:
    return {
        "hostname": layout.address(name, plan.scenario.path),
        "addresses": [layout.ADDRESS[name], layout.ADDRESS6[name]],
        "platform": "linux",
        "transport": "ssh",
        "groups": ["drill"],
        "username": user,
        "key": str(key),
        "host_key": site.line_of(plan.keys[name]),
    }


def _device(plan: Plan, key: Path, platform: str) -> dict[str, Json]:
    if platform in REAL:
        return _host(plan, key, REAL[platform], "root") | {"platform": platform, "transport": "device"}
    enable = {"secret": f"env:{SECRET}"} if platform in ENABLE else {}
    return {
        "hostname": layout.address(layout.FIREWALL, plan.scenario.path),
        "port": layout.DEVICE,
        "platform": platform,
        "transport": "device",
        "groups": ["drill"],
        "username": "ops",
        "password": f"env:{PASSWORD}",
        "host_key": site.line_of(plan.keys[layout.FIREWALL]),
        **enable,
    }


def _policy() -> dict[str, Json]:
    return {
        "internal": [layout.INSIDE, layout.INSIDE6],
        "own": [layout.ADDRESS[layout.SOC], layout.ADDRESS6[layout.SOC]],
        "laboratory": [layout.OUTSIDE, layout.OUTSIDE6],
    }


def _playbook(plan: Plan) -> dict[str, Json]:
    made = site.playbook(plan.scenario.interval)
    made["confirm"]["when_unsure"] = "stop"
    made["description"] = "A drill: one host calls home, in a range of real hosts that hemostat made itself."
    return made
