# what: the whole run left nothing on the machine: memory, mounts, loop devices, processes
# budget: 20
# alone: yes

in_use() { # PATH: a living process maps it or was told of it. If that process is ours, the next check finds it.
    grep -qsF -f - /proc/[0-9]*/maps /proc/[0-9]*/cmdline <<<"$1"
}

nothing_new() {
    local line left=0
    while IFS= read -r line; do
        if [[ $line == 'in memory: '* ]] && in_use "${line#in memory: }"; then continue; fi
        printf '%s\n' "$line"
        left=1
    done < <(comm -13 <(sort -u "$VERIFY_RUN_ROOT/machine.before") <(machine_state | sort -u))
    ((left == 0))
}

no_process_of_the_run() {
    local pid left=''
    for pid in $(processes_of "$VERIFY_RUN_ROOT"); do
        case $(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | sed -n 's/^RAMBACK_VERIFY=//p') in
            "$WORK" | '') ;;
            *) gone "$pid" || left+="process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c1-160)"$'\n' ;;
        esac
    done
    printf '%s' "$left"
    [[ -z $left ]]
}

check 'no shared memory, mount or loop device is new' nothing_new
check 'no process of an earlier section runs' no_process_of_the_run
