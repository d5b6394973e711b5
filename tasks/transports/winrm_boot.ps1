# hemostat boot 1: runs: the script that comes with its arguments by standard input, and frames what it returns
# Two lines of base64(gzip): the script, then its arguments as JSON. The only script that may run another one.
$l = @($input)
$m = $ExecutionContext.SessionState.LanguageMode
if ("$m" -ne 'FullLanguage') { "LANGUAGE $m"; exit 20 }
if ($PSVersionTable.PSVersion.Major -lt 3) { 'LANGUAGE V2'; exit 20 }
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
# A provider that hangs keeps its thread: nobody waits for it once the answer is out.
[Environment]::Exit(0)
