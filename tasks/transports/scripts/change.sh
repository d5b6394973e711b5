# shellcheck shell=sh
# The verbs that change the host: replace, move, signal. Knows one file or process; must not know why. Goes behind session.sh.

# fence ROOT FOLDER NAME PATH: end the verb unless the name lies below the root.
fence() {
    case $3 in
        '' | . | ..) refuse 63 "$4 is no file's name" ;;
    esac
    whole=$(readlink -f "$1") || refuse 63 "$1 is not there"
    inside "$2/$3" "$whole" || refuse 63 "$4 does not lie below $1"
}

# inside PATH FOLDER
inside() {
    stem=${2%/}/ # a pattern that begins with an empty quotation matches nothing in bash 5.2
    case $1 in
        "$stem"*) return 0 ;;
    esac
    return 1
}

# resolve PATH: folder becomes its folder as it really is, with no link on the way, and name its last part. What is missing of the way
# is appended.
resolve() {
    name=${1##*/}
    folder=${1%/*}
    missing=
    while [ -n "$folder" ] && [ ! -d "$folder" ]; do
        case ${folder##*/} in
            . | ..) refuse 63 "$1 leads through a folder that is not there" ;;
        esac
        missing=/${folder##*/}$missing
        folder=${folder%/*}
    done
    folder=$(readlink -f "$folder/." && echo .) || exit 1
    folder=${folder%??}
    folder=${folder%/}$missing
}

# expect FILE SHA256 WORDS: end the verb unless the regular file has that hash. A terabyte is no limit, but `digest_of_content` wants one.
expect() {
    found=$(with_file "$1" digest_of_content 1099511627776) || exit 1
    [ "$found" = "$2" ] || refuse 65 "its SHA-256 is $found: $3"
}

# hold FILE SHA256 WORDS: as expect, and descriptor 7 keeps the very file until the verb ends: no other one can get its inode's number
# meanwhile. was becomes its identity.
hold() {
    if [ -L "$1" ] || [ ! -f "$1" ]; then
        refuse 1 "it is no regular file"
    fi
    opening
    command exec 7<"$1" || not_opened
    at_ease
    was=$(stat -L -c '%d %i' /proc/self/fd/7) || exit 1
    found=$(on_file digest_of_content 1099511627776 3<&7) || exit 1
    [ "$found" = "$2" ] || refuse 65 "its SHA-256 is $found: $3"
}

not_opened() {
    at_ease
    exit 1
}

# verb_replace ROOT PATH SHA256 SUFFIX [CHUNK]...: a chunk is encoded once more, for it may hold zero bytes.
verb_replace() {
    root=$1 target=$2 sha256=$3 suffix=$4
    shift 4
    resolve "$target"
    fence "$root" "$folder" "$name" "$target"
    # From here on the working directory is the handle of the folder: nobody can turn the way around between the check and the act.
    cd -P "${folder:-/}" || exit 1
    [ "$(pwd -P)" = "${folder:-/}" ] || refuse 65 "the way to it was changed meanwhile"
    hold "./$name" "$sha256" "someone changed it since we looked"
    # A leading dot and a second dot keep cron, run-parts and systemd from ever reading the temporary file.
    new=.$(printf '%.180s' "$name").hemostat.$suffix
    trap 'rm -f "./$new"' EXIT
    put "$new" "$@" || refuse 1 "the new content could not be written"
    keep_ownership "$new"
    dd if=/dev/null of="./$new" conv=notrunc,fsync 2>/dev/null || sync
    expect "./$name" "$sha256" "someone changed it since we looked"
    [ "$(identity "./$name")" = "$was" ] || refuse 65 "another file was put in its place"
    mv -fT "./$new" "./$name" || exit 1
    sync . 2>/dev/null || true
}

# put FILE [CHUNK]...: a new file of that name, never over one.
put() {
    new_file=$1
    shift
    (
        set -C
        : >"./$new_file"
    ) || return 1
    for chunk in "$@"; do
        printf '%b' "$chunk" || return 1
    done >>"./$new_file"
}

# keep_ownership FILE: owner, mode, and where cp can, access list, security label and other attributes of what descriptor 7 holds; its
# name may lead to a pipe by now.
keep_ownership() {
    cp --attributes-only --preserve=all /proc/self/fd/7 "./$1" 2>/dev/null && touch "./$1"
    chown "$(stat -L -c %u:%g /proc/self/fd/7)" "./$1" || exit 1
    chmod "$(stat -L -c %a /proc/self/fd/7)" "./$1" || exit 1
}

# verb_move ROOT SOURCE TARGET MODE SHA256 DEVICE INODE: empty: any hash; the target's folder is ours alone, and made if it is missing.
verb_move() {
    root=$1 source=$2 target=$3 mode=$4 sha256=$5 wanted=$6
    resolve "$target"
    fence "$root" "$folder" "$name" "$target"
    into=$folder new=$name
    resolve "$source"
    fence "$root" "$folder" "$name" "$source"
    [ -n "$wanted" ] || [ -d "${into:-/}" ] || mkdir -p "$into" || exit 1
    # Descriptors of both folders: what was checked is what is acted on.
    opening
    command exec 5<"${folder:-/}" 6<"${into:-/}" || not_opened
    at_ease
    [ "$(readlink /proc/self/fd/5 && readlink /proc/self/fd/6)" = "${folder:-/}
${into:-/}" ] || refuse 65 "the way to it was changed meanwhile"
    from=/proc/self/fd/5/$name to=/proc/self/fd/6/$new
    its_folder "$wanted"
    if [ -e "$to" ] || [ -L "$to" ]; then
        refuse 1 "$target is there already: nothing was overwritten"
    fi
    was=$(identity "$from") || exit 1 # nothing there: the system's own words
    [ "$(mount_of 5)" = "$(mount_of 6)" ] || refuse 1 "Invalid cross-device link"
    if [ -n "$sha256" ]; then
        hold "$from" "$sha256" "it is no longer the file that triage saw; nothing was moved"
    fi
    [ "$(identity "$from")" = "$was" ] || refuse 65 "another file was put in its place: nothing was moved"
    mv -nT "$from" "$to" || exit 1
    moved
    [ -L "$to" ] || [ ! -f "$to" ] || chmod "$mode" "$to" || exit 1
    sync /proc/self/fd/5 /proc/self/fd/6 2>/dev/null || true
}

# its_folder "DEVICE INODE": end the verb unless descriptor 6 is that very folder, or ours alone when none is given.
its_folder() {
    if [ -n "$1" ]; then
        [ "$(stat -L -c '%d %i' /proc/self/fd/6)" = "$1" ] || refuse 65 "the folder is another one than before: nothing was moved"
        return
    fi
    if [ "$(stat -L -c %u /proc/self/fd/6)" != "$(id -u)" ] || [ $((0$(stat -L -c %a /proc/self/fd/6) & 022)) != 0 ]; then
        refuse 1 "others may write in that folder: what goes there is not locked"
    fi
}

# mount_of DESCRIPTOR: two mounts of one file system are two: a rename between them would be a copy (proc_pid_fdinfo(5)).
mount_of() {
    while read -r key value; do
        [ "$key" != mnt_id: ] || echo "$value"
    done <"/proc/self/fdinfo/$1"
}

# moved: end the verb unless what stands at the target is what was meant; anything else goes back.
moved() {
    is=$(identity "$to" 2>/dev/null)
    [ "$is" != "$was" ] || return 0
    [ "$(identity "$from" 2>/dev/null)" != "$was" ] || refuse 1 "$target is there already: nothing was overwritten"
    mv -nT "$to" "$from"
    if [ -e "$to" ] || [ -L "$to" ]; then
        refuse 65 "another file was put in its place, and a third one since: it stands at $target now"
    fi
    refuse 65 "another file was put in its place: it was put back"
}

# verb_signal ROOT PID START NUMBER: START as same_process takes it.
verb_signal() {
    in_the_open "$2" signal_one "$@"
}

signal_one() {
    root=$1 pid=$2 start=$3 number=$4
    same_process "$pid" "$start" || { echo gone && return 0; }
    ours_to_touch "$pid" "$root"
    if said=$(same_process "$pid" "$start" && kill -s "$number" "$pid" 2>&1); then
        echo sent
    elif kill -s 0 "$pid" 2>/dev/null; then
        refuse 1 "${said:-Operation not permitted}"
    else
        echo gone
    fi
}

# ours_to_touch PID ROOT: end the verb unless it may be touched.
ours_to_touch() {
    spare_ourselves "$1"
    [ "$2" = / ] || inside_root "$1" "$2"
}

# fields_of PID: the fields of /proc/PID/stat from the third on; the name in brackets may hold anything, so cut after its end.
fields_of() {
    fields=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    fields=${fields##*)}
}

# same_process PID START: does it live, and did it start then? START is the boot and its ticks (BOOT_ID:TICKS), which no clock moves; of
# older journals hundredths of a second since the epoch. As tasks.facts.Start: 1.5 s, for btime is told in whole seconds.
same_process() {
    fields_of "$1" || return 1
    wanted=$2
    # shellcheck disable=SC2086 # these are words
    set -- $fields
    # A zombie whose other threads run on is alive (proc_pid_stat(5), fields 3, 20 and 22).
    case $1 in
        Z | X) [ "${18}" -gt 1 ] || return 1 ;;
    esac
    case $wanted in
        *:*)
            [ "$wanted" = "$(cat /proc/sys/kernel/random/boot_id):${20}" ]
            return
            ;;
    esac
    started=$(($(booted) * 100 + ${20} * 100 / $(ticks)))
    [ $((started - wanted)) -lt 150 ] && [ $((wanted - started)) -lt 150 ]
}

booted() {
    while read -r key value _; do
        [ "$key" != btime ] || echo "$value"
    done </proc/stat
}

# Linux tells userland 100 ticks a second on every architecture that matters (USER_HZ); getconf knows, where there is one.
ticks() {
    getconf CLK_TCK 2>/dev/null || echo 100
}

# spare_ourselves PID: end the verb if it is this shell, one of its ancestors, or the system's own.
spare_ourselves() {
    one=$$
    while [ "$one" -gt 0 ]; do
        [ "$one" != "$1" ] || refuse 64 "process $1 is hemostat's own shell or one of its ancestors"
        one=$(parent "$one")
    done
    case $1:$(parent "$1") in
        1:* | 2:* | *:2) refuse 64 "process $1 is the system's own" ;;
    esac
}

parent() {
    fields_of "$1" || fields="S 0"
    # shellcheck disable=SC2086 # these are words
    set -- $fields
    echo "$2"
}

inside_root() {
    whole=$(readlink -f "$2") || exit 1
    for place in "$(readlink "/proc/$1/exe")" "$(readlink "/proc/$1/cwd")"; do
        if [ "$place" = "$whole" ] || inside "$place" "$whole"; then
            return 0
        fi
    done
    refuse 63 "process $1 runs $(readlink "/proc/$1/exe"), which does not lie below $2"
}
