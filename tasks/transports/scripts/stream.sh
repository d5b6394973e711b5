# shellcheck shell=sh
# The verbs that have a channel for themselves: fetch and run. Knows one file or program. Goes behind session.sh; started by obey_once.

# verb_fetch PATH LIMIT HAVE: the file from byte HAVE on, one byte more than LIMIT at the most, so that the reader knows that it is cut.
# On standard error: the SHA-256 of its first HAVE bytes, then that of the others up to LIMIT, read once for both.
verb_fetch() {
    with_file "$1" stream "$2" "$3"
}

# The pipe to cat is one that /proc/self/fd can open again; what sshd gives as standard output may be a socket.
stream() {
    [ "$2" = 0 ] || echo "before $(content 0 | head -c "$2" | hex)" >&2
    {
        content $(($2 / 65536)) | skip $(($2 % 65536)) | head -c $(($1 - $2 + 1)) |
            tee /proc/self/fd/5 | {
            head -c $(($1 - $2))
            cat >/dev/null
        } | { echo "after $(hex)" >&2; }
    } 5>&1 | cat
}

skip() {
    tail -c "+$(($1 + 1))"
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
    exec 3<&0 4>&-
    "$program" "$@" <&3 3<&- &
    child=$!
    exec 3<&-
    limit "$child" "$seconds" </dev/null >/dev/null 2>&1 &
    watcher=$!
    wait "$child"
    status=$?
    kill "$watcher" 2>/dev/null
    return "$status"
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

# limit PROCESS SECONDS: looks every second, so that a number which is used again is not meant.
limit() {
    left=$2
    while [ "$left" -gt 0 ] && kill -s 0 "$1"; do
        sleep 1
        left=$((left - 1))
    done
    [ "$left" -gt 0 ] || kill -s KILL "$1"
}
