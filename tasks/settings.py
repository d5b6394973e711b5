"""The typed content of inventory/ and playbooks/: what and whether, never how. Knows the standard library only; reads no file."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from ipaddress import IPv4Network, IPv6Network
from typing import ClassVar, Literal

from tasks.model import Address, Approval, ConfigError, Remote, Step, inert

Network = IPv4Network | IPv6Network

# Read by pydantic when tasks.site validates a file: an unknown key is an error, never ignored.
STRICT = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Host:
    """One inventory entry, groups and defaults already merged in (host wins over group, group over defaults).

    `hostname` is the address or name to connect to, `addresses` all addresses an alert may name it by. `root` is the
    folder that stands for / on a drill's victim: nothing outside it is judged or touched. Credentials are references
    (`env:NAME`, `keyring:SERVICE/USER`, `prefect:BLOCK`), `host_key` is a line as ssh-keyscan prints it, without the host.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    name: str
    hostname: str
    platform: str
    transport: Literal["local", "ssh", "winrm", "device"]
    port: int | None = None
    addresses: tuple[Address, ...] = ()
    groups: tuple[str, ...] = ()
    firewalls: tuple[str, ...] = ()
    site: str = ""
    owner: str = ""
    criticality: Literal["low", "medium", "high"] = "medium"
    username: str = ""
    password: str = ""
    secret: str = ""
    key: str = ""
    host_key: str = ""
    root: str = "/"
    list_name: str = "HEMOSTAT"
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class KnownGood:
    """A destination that is no incident. It counts until `expires`; the reason is shown."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    network: Network
    reason: str
    expires: date


@dataclass(frozen=True, slots=True)
class Policy:
    """inventory/policy.yaml: what may never be blocked, and what is ours.

    `laboratory` are networks that stand in for the internet in a drill; a live incident may not name them.
    `own` are the runner's, DNS servers', domain controllers' and jump hosts' addresses: the own path.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    internal: tuple[Network, ...] = ()
    never_block: tuple[KnownGood, ...] = ()
    own: tuple[Address, ...] = ()
    known_good: tuple[KnownGood, ...] = ()
    laboratory: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfirmRule:
    """`samples` over `window` seconds; what to do when the host does not show it, or does not answer."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    samples: int = 3
    window: float = 6.0
    when_unsure: Literal["block", "ask", "stop"] = "ask"
    when_unreachable: Literal["block", "ask", "stop"] = "ask"


@dataclass(frozen=True, slots=True)
class BlockRule:
    """`minutes` 0 means until undone. `cut_sessions` ends established sessions to the remote as well."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    scope: Literal["address", "address_port"] = "address"
    minutes: int = 0
    cut_sessions: bool = True
    save: bool = False


@dataclass(frozen=True, slots=True)
class TriageRule:
    """`collectors` in order of volatility; `samples` over `window` seconds teach the beacon's interval."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    collectors: tuple[str, ...] = ("connections", "processes", "autostarts", "files")
    samples: int = 3
    window: float = 6.0
    recent_days: int = 14
    threshold: int = 50


@dataclass(frozen=True, slots=True)
class CollectRule:
    """Limits in MiB: of one item, of all items, and the free space that must remain."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    max_item_mb: int = 256
    max_total_mb: int = 2048
    keep_free_mb: int = 1024
    logs: tuple[str, ...] = ("/var/log/auth.log", "/var/log/syslog", "/var/log/cron.log")


@dataclass(frozen=True, slots=True)
class CleanupRule:
    """`remedies` that may be planned; findings below `threshold` are left to a person."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    remedies: tuple[str, ...] = ("autostart", "process", "quarantine")
    threshold: int = 70


@dataclass(frozen=True, slots=True)
class VerifyRule:
    """Silence is watched for `intervals` beacon intervals, at least `at_least` and at most `at_most` seconds."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    intervals: int = 3
    at_least: float = 10.0
    at_most: float = 300.0


@dataclass(frozen=True, slots=True)
class Playbook:
    """One playbook. `name` is its file's name without the suffix, `sha256` the file's hash; both are put in by tasks.site."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    description: str
    sources: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    confirm: ConfirmRule = ConfirmRule()
    block: BlockRule = BlockRule()
    triage: TriageRule = TriageRule()
    collect: CollectRule = CollectRule()
    cleanup: CleanupRule = CleanupRule()
    verify: VerifyRule = VerifyRule()
    approvals: dict[Step, Approval] = field(
        default_factory=lambda: {Step.BLOCK: Approval.AUTO, Step.CLEANUP: Approval.ASK}
    )
    timeouts: dict[Step, float] = field(default_factory=dict)
    name: str = ""
    sha256: str = ""

    def approval(self, step: Step) -> Approval:
        return self.approvals.get(step, Approval.ASK if step is Step.CLEANUP else Approval.AUTO)


@dataclass(frozen=True, slots=True)
class Site:
    """All that the owner's files say. `folder` is where they stand."""

    folder: str
    hosts: dict[str, Host]
    policy: Policy
    playbooks: dict[str, Playbook]

    def host(self, name: str) -> Host:
        """The host of that inventory name; ConfigError with the nearest names otherwise."""
        if name in self.hosts:
            return self.hosts[name]
        known = ", ".join(sorted(self.hosts)[:12]) or "none"
        raise ConfigError(
            f"there is no host {inert(name)!r} in the inventory",
            f"it knows {known}",
            "name one of them, or add it to inventory/hosts.yaml",
        )

    def playbook(self, name: str) -> Playbook:
        if name in self.playbooks:
            return self.playbooks[name]
        raise ConfigError(
            f"there is no playbook {inert(name)!r}", f"playbooks/ has {', '.join(sorted(self.playbooks))}"
        )

    def at(self, address: Address) -> Host | None:
        """The host that an alert means by this address."""
        wanted = str(address)
        for host in self.hosts.values():
            if address in host.addresses or host.hostname == wanted:
                return host
        return None

    def talkers(self, remote: Remote) -> tuple[str, ...]:
        """Names of the inventory hosts that stand at the remote's address: a block would cut them off."""
        return tuple(
            h.name for h in self.hosts.values() if remote.address in h.addresses or h.hostname == str(remote.address)
        )
