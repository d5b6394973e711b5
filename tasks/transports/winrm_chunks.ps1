# hemostat chunks 1: looks: a file from an offset, at most so many bytes
# Each line is base64(gzip(up to 48 KB)); gzip's own trailer is the line's CRC-32.
param([string]$Json)
$ErrorActionPreference = 'Stop'
$want = ConvertFrom-Json $Json
$stream = New-Object IO.FileStream($want.path, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]'ReadWrite, Delete')
$sent = [long]0
try {
    [void]$stream.Seek([long]$want.offset, [IO.SeekOrigin]::Begin)
    $buffer = New-Object byte[] 49152
    while ($sent -lt $want.limit) {
        $count = $stream.Read($buffer, 0, [int][Math]::Min([long]$buffer.Length, [long]$want.limit - $sent))
        if ($count -eq 0) { break }
        $packed = New-Object IO.MemoryStream
        $zip = New-Object IO.Compression.GZipStream($packed, [IO.Compression.CompressionMode]::Compress)
        $zip.Write($buffer, 0, $count)
        $zip.Close()
        [Console]::Out.WriteLine([Convert]::ToBase64String($packed.ToArray()))
        $sent += $count
    }
} finally {
    $stream.Close()
}
ConvertTo-Json -Depth 2 -Compress -InputObject @{ sent = $sent }
