# shellcheck shell=sh
# The far side of tasks/transports/ssh_session.py: obeys requests from standard input. Knows POSIX sh and the small tools of coreutils or
# busybox; writes nothing on the host. Read line by line and evaluated, never a file there.
#
# A request is a line `NONCE VERB COUNT SECONDS`, then COUNT lines, one argument each, encoded for `printf %b`. The answer is
#   NONCE BEGIN, the bytes that verb_VERB printed, a newline, NONCE END STATUS, what it said on standard error, NONCE DONE
# A nonce is random and used once, so nothing that stands on the host can look like the end of an answer.
#
# A verb is a shell function verb_NAME. It gets its decoded arguments, runs in a subshell with no input, and says why not with `refuse`.
# After SECONDS it is killed with all that came from it, whether or not somebody still listens: nothing of ours hangs on a host.

unset IFS ENV BASH_ENV CDPATH GLOBIGNORE LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT POSIXLY_CORRECT
\unalias -a
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
LC_ALL=C
export PATH LC_ALL
umask 077

# refuse STATUS WORDS: end the verb. 1: the host says no, 63: the fence, 64: it is hemostat itself, 65: it is not what triage saw.
refuse() {
    printf '%s\n' "$2" >&2
    exit "$1"
}

has() {
    command -v "$1" >/dev/null 2>&1
}

obey() {
    while read -r nonce verb count seconds; do
        set --
        while [ "$count" -gt 0 ]; do
            IFS= read -r line || exit 0
            decode
            set -- "$@" "$line"
            count=$((count - 1))
        done
        echo "$nonce BEGIN"
        reason=$(guarded "$seconds" "verb_$verb" "$@" 2>&1 >&4 4>&- </dev/null)
        status=$?
        printf '\n%s END %s\n%s\n%s DONE\n' "$nonce" "$status" "$reason" "$nonce"
    done
}

# The dot keeps a newline at the end, which a command substitution would take away.
decode() {
    case $line in
        *\\*)
            line=$(printf '%b.' "$line")
            line=${line%.}
            ;;
    esac
}

# Like one round of obey, but the verb has the channel for itself: raw input, raw output, its own exit status.
obey_once() {
    read -r nonce verb count _
    set --
    while [ "$count" -gt 0 ]; do
        IFS= read -r line || exit 0
        decode
        set -- "$@" "$line"
        count=$((count - 1))
    done
    echo "$nonce" # what the login said ends here, on both ways
    echo "$nonce" >&2
    "verb_$verb" "$@"
}

# guarded SECONDS FUNCTION-OR-PROGRAM [ARGUMENT]...: call it in a process of its own, for so long at the most; 137 is too late. The host
# may have no `timeout`, and that one would end no grandchildren.
guarded() {
    within=$1
    shift
    { ("$@") <&8 8<&- & } 8<&0
    work=$!
    watch_over "$work" "$within" "it took longer than $within s and was ended"
    { wait "$work"; } 2>/dev/null
    outcome=$?
    at_ease
    return "$outcome"
}

# An open of what became a pipe waits for ever. opening: end this very process in 5 seconds, unless `at_ease` comes first.
opening() {
    read -r myself _ </proc/self/stat
    watch_over "$myself" 5 "it does not open: another file was put in its place"
}

watch_over() {
    too_late "$@" </dev/null >/dev/null &
    watcher=$!
}

at_ease() {
    [ -z "$watcher" ] || { kill "$watcher" && wait "$watcher"; } 2>/dev/null
    watcher=
}

# too_late PID SECONDS WORDS: say so and kill it, unless this process is called off by SIGTERM. It leaves no sleep behind, and means no
# other process that got the number meanwhile.
too_late() {
    called='' nap=''
    read -r keeper _ </proc/self/stat
    # KILL: a child that has not yet become `sleep` has this trap still, and would swallow TERM. It may be gone already, when it was called
    # off as it began: what `kill` says then must not stand in the verb's own words.
    trap 'called=yes; [ -z "$nap" ] || kill -s KILL "$nap" 2>/dev/null' TERM
    born=$(start_of "$1")
    sleep "$2" 2>/dev/null &
    nap=$!
    [ -z "$called" ] || kill -s KILL "$nap" 2>/dev/null
    { wait "$nap"; } 2>/dev/null
    [ -z "$called" ] || exit 0
    if [ -n "$born" ] && [ "$(start_of "$1")" = "$born" ]; then
        echo "$3" >&2
        fell "$1"
    fi
}

# start_of PID: when it started, in ticks since the boot; nothing when it is gone.
start_of() {
    { read -r fields <"/proc/$1/stat"; } 2>/dev/null || return 0
    # shellcheck disable=SC2086 # these are words; what came before the name's end is cut off, for it may hold anything
    set -- ${fields##*)}
    echo "${20}"
}

# fell PID: kill it and all that came from it. It is stopped first: so nothing is born meanwhile, and no number is given out again.
fell() {
    kill -s STOP "$1" 2>/dev/null || return 0
    # shellcheck disable=SC2013 # the names are the kernel's own
    for child in $(grep -ls "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status); do
        child=${child%/status}
        child=${child##*/}
        [ "$child" = "$keeper" ] || fell "$child"
    done
    kill -s KILL "$1" 2>/dev/null
}

# hex: the SHA-256 of standard input.
hex() {
    if has sha256sum; then
        sha256sum
    elif has openssl; then
        openssl dgst -sha256 -r
    else
        refuse 1 "this host has neither sha256sum nor openssl"
    fi | {
        read -r digest _ && echo "$digest"
    }
}

# identity PATH: device and inode of what has that very name, a link not followed.
identity() {
    stat -c '%d %i' "$1"
}

# The links that the kernel itself makes and that lead to the very file, whatever its name now means (proc_pid_exe(5)).
is_kernel_link() {
    case $1 in
        /proc/*/*/*) return 1 ;;
        /proc/[0-9]*/exe) return 0 ;;
        *) return 1 ;;
    esac
}

# with_file PATH FUNCTION [ARGUMENT]...: call it with descriptor 3 on that regular file. A last link is not followed; a pipe or device
# is not opened, and a file that was put in between is found out.
with_file() {
    path=$1
    shift
    if is_kernel_link "$path"; then
        owner=${path#/proc/}
        in_the_open "${owner%/exe}" with_program "$path" "$@"
        return
    fi
    seen=$(identity "$path") || exit 1
    if [ -L "$path" ] || [ ! -f "$path" ]; then
        refuse 1 "it is no regular file"
    fi
    opening
    { at_ease && same_file "$seen" && on_file "$@"; } 3<"$path"
    outcome=$?
    at_ease
    return "$outcome"
}

with_program() {
    path=$1
    shift
    [ -L "$path" ] || refuse 1 "No such file or directory"
    { on_file "$@"; } 3<"$path" # the kernel's own link: no pipe can stand there
}

same_file() {
    [ "$(stat -L -c '%d %i' /proc/self/fd/3)" = "$1" ] || refuse 65 "another file was put in its place"
}

# Whether dd can leave the time of access alone is asked for each file: it may do so for the owner and root only (open(2), O_NOATIME).
on_file() {
    quiet=
    dd if=/proc/self/fd/3 iflag=noatime count=0 >/dev/null 2>&1 && quiet=iflag=noatime
    "$@"
}

# content BLOCKS: what descriptor 3 holds, without its first so many blocks of 64 KiB.
content() {
    # shellcheck disable=SC2086 # no word at all when there is none
    dd if=/proc/self/fd/3 bs=65536 skip="$1" $quiet 2>/dev/null ||
        [ $? -gt 128 ] || refuse 1 "it cannot be read to its end"
}

digest_of_content() {
    size=$(stat -L -c %s /proc/self/fd/3)
    [ "$size" -le "$1" ] || refuse 1 "it is larger than $(($1 / 1048576)) MiB"
    content 0 | hex
}

# head -c is in every head, and dd cannot count bytes everywhere.
first_bytes() {
    content 0 | head -c "$1"
}

verb_hello() {
    cat /proc/sys/kernel/random/boot_id
    id -u
}

# The runner's address and port, this host's address and port, as sshd saw them.
verb_came_from() {
    echo "$came_from"
}

# verb_stat PATH: size, mode (hexadecimal), uid, gid, modified, inode, device; then the target of a link.
verb_stat() {
    stat -c '%s %f %u %g %Y %i %d' "$1" || exit 1
    [ ! -L "$1" ] || readlink -n "$1"
}

# verb_sha256 PATH LIMIT
verb_sha256() {
    with_file "$1" digest_of_content "$2"
}

# verb_read PATH LIMIT
verb_read() {
    with_file "$1" first_bytes "$2"
}

# uncovered FUNCTION [ARGUMENT]...: call a function of these scripts where nothing is mounted over /proc. Its mount namespace is its own
# and ends with it; nobody else sees it. Status 99: that cannot be had here (not root, no unshare).
uncovered() {
    has unshare || return 99
    # shellcheck disable=SC2016,SC2154 # expanded there; `script` is all of this text, left by the bootstrap
    printf '%s\n' "$script" |
        unshare -m sh -c 'mount -t proc proc /proc || exit 99; script=$(cat); eval "$script"; "$@"' sh "$@"
}

# in_the_open PID FUNCTION [ARGUMENT]...: call it where /proc/PID is the kernel's own.
in_the_open() {
    shown=$1
    shift
    if covered "$shown"; then
        uncovered "$@"
        status=$?
        [ "$status" != 99 ] || refuse 1 "a mount over /proc/$shown hides it, and uncovering needs root and unshare"
        return "$status"
    fi
    "$@"
}

covered() {
    while read -r _ _ _ _ on _; do
        case $on in
            "/proc/$1" | "/proc/$1/"*) return 0 ;;
        esac
    done </proc/self/mountinfo
    return 1
}

came_from=$1
watcher=
exec 4>&1
