# hemostat process 1: changes: ends exactly one process and its descendants, parents before children
# Json: do (look, act), pid, created (epoch), exe. Answer: gone, seen, record, left. What carries the machine or our way to it is spared.
param([string]$Json)
$ErrorActionPreference = 'Stop'
$want = ConvertFrom-Json $Json
$fields = 'ProcessId', 'ParentProcessId', 'CreationDate', 'Name', 'ExecutablePath', 'CommandLine'
$carries = 'system', 'registry', 'memory compression', 'secure system', 'smss.exe', 'csrss.exe', 'wininit.exe', 'services.exe', 'lsass.exe', 'lsaiso.exe', 'winlogon.exe'
$services = 'WinRM', 'RpcSs', 'RpcEptMapper', 'DcomLaunch', 'Dhcp', 'mpssvc', 'BFE', 'EventLog', 'SamSs', 'Netlogon', 'Dnscache', 'LSM', 'Power', 'PlugPlay'
$system32 = "$env:SystemRoot\System32\"

function ConvertTo-Epoch { param($When)
    if ($null -eq $When) { return 0.0 }
    ([datetime]$When).ToUniversalTime().Subtract([datetime]'1970-01-01').TotalSeconds
}

function Get-Exact { param([int]$Number, [double]$Created)
    foreach ($p in Get-CimInstance Win32_Process -Filter "ProcessId = $Number" -Property $fields) {
        if ([Math]::Abs((ConvertTo-Epoch $p.CreationDate) - $Created) -lt 1.5) { return $p }
    }
}

# Why this one must not be ended; empty for any other.
function Get-Reason { param($Process, $Ours, $Carried)
    $name = "$($Process.Name)".ToLowerInvariant()
    $path = "$($Process.ExecutablePath)"
    if ($Process.ProcessId -le 4) { return 'it is the kernel' }
    if ($Ours.ContainsKey([int]$Process.ProcessId)) { return 'it is the way that we came by' }
    if (($carries -contains $name) -and ((-not $path) -or $path.StartsWith($system32, 'OrdinalIgnoreCase'))) { return 'it carries the machine' }
    if ($Carried.ContainsKey([int]$Process.ProcessId)) { return "it runs the service $($Carried[[int]$Process.ProcessId])" }
    ''
}

$root = Get-Exact $want.pid $want.created
if ($null -eq $root) {
    return ConvertTo-Json -InputObject @{ gone = $true; seen = "process $($want.pid) is gone"; record = @{}; left = @() } -Depth 4 -Compress
}
if ($want.exe -and $root.ExecutablePath -and ($root.ExecutablePath -ne $want.exe)) {
    throw "process $($want.pid) runs $($root.ExecutablePath) and not $($want.exe): look again"
}
$record = @{ cmdline = "$($root.CommandLine)"; exe = "$($root.ExecutablePath)"; name = "$($root.Name)" }
if ($want.do -ne 'act') {
    return ConvertTo-Json -InputObject @{ gone = $false; seen = "process $($want.pid) runs $($root.ExecutablePath)"; record = $record; left = @() } -Depth 4 -Compress
}

$all = @(Get-CimInstance Win32_Process -Property $fields)
$ours = @{}
$number = [int]$PID
for ($round = 0; $round -lt 64; $round++) {
    $ours[$number] = $true
    $mine = @($all | Where-Object { $_.ProcessId -eq $number })
    if (-not $mine.Count) { break }
    $number = [int]$mine[0].ParentProcessId
}
$carried = @{}
foreach ($s in Get-CimInstance Win32_Service -Property Name, ProcessId) { if ($services -contains $s.Name) { $carried[[int]$s.ProcessId] = $s.Name } }

# A child is one only if it is not older than its parent: a pid is used again.
$tree = @($root)
for ($i = 0; ($i -lt $tree.Count) -and ($i -lt 256); $i++) {
    $parent = $tree[$i]
    foreach ($p in $all) {
        if (($p.ParentProcessId -eq $parent.ProcessId) -and ($p.CreationDate -ge $parent.CreationDate) -and ($p.ProcessId -ne $parent.ProcessId)) { $tree += $p }
    }
}
$left = @()
foreach ($p in $tree) {
    $reason = Get-Reason $p $ours $carried
    if ($reason) { $left += "$($p.ProcessId) ($($p.Name)): $reason"; continue }
    $now = Get-Exact $p.ProcessId (ConvertTo-Epoch $p.CreationDate)
    if ($null -eq $now) { continue }
    try {
        $ended = Invoke-CimMethod -InputObject $now -MethodName Terminate -Arguments @{ Reason = [uint32]1 }
        if ($ended.ReturnValue -ne 0) { $left += "$($p.ProcessId) ($($p.Name)): Windows refused with $($ended.ReturnValue)" }
    } catch {
        $left += "$($p.ProcessId) ($($p.Name)): $($_.Exception.Message)"
    }
}
$until = [datetime]::UtcNow.AddSeconds(5)
while (([datetime]::UtcNow -lt $until) -and ($null -ne (Get-Exact $want.pid $want.created))) { Start-Sleep -Milliseconds 100 }
$gone = $null -eq (Get-Exact $want.pid $want.created)
ConvertTo-Json -InputObject @{ gone = $gone; seen = "$($tree.Count) processes in its tree"; record = $record; left = [string[]]$left } -Depth 4 -Compress
