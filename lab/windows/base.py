"""What runs on every Windows: processes, services, drivers, registry values of a clean server. Data; knows no scenario.

A synthetic twin of a Windows Server 2019 in English; names, paths and parents are Windows' own (Windows Internals, 7th edition).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

S32 = "C:\\Windows\\System32\\"
SYSTEM, LOCAL, NETWORK = "NT AUTHORITY\\SYSTEM", "NT AUTHORITY\\LOCAL SERVICE", "NT AUTHORITY\\NETWORK SERVICE"
Row = dict[str, Any]

_HOSTS = (
    ("DcomLaunch", SYSTEM, ("DcomLaunch", "PlugPlay", "Power", "LSM")),
    ("RPCSS", NETWORK, ("RpcSs", "RpcEptMapper")),
    ("netsvcs", SYSTEM, ("Schedule", "Winmgmt", "gpsvc", "ProfSvc", "Themes", "BITS", "wuauserv")),
    ("LocalServiceNetworkRestricted", LOCAL, ("Dhcp", "EventLog", "lmhosts")),
    ("LocalService", LOCAL, ("nsi", "W32Time", "EventSystem")),
    ("NetworkService", NETWORK, ("Dnscache", "CryptSvc", "LanmanWorkstation", "WinRM")),
    ("LocalServiceNoNetworkFirewall", LOCAL, ("mpssvc", "BFE")),
    ("LocalSystemNetworkRestricted", SYSTEM, ("UmRdpService", "PcaSvc")),
    ("termsvcs", NETWORK, ("TermService",)),
    ("appmodel", SYSTEM, ("StateRepository",)),
)
_LIBRARIES = {
    "EventLog": "wevtsvc.dll",
    "Schedule": "schedsvc.dll",
    "Winmgmt": "wbem\\WMIsvc.dll",
    "WinRM": "WsmSvc.dll",
}
_DRIVERS = (
    "Tcpip", "NTFS", "disk", "volmgr", "mountmgr", "fltMgr", "CNG", "ksecdd", "NDIS", "HTTP", "srv2", "mrxsmb", "storport", "stornvme",
    "vmbus", "hyperkbd", "WdFilter", "afd", "netbt", "rdbss", "partmgr", "pci", "ACPI", "FileCrypt", "bam", "mpsdrv", "Wof",
)  # fmt: skip
_TASKS = (
    ("\\Microsoft\\Windows\\UpdateOrchestrator\\Schedule Scan", f"{S32}usoclient.exe StartScan"),
    ("\\Microsoft\\Windows\\Defrag\\ScheduledDefrag", f"{S32}defrag.exe -c -h -o -$"),
    (
        "\\Microsoft\\Windows\\Windows Defender\\Windows Defender Scheduled Scan",
        "C:\\Program Files\\Windows Defender\\MpCmdRun.exe Scan",
    ),
    ("\\Microsoft\\Windows\\Time Synchronization\\SynchronizeTime", f"{S32}sc.exe start w32time task_started"),
)


def processes(extra: int = 0) -> Iterator[Row]:
    """The processes, parents first; `extra` more of those that a busy host has: shells' hosts, browsers, an agent's helpers."""
    yield from _kernel()
    pid = 1000
    for group, user, _ in _HOSTS:
        yield _row(pid, 600, "svchost.exe", f"{S32}svchost.exe", f"{S32}svchost.exe -k {group} -p", user)
        pid += 4
    for name in ("spoolsv.exe", "msdtc.exe"):
        yield _row(pid, 600, name, S32 + name, S32 + name, SYSTEM if name != "msdtc.exe" else NETWORK)
        pid += 4
    defender = "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18.24080.9-0\\MsMpEng.exe"
    yield _row(pid, 600, "MsMpEng.exe", defender, f'"{defender}"', SYSTEM)
    yield _row(3000, 2996, "explorer.exe", "C:\\Windows\\explorer.exe", "C:\\Windows\\Explorer.EXE", "LAB\\ada")
    yield _row(3004, 1000, "sihost.exe", f"{S32}sihost.exe", "sihost.exe", "LAB\\ada")
    yield _row(
        3008, 1000, "RuntimeBroker.exe", f"{S32}RuntimeBroker.exe", f"{S32}RuntimeBroker.exe -Embedding", "LAB\\ada"
    )
    yield _row(3012, 3000, "cmd.exe", f"{S32}cmd.exe", f'"{S32}cmd.exe" ', "LAB\\ada")
    yield _row(3016, 3012, "conhost.exe", f"{S32}conhost.exe", f"\\??\\{S32}conhost.exe 0x4", "LAB\\ada")
    yield from _busy(extra)


def _kernel() -> Iterator[Row]:
    yield _row(4, 0, "System", "", "", SYSTEM)
    yield _row(88, 4, "Registry", "", "", SYSTEM)
    yield _row(300, 4, "smss.exe", "", "", SYSTEM)
    yield _row(400, 396, "csrss.exe", "", "", SYSTEM)
    yield _row(480, 396, "wininit.exe", "", "", SYSTEM)
    yield _row(488, 472, "csrss.exe", "", "", SYSTEM)
    yield _row(560, 472, "winlogon.exe", f"{S32}winlogon.exe", "winlogon.exe", SYSTEM)
    yield _row(600, 480, "services.exe", "", "", SYSTEM)
    yield _row(620, 480, "lsass.exe", f"{S32}lsass.exe", f"{S32}lsass.exe", SYSTEM)
    yield _row(700, 560, "dwm.exe", f"{S32}dwm.exe", '"dwm.exe"', "Window Manager\\DWM-1")
    yield _row(704, 480, "fontdrvhost.exe", f"{S32}fontdrvhost.exe", '"fontdrvhost.exe"', "Font Driver Host\\UMFD-0")


def _busy(count: int) -> Iterator[Row]:
    chrome = "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe"
    teams = "C:\\Users\\ada\\AppData\\Local\\Microsoft\\Teams\\current\\Teams.exe"
    agent = "C:\\Program Files\\Backup Vendor\\agent\\agent.exe"
    kinds = (
        (chrome, 3000, "LAB\\ada"),
        (teams, 3000, "LAB\\ada"),
        (agent, 600, SYSTEM),
        (f"{S32}svchost.exe", 600, LOCAL),
    )
    for number in range(count):
        path, parent, user = kinds[number % len(kinds)]
        command = (
            f"{path} -k LocalService -p -s svc{number}"
            if path.endswith("svchost.exe")
            else f'"{path}" --type=renderer --id={number}'
        )
        yield _row(5000 + 4 * number, parent, path.rpartition("\\")[2], path, command, user)


def _row(pid: int, ppid: int, name: str, exe: str, command: str, user: str) -> Row:
    return {"pid": pid, "ppid": ppid, "name": name, "exe": exe, "command": command, "user": user}


def services() -> Iterator[Row]:
    """Each svchost group's services, with their libraries, and the spooler."""
    for number, (group, user, names) in enumerate(_HOSTS):
        for name in names:
            library = _LIBRARIES.get(name, f"{name.lower()}.dll")
            yield {
                "name": name, "display": name, "type": "Share Process", "state": "Running", "start": "Auto", "account": user,
                "command": f"{S32}svchost.exe -k {group} -p", "dll": f"%SystemRoot%\\System32\\{library}", "pid": 1000 + 4 * number,
            }  # fmt: skip
    yield {
        "name": "Spooler", "display": "Print Spooler", "type": "Own Process", "state": "Running", "start": "Auto", "account": "LocalSystem",
        "command": f"{S32}spoolsv.exe", "pid": 1040,
    }  # fmt: skip


def drivers() -> Iterator[Row]:
    """Signed, registered, running; one that does not run, and the crash dump's copy that nothing registers."""
    for name in _DRIVERS:
        yield {
            "name": name,
            "path": f"\\SystemRoot\\System32\\drivers\\{name.lower()}.sys",
            "running": True,
            "registered": True,
        }
    yield {"name": "cdrom", "path": "System32\\drivers\\cdrom.sys", "running": False, "registered": True}
    yield {"name": "dump_stornvme", "path": f"{S32}drivers\\dump_stornvme.sys", "running": True, "registered": False}


def registry() -> Iterator[Row]:
    """What the values say on a clean machine."""
    nt, control = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion", "HKLM\\SYSTEM\\CurrentControlSet\\Control"
    run, setup = (
        "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run",
        "HKLM\\SOFTWARE\\Microsoft\\Active Setup\\Installed Components",
    )
    rows = (
        ("winlogon", f"{nt}\\Winlogon", "Shell", "explorer.exe", "REG_SZ"),
        ("winlogon", f"{nt}\\Winlogon", "Userinit", f"{S32}userinit.exe,", "REG_SZ"),
        ("winlogon", f"{nt}\\Winlogon", "VmApplet", "SystemPropertiesPerformance.exe /pagefile", "REG_SZ"),
        ("appinit", f"{nt}\\Windows", "AppInit_DLLs", "", "REG_SZ"),
        ("lsa", f"{control}\\Lsa", "Authentication Packages", "msv1_0", "REG_MULTI_SZ"),
        ("lsa", f"{control}\\Lsa", "Notification Packages", "rassfm scecli", "REG_MULTI_SZ"),
        ("lsa", f"{control}\\Lsa", "Security Packages", "", "REG_MULTI_SZ"),
        ("boot_execute", f"{control}\\Session Manager", "BootExecute", "autocheck autochk *", "REG_MULTI_SZ"),
        ("print_monitor", f"{control}\\Print\\Monitors\\Local Port", "Driver", "localspl.dll", "REG_SZ"),
        ("print_monitor", f"{control}\\Print\\Monitors\\Standard TCP/IP Port", "Driver", "tcpmon.dll", "REG_SZ"),
        (
            "active_setup",
            f"{setup}\\{{2C7339CF-2B09-4501-B3F3-F3508C9228ED}}",
            "StubPath",
            f"{S32}regsvr32.exe /s /n /i:/UserInstall {S32}themeui.dll",
            "REG_EXPAND_SZ",
        ),
        ("active_setup", f"{setup}\\{{89820200-ECBD-11cf-8B85-00AA005B4340}}", "StubPath", "U", "REG_SZ"),
        (
            "active_setup",
            f"{setup}\\{{89B4C1CD-B018-4511-B0A1-5476DBF70820}}",
            "StubPath",
            f"{S32}Rundll32.exe {S32}mscories.dll,Install",
            "REG_SZ",
        ),
        ("run", f"HKLM\\{run}", "SecurityHealth", f"{S32}SecurityHealthSystray.exe", "REG_EXPAND_SZ"),
    )
    for kind, key, name, data, type_ in rows:
        yield {"kind": kind, "key": key, "name": name, "data": data, "type": type_}
    for name, data in (
        ("Shell", "explorer.exe"),
        ("Userinit", "userinit.exe,"),
        ("VmApplet", "SystemPropertiesPerformance.exe /pagefile"),
    ):
        yield {"kind": "winlogon", "key": f"{nt}\\Winlogon", "name": name, "data": data, "view": 32}
    yield {
        "kind": "run", "key": f"HKU\\S-1-5-21-1-2-3-1001\\{run}", "name": "Teams", "user": "S-1-5-21-1-2-3-1001",
        "data": '"C:\\Users\\ada\\AppData\\Local\\Microsoft\\Teams\\current\\Teams.exe" --process-start-args',
    }  # fmt: skip


def tasks() -> Iterator[Row]:
    """A few of Windows' own."""
    for path, action in _TASKS:
        yield {
            "path": path,
            "run_as": "S-1-5-18",
            "author": "Microsoft Corporation",
            "actions": [action],
            "triggers": ["CalendarTrigger"],
        }


def subscriptions() -> Iterator[Row]:
    """The one that every Windows has."""
    space = {"namespace": "root\\subscription"}
    yield space | {
        "kind": "filter",
        "name": "SCM Event Log Filter",
        "type": "__EventFilter",
        "text": "select * from MSFT_SCMEventLogEvent",
    }
    yield space | {"kind": "consumer", "name": "SCM Event Log Consumer", "type": "NTEventLogEventConsumer"}
    yield space | {
        "kind": "binding", "name": "", "type": "__FilterToConsumerBinding", "filter": "SCM Event Log Filter",
        "consumer": "SCM Event Log Consumer",
    }  # fmt: skip
