# shellcheck shell=sh
# The verbs that have a channel for themselves: fetch, memory, run. Knows one file or program. Goes behind session.sh and change.sh; started
# by obey_once.

# verb_fetch PATH LIMIT HAVE: the file from byte HAVE on, one byte more than LIMIT at the most, so that the reader knows that it is cut.
# On standard error: the SHA-256 of its first HAVE bytes, then that of the others up to LIMIT, read once for both.
verb_fetch() {
    with_file "$1" stream "$2" "$3"
}

stream() {
    [ "$2" = 0 ] || echo "before $(content 0 | head -c "$2" | hex)" >&2
    content $(($2 / 65536)) | skip $(($2 % 65536)) | head -c $(($1 - $2 + 1)) | told $(($1 - $2))
}

# told BYTES: pass standard input on, and tell the SHA-256 of so many bytes of it. The pipe to cat is one that /proc/self/fd can open again;
# what sshd gives as standard output may be a socket.
told() {
    {
        tee /proc/self/fd/5 | {
            head -c "$1"
            cat >/dev/null
        } | { echo "after $(hex)" >&2; }
    } 5>&1 | cat
}

skip() {
    tail -c "+$(($1 + 1))"
}

# verb_maps ROOT PID START: the machine, the program, and then /proc/PID/maps; looks at whose it is before and after.
verb_maps() {
    in_the_open "$2" maps_of "$@"
}

maps_of() {
    living "$2" "$3"
    ours_to_touch "$2" "$1"
    printf '%s\n%s\n' "$(uname -m)" "$program"
    cat "/proc/$2/maps" || exit 1
    living "$2" "$3"
}

# living PID START: end the verb unless it lives and has a program, which becomes `program`.
living() {
    if ! same_process "$1" "$2" || ! program=$(readlink "/proc/$1/exe"); then
        refuse 65 "the process is gone, or has no program of its own"
    fi
}

# verb_memory ROOT PID START PROGRAM [PAGE:COUNT]...: these pages of its memory, 4 KiB each, zeros for one that cannot be read. On standard
# error: how many could be read whole. The process is not stopped.
verb_memory() {
    in_the_open "$2" memory_of "$@"
}

memory_of() {
    root=$1 pid=$2 start=$3 expected=$4
    shift 4
    living "$pid" "$start"
    ours_to_touch "$pid" "$root"
    # The descriptor stays with this process, whoever gets its number later (proc_pid_mem(5)).
    { pages "$@" | told 1125899906842624; } 3<"/proc/$pid/mem"
    living "$pid" "$start"
    [ "$program" = "$expected" ] || refuse 65 "it runs another program now"
}

pages() {
    exec 6>&1
    whole=0
    for range in "$@"; do
        whole=$((whole + $(read_pages "${range%:*}" "${range#*:}")))
    done
    echo "whole $whole" >&2
}

# read_pages FIRST COUNT: to descriptor 6; says how many were whole, which dd tells as `N+M records in`.
read_pages() {
    dd if=/proc/self/fd/3 bs=4096 skip="$1" count="$2" conv=noerror,sync 2>&1 >&6 |
        sed -n 's/+.* records in.*//p' | tail -n 1
}

# verb_run SECONDS PROGRAM [ARGUMENT]...: the channel's input and output are the program's, once `found` stands on standard error. It is
# killed when its time is over, also when nobody is there any more to say so.
verb_run() {
    seconds=$1
    where "$2" || refuse 127 "No such file or directory"
    [ -x "$program" ] || refuse 126 "Permission denied"
    shift 2
    echo found >&2
    umask 022
    guarded "$seconds" "$program" "$@" 4>&-
}

# where PROGRAM: program becomes its path, so that no builtin and no function of this shell is ever meant.
where() {
    for program in "/usr/sbin/$1" "/usr/bin/$1" "/sbin/$1" "/bin/$1"; do
        case $1 in
            */*) program=$1 ;;
        esac
        [ ! -f "$program" ] || return 0
    done
    return 1
}
