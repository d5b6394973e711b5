"""What a shipped script may not say. Knows PowerShell 5.1's words; must not know how a script is parsed, nor what allowed.yaml lists.

The names are about_Automatic_Variables' and the cmdlets' own (learn.microsoft.com/powershell, 5.1 reference).
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.lower().split())


# Read-only, or set by the engine for its own ends: an assignment throws or changes what the rest of the script sees.
AUTOMATIC = _words("""
    _ args consolefilename enabledexperimentalfeatures error event eventargs eventsubscriber executioncontext false foreach home
    host input iscoreclr islinux ismacos iswindows lastexitcode matches myinvocation nestedpromptlevel null pid profile
    psboundparameters pscmdlet pscommandpath psculture psdebugcontext psedition pshome psitem psscriptroot pssenderinfo
    psuiculture psversiontable pwd sender shellid stacktrace switch this true
""")
# Keywords that are only ever a command's name when what they belong to is missing.
ORPHANS = _words("else elseif catch finally until")

BANNED = {
    "invoke-expression": "it runs text as code",
    "iex": "it runs text as code",
    "add-type": "it compiles on the victim and writes there",
    "wmic": "gone from Windows 11 24H2: use Get-CimInstance",
    "wmic.exe": "gone from Windows 11 24H2: use Get-CimInstance",
    "get-wmiobject": "gone after 5.1: use Get-CimInstance",
    "invoke-webrequest": "a victim fetches nothing for us",
    "invoke-restmethod": "a victim fetches nothing for us",
    "start-bitstransfer": "a victim fetches nothing for us",
    "invoke-command": "one host at a time, by the runner",
    "set-executionpolicy": "the policy is the owner's",
    "write-host": "it is no output: use Write-Output",
    "set-acl": "it writes owner, group and rights, also those that were not meant: use SetAccessControl",
    "start-process": "it leaves something running behind",
}
# Access denied is an error of theirs too: silenced, it would read as "there is none".
TELLING = ("get-ciminstance", "get-winevent", "get-netfirewallrule", "get-scheduledtask", "get-service")
# Text → why 5.1 does other than it seems to.
TRAPS = {
    r"\$\w+:(?![\w:{?])": "a colon after a variable's name belongs to the name: write ${name}:",
    r"\breturn\s*,": "an array from a function's output is written by 5.1's ConvertTo-Json as {value, Count}: assign it instead",
    r"\[datetime\]::parse\([^,()]*\)": "it reads by the host's culture, in Thai of another year: give InvariantCulture",
    r"catch\s*\{\s*return\s+\$null\s*\}": "access denied would read as nothing there: let pass only what is not found",
}
# Nodes that the grammar takes and 5.1 does not (about_Operators: PowerShell 7).
SEVEN = {
    "null_coalesce_expression": "??",
    "ternary_expression": "? :",
    "&&": "&&",
    "||": "||",
    "??": "??",
    "??=": "??=",
    "?.": "?.",
    "?[": "?[",
}
# .NET types whose members start programs, compile, load code or fetch.
TYPES = (
    "diagnostics.process",
    "reflection.assembly",
    "net.webclient",
    "scriptblock",
    "codedom",
    "net.http",
    "activator",
)
