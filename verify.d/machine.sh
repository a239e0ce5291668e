# What the machine holds that a check could leave behind: processes, mounts, loop devices, shared memory.
# Sourced by ../verify (which sweeps up after each section) and by lib.sh (which checks that there was nothing to sweep).
#
# Whatever a section starts carries RAMBACK_VERIFY=<its work directory> in its environment, so that it can be found
# however it was started, and nothing else is ever touched.

processes_of() { # DIR: the pids of what was started under it
    local environ pid
    while IFS= read -r environ; do
        pid=${environ#/proc/}
        pid=${pid%/environ}
        [[ $pid == "$$" || $pid == "$BASHPID" ]] || printf '%s\n' "$pid"
    done < <(grep -lszE "^RAMBACK_VERIFY=$1(/|\$)" /proc/[0-9]*/environ 2>/dev/null)
}

mounts_under() { # DIR: newest first
    awk -v dir="$1/" 'index($5 "/", dir) == 1 { print $5 }' /proc/self/mountinfo | tac
}

loops_under() { # DIR...: loop devices over files in it
    local dir
    for dir in "$@"; do
        losetup -n -l -O NAME,BACK-FILE 2>/dev/null | awk -v dir="$dir/" 'index($2, dir) == 1 { print $1 }'
    done
}

leftovers() { # WORK RAM: one line for each thing that is still there
    local pid
    for pid in $(processes_of "$1"); do
        printf 'process %s: %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c1-120)"
    done
    mounts_under "$1" | sed 's/^/mount /'
    loops_under "$1" "$2" | sed 's/^/loop device /'
    if [[ -d $2 ]]; then find "$2" -mindepth 1 -printf 'in memory: %p\n' | head -n 20; fi
}

sweep() { # WORK RAM: end and remove everything a section left
    local pass pid at device
    for pass in 1 2 3; do
        for at in $(mounts_under "$1"); do
            umount "$at" 2>/dev/null || fusermount3 -u "$at" 2>/dev/null || ((pass < 3)) || umount -l "$at" 2>/dev/null || true
        done
        for device in $(loops_under "$1" "$2"); do losetup -d "$device" 2>/dev/null || true; done
    done
    for pid in $(processes_of "$1"); do kill -TERM "$pid" 2>/dev/null || true; done
    for pass in {1..100}; do
        [[ -z $(processes_of "$1") ]] && break
        sleep 0.2
    done
    for pid in $(processes_of "$1"); do kill -KILL "$pid" 2>/dev/null || true; done
    for at in $(mounts_under "$1"); do umount -l "$at" 2>/dev/null || true; done
    for device in $(loops_under "$1" "$2"); do losetup -d "$device" 2>/dev/null || true; done
}

machine_state() { # everything on this machine that would be a leftover if it were new
    find /dev/shm -mindepth 1 -maxdepth 1 ! -name 'rv.*' ! -name ramback -printf 'in memory: %p\n' 2>/dev/null || true
    find /dev/shm/ramback /run/ramback -mindepth 1 -printf 'in memory: %p\n' 2>/dev/null || true
    # What lies in a run's own directory is that run's to sweep, this one's or another's.
    losetup -n -l -O NAME,BACK-FILE 2>/dev/null | awk '$2 !~ "^/tmp/rv[.]" { print "loop device " $1 " over " $2 }' || true
    awk '$5 !~ "^/tmp/rv[.]" { print "mount " $5 }' /proc/self/mountinfo
    return 0
}
