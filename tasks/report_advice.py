"""What ATT&CK calls a technique and how to make it harder next time. Data only; must not know an incident."""

from __future__ import annotations

from collections.abc import Iterable

# Names as in MITRE ATT&CK for Enterprise, shortened to the sub-technique's own name.
NAMES = {
    "T1008": "Fallback Channels",
    "T1014": "Rootkit",
    "T1027": "Obfuscated Files or Information",
    "T1036": "Masquerading",
    "T1036.003": "Rename Legitimate Utilities",
    "T1036.004": "Masquerade Task or Service",
    "T1036.005": "Match Legitimate Resource Name or Location",
    "T1037.004": "RC Scripts",
    "T1041": "Exfiltration Over C2 Channel",
    "T1053": "Scheduled Task/Job",
    "T1053.002": "At",
    "T1053.003": "Cron",
    "T1053.005": "Scheduled Task",
    "T1053.006": "Systemd Timers",
    "T1055": "Process Injection",
    "T1059": "Command and Scripting Interpreter",
    "T1059.001": "PowerShell",
    "T1059.004": "Unix Shell",
    "T1059.006": "Python",
    "T1070.004": "File Deletion",
    "T1071": "Application Layer Protocol",
    "T1071.001": "Web Protocols",
    "T1071.004": "DNS",
    "T1095": "Non-Application Layer Protocol",
    "T1098.004": "SSH Authorized Keys",
    "T1105": "Ingress Tool Transfer",
    "T1204.002": "Malicious File",
    "T1205": "Traffic Signaling",
    "T1505.003": "Web Shell",
    "T1543.002": "Systemd Service",
    "T1543.003": "Windows Service",
    "T1546.003": "Windows Management Instrumentation Event Subscription",
    "T1546.004": "Unix Shell Configuration Modification",
    "T1547.001": "Registry Run Keys / Startup Folder",
    "T1547.006": "Kernel Modules and Extensions",
    "T1547.013": "XDG Autostart Entries",
    "T1548.001": "Setuid and Setgid",
    "T1564": "Hide Artifacts",
    "T1564.001": "Hidden Files and Directories",
    "T1571": "Non-Standard Port",
    "T1573": "Encrypted Channel",
    "T1574": "Hijack Execution Flow",
    "T1574.006": "Dynamic Linker Hijacking",
    "T1620": "Reflective Code Loading",
}

# Techniques of the tactic Initial Access: a finding with one of them tells how the attacker came in.
INITIAL_ACCESS = ("T1078", "T1091", "T1133", "T1189", "T1190", "T1195", "T1199", "T1200", "T1566", "T1659")

_EGRESS = "Let servers reach only the destinations they need: deny outgoing traffic by default, and log what is denied."
_NOEXEC = "Mount /tmp, /var/tmp, /dev/shm and home folders with noexec,nosuid,nodev where the work allows it."
_CRON = "List who may use cron and at (cron.allow, at.allow); watch /etc/cron*, /var/spool/cron and timers for writes."

_ADVICE = {
    "T1008": _EGRESS,
    "T1014": "Require signed kernel modules and secure boot; compare this host with one read from outside (a rescue system).",
    "T1027": "Have scripts that decode and run text (base64, eval) logged and looked at.",
    "T1036": "Alert on system program names that run from a folder that is not the system's.",
    "T1037": "Watch /etc/rc.local and /etc/init.d for writes; disable rc-local.service where nothing needs it.",
    "T1041": "Measure outgoing volume per host and alert on what is unusual; find out what has left through this channel.",
    "T1053": _CRON,
    "T1055": "Set kernel.yama.ptrace_scope=1 or higher; keep interpreters and debuggers off servers that do not need them.",
    "T1059": "Log every command line (auditd execve or Sysmon for Linux; script-block logging on Windows).",
    "T1070": "Send logs off the host as they are written; alert on processes whose program file was deleted.",
    "T1071": _EGRESS,
    "T1095": _EGRESS,
    "T1098": "Keep authorised keys in a central, root-owned place (AuthorizedKeysFile, AuthorizedKeysCommand); watch for writes.",
    "T1105": _EGRESS,
    "T1204": "Allow only programs from an approved list to start (fapolicyd, AppLocker, WDAC). " + _NOEXEC,
    "T1205": _EGRESS,
    "T1505": "Let the web server write nowhere that it also runs or serves programs from; watch its folders for new files.",
    "T1543": "Watch the unit folders and the Windows services for new entries; allow only the configuration manager to write.",
    "T1546": "Watch shell profiles and WMI subscriptions for writes; compare with the image the host was built from.",
    "T1547": "Watch autostart entries and module lists for writes; compare with the image the host was built from.",
    "T1548": "List the setuid programs of the image and alert on any other; mount writable folders nosuid.",
    "T1564": "Alert on hidden executables in writable folders. " + _NOEXEC,
    "T1571": _EGRESS,
    "T1573": "Inspect or at least fingerprint TLS on the way out; alert on self-signed and newly seen servers.",
    "T1574": "/etc/ld.so.preload is almost never needed: watch it; mount writable folders noexec.",
    "T1620": "Alert on programs that run from memory (memfd, deleted files); consider fapolicyd or IMA appraisal.",
}

ALWAYS = (
    ("egress", _EGRESS),
    ("accounts", "Change every password, key and token that this host or its users held: assume that they were read."),
)


def name(technique: str) -> str:
    """The technique's name, its parent's when only that is known, or "" (the id stands for itself then)."""
    return NAMES.get(technique) or NAMES.get(technique.partition(".")[0], "")


def advice(techniques: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """What to harden: (for what, what to do), each piece of advice once, most specific technique first."""
    because: dict[str, list[str]] = {}
    for technique in dict.fromkeys(techniques):
        text = _ADVICE.get(technique.partition(".")[0])
        if text:
            because.setdefault(text, []).append(technique)
    for topic, text in ALWAYS:
        because.setdefault(text, []).append(topic)
    return tuple((", ".join(topics), text) for text, topics in because.items())
