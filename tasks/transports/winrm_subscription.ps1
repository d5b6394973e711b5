# hemostat subscription 2: changes: takes one permanent WMI subscription apart, binding first, or makes it again
# Json: do (look, act, undo), namespace, type (the consumer's class), name, record (for undo). Answer: gone, seen, record.
param([string]$Json)
$ErrorActionPreference = 'Stop'
$want = ConvertFrom-Json $Json
$space = $want.namespace
$classes = 'CommandLineEventConsumer', 'ActiveScriptEventConsumer'
if ($classes -notcontains $want.type) { throw "not a consumer that runs something: $($want.type)" }

function ConvertTo-Plain { param($Object, $Names)
    $plain = @{}
    foreach ($name in $Names) { if ($null -ne $Object.$name) { $plain[$name] = $Object.$name } }
    $plain
}

# Two consumers of different classes may bear one name.
function Test-Mine { param($Binding)
    ($Binding.Consumer.Name -eq $want.name) -and ($Binding.Consumer.CimSystemProperties.ClassName -eq $want.type)
}

function Find-All {
    $consumer = @(Get-CimInstance -Namespace $space -ClassName $want.type | Where-Object { $_.Name -eq $want.name })
    $bindings = @(Get-CimInstance -Namespace $space -ClassName __FilterToConsumerBinding | Where-Object { Test-Mine $_ })
    $others = @(Get-CimInstance -Namespace $space -ClassName __FilterToConsumerBinding | Where-Object { -not (Test-Mine $_) } | ForEach-Object { $_.Filter.Name })
    $names = @($bindings | ForEach-Object { $_.Filter.Name })
    $filters = @(Get-CimInstance -Namespace $space -ClassName __EventFilter | Where-Object { $names -contains $_.Name })
    @{ consumer = $consumer; bindings = $bindings; filters = $filters; shared = $others }
}

function Read-State { param($Found)
    $kept = 'Name', 'CommandLineTemplate', 'ExecutablePath', 'WorkingDirectory', 'RunInteractively', 'ScriptingEngine', 'ScriptText', 'ScriptFileName', 'KillTimeout'
    $record = @{
        consumer = $(if ($Found.consumer.Count) { ConvertTo-Plain $Found.consumer[0] $kept } else { $null })
        filters = [object[]]@($Found.filters | ForEach-Object { ConvertTo-Plain $_ ('Name', 'Query', 'QueryLanguage', 'EventNamespace') })
        bound = [string[]]@($Found.bindings | ForEach-Object { $_.Filter.Name })
    }
    $left = $Found.consumer.Count + $Found.bindings.Count
    @{ gone = ($left -eq 0); seen = "$($Found.consumer.Count) consumer, $($Found.bindings.Count) bindings"; record = $record }
}

$found = Find-All
if ($want.do -eq 'look') { return ConvertTo-Json -InputObject (Read-State $found) -Depth 5 -Compress }
if ($want.do -eq 'act') {
    foreach ($b in $found.bindings) { Remove-CimInstance -InputObject $b }
    foreach ($c in $found.consumer) { Remove-CimInstance -InputObject $c }
    foreach ($f in $found.filters) { if ($found.shared -notcontains $f.Name) { Remove-CimInstance -InputObject $f } }
    return ConvertTo-Json -InputObject (Read-State (Find-All)) -Depth 5 -Compress
}
if ($want.do -eq 'undo') {
    $made = @{}
    foreach ($f in $want.record.filters) {
        $there = @(Get-CimInstance -Namespace $space -ClassName __EventFilter | Where-Object { $_.Name -eq $f.Name })
        if ($there.Count) { $made[$f.Name] = $there[0]; continue }
        $values = @{}
        foreach ($property in $f.PSObject.Properties) { $values[$property.Name] = $property.Value }
        $made[$f.Name] = New-CimInstance -Namespace $space -ClassName __EventFilter -Property $values
    }
    $values = @{}
    foreach ($property in $want.record.consumer.PSObject.Properties) { $values[$property.Name] = $property.Value }
    if ($values.ContainsKey('KillTimeout')) { $values['KillTimeout'] = [uint32]$values['KillTimeout'] }
    $consumer = New-CimInstance -Namespace $space -ClassName $want.type -Property $values
    foreach ($name in $want.record.bound) {
        $filter = $made[$name]
        $ends = @{ Filter = [ref]$filter; Consumer = [ref]$consumer }
        [void](New-CimInstance -Namespace $space -ClassName __FilterToConsumerBinding -Property $ends)
    }
    return ConvertTo-Json -InputObject (Read-State (Find-All)) -Depth 5 -Compress
}
throw "there is no such verb: $($want.do)"
