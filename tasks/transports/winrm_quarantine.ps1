# hemostat quarantine 1: changes: renames one file into a locked folder on its own volume, or back; deletes nothing
# Json: do (look, act, undo), path, sha256, incident, record (for undo). Answer: gone, seen, record.
param([string]$Json)
$ErrorActionPreference = 'Stop'
$want = ConvertFrom-Json $Json
# Owned by the administrators, nothing inherited, for SYSTEM and the administrators alone (SDDL, MS-DTYP 2.5.1).
$closed = 'O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
$parts = 'Owner', 'Group', 'Access'

function Read-Hash { param($Path)
    $stream = New-Object IO.FileStream($Path, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]'ReadWrite, Delete')
    try { $sum = (New-Object Security.Cryptography.SHA256CryptoServiceProvider).ComputeHash($stream) } finally { $stream.Close() }
    [BitConverter]::ToString($sum).Replace('-', '').ToLowerInvariant()
}

function Get-Place { param($Path, $Digest)
    $volume = [IO.Path]::GetPathRoot($Path)
    $folder = if ($volume -eq [IO.Path]::GetPathRoot($env:ProgramData)) { "$env:ProgramData\hemostat\quarantine" } else { "${volume}hemostat-quarantine" }
    $name = [IO.Path]::GetFileName($Path)
    for ($number = 1; $number -lt 1000; $number++) {
        $try = "$folder\$($want.incident)\$($Digest.Substring(0, 16))-$number-$name.quarantined"
        if (-not [IO.File]::Exists($try)) { return $try }
    }
    throw 'the quarantine holds a thousand files of that name'
}

function New-Vault { param($Folder)
    if (-not [IO.Directory]::Exists($Folder)) { [void](New-Item -ItemType Directory -Path $Folder -Force) }
    $item = Get-Item -LiteralPath $Folder -Force
    if ($item.Attributes -band [IO.FileAttributes]::ReparsePoint) { throw "$Folder is a link to elsewhere" }
    $acl = New-Object Security.AccessControl.DirectorySecurity
    $acl.SetSecurityDescriptorSddlForm($closed)
    Set-Acl -LiteralPath $Folder -AclObject $acl
}

$there = [IO.File]::Exists($want.path)
if ($want.do -eq 'look') {
    if (-not $there) {
        $kept = [bool]($want.record -and $want.record.kept -and [IO.File]::Exists($want.record.kept))
        return ConvertTo-Json -InputObject @{ gone = $true; seen = 'it is not there'; record = @{ vaulted = $kept } } -Depth 4 -Compress
    }
    $item = Get-Item -LiteralPath $want.path -Force
    $digest = Read-Hash $want.path
    $record = @{
        kept = Get-Place $want.path $digest; sha256 = $digest; attributes = [int]$item.Attributes
        sddl = "$((Get-Acl -LiteralPath $want.path).Sddl)"; created = $item.CreationTimeUtc.ToString('o')
        written = $item.LastWriteTimeUtc.ToString('o'); accessed = $item.LastAccessTimeUtc.ToString('o')
    }
    return ConvertTo-Json -InputObject @{ gone = $false; seen = "$($item.Length) bytes, $($item.Attributes)"; record = $record } -Depth 4 -Compress
}
if ($want.do -eq 'act') {
    if (-not $there) { return ConvertTo-Json -InputObject @{ gone = $true; seen = 'it is not there'; record = @{} } -Depth 4 -Compress }
    if ((Read-Hash $want.path) -ne $want.sha256) { throw 'another file stands in its place: its hash is not the one that triage saw' }
    New-Vault ([IO.Path]::GetDirectoryName($want.record.kept))
    # A running program's file can be renamed within its volume, not deleted (MoveFileEx).
    [IO.File]::Move($want.path, $want.record.kept)
    $acl = New-Object Security.AccessControl.FileSecurity
    $acl.SetSecurityDescriptorSddlForm('O:BAG:BAD:PAI(A;;FR;;;BA)')
    Set-Acl -LiteralPath $want.record.kept -AclObject $acl
    return ConvertTo-Json -InputObject @{ gone = $true; seen = "it lies in $($want.record.kept)"; record = @{} } -Depth 4 -Compress
}
if ($want.do -eq 'undo') {
    if ($there) { throw 'another file stands in its place: move that one away first' }
    $open = New-Object Security.AccessControl.FileSecurity
    $open.SetSecurityDescriptorSddlForm('O:BAG:BAD:PAI(A;;FA;;;BA)(A;;FA;;;SY)')
    Set-Acl -LiteralPath $want.record.kept -AclObject $open
    if ((Read-Hash $want.record.kept) -ne $want.record.sha256) { throw 'what lies in the quarantine is not what was put there' }
    [IO.File]::Move($want.record.kept, $want.path)
    $acl = New-Object Security.AccessControl.FileSecurity
    $acl.SetSecurityDescriptorSddlForm($want.record.sddl, $parts -join ', ')
    Set-Acl -LiteralPath $want.path -AclObject $acl
    [IO.File]::SetCreationTimeUtc($want.path, [datetime]::Parse($want.record.created).ToUniversalTime())
    [IO.File]::SetLastWriteTimeUtc($want.path, [datetime]::Parse($want.record.written).ToUniversalTime())
    [IO.File]::SetLastAccessTimeUtc($want.path, [datetime]::Parse($want.record.accessed).ToUniversalTime())
    [IO.File]::SetAttributes($want.path, [IO.FileAttributes][int]$want.record.attributes)
    return ConvertTo-Json -InputObject @{ gone = $false; seen = 'it stands again'; record = @{} } -Depth 4 -Compress
}
throw "there is no such verb: $($want.do)"
