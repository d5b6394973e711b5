# hemostat firewall 2: changes: block rules of one group in Windows' own firewall, in and out; a task that ends an isolation by itself
# Json: do (look, net, block, unblock, arm, disarm), group, addresses (or ranges), port (0: any), seconds.
# Answer: rules, enabled, addresses, armed, off (why rules are not in force), dns, dhcp (the last two by net).
param([string]$Json)
$ErrorActionPreference = 'Stop'
$want = ConvertFrom-Json $Json
if ($want.group -notmatch '^hemostat-[a-z]+-[A-Za-z0-9-]{1,60}$') { throw 'that is no group of ours' }
$folder = '\hemostat\'

# "There is no such thing" is an answer; "access denied" is none.
function Assert-Missing { param($Failures)
    foreach ($f in $Failures) { if ("$($f.CategoryInfo.Category)" -ne 'ObjectNotFound') { throw "$f" } }
}

function Get-Ours {
    $failures = @()
    $ours = @(Get-NetFirewallRule -Group $want.group -ErrorAction SilentlyContinue -ErrorVariable failures)
    Assert-Missing $failures
    $ours
}

function Get-Timer {
    $failures = @()
    $tasks = @(Get-ScheduledTask -TaskPath $folder -ErrorAction SilentlyContinue -ErrorVariable failures)
    Assert-Missing $failures
    $tasks | Where-Object { ($_.TaskName -eq $want.group) -and ("$($_.State)" -ne 'Disabled') }
}

# A rule of ours counts only where its profile is on and local rules are not overruled by group policy.
function Get-Off {
    $names = @{ 'Public' = 'Public'; 'Private' = 'Private'; 'DomainAuthenticated' = 'Domain' }
    $used = @(Get-NetConnectionProfile -ErrorAction SilentlyContinue | ForEach-Object { $names["$($_.NetworkCategory)"] })
    foreach ($p in Get-NetFirewallProfile -PolicyStore ActiveStore) {
        if ($used.Count -and ($used -notcontains "$($p.Name)")) { continue }
        if ("$($p.Enabled)" -ne 'True') { "the firewall is off for the profile $($p.Name)" }
        if ("$($p.AllowLocalFirewallRules)" -eq 'False') { "group policy overrules local rules of the profile $($p.Name)" }
    }
}

function Read-State {
    $ours = @(Get-Ours)
    $addresses = @()
    foreach ($rule in $ours) { $addresses += @((Get-NetFirewallAddressFilter -AssociatedNetFirewallRule $rule).RemoteAddress) }
    $on = @($ours | Where-Object { ("$($_.Enabled)" -eq 'True') -and ("$($_.Action)" -eq 'Block') })
    $dns = @(); $dhcp = @()
    if ($want.do -eq 'net') {
        foreach ($a in Get-CimInstance Win32_NetworkAdapterConfiguration -Filter 'IPEnabled = TRUE' -Property DNSServerSearchOrder, DHCPServer) {
            $dns += @($a.DNSServerSearchOrder)
            $dhcp += @($a.DHCPServer)
        }
    }
    @{
        rules = $ours.Count; enabled = $on.Count; addresses = [string[]]@($addresses | Sort-Object -Unique); armed = [bool]@(Get-Timer).Count
        off = [string[]]@(Get-Off); dns = [string[]]@($dns | Where-Object { $_ } | Sort-Object -Unique)
        dhcp = [string[]]@($dhcp | Where-Object { $_ } | Sort-Object -Unique)
    }
}

if ($want.do -eq 'block') {
    foreach ($rule in @(Get-Ours)) { Remove-NetFirewallRule -InputObject $rule }
    $protocols = if ([int]$want.port) { 'TCP', 'UDP' } else { 'Any' }
    foreach ($protocol in $protocols) {
        foreach ($direction in 'Outbound', 'Inbound') {
            $rule = @{
                Name = "$($want.group)-$direction-$protocol"; DisplayName = "$($want.group) $direction $protocol"; Group = $want.group
                Direction = $direction; Action = 'Block'; RemoteAddress = [string[]]$want.addresses; Profile = 'Any'; Enabled = 'True'
                Protocol = $protocol
            }
            if ([int]$want.port) { $rule['RemotePort'] = "$([int]$want.port)" }
            [void](New-NetFirewallRule @rule)
        }
    }
}
if ($want.do -eq 'unblock') { foreach ($rule in @(Get-Ours)) { Remove-NetFirewallRule -InputObject $rule } }
if ($want.do -eq 'arm') {
    # The group's name was matched above: nothing in it can end the quotes. As SYSTEM, also on battery, and after a missed start.
    $line = "-NoLogo -NoProfile -NonInteractive -Command `"Get-NetFirewallRule -Group '$($want.group)' | Remove-NetFirewallRule; Unregister-ScheduledTask -TaskPath '$folder' -TaskName '$($want.group)' -Confirm:0`""
    $action = New-ScheduledTaskAction -Execute "$env:SystemRoot\System32\WindowsPowerShell\v1.0\powershell.exe" -Argument $line
    $trigger = New-ScheduledTaskTrigger -Once -At ([datetime]::Now.AddSeconds([int]$want.seconds))
    $who = New-ScheduledTaskPrincipal -UserId 'S-1-5-18' -LogonType ServiceAccount -RunLevel Highest
    $how = New-ScheduledTaskSettingsSet -StartWhenAvailable -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries -RestartCount 3 -RestartInterval ([timespan]'00:01:00')
    [void](Register-ScheduledTask -TaskPath $folder -TaskName $want.group -Action $action -Trigger $trigger -Principal $who -Settings $how -Force)
}
if ($want.do -eq 'disarm') { foreach ($task in @(Get-Timer)) { Unregister-ScheduledTask -InputObject $task -Confirm:$false } }
ConvertTo-Json -InputObject (Read-State) -Depth 4 -Compress
