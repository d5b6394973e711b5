"""The typed content of inventory/ and playbooks/: what and whether, never how. Knows the standard library only; reads no file."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, ClassVar, Literal

from tasks.collect_rule import CollectRule as CollectRule
from tasks.isolate_rule import IsolateRule
from tasks.limits import (
    Count,
    FilePath,
    HostKey,
    HostName,
    KeyFile,
    ListName,
    Name,
    Pattern,
    Percent,
    Port,
    Range,
    Reference,
    Seconds,
    UserName,
)
from tasks.model import ISOLATE, Address, Approval, ConfigError, Consent, Step, inert, parse_address
from tasks.serving import Serve
from tasks.ways import Ssh, Winrm

Network = IPv4Network | IPv6Network

# Read by pydantic when tasks.site validates a file: an unknown key is an error, never ignored.
STRICT = {"extra": "forbid"}

# Inside at every site, whatever policy.yaml says: RFC 1918, RFC 6598 (carrier-grade NAT), RFC 4193 (unique local).
ALWAYS_INTERNAL: tuple[Network, ...] = tuple(
    ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


@dataclass(frozen=True, slots=True)
class Host:
    """One inventory entry, groups and defaults already merged in (host wins over group, group over defaults).

    `hostname` is the address or name to connect to, `addresses` all addresses an alert may name it by. `root` is the
    folder that stands for / on a drill's victim: nothing outside it is judged or touched. `password` and `secret` are
    references (`env:NAME`, `keyring:SERVICE/USER`, `file:/PATH`, `prefect:BLOCK`) for tasks.secrets, `key` is a private key file's path
    on the runner, `host_key` is a line as ssh-keyscan prints it, without the host. `timeout` is in seconds. `change_at_login` lets a
    driver that must change a device's configuration to read it (FortiGate's paging) do so; it is put back afterwards.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    name: Name
    hostname: HostName
    platform: str
    transport: Literal["local", "ssh", "winrm", "device"]
    port: Port | None = None
    addresses: tuple[Address, ...] = ()
    groups: tuple[str, ...] = ()
    firewalls: tuple[str, ...] = ()
    site: str = ""
    owner: str = ""
    criticality: Literal["low", "medium", "high"] = "medium"
    username: UserName = ""
    password: Reference = ""
    secret: Reference = ""
    key: KeyFile = ""
    host_key: HostKey = ""
    root: FilePath = "/"
    list_name: ListName = "HEMOSTAT"
    timeout: Annotated[float, Range(0.1, 600)] = 10.0
    change_at_login: bool = False
    ssh: Ssh = field(default_factory=Ssh)
    winrm: Winrm = field(default_factory=Winrm)

    @property
    def stands_at(self) -> frozenset[Address]:
        """Every address the inventory gives it: `addresses`, and `hostname` where that is one."""
        try:
            return frozenset((*self.addresses, parse_address(self.hostname)))
        except ConfigError:
            return frozenset(self.addresses)


@dataclass(frozen=True, slots=True)
class KnownGood:
    """A destination that is no incident. It counts until `expires`; the reason is shown."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    network: Network
    reason: Annotated[str, Pattern(r"(?s).*\S.*", "why, in words")]
    expires: date

    def counts(self, today: date) -> bool:
        """True through the day of `expires`."""
        return today <= self.expires


@dataclass(frozen=True, slots=True)
class Policy:
    """inventory/policy.yaml: what may never be blocked, and what is ours.

    `laboratory` are networks that stand in for the internet in a drill; a live incident may not name them.
    A remote that `widely_used` other hosts met in incidents too is blocked only after a person's yes: it may be a service of everyone's.
    `own` are the runner's, DNS servers', domain controllers' and jump hosts' addresses: the own path.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    internal: tuple[Network, ...] = ()
    never_block: tuple[KnownGood, ...] = ()
    own: tuple[Address, ...] = ()
    known_good: tuple[KnownGood, ...] = ()
    laboratory: tuple[Network, ...] = ()
    widely_used: Count = 3

    @property
    def inside(self) -> tuple[Network, ...]:
        """What is ours and never a remote: `internal`, and what is internal at every site."""
        return tuple(dict.fromkeys((*self.internal, *ALWAYS_INTERNAL)))


@dataclass(frozen=True, slots=True)
class ConfirmRule:
    """`samples` over `window` seconds; what to do when the host does not show it, or does not answer."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    samples: Count = 3
    window: Seconds = 6.0
    when_unsure: Literal["block", "ask", "stop"] = "ask"
    when_unreachable: Literal["block", "ask", "stop"] = "ask"


@dataclass(frozen=True, slots=True)
class BlockRule:
    """`minutes` 0 means until undone. `cut_sessions` ends established sessions to the remote as well.

    `on_host` denies the remote on the victim too, once the firewalls have been told.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    scope: Literal["address", "address_port"] = "address"
    minutes: Annotated[int, Range(0, 525_600)] = 0
    cut_sessions: bool = True
    save: bool = False
    on_host: bool = False


@dataclass(frozen=True, slots=True)
class TriageRule:
    """`collectors` in order of volatility; `samples` over `window` seconds teach the beacon's interval."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    collectors: tuple[str, ...] = (
        "connections", "processes", "autostarts", "files", "modules", "privileges", "packages", "logins", "logs", "drivers",
        "events",
    )  # fmt: skip
    samples: Count = 3
    window: Seconds = 6.0
    recent_days: Annotated[int, Range(1, 3650)] = 14
    threshold: Percent = 50


@dataclass(frozen=True, slots=True)
class CleanupRule:
    """`remedies` that may be planned; findings below `threshold` are left to a person."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    remedies: tuple[str, ...] = (
        "autostart", "unit", "account", "windows_service", "windows_task", "windows_value", "windows_subscription",
        "process", "windows_process", "quarantine", "windows_quarantine",
    )  # fmt: skip
    threshold: Percent = 70


@dataclass(frozen=True, slots=True)
class VerifyRule:
    """Silence is watched for `intervals` beacon intervals, at least `at_least` and at most `at_most` seconds."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    intervals: Count = 3
    at_least: Seconds = 10.0
    at_most: Seconds = 300.0


@dataclass(frozen=True, slots=True)
class Playbook:
    """One playbook. `name` is its file's name without the suffix, `sha256` the file's hash; both are put in by tasks.site."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    description: Annotated[str, Pattern(r"(?s).*\S.*", "what the playbook is for, in words")]
    sources: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    confirm: ConfirmRule = ConfirmRule()
    block: BlockRule = BlockRule()
    isolate: IsolateRule = field(default_factory=IsolateRule)
    triage: TriageRule = TriageRule()
    collect: CollectRule = field(default_factory=CollectRule)
    cleanup: CleanupRule = CleanupRule()
    verify: VerifyRule = VerifyRule()
    approvals: dict[Consent, Approval] = field(
        default_factory=lambda: {Consent.BLOCK: Approval.AUTO, Consent.CLEANUP: Approval.ASK}
    )
    timeouts: dict[Step, Annotated[float, Range(0.1, 86400)]] = field(default_factory=dict)
    name: str = ""
    sha256: str = ""

    def approval(self, what: Step | Consent) -> Approval:
        """What is said of it; left out, isolation is never done, cleanup is asked about, and all else is."""
        unsaid = {ISOLATE: Approval.NEVER, Step.CLEANUP: Approval.ASK}
        return self.approvals.get(Consent(what), unsaid.get(what, Approval.AUTO))


@dataclass(frozen=True, slots=True)
class Site:
    """All that the owner's files say. `folder` is where they stand. `serve` is as the file says, or its defaults where there is none."""

    folder: str
    hosts: dict[str, Host]
    policy: Policy
    playbooks: dict[str, Playbook]
    serve: Serve = field(default_factory=Serve)

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
            f"there is no playbook {inert(name)!r}",
            f"playbooks/ has {', '.join(sorted(self.playbooks))}",
            "name one of them, without its suffix, or add one",
        )

    def at(self, address: Address) -> Host | None:
        """The host that an alert means by this address."""
        return next((host for host in self.hosts.values() if address in host.stands_at), None)

    def meant(self, text: str) -> Host:
        """The host that an alert or a person means: by inventory name, else address, else hostname (case is ignored).

        Raises:
            ConfigError: no host, or more than one, is called that.
        """
        if text in self.hosts:
            return self.hosts[text]
        found = [host for host in self.hosts.values() if _called(host, text)]
        if len(found) > 1:
            names = ", ".join(host.name for host in found)
            raise ConfigError(f"{inert(text)!r} may be any of the hosts {names}", do="give the inventory name")
        return found[0] if found else self.host(text)


def _called(host: Host, text: str) -> bool:
    if text.lower() in (host.name.lower(), host.hostname.lower()):
        return True
    try:
        return parse_address(text) in host.stands_at
    except ConfigError:
        return False
