# hemostat dump 2: changes: lets the procdump that the operator staged write one process's memory into a closed folder, or removes that file
# Json: do (act, clean), pid, created (epoch), exe, tool (its path, from the inventory), limit (bytes), seconds. Answer: path, size, seen.
# Announced, never hidden: a scanner may raise an alarm. procdump notes in the login's registry that its licence was accepted.
param([string]$Json)
$ErrorActionPreference = 'Stop'
$want = ConvertFrom-Json $Json
$number = [int]$want.pid
$folder = "$env:ProgramData\hemostat\memory"
$file = "$folder\$number.dmp"
$never = 'system', 'registry', 'memory compression', 'secure system', 'smss.exe', 'csrss.exe', 'wininit.exe', 'services.exe', 'lsass.exe', 'lsaiso.exe', 'winlogon.exe', 'msmpeng.exe'
$fields = 'ProcessId', 'CreationDate', 'Name', 'ExecutablePath', 'WorkingSetSize', 'PrivatePageCount'

function Get-Exact {
    foreach ($p in Get-CimInstance Win32_Process -Filter "ProcessId = $number" -Property $fields) {
        $begun = ([datetime]$p.CreationDate).ToUniversalTime().Subtract([datetime]'1970-01-01').TotalSeconds
        if ([Math]::Abs($begun - $want.created) -lt 1.5) { return $p }
    }
}

if ($want.do -eq 'clean') {
    if ([IO.File]::Exists($file)) { Remove-Item -LiteralPath $file -Force }
    return ConvertTo-Json -InputObject @{ path = $file; size = [long]0; seen = 'removed' } -Depth 2 -Compress
}
$process = Get-Exact
if ($null -eq $process) { throw "process $number is gone" }
if (($never -contains "$($process.Name)".ToLowerInvariant()) -or ($number -le 4) -or ($number -eq $PID)) { throw "the memory of $($process.Name) is never copied: it holds the machine's secrets, or is protected" }
if ($want.exe -and ($process.ExecutablePath -ne $want.exe)) { throw "process $number runs $($process.ExecutablePath) and not $($want.exe): look again" }
if ($want.tool -notmatch '^[A-Za-z]:\\[A-Za-z0-9_ .()\\-]+\.exe$') { throw 'winrm.procdump is no plain path of a program' }
if (-not [IO.File]::Exists($want.tool)) { throw "there is no $($want.tool) on this host" }
$signature = Get-AuthenticodeSignature -LiteralPath $want.tool
$signer = if ($signature.SignerCertificate) { "$($signature.SignerCertificate.Subject)" } else { 'nobody' }
if (("$($signature.Status)" -ne 'Valid') -or ($signer -notmatch 'O=Microsoft Corporation')) { throw "$($want.tool) is not signed by Microsoft, but by $signer ($($signature.Status))" }
if ((Get-Item -LiteralPath $want.tool).VersionInfo.OriginalFilename -notlike 'procdump*') { throw "$($want.tool) is another program of Microsoft's" }
$size = [long]$process.WorkingSetSize + [long]$process.PrivatePageCount
if ($size -gt [long]$want.limit) { throw "its memory has about $size bytes, and $($want.limit) are the limit" }
$room = (New-Object IO.DriveInfo($env:SystemDrive)).AvailableFreeSpace
if ($room -lt 2 * $size) { throw "the host has $room bytes free, too few for a dump of about $size" }

foreach ($level in [IO.Path]::GetDirectoryName($folder), $folder) {
    [void][IO.Directory]::CreateDirectory($level)
    if ((Get-Item -LiteralPath $level -Force).Attributes -band [IO.FileAttributes]::ReparsePoint) { throw "$level is a link to elsewhere" }
    $acl = New-Object Security.AccessControl.DirectorySecurity
    $acl.SetSecurityDescriptorSddlForm('O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)', [Security.AccessControl.AccessControlSections]'Owner, Group, Access')
    [IO.Directory]::SetAccessControl($level, $acl)
}
# Neither text can end its quotes: the tool was matched above, the file's name is a number.
$line = "`"$($want.tool)`" -accepteula -ma -o $number `"$file`""
$made = Invoke-CimMethod -ClassName Win32_Process -MethodName Create -Arguments @{ CommandLine = $line }
if ($made.ReturnValue -ne 0) { throw "Windows did not start procdump: $($made.ReturnValue)" }
$child = [int]$made.ProcessId
$until = [datetime]::UtcNow.AddSeconds([double]$want.seconds)
while (([datetime]::UtcNow -lt $until) -and (@(Get-Process | Where-Object { $_.Id -eq $child }).Count)) { Start-Sleep -Milliseconds 250 }
if (@(Get-Process | Where-Object { $_.Id -eq $child }).Count) { throw "procdump did not end in $($want.seconds) seconds: end its process $child by hand" }
if (-not [IO.File]::Exists($file)) { throw 'procdump wrote nothing: the process is protected, or a scanner hindered it' }
if ($null -eq (Get-Exact)) { throw 'the process ended meanwhile: what was written may be another one' }
ConvertTo-Json -InputObject @{ path = $file; size = [long](Get-Item -LiteralPath $file).Length; seen = "written by $($want.tool), signed by $signer" } -Depth 2 -Compress
