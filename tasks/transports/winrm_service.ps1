# hemostat service 2: changes: disables and stops one service, or puts it back as it was
# Json: do (look, act, undo), name, command and dll (as triage saw them), record (for undo). Answer: gone, seen, record.
param([string]$Json)
$ErrorActionPreference = 'Stop'
$want = ConvertFrom-Json $Json
$spared = 'WinRM', 'RpcSs', 'RpcEptMapper', 'DcomLaunch', 'Dhcp', 'mpssvc', 'BFE', 'EventLog', 'SamSs', 'Netlogon', 'Dnscache', 'LSM', 'Power', 'PlugPlay', 'Winmgmt', 'Schedule'
$key = "HKLM:\SYSTEM\CurrentControlSet\Services\$($want.name)"

function Read-State {
    if (-not (Test-Path -LiteralPath $key)) { return @{ gone = $true; seen = 'there is no such service'; record = @{} } }
    $values = Get-ItemProperty -LiteralPath $key
    $more = Get-ItemProperty -LiteralPath "$key\Parameters" -ErrorAction SilentlyContinue
    $service = @(Get-Service | Where-Object { $_.Name -eq $want.name })
    $state = if ($service.Count) { "$($service[0].Status)" } else { 'Unknown' }
    $record = @{
        start = [int]$values.Start; delayed = [int]$values.DelayedAutostart; state = $state; command = "$($values.ImagePath)"
        dll = "$($more.ServiceDll)$(if (-not $more.ServiceDll) { $values.ServiceDll })"
    }
    $off = ($record.start -eq 4) -and ($state -ne 'Running') -and ($state -ne 'StartPending')
    @{ gone = $off; seen = "start type $($record.start), $state"; record = $record }
}

$now = Read-State
if ($want.do -eq 'look') { return ConvertTo-Json -InputObject $now -Depth 4 -Compress }
if ($spared -contains $want.name) { throw "$($want.name) carries the machine or our way to it" }
if ($want.do -eq 'act') {
    if ($now.gone) { return ConvertTo-Json -InputObject $now -Depth 4 -Compress }
    if ($want.dll -and ($now.record.dll -ne $want.dll)) { throw "it loads $($now.record.dll) now and not $($want.dll): look again" }
    # Disabled first, so that nothing starts it again while it stops; its failure actions do not start a disabled service.
    Set-ItemProperty -LiteralPath $key -Name Start -Value 4 -Type DWord
    Set-Service -Name $want.name -StartupType Disabled
    foreach ($service in Get-Service | Where-Object { $_.Name -eq $want.name }) {
        if ($service.Status -ne 'Stopped') {
            try {
                $service.Stop()
                $service.WaitForStatus('Stopped', [timespan]'00:00:20')
            } catch {
                $failure = "$($_.Exception.Message)"
            }
        }
    }
    $then = Read-State
    if (-not $then.gone) { $then.seen = "$($then.seen): it is disabled, but did not stop. $failure" }
    return ConvertTo-Json -InputObject $then -Depth 4 -Compress
}
if ($want.do -eq 'undo') {
    $types = @{ 0 = 'Boot'; 1 = 'System'; 2 = 'Automatic'; 3 = 'Manual'; 4 = 'Disabled' }
    if ([int]$want.record.start -ge 2) { Set-Service -Name $want.name -StartupType $types[[int]$want.record.start] }
    Set-ItemProperty -LiteralPath $key -Name Start -Value ([int]$want.record.start) -Type DWord
    if ([int]$want.record.delayed) { Set-ItemProperty -LiteralPath $key -Name DelayedAutostart -Value 1 -Type DWord }
    if ($want.record.state -eq 'Running') {
        # By itself: a name may hold what -Name takes for a wildcard.
        foreach ($service in Get-Service | Where-Object { $_.Name -eq $want.name }) { Start-Service -InputObject $service }
    }
    return ConvertTo-Json -InputObject (Read-State) -Depth 4 -Compress
}
throw "there is no such verb: $($want.do)"
