# hemostat value 2: changes: takes one registry value away, or gives it its clean text, or writes it back; a copy is parked beside
# Json: do (look, act, undo), key, name, view, data (as triage saw it), clean (text, or null to take it away), incident, record.
param([string]$Json)
$ErrorActionPreference = 'Stop'
$want = ConvertFrom-Json $Json
$hive, $path = $want.key -split '\\', 2
$hives = @{ 'HKLM' = 'LocalMachine'; 'HKU' = 'Users' }
if (-not $hives.ContainsKey($hive)) { throw "no such hive: $hive" }
$root = [Microsoft.Win32.RegistryKey]::OpenBaseKey($hives[$hive], "Registry$($want.view)")

function Read-State {
    $key = $root.OpenSubKey($path)
    if ($null -eq $key) { return @{ gone = $true; seen = 'its key is not there'; record = @{} } }
    $data = $key.GetValue($want.name, $null, 'DoNotExpandEnvironmentNames')
    if ($null -eq $data) { return @{ gone = $true; seen = 'it is not there'; record = @{} } }
    $text = if ($data -is [array]) { @($data) -join ' ' } else { "$data" }
    # Never from a function's output: 5.1 would write an array that came that way as {"value": [], "Count": 0}.
    $raw = $data
    if ($data -is [byte[]]) { $raw = [Convert]::ToBase64String($data) } elseif ($data -is [array]) { $raw = [string[]]$data }
    $record = @{ type = "$($key.GetValueKind($want.name))"; raw = $raw; text = $text }
    $clean = ($null -ne $want.clean) -and ($text -eq $want.clean)
    @{ gone = $clean; seen = "it says $text"; record = $record }
}

$now = Read-State
if ($want.do -eq 'look') { return ConvertTo-Json -InputObject $now -Depth 5 -Compress }
if ($want.do -eq 'act') {
    if ($now.gone) { return ConvertTo-Json -InputObject $now -Depth 5 -Compress }
    if ($now.record.text -ne $want.data) { throw "it says $($now.record.text) now and not $($want.data): look again" }
    $machine = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
    $parked = $machine.CreateSubKey("SOFTWARE\hemostat\parked\$($want.incident)")
    $parked.SetValue("$($want.view) $($want.key)\$($want.name)", (ConvertTo-Json -InputObject $now.record -Depth 3 -Compress), 'String')
    $key = $root.OpenSubKey($path, $true)
    if ($null -eq $want.clean) { $key.DeleteValue($want.name, $false) } else { $key.SetValue($want.name, $want.clean, $now.record.type) }
    return ConvertTo-Json -InputObject (Read-State) -Depth 5 -Compress
}
if ($want.do -eq 'undo') {
    $key = $root.CreateSubKey($path)
    $kind = [Microsoft.Win32.RegistryValueKind]$want.record.type
    $raw = $want.record.raw
    if ('Binary', 'None', 'Unknown' -contains "$kind") { $raw = [Convert]::FromBase64String($raw) }
    if ("$kind" -eq 'MultiString') { $raw = [string[]]@($raw) }
    $key.SetValue($want.name, $raw, $kind)
    return ConvertTo-Json -InputObject (Read-State) -Depth 5 -Compress
}
throw "there is no such verb: $($want.do)"
