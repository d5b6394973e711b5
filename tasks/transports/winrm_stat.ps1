# hemostat stat 2: looks: one file's size, times and the SHA-256 of its first bytes, also while others write or delete it
param([string]$Json)
$ErrorActionPreference = 'Stop'
$want = ConvertFrom-Json $Json
$item = Get-Item -LiteralPath $want.path -Force
$stream = New-Object IO.FileStream($item.FullName, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]'ReadWrite, Delete')
$sha = New-Object Security.Cryptography.SHA256CryptoServiceProvider
$buffer = New-Object byte[] 1048576
$hashed = [long]0
try {
    $size = $stream.Length
    while ($hashed -lt $want.limit) {
        $count = $stream.Read($buffer, 0, [int][Math]::Min([long]$buffer.Length, [long]$want.limit - $hashed))
        if ($count -eq 0) { break }
        [void]$sha.TransformBlock($buffer, 0, $count, $null, 0)
        $hashed += $count
    }
    [void]$sha.TransformFinalBlock($buffer, 0, 0)
} finally {
    $stream.Close()
}
ConvertTo-Json -Depth 2 -Compress -InputObject @{
    path = $item.FullName
    size = $size
    hashed = $hashed
    sha256 = [BitConverter]::ToString($sha.Hash).Replace('-', '').ToLowerInvariant()
    modified = $item.LastWriteTimeUtc.ToString('o')
    created = $item.CreationTimeUtc.ToString('o')
    attributes = "$($item.Attributes)"
}
