# hemostat stat 1: looks: one file's size, times and SHA-256, also while others write or delete it
param([string]$Json)
$ErrorActionPreference = 'Stop'
$want = ConvertFrom-Json $Json
$item = Get-Item -LiteralPath $want.path -Force
$stream = New-Object IO.FileStream($item.FullName, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]'ReadWrite, Delete')
try {
    $hash = (New-Object Security.Cryptography.SHA256CryptoServiceProvider).ComputeHash($stream)
    $size = $stream.Length
} finally {
    $stream.Close()
}
ConvertTo-Json -Depth 2 -Compress -InputObject @{
    path = $item.FullName
    size = $size
    sha256 = [BitConverter]::ToString($hash).Replace('-', '').ToLowerInvariant()
    modified = $item.LastWriteTimeUtc.ToString('o')
    created = $item.CreationTimeUtc.ToString('o')
    attributes = "$($item.Attributes)"
}
