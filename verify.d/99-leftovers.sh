# what: the whole run left nothing on the machine: memory, mounts, loop devices, processes
# budget: 20

nothing_new() {
    local left
    left=$(comm -13 <(sort -u "$VERIFY_RUN_ROOT/machine.before") <(machine_state | sort -u))
    if [[ -n $left ]]; then
        printf '%s\n' "$left"
        return 1
    fi
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
