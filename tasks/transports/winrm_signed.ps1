# hemostat signed 4: looks: hash, signature, attributes and streams of the files that were named, within a time
# Json: paths, seconds (in all), largest (bytes that are hashed). One row a path, in their order; what time left out says so.
param([string]$Json)
$want = ConvertFrom-Json $Json
$until = [datetime]::UtcNow.AddSeconds([double]$want.seconds)

function ConvertTo-Epoch { param($When)
    [Math]::Round(([datetime]$When).ToUniversalTime().Subtract([datetime]'1970-01-01').TotalSeconds, 3)
}

function Read-Hash { param($Path)
    $stream = New-Object IO.FileStream($Path, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]'ReadWrite, Delete')
    try { $sum = (New-Object Security.Cryptography.SHA256CryptoServiceProvider).ComputeHash($stream) } finally { $stream.Close() }
    [BitConverter]::ToString($sum).Replace('-', '').ToLowerInvariant()
}

# Revocation is looked up on the network, which an isolated host has not: each look has its own end. A space that hangs is left behind.
$spaces = @{ now = [Management.Automation.PowerShell]::Create() }
function Read-Signature { param($Path, [double]$Seconds)
    $space = $spaces.now
    $space.Commands.Clear()
    [void]$space.AddCommand('Get-AuthenticodeSignature').AddParameter('LiteralPath', $Path)
    $waiting = $space.BeginInvoke()
    if ($waiting.AsyncWaitHandle.WaitOne([int](1000 * $Seconds))) {
        $found = @($space.EndInvoke($waiting))
        if ($found.Count) { return $found[0] }
        throw "its signature was not read: $(@($space.Streams.Error.ReadAll()) -join '; ')"
    }
    [void]$space.BeginStop($null, $null)
    $spaces.now = [Management.Automation.PowerShell]::Create()
    throw "its signature was not read within $Seconds seconds"
}

# Most of Windows' own files are signed by a catalog, which Get-AuthenticodeSignature reads since 5.1 (its SignatureType came with it), and
# not on Windows 7 and 2008 R2 (6.1), whatever PowerShell they were given: their wintrust.dll has no WTGetSignatureInfo.
$catalogs = ($PSVersionTable.PSVersion -ge [version]'5.1') -and ([Environment]::OSVersion.Version -ge [version]'6.2')

$rows = @()
foreach ($path in $want.paths) {
    $row = @{
        path = "$path"; exists = $true; size = [long]0; sha256 = ''; status = ''; kind = ''; os_binary = $false; signer = ''; thumbprint = ''
        company = ''; attributes = @(); streams = @(); owner = ''; created = 0.0; modified = 0.0; why = ''
    }
    $rows += $row
    if ([datetime]::UtcNow -gt $until) { $row.why = 'there was no time left to look at it'; continue }
    try {
        $real = [Environment]::ExpandEnvironmentVariables("$path")
        # Exists says no to any longer one (MAX_PATH), and "it is not there" would be judged as deleted.
        if ($real.Length -ge 260) { $row.why = 'its path is too long to be looked at'; continue }
        if (-not [IO.File]::Exists($real)) { $row.exists = $false; continue }
        $item = Get-Item -LiteralPath $real -Force
        $row.size = [long]$item.Length
        $row.created = ConvertTo-Epoch $item.CreationTimeUtc
        $row.modified = ConvertTo-Epoch $item.LastWriteTimeUtc
        $row.attributes = [string[]]@("$($item.Attributes)".Split(',') | ForEach-Object { $_.Trim() })
        $row.company = "$($item.VersionInfo.CompanyName)"
        $row.streams = [string[]]@(Get-Item -LiteralPath $real -Stream * -Force -ErrorAction SilentlyContinue | Where-Object { $_.Stream -ne ':$DATA' } | ForEach-Object { $_.Stream })
        $row.owner = "$((Get-Acl -LiteralPath $real).Owner)"
        # FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS: a cloud's file, which reading would fetch.
        if ([int]$item.Attributes -band 0x400000) { $row.why = 'its content lies in a cloud, not on this host'; continue }
        if ($item.Length -le [long]$want.largest) { $row.sha256 = Read-Hash $real } else { $row.why = 'it is too large to be hashed' }
        $signature = Read-Signature $real 10
        if ($null -ne $signature) {
            $row.status = "$($signature.Status)"
            $row.kind = "$($signature.SignatureType)"
            $row.os_binary = [bool]$signature.IsOSBinary
            if ((-not $catalogs) -and ($row.status -eq 'NotSigned')) {
                $row.status = ''
                $row.why = "PowerShell $($PSVersionTable.PSVersion) reads no catalog signatures on Windows $([Environment]::OSVersion.Version)"
            }
            if ($signature.SignerCertificate) {
                $row.signer = "$($signature.SignerCertificate.Subject)"
                $row.thumbprint = "$($signature.SignerCertificate.Thumbprint)"
            }
        }
    } catch {
        $row.why = "$($_.Exception.Message)"
    }
}
ConvertTo-Json -InputObject ([object[]]$rows) -Depth 4 -Compress
