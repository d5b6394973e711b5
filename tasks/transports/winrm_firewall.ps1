# hemostat firewall 1: changes: block rules of one group in Windows' own firewall, in and out; a task that ends an isolation by itself
# Json: do (look, block, unblock, arm, disarm), group, addresses (or ranges), seconds. Answer: rules, addresses, enabled, armed.
param([string]$Json)
$ErrorActionPreference = 'Stop'
$want = ConvertFrom-Json $Json
if ($want.group -notmatch '^hemostat-[a-z]+-[A-Za-z0-9-]{1,60}$') { throw 'that is no group of ours' }
$folder = '\hemostat\'

function Get-Ours { @(Get-NetFirewallRule -ErrorAction SilentlyContinue | Where-Object { $_.Group -eq $want.group }) }

function Read-State {
    $ours = Get-Ours
    $addresses = @()
    foreach ($rule in $ours) { $addresses += @((Get-NetFirewallAddressFilter -AssociatedNetFirewallRule $rule).RemoteAddress) }
    $on = @($ours | Where-Object { ("$($_.Enabled)" -eq 'True') -and ("$($_.Action)" -eq 'Block') })
    $profiles = @(Get-NetFirewallProfile -PolicyStore ActiveStore | Where-Object { "$($_.Enabled)" -ne 'True' } | ForEach-Object { "$($_.Name)" })
    $task = @(Get-ScheduledTask -TaskPath $folder -ErrorAction SilentlyContinue | Where-Object { $_.TaskName -eq $want.group })
    @{
        rules = $ours.Count; enabled = $on.Count; addresses = [string[]]@($addresses | Sort-Object -Unique); armed = [bool]$task.Count
        off = [string[]]$profiles
    }
}

if ($want.do -eq 'block') {
    foreach ($rule in Get-Ours) { Remove-NetFirewallRule -InputObject $rule }
    foreach ($direction in 'Outbound', 'Inbound') {
        $rule = @{
            Name = "$($want.group)-$direction"; DisplayName = "$($want.group) $direction"; Group = $want.group; Direction = $direction
            Action = 'Block'; RemoteAddress = [string[]]$want.addresses; Profile = 'Any'; Enabled = 'True'
        }
        [void](New-NetFirewallRule @rule)
    }
}
if ($want.do -eq 'unblock') { foreach ($rule in Get-Ours) { Remove-NetFirewallRule -InputObject $rule } }
if ($want.do -eq 'arm') {
    # The group's name was matched above: nothing in it can end the quotes. SYSTEM, once, even on battery.
    $line = "-NoProfile -NonInteractive -Command `"Get-NetFirewallRule | Where-Object Group -eq '$($want.group)' | Remove-NetFirewallRule; Unregister-ScheduledTask -TaskPath '$folder' -TaskName '$($want.group)' -Confirm:0`""
    $action = New-ScheduledTaskAction -Execute "$env:SystemRoot\System32\WindowsPowerShell\v1.0\powershell.exe" -Argument $line
    $trigger = New-ScheduledTaskTrigger -Once -At ([datetime]::Now.AddSeconds([int]$want.seconds))
    $who = New-ScheduledTaskPrincipal -UserId 'S-1-5-18' -RunLevel Highest
    $how = New-ScheduledTaskSettingsSet -StartWhenAvailable -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
    [void](Register-ScheduledTask -TaskPath $folder -TaskName $want.group -Action $action -Trigger $trigger -Principal $who -Settings $how -Force)
}
if ($want.do -eq 'disarm') {
    foreach ($task in Get-ScheduledTask -TaskPath $folder -ErrorAction SilentlyContinue | Where-Object { $_.TaskName -eq $want.group }) {
        Unregister-ScheduledTask -InputObject $task -Confirm:$false
    }
}
ConvertTo-Json -InputObject (Read-State) -Depth 4 -Compress
