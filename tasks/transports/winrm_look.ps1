# hemostat look 4: looks: the sections that were asked for, each in its own time, each telling its own failure
# Json: sections (names), seconds (of each), since (epoch), pids (suspects), remote and watch (seconds, for the section watch).
# Answer: {name: {rows, error, seconds}}.
param([string]$Json)
$want = ConvertFrom-Json $Json

# What every section may use; it is put before each one's text.
$shared = {
    function ConvertTo-Epoch { param($When)
        if ($null -eq $When) { return 0.0 }
        [Math]::Round(([datetime]$When).ToUniversalTime().Subtract([datetime]'1970-01-01').TotalSeconds, 3)
    }
    # Well-known accounts by their English names, whatever language Windows speaks. From SID to name, which asks no domain controller.
    function ConvertTo-Account { param($Name)
        if (-not $Name) { return '' }
        if ($known.ContainsKey("$Name")) { return $known["$Name"] }
        "$Name"
    }
    # Folder by folder: -Recurse has no -Depth before PowerShell 5, and follows junctions.
    function Read-Tree { param($Folder, [int]$Depth)
        foreach ($f in Get-ChildItem -LiteralPath $Folder -Force -ErrorAction SilentlyContinue) {
            if (-not $f.PSIsContainer) { $f; continue }
            if ($f.Attributes -band [IO.FileAttributes]::ReparsePoint) { continue }
            if ($Depth -gt 0) { Read-Tree $f.FullName ($Depth - 1) }
        }
    }
    $known = @{}
    $accounts = @{ 'S-1-5-18' = 'NT AUTHORITY\SYSTEM'; 'S-1-5-19' = 'NT AUTHORITY\LOCAL SERVICE'; 'S-1-5-20' = 'NT AUTHORITY\NETWORK SERVICE' }
    foreach ($sid in @($accounts.Keys)) {
        $here = (New-Object Security.Principal.SecurityIdentifier($sid)).Translate([Security.Principal.NTAccount]).Value
        $known["$here"] = $accounts[$sid]
    }
}

$sections = @{}

$sections['preflight'] = { param($want)
    $os = Get-CimInstance Win32_OperatingSystem -Property Version, Caption, LastBootUpTime, CSName
    $who = [Security.Principal.WindowsIdentity]::GetCurrent()
    $role = New-Object Security.Principal.WindowsPrincipal($who)
    $pages = Get-ItemProperty -LiteralPath 'HKLM:\SYSTEM\CurrentControlSet\Control\Nls\CodePage'
    @{
        language = "$($ExecutionContext.SessionState.LanguageMode)"
        admin = [bool]$role.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
        process64 = [Environment]::Is64BitProcess
        build = "$($os.Version)"
        product = "$($os.Caption)"
        codepage = [int]$pages.OEMCP
        computer = "$($os.CSName)"
        user = "$($who.Name)"
        boot = ConvertTo-Epoch $os.LastBootUpTime
        now = ConvertTo-Epoch ([datetime]::UtcNow)
    }
}

# 2008 R2 has no such cmdlet: then netstat's own text, which the runner reads by its columns.
$sections['connections'] = { param($want)
    $now = ConvertTo-Epoch ([datetime]::UtcNow)
    if (-not (Get-Command Get-NetTCPConnection -ErrorAction SilentlyContinue)) {
        return @{ at = $now; netstat = ((& 'netstat.exe' -ano) -join "`n") }
    }
    foreach ($c in Get-NetTCPConnection) {
        @{
            at = $now; proto = 'tcp'; local = "$($c.LocalAddress)"; local_port = [int]$c.LocalPort; remote = "$($c.RemoteAddress)"
            remote_port = [int]$c.RemotePort; state = "$($c.State)"; pid = [int]$c.OwningProcess
        }
    }
    foreach ($c in Get-NetUDPEndpoint) {
        @{
            at = $now; proto = 'udp'; local = "$($c.LocalAddress)"; local_port = [int]$c.LocalPort; remote = ''; remote_port = 0
            state = 'None'; pid = [int]$c.OwningProcess
        }
    }
}

# A short connect shows whose it is only while it stands: ask again and again, here.
$sections['watch'] = { param($want)
    $until = [datetime]::UtcNow.AddSeconds([double]$want.watch)
    while ([datetime]::UtcNow -lt $until) {
        $seen = @(Get-NetTCPConnection | Where-Object { ($want.remote, "::ffff:$($want.remote)" -contains "$($_.RemoteAddress)") -and ($_.OwningProcess -gt 0) })
        foreach ($c in $seen) {
            @{
                at = ConvertTo-Epoch ([datetime]::UtcNow); proto = 'tcp'; local = "$($c.LocalAddress)"; local_port = [int]$c.LocalPort
                remote = "$($c.RemoteAddress)"; remote_port = [int]$c.RemotePort; state = "$($c.State)"; pid = [int]$c.OwningProcess
            }
        }
        if ($seen.Count) { return }
        Start-Sleep -Milliseconds 100
    }
}

$sections['processes'] = { param($want)
    $owner = @{}
    foreach ($p in Get-Process -IncludeUserName -ErrorAction SilentlyContinue) { $owner[[int]$p.Id] = $p.UserName }
    $fields = 'ProcessId', 'ParentProcessId', 'CreationDate', 'Name', 'ExecutablePath', 'CommandLine'
    foreach ($p in Get-CimInstance Win32_Process -Property $fields) {
        @{
            pid = [int]$p.ProcessId; ppid = [int]$p.ParentProcessId; created = ConvertTo-Epoch $p.CreationDate; name = "$($p.Name)"
            exe = "$($p.ExecutablePath)"; command = "$($p.CommandLine)"; user = ConvertTo-Account $owner[[int]$p.ProcessId]
            ours = ($p.ProcessId -eq $PID)
        }
    }
}

$sections['services'] = { param($want)
    $base = 'HKLM:\SYSTEM\CurrentControlSet\Services'
    $fields = 'Name', 'DisplayName', 'ServiceType', 'State', 'StartMode', 'StartName', 'PathName', 'ProcessId'
    foreach ($s in Get-CimInstance Win32_Service -Property $fields) {
        $key = $null; $more = $null
        $key = Get-ItemProperty -LiteralPath "$base\$($s.Name)" -ErrorAction SilentlyContinue
        $more = Get-ItemProperty -LiteralPath "$base\$($s.Name)\Parameters" -ErrorAction SilentlyContinue
        @{
            name = "$($s.Name)"; display = "$($s.DisplayName)"; type = "$($s.ServiceType)"; state = "$($s.State)"; start = "$($s.StartMode)"
            account = "$($s.StartName)"; command = "$($s.PathName)"; dll = "$($more.ServiceDll)$(if (-not $more.ServiceDll) { $key.ServiceDll })"
            failure_command = "$($key.FailureCommand)"; pid = [int]$s.ProcessId
        }
    }
}

$sections['tasks'] = { param($want)
    function Read-Folder { param($Folder, [int]$Depth)
        foreach ($t in $Folder.GetTasks(1)) {
            $doc = New-Object Xml.XmlDocument
            $doc.XmlResolver = $null
            $doc.LoadXml($t.Xml)
            $actions = @(); $triggers = @()
            foreach ($a in $doc.GetElementsByTagName('Exec')) { $actions += "$($a.Command) $($a.Arguments)".Trim() }
            foreach ($a in $doc.GetElementsByTagName('ComHandler')) { $actions += "ComHandler $($a.ClassId)" }
            foreach ($a in $doc.GetElementsByTagName('Triggers')) { foreach ($c in $a.ChildNodes) { $triggers += "$($c.LocalName)" } }
            $file = Get-Item -LiteralPath "$env:SystemRoot\System32\Tasks$($t.Path)" -Force -ErrorAction SilentlyContinue
            @{
                path = "$($t.Path)"; enabled = [bool]$t.Enabled; hidden = $false; run_as = "$($t.Definition.Principal.UserId)"
                author = "$($t.Definition.RegistrationInfo.Author)"; actions = $actions; triggers = $triggers
                xml = "$($t.Xml)"; modified = $(if ($file) { ConvertTo-Epoch $file.LastWriteTimeUtc } else { 0.0 })
            }
        }
        if ($Depth -gt 0) { foreach ($f in $Folder.GetFolders(0)) { Read-Folder $f ($Depth - 1) } }
    }
    $scheduler = New-Object -ComObject Schedule.Service
    $scheduler.Connect()
    Read-Folder $scheduler.GetFolder('\') 12
    # A task whose Tree key has lost its SD value is listed by no tool (Microsoft Threat Intelligence on Tarrask, April 2022).
    $cache = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache'
    function Read-Keys { param($Path, [int]$Depth)
        foreach ($key in Get-ChildItem -LiteralPath $Path) {
            $key
            if ($Depth -gt 0 -and $key.SubKeyCount) { Read-Keys $key.PSPath ($Depth - 1) }
        }
    }
    foreach ($key in Read-Keys "$cache\Tree" 12) {
        $id = $key.GetValue('Id')
        if (-not $id -or $null -ne $key.GetValue('SD')) { continue }
        $blob = (Get-ItemProperty -LiteralPath "$cache\Tasks\$id" -ErrorAction SilentlyContinue).Actions
        $text = if ($blob) { [Text.Encoding]::Unicode.GetString($blob, 0, $blob.Length - $blob.Length % 2) } else { '' }
        $told = ($text -replace '[^ -~]+', ' ').Trim()
        @{
            path = $key.Name.Substring($key.Name.IndexOf('\Tree\') + 5); enabled = $true; hidden = $true; run_as = ''; author = ''
            actions = @($told); triggers = @(); xml = ''; modified = 0.0
        }
    }
}

$sections['registry'] = { param($want)
    function Read-Values { param($Root, $Hive, [int]$View, $Kind, $Path, $Names, $User)
        # First nothing: where the key may not be opened, PowerShell would go on with the caller's $key.
        $key = $null
        $key = $Root.OpenSubKey($Path)
        if ($null -eq $key) { return }
        foreach ($name in $key.GetValueNames()) {
            if (($null -ne $Names) -and ($Names -notcontains $name)) { continue }
            $data = $key.GetValue($name, $null, 'DoNotExpandEnvironmentNames')
            $text = if ($data -is [array]) { @($data) -join ' ' } else { "$data" }
            # A name that is listed and then not found holds a null character, at which every such call ends: it hides from Windows' own tools.
            try { $type = "$($key.GetValueKind($name))" } catch { $type = 'Unreadable' }
            @{ kind = $Kind; key = "$Hive\$Path"; name = "$name"; data = $text; type = $type; view = $View; user = "$User" }
        }
        $key.Close()
    }
    function Read-Below { param($Root, $Hive, [int]$View, $Kind, $Path, $Names, $User, $Inner)
        $key = $null
        $key = $Root.OpenSubKey($Path)
        if ($null -eq $key) { return }
        foreach ($name in $key.GetSubKeyNames()) { Read-Values $Root $Hive $View $Kind "$Path\$name$Inner" $Names $User }
        $key.Close()
    }
    $windows = 'SOFTWARE\Microsoft\Windows\CurrentVersion'
    $nt = 'SOFTWARE\Microsoft\Windows NT\CurrentVersion'
    $runs = "$windows\Run", "$windows\RunOnce", "$windows\RunServices", "$windows\Policies\Explorer\Run"
    foreach ($view in 64, 32) {
        $root = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', "Registry$view")
        foreach ($path in $runs) { Read-Values $root 'HKLM' $view 'run' $path $null '' }
        Read-Below $root 'HKLM' $view 'run' "$windows\RunOnceEx" $null '' ''
        Read-Values $root 'HKLM' $view 'winlogon' "$nt\Winlogon" ('Shell', 'Userinit', 'Taskman', 'System', 'VmApplet') ''
        Read-Values $root 'HKLM' $view 'appinit' "$nt\Windows" (,'AppInit_DLLs') ''
        Read-Below $root 'HKLM' $view 'ifeo' "$nt\Image File Execution Options" (,'Debugger') '' ''
        Read-Below $root 'HKLM' $view 'silent_exit' "$nt\SilentProcessExit" (,'MonitorProcess') '' ''
        Read-Below $root 'HKLM' $view 'active_setup' 'SOFTWARE\Microsoft\Active Setup\Installed Components' (,'StubPath') '' ''
        if ($view -eq 64) {
            $control = 'SYSTEM\CurrentControlSet\Control'
            Read-Values $root 'HKLM' 64 'lsa' "$control\Lsa" ('Security Packages', 'Authentication Packages', 'Notification Packages') ''
            Read-Values $root 'HKLM' 64 'lsa' "$control\Lsa\OSConfig" (,'Security Packages') ''
            Read-Values $root 'HKLM' 64 'boot_execute' "$control\Session Manager" ('BootExecute', 'Execute', 'SetupExecute') ''
            Read-Values $root 'HKLM' 64 'appcert' "$control\Session Manager\AppCertDlls" $null ''
            Read-Below $root 'HKLM' 64 'print_monitor' "$control\Print\Monitors" (,'Driver') '' ''
            foreach ($way in 'v4tov4', 'v4tov6', 'v6tov4', 'v6tov6') {
                Read-Values $root 'HKLM' 64 'portproxy' "SYSTEM\CurrentControlSet\Services\PortProxy\$way\tcp" $null ''
            }
        }
        $root.Close()
    }
    $users = [Microsoft.Win32.RegistryKey]::OpenBaseKey('Users', 'Registry64')
    foreach ($sid in $users.GetSubKeyNames()) {
        if ($sid -like '*_Classes') {
            Read-Below $users 'HKU' 64 'com_user' "$sid\CLSID" (,'') $sid.Replace('_Classes', '') '\InprocServer32'
            Read-Below $users 'HKU' 32 'com_user' "$sid\Wow6432Node\CLSID" (,'') $sid.Replace('_Classes', '') '\InprocServer32'
            continue
        }
        foreach ($path in $runs) { Read-Values $users 'HKU' 64 'run' "$sid\$path" $null $sid }
        Read-Values $users 'HKU' 64 'winlogon' "$sid\$nt\Winlogon" ('Shell', 'Userinit') $sid
        Read-Values $users 'HKU' 64 'run' "$sid\$nt\Windows" ('Load', 'Run') $sid
        Read-Values $users 'HKU' 64 'run' "$sid\Environment" (,'UserInitMprLogonScript') $sid
    }
    $users.Close()
}

$sections['subscriptions'] = { param($want)
    foreach ($space in 'root\subscription', 'root\default') {
        foreach ($f in Get-CimInstance -Namespace $space -ClassName __EventFilter) {
            @{ namespace = $space; kind = 'filter'; name = "$($f.Name)"; type = '__EventFilter'; text = "$($f.Query)"; filter = ''; consumer = '' }
        }
        foreach ($c in Get-CimInstance -Namespace $space -ClassName __EventConsumer) {
            $parts = "$($c.ExecutablePath)", "$($c.CommandLineTemplate)", "$($c.ScriptFileName)", "$($c.ScriptText)"
            $text = (@($parts) | Where-Object { $_ }) -join ' '
            @{
                namespace = $space; kind = 'consumer'; name = "$($c.Name)"; type = "$($c.CimSystemProperties.ClassName)"; text = $text
                filter = ''; consumer = ''
            }
        }
        foreach ($b in Get-CimInstance -Namespace $space -ClassName __FilterToConsumerBinding) {
            @{
                namespace = $space; kind = 'binding'; name = ''; type = '__FilterToConsumerBinding'; text = ''
                filter = "$($b.Filter.Name)"; consumer = "$($b.Consumer.Name)"
            }
        }
    }
}

$sections['drivers'] = { param($want)
    foreach ($d in Get-CimInstance Win32_SystemDriver -Property Name, PathName, State) {
        @{
            name = "$($d.Name)"; path = "$($d.PathName)"; running = ("$($d.State)" -eq 'Running')
            registered = [bool](Test-Path -LiteralPath "HKLM:\SYSTEM\CurrentControlSet\Services\$($d.Name)")
        }
    }
}

$sections['files'] = { param($want)
    $since = ([datetime]'1970-01-01').AddSeconds([double]$want.since)
    $like = '.exe', '.dll', '.sys', '.scr', '.com', '.cpl', '.ocx', '.ps1', '.vbs', '.vbe', '.js', '.jse', '.wsf', '.hta', '.bat', '.cmd', '.lnk', '.pif'
    $roots = "$env:SystemRoot\Temp", "$env:SystemRoot\Tasks", $env:ProgramData, $env:PUBLIC, "$env:SystemDrive\PerfLogs", "$env:SystemDrive\`$Recycle.Bin"
    $roots += "$env:SystemRoot\debug", "$env:SystemRoot\tracing", "$env:SystemRoot\System32\spool\drivers\color"
    $parts = 'AppData\Local\Temp', 'AppData\Roaming', 'AppData\Local', 'AppData\LocalLow', 'Downloads', 'Desktop', 'Documents', 'Music', 'Pictures', 'Videos'
    foreach ($home1 in Get-ChildItem -LiteralPath "$env:SystemDrive\Users" -Directory -Force -ErrorAction SilentlyContinue) {
        foreach ($part in $parts) { $roots += "$($home1.FullName)\$part" }
    }
    $seen = @{}
    $count = 0
    foreach ($root in $roots) {
        if (-not (Test-Path -LiteralPath $root)) { continue }
        foreach ($f in Read-Tree $root 3) {
            if ($seen.ContainsKey($f.FullName)) { continue }
            $seen[$f.FullName] = $true
            $hidden = [bool]($f.Attributes -band [IO.FileAttributes]::Hidden)
            $program = $like -contains $f.Extension.ToLowerInvariant()
            $recent = ($f.LastWriteTimeUtc -ge $since) -or ($f.CreationTimeUtc -ge $since)
            if (-not (($program -and $recent) -or ($hidden -and ($program -or $recent)))) { continue }
            $count += 1
            if ($count -gt 2000) { Write-Error 'there are more than 2000 of them: the others were not looked at'; return }
            $head = New-Object byte[] 2
            $magic = ''
            # A file of a cloud's whose content is not here (FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS): to read it is to fetch it.
            $here = -not ([int]$f.Attributes -band 0x400000)
            try {
                if ($here) {
                    $stream = New-Object IO.FileStream($f.FullName, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]'ReadWrite, Delete')
                    try { if ($stream.Read($head, 0, 2) -eq 2 -and $head[0] -eq 77 -and $head[1] -eq 90) { $magic = 'pe' } } finally { $stream.Close() }
                }
            } catch { $magic = '' }
            @{
                path = $f.FullName; size = [long]$f.Length; modified = ConvertTo-Epoch $f.LastWriteTimeUtc; created = ConvertTo-Epoch $f.CreationTimeUtc
                hidden = $hidden; magic = $magic
            }
        }
    }
}

$sections['notes'] = { param($want)
    function Write-Note { param($Kind, $What, $Detail, $At)
        @{ kind = $Kind; what = "$What"; detail = "$Detail"; at = [double]$At }
    }
    if (Get-Command Get-DnsClientCache -ErrorAction SilentlyContinue) {
        foreach ($d in Get-DnsClientCache -ErrorAction SilentlyContinue) { Write-Note 'dns' $d.Entry $d.Data 0 }
    }
    if (Get-Command Get-BitsTransfer -ErrorAction SilentlyContinue) {
        foreach ($b in Get-BitsTransfer -AllUsers -ErrorAction SilentlyContinue) {
            foreach ($f in $b.FileList) { Write-Note 'bits' $f.RemoteName $f.LocalName (ConvertTo-Epoch $b.CreationTime) }
        }
    }
    # What a job starts when it ends is no property of 5.1's BitsJob: only bitsadmin tells it.
    foreach ($row in & 'bitsadmin.exe' /list /allusers /verbose) {
        $command = "$row" -replace '^\s*NOTIFICATION COMMAND LINE:\s*', ''
        if (($command -ne "$row") -and ($command -notmatch '^(none)?\s*$')) { Write-Note 'notify' $command '' 0 }
    }
    if ($LASTEXITCODE) { Write-Error "bitsadmin ended with ${LASTEXITCODE}: what BITS jobs start was not seen" }
    if (Get-Command Get-NetNeighbor -ErrorAction SilentlyContinue) {
        foreach ($n in Get-NetNeighbor -State Reachable, Stale -ErrorAction SilentlyContinue) { Write-Note 'neighbour' $n.IPAddress $n.LinkLayerAddress 0 }
    }
    foreach ($row in Get-Content -LiteralPath "$env:SystemRoot\System32\drivers\etc\hosts" -ErrorAction SilentlyContinue) {
        if ($row.Trim() -and -not $row.Trim().StartsWith('#')) { Write-Note 'hosts' $row.Trim() '' 0 }
    }
    $users = [Microsoft.Win32.RegistryKey]::OpenBaseKey('Users', 'Registry64')
    foreach ($sid in $users.GetSubKeyNames()) {
        $key = $null
        $key = $users.OpenSubKey("$sid\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings")
        if ($null -eq $key) { continue }
        foreach ($name in 'ProxyServer', 'AutoConfigURL') { if ($key.GetValue($name)) { Write-Note 'proxy' $key.GetValue($name) $sid 0 } }
        $key.Close()
    }
    foreach ($pipe in [IO.Directory]::GetFiles('\\.\pipe\')) { Write-Note 'pipe' $pipe '' 0 }
    foreach ($p in Get-ChildItem -LiteralPath "$env:SystemRoot\Prefetch" -Filter *.pf -File -ErrorAction SilentlyContinue) {
        Write-Note 'prefetch' $p.Name '' (ConvertTo-Epoch $p.LastWriteTimeUtc)
    }
    $machine = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
    $bam = $machine.OpenSubKey('SYSTEM\CurrentControlSet\Services\bam\State\UserSettings')
    if ($null -ne $bam) {
        foreach ($sid in $bam.GetSubKeyNames()) {
            $key = $null
            $key = $bam.OpenSubKey($sid)
            if ($null -eq $key) { continue }
            foreach ($name in $key.GetValueNames()) {
                $data = $key.GetValue($name)
                if ($data -isnot [byte[]] -or $data.Length -lt 8) { continue }
                Write-Note 'bam' $name $sid (ConvertTo-Epoch ([datetime]::FromFileTimeUtc([BitConverter]::ToInt64($data, 0))))
            }
        }
    }
    $shell = New-Object -ComObject WScript.Shell
    $folders = @("$env:ProgramData\Microsoft\Windows\Start Menu\Programs\StartUp")
    foreach ($home1 in Get-ChildItem -LiteralPath "$env:SystemDrive\Users" -Directory -Force -ErrorAction SilentlyContinue) {
        $folders += "$($home1.FullName)\AppData\Roaming\Microsoft\Windows\Start Menu\Programs\Startup"
    }
    foreach ($folder in $folders) {
        foreach ($f in Get-ChildItem -LiteralPath $folder -Force -File -ErrorAction SilentlyContinue) {
            if ($f.Name -eq 'desktop.ini') { continue }
            $target = ''
            if ($f.Extension -eq '.lnk') { $link = $shell.CreateShortcut($f.FullName); $target = "$($link.TargetPath) $($link.Arguments)".Trim() }
            Write-Note 'startup' $f.FullName $target (ConvertTo-Epoch $f.LastWriteTimeUtc)
        }
    }
}

$sections['events'] = { param($want)
    # A log keeps control characters and halves of surrogate pairs that XML forbids, also an intruder's: they must not hide an event. Some come
    # as they are, which no reader takes, some as references, which a lax one does.
    $unfit = '[\x00-\x08\x0B\x0C\x0E-\x1F\uFFFE\uFFFF]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]'
    $lax = New-Object Xml.XmlReaderSettings
    $lax.CheckCharacters = $false
    $since = ([datetime]'1970-01-01').AddSeconds([double]$want.since).ToLocalTime()
    $logs = @{
        'Security' = 4624, 4625, 4648, 4672, 4688, 4697, 4698, 1102
        'System' = 104, 7045, 7040
        'Microsoft-Windows-PowerShell/Operational' = 4104
        'Microsoft-Windows-Sysmon/Operational' = 1, 3, 7, 8, 10, 22
        'Microsoft-Windows-Windows Defender/Operational' = 1116, 1117, 5001, 5007
    }
    # The newest of each: more of those that are many on any host, or that our own looks write there (4104).
    $many = 1, 3, 22, 4104, 4624, 4688
    foreach ($log in @($logs.Keys)) {
        foreach ($number in $logs[$log]) {
            $filter = @{ LogName = $log; Id = $number; StartTime = $since }
            $most = if ($many -contains $number) { 300 } else { 50 }
            $failures = @()
            $records = @(Get-WinEvent -FilterHashtable $filter -MaxEvents $most -ErrorAction SilentlyContinue -ErrorVariable failures)
            # No such event, and no such log (Sysmon is not everywhere), are answers; a log that may not be read is not.
            foreach ($f in $failures) { if ("$($f.FullyQualifiedErrorId)" -notlike 'NoMatching*') { Write-Error "${log}: $f" } }
            foreach ($e in $records) {
                $doc = New-Object Xml.XmlDocument
                $doc.XmlResolver = $null
                $text = $e.ToXml() -replace $unfit, '?'
                $doc.Load([Xml.XmlReader]::Create((New-Object IO.StringReader($text)), $lax))
                $fields = @()
                foreach ($d in $doc.GetElementsByTagName('Data')) {
                    $value = "$($d.InnerText)"
                    if ($value.Length -gt 4000) { $value = $value.Substring(0, 4000) }
                    $fields += ,@("$($d.GetAttribute('Name'))", $value)
                }
                # Who emptied which log (1102, 104) stands in elements with names of their own.
                foreach ($told in $doc.GetElementsByTagName('UserData')) {
                    foreach ($inner in $told.ChildNodes) { foreach ($d in $inner.ChildNodes) { $fields += ,@("$($d.LocalName)", "$($d.InnerText)") } }
                }
                @{ log = $log; id = [int]$e.Id; at = ConvertTo-Epoch $e.TimeCreated; record = [long]$e.RecordId; fields = $fields }
            }
        }
    }
}

$sections['modules'] = { param($want)
    foreach ($number in $want.pids) {
        foreach ($p in Get-Process -Id $number -ErrorAction SilentlyContinue) {
            $paths = @($p.Modules | ForEach-Object { "$($_.FileName)" })
            foreach ($path in $paths) { @{ pid = [int]$p.Id; path = $path } }
            # Of a 32-bit process a 64-bit one sees only what carries it.
            if (@($paths -like '*\wow64.dll').Count) { Write-Error "process $number is a 32-bit one: its own libraries were not seen" }
        }
    }
}

# A socket's owner that neither of two lists shows, twice: a process that ends meanwhile is no hidden one.
$sections['phantom'] = { param($want)
    $missing = $null
    foreach ($round in 1, 2) {
        if ($round -eq 2) { Start-Sleep -Milliseconds 700 }
        $there = @{}
        foreach ($p in Get-CimInstance Win32_Process -Property ProcessId) { $there[[int]$p.ProcessId] = $true }
        foreach ($p in Get-Process) { $there[[int]$p.Id] = $true }
        $now = @(Get-NetTCPConnection | Where-Object { $_.OwningProcess -gt 4 -and -not $there.ContainsKey([int]$_.OwningProcess) } | ForEach-Object { [int]$_.OwningProcess })
        if ($null -eq $missing) { $missing = $now } else { $missing = @($missing | Where-Object { $now -contains $_ }) }
    }
    foreach ($number in @($missing | Sort-Object -Unique)) { @{ pid = $number } }
}

$answer = @{}
foreach ($name in $want.sections) {
    $told = @{ rows = @(); error = ''; seconds = 0.0 }
    $begun = [datetime]::UtcNow
    if (-not $sections.ContainsKey($name)) { $told.error = 'there is no such section'; $answer[$name] = $told; continue }
    $space = [Management.Automation.PowerShell]::Create()
    $late = $false
    # Rows come into a collection of ours, so that what was found before an error or the time's end is not lost.
    $in = New-Object 'Management.Automation.PSDataCollection[psobject]'
    $in.Complete()
    $out = New-Object 'Management.Automation.PSDataCollection[psobject]'
    try {
        [void]$space.AddScript("$shared`n& {$($sections[$name])} `$args[0]").AddArgument($want)
        $waiting = $space.BeginInvoke($in, $out)
        $late = -not $waiting.AsyncWaitHandle.WaitOne([int](1000 * $want.seconds))
        if ($late) { [void]$space.BeginStop($null, $null) } else { [void]$space.EndInvoke($waiting) }
        $failures = @($space.Streams.Error.ReadAll())
        if ($failures.Count) { $told.error = "$($failures[0])" }
        if ($failures.Count -gt 1) { $told.error += " (and $($failures.Count - 1) more)" }
        if ($late) { $told.error = "it did not end within $($want.seconds) seconds; only what it had found by then is here" }
    } catch {
        $told.error = "$($_.Exception.Message)"
    }
    $rows = @($out.ReadAll())
    $told.rows = [object[]]$rows
    if (-not $late) { $space.Dispose() }
    $told.seconds = [Math]::Round(([datetime]::UtcNow - $begun).TotalSeconds, 2)
    $answer[$name] = $told
}
ConvertTo-Json -InputObject $answer -Depth 6 -Compress
