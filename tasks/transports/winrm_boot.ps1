# hemostat boot
# Reads two lines of base64(gzip) from standard input, a script and its arguments as JSON, runs it, and frames what it returns.
$l = @($input)
$m = $ExecutionContext.SessionState.LanguageMode
if ("$m" -ne 'FullLanguage') { "LANGUAGE $m"; exit 20 }
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
if ($l.Count -lt 2) { $l = [Console]::In.ReadToEnd().Split("`n") }
$s = 'IO.MemoryStream'
$g = 'IO.Compression.GZipStream'
function U($t) {
$d = New-Object $g ((New-Object $s (,[Convert]::FromBase64String($t))), [IO.Compression.CompressionMode]::Decompress)
(New-Object IO.StreamReader($d, [Text.Encoding]::UTF8)).ReadToEnd()
}
$b = [ScriptBlock]::Create((U $l[0]))
$r = [Text.Encoding]::UTF8.GetBytes((@(& $b (U $l[1])) -join "`n"))
$o = New-Object $s
$z = New-Object $g ($o, [IO.Compression.CompressionMode]::Compress)
$z.Write($r, 0, $r.Length)
$z.Close()
$h = (New-Object Security.Cryptography.SHA256CryptoServiceProvider).ComputeHash($r)
$c = [Console]::Out
$c.WriteLine("BEGIN $($r.Length) $([BitConverter]::ToString($h) -replace '-')")
$c.WriteLine([Convert]::ToBase64String($o.ToArray(), 'InsertLineBreaks'))
$c.WriteLine('END')
