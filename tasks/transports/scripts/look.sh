# shellcheck shell=sh
# What a Linux host shows: verbs for a POSIX shell that stays open (dash, busybox ash, bash --posix). Looks only; writes nothing.
#
# A verb's arguments are a separator, the root ("" for the host itself), and its own. It answers on standard output in records: a line
# "SEPARATOR KIND …", then raw bytes up to the next record. The separator is random and new for each question, and never an argument
# of a program, so nothing that the host shows can pass for a record. Names with control characters are asked about one by one. Call
# each verb with standard input closed: the shell reads its orders there.

unalias -a 2>/dev/null
unset -f cat command cut date find getcap getconf getent getfattr grep head id journalctl kill ls md5sum mount printf read readlink rpm \
    sed sha1sum sha256sum sleep sort stat tail timeout tr uname unshare wait awk cd pwd echo test true 2>/dev/null
unset LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT GREP_OPTIONS GREP_COLOR GREP_COLORS POSIXLY_CORRECT FIND_BLOCK_SIZE BLOCK_SIZE TIME_STYLE \
    QUOTING_STYLE ENV BASH_ENV CDPATH IFS
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
LC_ALL=C
export PATH LC_ALL
umask 077

have() { command -v "$1" >/dev/null 2>&1; }

TIMEOUT=no GREP=plain SKIP='' FIND=plain STAT=no
timeout -s KILL 5 true 2>/dev/null && TIMEOUT=yes
[ "$(printf 'a\000b' | grep -aHZ '' 2>/dev/null | tr '\000\n' '12')" = '(standard input)1a1b2' ] && GREP=gnu SKIP='-D skip'
[ "$(find / -maxdepth 0 -printf %d 2>/dev/null)" = 0 ] && FIND=gnu
[ "$(stat -c %F / 2>/dev/null)" = directory ] && STAT=yes
WHO=$(id -u 2>/dev/null) || WHO=none

# begin SEP ROOT …
begin() { SEP=$1 R=$2; }
rec() { printf '\n%s %s\n' "$SEP" "$*"; }
# unseen WHAT WHY
unseen() { rec "unseen $1"; printf '%s' "$2"; }
# now: seconds since boot, in NOW, by builtins alone.
now() { read -r NOW _ </proc/uptime; NOW=${NOW%.*}; }
# bounded SECONDS COMMAND …: killed when its time is over; 124 and above is too late. Where there is no timeout, session.sh's own clock.
bounded() {
    if [ $TIMEOUT = yes ]; then timeout -s KILL "$@"; else guarded "$@"; fi
}
late() { [ "$1" -lt 124 ] || [ "$1" = 141 ] || unseen "$2" "it took too long, the rest was not looked at"; }
# capped COMMAND …: no more than 12 MiB of what it prints, with its status: anybody may make files without end. Who reads it tells.
capped() {
    { code=$({ { "$@" 3>&- 5>&-; echo $? >&3; } | head -c 12582912 >&5 3>&-; } 3>&1); } 5>&1
    return "$code"
}

# --- /proc ---

# see: P is a /proc; one without the mounts that cover a process when we may make one (a private mount namespace of a helper's own).
see() {
    P=/proc HELPER=
    COVERS=$(grep -E '^[^ ]+ [^ ]+ [^ ]+ [^ ]+ /proc/[0-9]+(/[^ ]*)? ' /proc/self/mountinfo 2>/dev/null)
    [ -n "$COVERS" ] || return 0
    rec covers
    printf '%s\n' "$COVERS"
    [ "$WHO" = 0 ] && have unshare && uncover
    return 0
}
uncover() {
    # shellcheck disable=SC2016  # the helper expands it
    unshare -m sh -c 'grep -q " shared:" /proc/self/mountinfo || { mount -t proc proc /proc && exec sleep 240; }' </dev/null >/dev/null 2>&1 &
    HELPER=$! tries=0
    # A host may be very busy, and its malware the reason; a helper that failed is over at once (Z: its shell has not asked yet).
    while [ $tries -lt 500 ] && { read -r _ comm state _ <"/proc/$HELPER/stat"; } 2>/dev/null && [ "$state" != Z ]; do
        [ "$comm" = '(sleep)' ] && P=/proc/$HELPER/root/proc && break
        tries=$((tries + 1))
        sleep 0.02
    done
    [ "$P" != /proc ] && rec "uncovered $HELPER"
}
unsee() {
    [ -n "$HELPER" ] || return 0
    # Whoever ended the helper meanwhile took what we looked through away: an empty /proc is no look.
    [ -e "$P/stat" ] || rec ended
    kill "$HELPER" 2>/dev/null
    wait "$HELPER" 2>/dev/null
    HELPER=
}

# under NAME: OUT are the files of that name in the chosen processes' folders (SEL: patterns of folders).
under() {
    OUT=
    set -f
    for w in $SEL; do OUT="$OUT $w/$1"; done
    set +f
}

# modest FILE …: may they be read whole? Anybody may start processes with command lines of megabytes, or of newlines.
modest() {
    # shellcheck disable=SC2046  # two numbers
    set -- $(bounded 20 cat "$@" 2>/dev/null | head -c 8388609 | wc -lc)
    [ "$1" -lt 65536 ] && [ "$2" -lt 8388609 ]
}
# lines FILE …: the contents of kernel files, whatever bytes they hold. Names are tame.
lines() {
    most=8388608
    modest "$@" || most=$((33554432 / $# > 65536 ? 65536 : 33554432 / $#))
    if [ $GREP = gnu ] && [ $most = 8388608 ]; then
        rec lines
        bounded 20 grep -aHsZ '' "$@" 2>/dev/null
        late $? "a part of /proc"
        return
    fi
    for f; do
        [ -r "$f" ] || continue
        rec "text $f"
        head -c $most "$f" 2>/dev/null
    done
}

in_time() {
    now
    [ "$NOW" -lt "$end" ] || whole=no
    [ "$whole" = yes ]
}
# hidden SECONDS: asks for every number, for a listing may lie. FOUND are the numbers that answer and are not listed.
hidden() {
    now
    end=$((NOW + $1)) whole=yes FOUND='' n=0
    listed=" "
    for d in "$P"/[0-9]*; do listed="$listed${d##*/} "; done
    read -r _ _ _ _ last </proc/loadavg
    # cat, not read: dash reads single bytes, and the kernel gives only the first byte of a sysctl that is read so.
    top=$(cat /proc/sys/kernel/pid_max)
    forks=$(grep -s '^processes ' /proc/stat)
    # As long as the kernel has made fewer processes than there are numbers, it has given out none above the last.
    [ "${forks#* }" -lt "$top" ] && [ "$last" -lt "$top" ] && top=$((last + 256))
    {
        while [ $n -lt "$top" ]; do
            n=$((n + 1))
            [ $((n % 4096)) != 0 ] || in_time || break
            if [ "$WHO" = 0 ]; then kill -0 $n || continue; else [ -d "$P/$n" ] || continue; fi
            case $listed in *" $n "*) ;; *) FOUND="$FOUND $n" ;; esac
        done
    } 2>/dev/null
    rec "listed $whole"
    listed=" "
    for d in "$P"/[0-9]*; do listed="$listed${d##*/} "; done
    printf '%s' "$listed"
    [ -z "$FOUND" ] || leaders
}
# leaders: of the numbers in FOUND those stay that are processes, not threads or born meanwhile.
leaders() {
    set --
    for n in $FOUND; do set -- "$@" "$P/$n/status"; done
    groups=$(grep -sH '^Tgid:' "$@" 2>/dev/null)
    rec groups
    printf '%s\n' "$groups"
    rec mute
    [ "$WHO" != 0 ] || for n in $FOUND; do [ -d "$P/$n" ] || { kill -0 "$n" && printf '%s ' "$n"; } 2>/dev/null; done
    FOUND=
    # shellcheck disable=SC2086  # numbers and the kernel's names
    set -- $groups
    while [ $# -ge 2 ]; do
        n=${1%/status:*}
        n=${n##*/}
        case "$listed" in *" $n "*) ;; *) [ "$n" != "$2" ] || FOUND="$FOUND $n" ;; esac
        shift 2
    done
}

# --- processes ---

# verb_processes SEP ROOT SECONDS [PID …]: all of them, hidden ones looked for in SECONDS, or these.
verb_processes() {
    begin "$@"
    seconds=$3
    shift 3
    see
    SEL="$P/[0-9]*"
    if [ $# -gt 0 ]; then
        SEL=
        for n; do SEL="$SEL $P/$n"; done
    else
        hidden "$seconds"
        for n in $FOUND; do SEL="$SEL $P/$n"; done
    fi
    rec clock
    grep -s '^btime ' /proc/stat
    getconf CLK_TCK 2>/dev/null
    rec boot
    cat /proc/sys/kernel/random/boot_id 2>/dev/null
    rec passwd
    accounts
    facts
    programs
    unsee
    rec end
}
# shellcheck disable=SC2086  # OUT are patterns of tame names, made to be expanded
facts() {
    under status
    rec lines
    bounded 20 grep -sHE '^(Tgid|Uid):' $OUT 2>/dev/null | tr '\t' ' '
    under stat
    texts=$OUT
    under cgroup
    texts="$texts $OUT"
    if [ $GREP = gnu ]; then
        under cmdline
        lines $texts $OUT
    else
        # These two hold no zeros, which a small grep takes for the end of a line.
        rec prefixed
        bounded 20 grep -sH '' $texts 2>/dev/null
        late $? "a part of /proc"
        under cmdline
        lines $OUT
    fi
    under exe
    links=$OUT
    under cwd
    links="$links $OUT"
    if [ $FIND = gnu ]; then
        rec links
        bounded 20 find $links -maxdepth 0 -printf '%p\0%l\0' 2>/dev/null
        late $? "the programs of processes"
        under exe
        rec named
        bounded 20 find $OUT -maxdepth 0 -lname '* (deleted)' 2>/dev/null | while read -r link; do still_named "$link"; done
        return
    fi
    for link in $links; do
        [ -h "$link" ] || continue
        rec "link $link"
        target=$(readlink "$link" 2>/dev/null && echo .)
        printf '%s' "${target%.}"
        case $target in *" (deleted)
.") rec named && still_named "$link" ;; esac
    done
}
# A file whose name really ends in "(deleted)" still has its name.
still_named() {
    target=$(readlink "$1" && echo .)
    target=${target%
.}
    if [ -e "$target" ] || [ -h "$target" ]; then echo "$1"; fi
}
# Each program is hashed once, however many processes run it; what is larger than 512 MiB is left out.
# shellcheck disable=SC2086
programs() {
    [ $STAT = yes ] || {
        unseen "programs of processes" "this host has no stat that takes a format"
        return
    }
    under exe
    rec programs
    bounded 20 stat -L -c '%d:%i %h %s %n' $OUT 2>/dev/null | each_program
}
# shellcheck disable=SC2086
each_program() {
    chosen='' others='' SAME=''
    while read -r id names size path; do
        echo "$id $names $size $path"
        [ "$size" -le 536870912 ] || continue
        case $chosen in *" $id="*) others="$others $id=$path" ;; *) chosen="$chosen $id=$path" ;; esac
    done
    hashed $chosen
    # Who ended, or became another program, before its turn leaves its program to the next process that runs it.
    while [ -n "$others" ]; do
        again='' later=''
        for row in $others; do
            case $SAME in *" ${row%%=*}="*) continue ;; esac
            case $again in *" ${row%%=*}="*) later="$later $row" && continue ;; esac
            path=${row#*=}
            [ -d "${path%/exe}" ] && again="$again $row"
        done
        hashed $again
        others=$later
    done
}
# hashed ID=PATH …: the programs' hashes, and to which files the paths lead afterwards; SAME gathers those.
# shellcheck disable=SC2086
hashed() {
    want=
    for row; do want="$want ${row#*=}"; done
    [ -n "$want" ] || return 0
    rec sums
    bounded 60 sha256sum $want 2>/dev/null
    late $? "hashes of programs"
    after=$(bounded 20 stat -L -c '%d:%i=%n' $want 2>/dev/null)
    rec same
    printf '%s\n' "$after"
    for row in $after; do SAME="$SAME $row"; done
}

# accounts: /etc/passwd, unless somebody put a pipe there.
accounts() {
    [ ! -f "$R/etc/passwd" ] || bounded 5 cat "$R/etc/passwd" 2>/dev/null
}

# verb_users SEP ROOT UID …: their names, where /etc/passwd has none.
verb_users() {
    begin "$@"
    shift 2
    rec passwd
    accounts
    rec users
    [ $# -gt 0 ] && [ -z "$R" ] && have getent && bounded 10 getent passwd -- "$@" 2>/dev/null
    rec end
}

# verb_details SEP ROOT PID: volatile texts of one process.
verb_details() {
    begin "$@"
    see
    [ -d "$P/$3" ] || rec gone
    for name in cmdline environ maps status limits cgroup mountinfo stack wchan; do
        rec "text $name"
        bounded 10 head -c 8388608 "$P/$3/$name" 2>/dev/null || rec "refused $name"
    done
    rec "text open_files"
    if [ $FIND = gnu ]; then
        capped bounded 10 find "$P/$3/fd" -mindepth 1 -maxdepth 1 -printf '%f\t%Y\t%l\0' 2>/dev/null || rec "refused open_files"
    else
        ls -l "$P/$3/fd" 2>/dev/null || rec "refused open_files"
    fi
    [ -d "$P/$3" ] || rec gone
    unsee
    rec end
}

# --- sockets ---

# verb_connections SEP ROOT SECONDS: the socket tables, and whose descriptors are which socket; hidden processes looked for in SECONDS.
verb_connections() {
    begin "$@"
    see
    SEL="$P/[0-9]*" FOUND=
    [ "$3" = 0 ] || hidden "$3"
    for n in $FOUND; do SEL="$SEL $P/$n"; done
    rec machine
    uname -m
    rec namespace
    readlink "$P/self/ns/pid"
    tables "$P/self"
    foreign
    holders
    unsee
    rec end
}
# tables FOLDER …
tables() {
    set -f
    OUT=
    for w; do OUT="$OUT $w/net/tcp $w/net/tcp6 $w/net/udp $w/net/udp6"; done
    set +f
    rec tables
    # shellcheck disable=SC2086
    grep -sH '' $OUT 2>/dev/null
}
# A container's sockets are in its own network's tables; one process of each such network shows them.
foreign() {
    [ "$WHO" = 0 ] || return 0
    under ns/net
    own=$(readlink "$P/self/ns/net")
    # shellcheck disable=SC2012,SC2086  # the kernel's own names are listed
    others=$(ls -l $OUT 2>/dev/null | {
        known=" $own "
        while read -r line; do
            space=${line##*-> } path=${line%% -> *}
            case $known in *" $space "*) continue ;; esac
            known="$known$space " path=${path##* }
            echo "${path%/ns/net}"
        done
    })
    contained=
    for folder in $others; do
        grep -qsE 'docker|libpod|kubepods|crio|containerd|lxc' "$folder/cgroup" && contained="$contained $folder"
    done
    # shellcheck disable=SC2086
    [ -z "$contained" ] || tables $contained
}
# shellcheck disable=SC2086
holders() {
    if [ $FIND = gnu ]; then
        under fd
        rec sockets
        { why=$(bounded 20 find $OUT -maxdepth 1 -lname 'socket:*' -printf '%p %l\n' 2>&1 >&3 3>&-); } 3>&1
        late $? "the descriptors of some processes"
        rec closed
        printf '%s\n' "$why" | grep -s 'Permission denied'
        return
    fi
    under fd
    closed=
    for d in $OUT; do
        for held in "$d"/*; do break; done
        [ -e "$held" ] || [ -h "$held" ] || closed="$closed $d"
    done
    rec closed
    [ -z "$closed" ] || {
        why=$(ls $closed 2>&1 >/dev/null)
        printf '%s\n' "$why" | grep 'Permission denied'
    }
    rec inodes
    inodes
}
# inodes: kind and inode of what the descriptors lead to, by a host's stat where its find tells less. The names are the kernel's own.
# shellcheck disable=SC2086
inodes() {
    under 'fd/*'
    printf '%s\n' $OUT | bounded 20 xargs stat -L -c '%F %i %n' 2>/dev/null | grep '^socket '
}

# verb_watch SEP ROOT HUNDREDTHS PATTERN: for so many hundredths of a second, looks often for a line of the tables, and at once for
# who holds that socket.
verb_watch() {
    begin "$@"
    pattern=$4
    clock
    until=$((CLOCK + $3))
    rec machine
    uname -m
    while clock && [ "$CLOCK" -lt "$until" ]; do
        began=$CLOCK
        seen=$(grep -sHE "$pattern" /proc/self/net/tcp /proc/self/net/tcp6)
        [ -z "$seen" ] || { caught "$seen" && break; }
        clock
        rest $(((CLOCK - began) * 4))
    done
    rec end
}
# clock: hundredths of a second since boot, in CLOCK.
clock() { read -r CLOCK _ </proc/uptime; CLOCK=${CLOCK%.*}${CLOCK#*.} CLOCK=${CLOCK#0}; }
# rest HUNDREDTHS: four times as long as a look took, so that a host with very many sockets is looked at less often, not loaded.
rest() {
    wait=$((${1:-0} > 1 ? $1 : 1))
    tail=$((wait % 100))
    [ $tail -gt 9 ] || tail=0$tail
    sleep "$((wait / 100)).$tail" 2>/dev/null || sleep 1
}
# caught LINES: tells them and who holds their sockets; true when somebody does.
caught() {
    rec tables
    printf '%s\n' "$1"
    numbers=$(printf '%s\n' "$1" | sed 's/^[^:]*:[^:]*: *//' | while read -r _ _ _ _ _ _ _ _ inode _; do echo "$inode"; done)
    wanted=
    for inode in $numbers; do [ "$inode" = 0 ] || wanted="$wanted -o -lname socket:\\[$inode\\]"; done
    [ -n "$wanted" ] || return 1
    [ "$FIND" = gnu ] || {
        SEL="/proc/[0-9]*"
        held=$(inodes)
        rec inodes
        printf '%s\n' "$held"
        for inode in $numbers; do case $held in *"socket $inode "*) return 0 ;; esac done
        return 1
    }
    set -f
    # shellcheck disable=SC2086
    set -- ${wanted# -o}
    set +f
    rec sockets
    holder=$(find /proc/[0-9]*/fd -maxdepth 1 \( "$@" \) -printf '%p %l\n' -quit 2>/dev/null)
    printf '%s\n' "$holder"
    [ -n "$holder" ]
}

# --- files ---

# verb_homes SEP ROOT: the users, and where their home folders really are.
verb_homes() {
    begin "$@"
    rec passwd
    accounts
    accounts | while IFS=: read -r user _ _ _ _ home _; do
        case $home in '' | /) continue ;; esac
        [ -d "$R$home" ] || continue
        rec home
        printf '%s:%s:' "$user" "$home"
        (CDPATH='' cd -P -- "$R$home" 2>/dev/null && pwd -P) || printf '%s\n' "$R$home"
    done
    rec end
}

# tame NAME: true when it holds no control characters, so that it is one line wherever it is printed.
tame() { case $1 in *[[:cntrl:]]*) return 1 ;; esac; }

# described FILE …: type, mode, owner, size, times, identity and name of each, a link not followed. Names are tame.
described() { bounded 30 stat -c '%f %u %g %s %Y %Z %d %i %h %n' -- "$@" 2>/dev/null; }

# verb_globs SEP ROOT BASE PATTERN …: what the patterns match below BASE, and the folders that would not be listed.
verb_globs() {
    begin "$@"
    cd -- "$3" 2>/dev/null || {
        [ ! -d "$3" ] || { rec closed && printf '%s' "$3"; }
        rec end
        return
    }
    shift 3
    IFS=
    for pattern; do
        case $pattern in */*) listable "${pattern%/*}" ;; esac
        # A star passes over names with a leading dot, and who hides may have given one.
        case ${pattern##*/} in "*"*) dots="${pattern%\**}.[!.]*${pattern##*\*}" ;; *) dots= ;; esac
        rec "glob $pattern"
        set --
        for file in $pattern $dots; do
            [ -e "$file" ] || [ -h "$file" ] || continue
            [ -d "$file" ] && [ ! -h "$file" ] && continue
            if [ ! -h "$file" ] && tame "$file"; then set -- "$@" "$file"; else single "$file"; fi
            [ $# -lt 2001 ] || break
        done
        rec files
        [ $# = 0 ] || described "$@"
    done
    unset IFS
    rec end
}
# listable FOLDERS: says which of them are closed to us.
listable() {
    for folder in $1; do
        [ ! -d "$folder" ] || { [ -r "$folder" ] && [ -x "$folder" ]; } || { rec closed; printf '%s' "$folder"; }
    done
}
# single FILE: one file by itself; a link with what it says and where it leads.
single() {
    rec file
    bounded 5 stat -c '%f %u %g %s %Y %Z %d %i %h' -- "$1" 2>/dev/null
    printf '%s' "$1"
    [ -h "$1" ] || return 0
    rec says
    readlink -- "$1" 2>/dev/null || readlink "$1"
    rec leads
    readlink -f -- "$1" 2>/dev/null || readlink -f "$1" 2>/dev/null
    [ -f "$1" ] || return 0
    rec behind
    bounded 5 stat -L -c '%f %u %g %s %Y %Z %d %i %h' -- "$1" 2>/dev/null
}

# split FUNCTION FILE …: the function on all tame names together ("0" before them), and on each other one with its place in the list.
split() {
    what=$1 place=0
    shift
    total=$#
    while [ $place -lt "$total" ]; do
        place=$((place + 1)) name=$1
        shift
        if tame "$name"; then set -- "$@" "$name"; else $what $place "$name"; fi
    done
    [ $# = 0 ] || $what 0 "$@"
}

# verb_stats, verb_texts, verb_sums, verb_heads SEP ROOT FILE …: of regular files whose names are known.
verb_stats() { begin "$@"; shift 2; split stats_of "$@"; rec end; }
stats_of() { rec "stats $1"; shift; described "$@"; }
verb_sums() { begin "$@"; shift 2; split sums_of "$@"; rec end; }
sums_of() { rec "sums $1"; shift; bounded 30 sha256sum -- "$@" 2>/dev/null; late $? "hashes of files"; }
verb_heads() { begin "$@"; shift 2; split heads_of "$@"; rec end; }
heads_of() { rec "heads $1"; shift; bounded 10 head -v -c 6 -- "$@" 2>/dev/null; }
verb_texts() {
    begin "$@"
    shift 2
    place=0
    if [ $GREP = gnu ]; then split texts_of "$@"; else
        for f; do
            place=$((place + 1))
            rec "text $place"
            text_of $place "$f"
        done
    fi
    rec end
}
texts_of() {
    if [ "$1" = 0 ]; then
        rec lines
        shift
        # shellcheck disable=SC2086
        bounded 20 grep -aHsZ $SKIP '' -- "$@" 2>/dev/null
        late $? "some files"
    else
        text_of "$1" "$2"
    fi
}
# verb_pieces: the beginnings of large files, one by one.
verb_pieces() {
    begin "$@"
    shift 2
    place=0
    for f; do
        place=$((place + 1))
        text_of $place "$f"
    done
    rec end
}
text_of() {
    rec "text $1"
    { [ -f "$2" ] && bounded 5 head -c 1048576 -- "$2" 2>/dev/null; } || rec "refused $1"
}

# verb_walk SEP ROOT SINCE SECONDS FOLDER …: regular files that changed since then and hidden programs, six levels deep.
verb_walk() {
    begin "$@"
    since=$3 seconds=$4
    shift 4
    rec mounts
    cat /proc/self/mountinfo
    place=0
    for folder; do
        place=$((place + 1))
        { [ -d "$folder" ] && [ ! -h "$folder" ]; } || continue
        if [ $FIND = gnu ]; then walked; else
            plainly "$folder" -maxdepth 6
            passed_over
        fi
        late $? "$folder"
    done
    rec end
}
walked() {
    rec "zeros $place"
    capped bounded "$seconds" find "$folder" -xdev -mindepth 1 -maxdepth 6 \
        \( -type d \( -name '.hemostat-*' -user "$WHO" ! -perm /022 -printf 'V%p\0' -prune -o ! -readable -printf 'C%p\0' -prune \
        -o -path "$folder/*/*/*/*/*/*" -printf 'D%p\0' \) \) \
        -o -type f \( -newermt "@$since" -o -newerct "@$since" -o \( -path '*/.*' -perm /111 \) \) \
        -printf 'F%m %U %s %T@ %C@ %D %i %p\0' 2>/dev/null
}
# plainly FIND-ARGUMENT …: with a find that has no -printf, each file is described and the choice is made by who asked.
plainly() {
    rec "wild $place"
    capped bounded "$seconds" find "$@" -xdev -type f -path '*[[:cntrl:]]*' -exec stat -c 'P%f %u %s %Y %Z %d %i' {} \; -print0 2>/dev/null
    rec "rows $place"
    capped bounded "$seconds" find "$@" -xdev -type f ! -path '*[[:cntrl:]]*' -exec stat -c 'P%f %u %s %Y %Z %d %i %n' {} + 2>/dev/null
}

# passed_over: how many folders were too deep or closed.
passed_over() {
    rec "deep $place"
    bounded "$seconds" find "$folder" -xdev -mindepth 6 -maxdepth 6 -type d -print0 2>/dev/null | tr -dc '\000' | wc -c
    rec "shut $place"
    why=$(bounded "$seconds" find "$folder" -xdev -maxdepth 5 -type d 2>&1 >/dev/null)
    printf '%s\n' "$why" | grep -c 'Permission denied'
}

# --- the system around the processes ---

verb_boot_time() {
    begin "$@"
    rec clock
    grep -s '^btime ' /proc/stat
    rec end
}

# verb_blind SEP ROOT SECONDS: what this way of looking cannot see.
verb_blind() {
    begin "$@"
    see
    [ "$3" = 0 ] || hidden "$3"
    rec who
    printf '%s' "$WHO"
    rec mounts
    grep -s ' /proc ' /proc/self/mountinfo
    rec namespace
    readlink /proc/self/ns/pid
    rec preload
    grep -as 'LD_PRELOAD=' "/proc/$$/environ" | tr '\000' '\n' | grep '^LD_PRELOAD='
    rec libraries
    [ -f /etc/ld.so.preload ] && bounded 5 head -c 4096 /etc/ld.so.preload
    rec tools
    for tool in sha256sum readlink grep find head stat; do have $tool || printf '%s ' $tool; done
    [ $STAT = yes ] || printf 'stat-with-a-format '
    [ $TIMEOUT = yes ] || printf 'timeout '
    SEL="$P/[0-9]*"
    under cmdline
    # shellcheck disable=SC2086  # patterns of tame names
    modest $OUT || unseen "long command lines" "together they are too large: each was read up to 64 KiB at the most"
    all=0 shut=0
    for d in "$P"/[0-9]*; do
        all=$((all + 1))
        [ -r "$d/fd" ] || [ ! -d "$d" ] || shut=$((shut + 1))
    done
    rec "descriptors $shut $all"
    unsee
    rec end
}

# verb_modules SEP ROOT: the kernel's lists of its own modules.
verb_modules() {
    begin "$@"
    rec listed
    cat /proc/modules 2>/dev/null || rec "refused /proc/modules"
    rec shown
    for f in /sys/module/*/initstate; do [ -e "$f" ] && echo "$f"; done
    rec symbols
    if have awk; then
        # shellcheck disable=SC2016  # awk expands it
        bounded 10 awk '$NF ~ /^\[.*\]$/ { seen[$NF] = 1 } END { for (name in seen) print name }' /proc/kallsyms 2>/dev/null
        late $? "the kernel's symbols"
    else
        rec "refused awk"
    fi
    rec taint
    cat /proc/sys/kernel/tainted 2>/dev/null
    rec end
}

# verb_privileges SEP ROOT SECONDS FOLDER …: files with the setuid or setgid bit, and with capabilities.
verb_privileges() {
    begin "$@"
    seconds=$3
    shift 3
    place=0
    total=$#
    while [ $place -lt "$total" ]; do
        place=$((place + 1))
        [ -d "$1" ] && [ ! -h "$1" ] && set -- "$@" "$1"
        shift
    done
    [ $# -gt 0 ] || { rec end; return; }
    place=0
    if [ $FIND = gnu ]; then
        rec zeros
        capped bounded "$seconds" find "$@" -xdev -maxdepth 6 -type f -perm /6000 -printf 'F%m %U %s %T@ %C@ %D %i %p\0' 2>/dev/null
    else
        plainly "$@" -maxdepth 6 -perm /6000
    fi
    late $? "files with the setuid bit"
    if have getcap; then
        rec capabilities
        capped bounded "$seconds" find "$@" -xdev -maxdepth 6 -type f -perm /111 ! -path '*[[:cntrl:]]*' -exec getcap {} + 2>/dev/null
        late $? "files with capabilities"
    else
        unseen "files with capabilities" "this host has no getcap"
    fi
    rec end
}

# verb_packages SEP ROOT PROGRAM …: which package brought it, with which digest, and the digest that it has. Names are tame.
verb_packages() {
    begin "$@"
    shift 2
    if [ -d "$R/var/lib/dpkg/info" ] && { [ -n "$R" ] || [ -e /etc/debian_version ] || ! have rpm; }; then
        (by_dpkg "$@")
    elif [ -z "$R" ] && have rpm; then
        (by_rpm "$@")
    fi
    if [ -f "$R/lib/apk/db/installed" ] && [ -r "$R/lib/apk/db/installed" ]; then
        rec apk
        bounded 20 grep -E '^[PVFRZ]:' "$R/lib/apk/db/installed"
        rec sha1
        bounded 60 sha1sum -- "$@" 2>/dev/null
    fi
    rec end
}
# dpkg's own records: md5sums has what a package brought, list also what it has no digest for. A merged /usr makes two names of one
# file, so each program becomes a pattern without it. A search that was killed does not count as an answer.
# shellcheck disable=SC2086  # SKIP is two words or none
by_dpkg() {
    rec md5
    bounded 60 md5sum -- "$@" 2>/dev/null
    for program; do
        bare=${program#"$R/"}
        set -- "$@" -e "${bare#usr/}"
        shift
    done
    cd "$R/var/lib/dpkg/info" || return
    rec dpkg
    bounded 20 grep -HF $SKIP "$@" -- *.md5sums 2>/dev/null
    [ $? = 137 ] || rec answered
    rec lists
    bounded 20 grep -HF $SKIP "$@" -- *.list 2>/dev/null
    [ $? = 137 ] || rec answered
}
# rpm makes a database where there is none, and calls every file unowned when it cannot read the one that is there.
by_rpm() {
    base=$(rpm -E '%{_dbpath}' 2>/dev/null)
    [ -r "$base/rpmdb.sqlite" ] || [ -r "$base/Packages.db" ] || [ -r "$base/Packages" ] || {
        unseen "packages of programs" "rpm has no database here that we may read"
        return
    }
    rec sums
    bounded 60 sha256sum -- "$@" 2>/dev/null
    all=$(bounded 60 rpm -qf --qf '[%{FILENAMES}\t%{FILEDIGESTS}\t%{=NAME}-%{=VERSION}-%{=RELEASE}\n]' -- "$@" 2>&1)
    killed=$?
    if printf '%s\n' "$all" | grep -qE '^error: (cannot open|rpmdb)'; then
        unseen "packages of programs" "rpm cannot read its database"
        return
    fi
    rec rpm
    for program; do
        set -- "$@" -e "${program#/usr}	"
        shift
    done
    printf '%s\n' "$all" | grep -F "$@"
    [ $killed = 137 ] || rec answered
}

# log_file NAME: true for a regular file. One that was turned into a link to /dev/null, or a pipe, is told: so traces are kept away.
log_file() {
    [ -f "$R/$1" ] && return 0
    if [ -e "$R/$1" ] || [ -h "$R/$1" ]; then
        unseen "/$1" "it is no regular file: $(readlink "$R/$1" || echo 'a device or pipe')"
    fi
    return 1
}

# verb_logins SEP ROOT: the ends of the login records, as they are. 192000 bytes are whole records of either size (384 and 400).
verb_logins() {
    begin "$@"
    rec machine
    uname -m
    for name in var/log/wtmp var/log/btmp run/utmp; do
        log_file "$name" || continue
        rec "records $name"
        bounded 10 tail -c 192000 "$R/$name" 2>/dev/null || rec "refused $name"
    done
    rec end
}

# verb_zone SEP ROOT: the host's own, east of Greenwich, as +hhmm.
verb_zone() {
    begin "$@"
    rec zone
    (unset TZ && date +%z)
    rec end
}

# verb_logs SEP ROOT WHEN FROM TO [FROM TO …]: log lines of who logged in and did what, of these times; WHEN is how such lines begin.
verb_logs() {
    begin "$@"
    when=$3
    shift 3
    lost=
    words='systemd\[[0-9]+\]: (Started |Stopped |Reloading |[^ ]+\.(service|timer): )|sshd|sudo|su[:[]|doas|useradd|usermod|userdel|groupadd|gpasswd|passwd|chpasswd|CRON|crond|systemd-logind|kernel: .*module|adduser'
    for name in auth.log auth.log.1 secure secure.1 messages messages.1 syslog syslog.1; do
        log_file "var/log/$name" || continue
        [ -r "$R/var/log/$name" ] || {
            rec "refused $name"
            continue
        }
        rec "log $name"
        bounded 20 tail -c 67108864 "$R/var/log/$name" | bounded 20 grep -aE "^($when)" | grep -aE "$words" | tail -n 800 | cut -c 1-1000
        [ "$(stat -L -c %s "$R/var/log/$name" 2>/dev/null || echo 0)" -le 67108864 ] ||
            unseen "/var/log/$name" "only its last 64 MiB were read"
    done
    if [ -z "$R" ] && have journalctl; then
        while [ $# -ge 2 ]; do
            journal "$1" "$2"
            shift 2
        done
        [ -z "$lost" ] || unseen "the journal" "$lost"
    fi
    rec end
}
# journal FROM TO: what it keeps from us it says on standard error alone, and unless it is told to be quiet (journalctl(1), -q).
journal() {
    rec journal
    {
        why=$({ { bounded 15 journalctl --no-pager -o short-unix --since "@$1" --until "@$2" 3>&- || echo "status $?" >&2; } |
            grep -aE "$words" | tail -n 800 | cut -c 1-1000 >&3; } 2>&1)
    } 3>&1
    case $why in
        *"No journal files were found"*) lost="this host keeps none" ;;
        *"insufficient permissions"* | *"not seeing messages from other users"*) lost="this login may read its own lines alone" ;;
        *"status "*) lost="journalctl failed, or it took too long" ;;
    esac
}
