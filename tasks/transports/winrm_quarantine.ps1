# hemostat quarantine 3: changes: renames one file into a locked folder on its own volume, or back; deletes nothing
# Json: do (look, act, undo), path, sha256, incident, record (for undo). Answer: gone, seen, record.
param([string]$Json)
$ErrorActionPreference = 'Stop'
$want = ConvertFrom-Json $Json
# Owned by the administrators, nothing inherited, for SYSTEM and the administrators alone (SDDL, MS-DTYP 2.5.1).
$closed = 'O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
$sections = [Security.AccessControl.AccessControlSections]

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

# Each folder from ours down is closed: whoever owns one above could still rename what lies below.
function New-Vault { param($Folder)
    $levels = @()
    while (-not [IO.Path]::GetFileName($Folder).StartsWith('hemostat')) { $levels += $Folder; $Folder = [IO.Path]::GetDirectoryName($Folder) }
    $levels += $Folder
    [array]::Reverse($levels)
    foreach ($level in $levels) {
        [void][IO.Directory]::CreateDirectory($level)
        if ((Get-Item -LiteralPath $level -Force).Attributes -band [IO.FileAttributes]::ReparsePoint) { throw "$level is a link to elsewhere" }
        $acl = New-Object Security.AccessControl.DirectorySecurity
        $acl.SetSecurityDescriptorSddlForm($closed, ($sections::Owner -bor $sections::Group -bor $sections::Access))
        [IO.Directory]::SetAccessControl($level, $acl)
    }
}

# Only the parts that are named are written: the owner needs a right of its own (SeRestorePrivilege for another's).
function Set-Rights { param($Path, $Sddl, $Parts)
    $acl = New-Object Security.AccessControl.FileSecurity
    $acl.SetSecurityDescriptorSddlForm($Sddl, $Parts)
    [IO.File]::SetAccessControl($Path, $acl)
}

function ConvertTo-Time { param($Text)
    [datetime]::Parse($Text, [Globalization.CultureInfo]::InvariantCulture, [Globalization.DateTimeStyles]::RoundtripKind)
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
    try {
        # To read it, and to change its rights again: whoever owns it need not be we.
        Set-Rights $want.record.kept 'D:PAI(A;;FRWD;;;BA)' ($sections::Access)
    } catch {
        [IO.File]::Move($want.record.kept, $want.path)
        throw "its rights cannot be changed, so it stands where it stood: $($_.Exception.Message)"
    }
    return ConvertTo-Json -InputObject @{ gone = $true; seen = "it lies in $($want.record.kept)"; record = @{} } -Depth 4 -Compress
}
if ($want.do -eq 'undo') {
    if ($there) { throw 'another file stands in its place: move that one away first' }
    Set-Rights $want.record.kept 'D:PAI(A;;FA;;;BA)(A;;FA;;;SY)' ($sections::Access)
    if ((Read-Hash $want.record.kept) -ne $want.record.sha256) { throw 'what lies in the quarantine is not what was put there' }
    [IO.File]::Move($want.record.kept, $want.path)
    [IO.File]::SetCreationTimeUtc($want.path, (ConvertTo-Time $want.record.created))
    [IO.File]::SetLastWriteTimeUtc($want.path, (ConvertTo-Time $want.record.written))
    [IO.File]::SetLastAccessTimeUtc($want.path, (ConvertTo-Time $want.record.accessed))
    [IO.File]::SetAttributes($want.path, [IO.FileAttributes][int]$want.record.attributes)
    # The rights last: afterwards we may have none. Where its owner cannot be given back, the rest is, and the next look tells.
    try { Set-Rights $want.path $want.record.sddl ($sections::Owner -bor $sections::Group) } catch { $failure = "$($_.Exception.Message)" }
    Set-Rights $want.path $want.record.sddl ($sections::Access)
    return ConvertTo-Json -InputObject @{ gone = $false; seen = "it stands again$(if ($failure) { ', with another owner: ' })$failure"; record = @{} } -Depth 4 -Compress
}
throw "there is no such verb: $($want.do)"
