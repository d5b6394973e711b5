"""The frozen facts that only a Windows host shows, as triage.ps1 prints them: its JSON has exactly these names. Knows no judgement.

Times are seconds since the epoch, 0.0 for unknown. Paths are as Windows gives them; whoever compares them folds case. Texts may hold any
Unicode, a lone surrogate too: they are data, and pass `tasks.model.inert` before a person sees them.
"""

from __future__ import annotations

from dataclasses import dataclass

# What look.ps1 calls the type of a registry value that its own name does not lead to.
UNREADABLE = "Unreadable"


@dataclass(frozen=True, slots=True)
class Preflight:
    """What this look could do: PowerShell's language mode, rights, and what Windows it is.

    `language` is FullLanguage, ConstrainedLanguage …, or "none" where console tools had to do. `codepage` is the OEM code page.
    """

    language: str
    admin: bool
    process64: bool
    build: str
    product: str
    codepage: int
    computer: str
    user: str
    boot: float
    now: float


@dataclass(frozen=True, slots=True)
class Signed:
    """One executable file that something names, looked at once: its hash, signature, attributes and alternate streams.

    `status`, `kind` and `os_binary` are Get-AuthenticodeSignature's Status, SignatureType and IsOSBinary; `status` is empty when it was not
    looked at (`why` says why). `company` is the version resource's text, which anyone can write. `attributes` are FileAttributes' words.
    """

    path: str
    exists: bool = True
    size: int = 0
    sha256: str = ""
    status: str = ""
    kind: str = ""
    os_binary: bool = False
    signer: str = ""
    thumbprint: str = ""
    company: str = ""
    attributes: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    owner: str = ""
    created: float = 0.0
    modified: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """One service or driver service. `dll` is Parameters\\ServiceDll, `type` Win32_Service's ServiceType, `pid` 0 when it does not run."""

    name: str
    display: str = ""
    type: str = ""
    state: str = ""
    start: str = ""
    account: str = ""
    command: str = ""
    dll: str = ""
    failure_command: str = ""
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """One scheduled task. `hidden`: its TaskCache\\Tree key has no SD value, so schtasks and taskschd.msc do not list it.

    `xml` is its definition, empty when only the registry knows it; `actions` are its command lines, `triggers` their kinds.
    """

    path: str
    enabled: bool = True
    hidden: bool = False
    run_as: str = ""
    author: str = ""
    actions: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    xml: str = ""
    modified: float = 0.0


# What look.ps1 calls the type of a value that its own name does not lead to.
UNREADABLE = "Unreadable"


@dataclass(frozen=True, slots=True)
class RegistryValue:
    """One autostart value. `kind` is run, winlogon, appinit, ifeo, silent_exit, lsa, boot_execute, appcert, print_monitor, active_setup,
    com_user or portproxy; `view` 64 or 32; `type` the registry type's name, or Unreadable;
    `user` whose hive it is, empty for the machine's."""

    kind: str
    key: str
    name: str
    data: str
    type: str = "REG_SZ"
    view: int = 64
    user: str = ""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One permanent WMI object. `kind` is filter, consumer or binding; `text` a filter's query or what a consumer runs;
    a binding's `filter` and
    `consumer` are the names that it joins."""

    namespace: str
    kind: str
    name: str
    type: str = ""
    text: str = ""
    filter: str = ""
    consumer: str = ""


@dataclass(frozen=True, slots=True)
class Driver:
    """One kernel driver. `running`: the kernel has it loaded; `registered`: a service key names it."""

    name: str
    path: str
    running: bool
    registered: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One event log record, its XML fields by name (never its localised message)."""

    log: str
    id: int
    at: float
    record: int
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Module:
    """One module that a suspect process has loaded."""

    pid: int
    path: str


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the smaller artefacts: kind is dns, bits, notify, hosts, proxy, neighbour, pipe, bam, prefetch or startup."""

    kind: str
    what: str
    detail: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """All that only Windows shows. `phantom` are pids that own a socket and that neither CIM nor Get-Process lists, checked twice.

    Equal to itself alone, so that what is drawn from it can be kept beside it.
    """

    preflight: Preflight
    signed: tuple[Signed, ...] = ()
    services: tuple[Service, ...] = ()
    tasks: tuple[Task, ...] = ()
    registry: tuple[RegistryValue, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    drivers: tuple[Driver, ...] = ()
    events: tuple[Event, ...] = ()
    modules: tuple[Module, ...] = ()
    notes: tuple[Note, ...] = ()
    phantom: tuple[int, ...] = ()
