# What the scripts have in common that run in the guests of 83, 84 and 86, sourced by them. They end with the line 'guest: done'
# when all was as it should be; what fails is told, and ends the guest at once.

set -Eeuo pipefail
shopt -s inherit_errexit

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
word() { sed -n "s/.* $1=\([^ ]*\).*/\1/p" /proc/cmdline; } # of the kernel's command line
JAVA_HOME=$(word jdk)
readonly ROOT JAVA_HOME
export JAVA_HOME PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
cd /run

say() { printf 'guest: %s (%s s)\n' "$*" "$SECONDS"; }

threads_told() { # where our threads are, and in the kernel those that no signal ends
    local task
    pkill -QUIT -x java || true
    for task in /proc/[0-9]*/task/*; do
        if grep -q '^State:.D' "$task/status"; then
            cat "$task/comm" "$task/stack"
        fi
    done 2>missing.txt || true
    sleep 2
    awk -v RS= -v ORS='\n\n' '/\tat ramback\./' /run/*/*.log /run/*.log 2>missing.txt | head -n 200 || true
}

failed() { # LINE
    trap - ERR
    say "failed in line $1"
    threads_told
    find /run -maxdepth 2 \( -name '*.log' -o -name '*.txt' -o -name '*.fio' \) -size +0 -exec tail -v -n 12 {} + || true
    dmesg | tail -n 20 || true
    sleep 2 # the console is slow, and what it has not shown yet is lost
    echo b >/proc/sysrq-trigger # a filesystem that nobody serves would keep the guest from ending
}
trap 'failed $LINENO' ERR

await() { # SECONDS COMMAND...: until it is so
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        if ((SECONDS >= until)); then
            say "not in time: $*"
            return 1
        fi
        sleep 0.2
    done
}

gone() { ! kill -0 "$1" 2>/dev/null; }

is() { # WHAT VALUE WANTED
    [[ $2 == "$3" ]] || {
        say "$1 is '$2', not '$3'"
        return 1
    }
}

forgotten() { # what the page cache has of files: it comes from the device now
    sync
    echo 3 >/proc/sys/vm/drop_caches
}

no_complaint() { # of the kernel
    local status=0
    dmesg >dmesg.txt
    [[ -s dmesg.txt ]]
    grep -aE 'I/O error|EXT4-fs (error|warning)|XFS.*(orrupt|rror)|blocked for more|WARNING:|BUG:' dmesg.txt || status=$?
    is 'a search for complaints' $status 1
}

iops() { # DEVICE randread|randwrite SECONDS -> how many of 4 KiB a second, sixteen at a time
    fio --name=iops --filename="$1" --rw="$2" --bs=4k --ioengine=libaio --iodepth=16 --direct=1 --time_based --runtime="$3" \
        --output-format=terse --eta=never | cut -d';' -f"$([[ $2 == randread ]] && echo 8 || echo 49)"
}
