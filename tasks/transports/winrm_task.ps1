# hemostat task 2: changes: stops and disables one scheduled task, or enables it again
# Json: do (look, act, undo), name (its full path), record (for undo). Answer: gone, seen, record. The record holds its definition.
param([string]$Json)
$ErrorActionPreference = 'Stop'
$want = ConvertFrom-Json $Json
$scheduler = New-Object -ComObject Schedule.Service
$scheduler.Connect()
$cut = $want.name.LastIndexOf('\')
$folder = if ($cut -gt 0) { $want.name.Substring(0, $cut) } else { '\' }
$leaf = $want.name.Substring($cut + 1)

function Find-Task {
    try { return $scheduler.GetFolder($folder).GetTask($leaf) } catch { $failure = $_.Exception }
    # "Not found" (file or path) is an answer; "access denied" is none.
    $inner = $failure
    for ($round = 0; ($round -lt 8) -and ($null -ne $inner); $round++) {
        if (-2147024894, -2147024893 -contains $inner.HResult) { return $null }
        $inner = $inner.InnerException
    }
    throw $failure
}

function Read-State { param($Task)
    if ($null -eq $Task) { return @{ gone = $true; seen = 'no tool lists such a task'; record = @{} } }
    $running = $Task.GetInstances(0).Count
    $off = (-not $Task.Enabled) -and ($running -eq 0)
    $seen = "$(if ($Task.Enabled) { 'enabled' } else { 'disabled' }), $running of it run"
    @{ gone = $off; seen = $seen; record = @{ enabled = [bool]$Task.Enabled; xml = "$($Task.Xml)" } }
}

$task = Find-Task
if ($want.do -eq 'act' -and $null -ne $task) {
    $task.Enabled = $false
    if ($task.GetInstances(0).Count) { $task.Stop(0) }
}
if ($want.do -eq 'undo') {
    if ($null -eq $task) { throw 'it is not there any more: register it again from the definition in the journal' }
    $task.Enabled = [bool]$want.record.enabled
}
ConvertTo-Json -InputObject (Read-State (Find-Task)) -Depth 4 -Compress
