
# ---------------------------------------------------------------------------------------------------------------------
# What the options and commands above can't know: devices by their names, and the words that some of them take.

# The directories of running devices are listed, which costs no process; where they can't be read there are no names.
function _ramback_devices() {
  local directory="${RAMBACK_RUN_DIR:-}" i entry
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "${COMP_WORDS[i]}" in
      --run-dir)
        [[ "${COMP_WORDS[i+1]}" == "=" ]] && i=$((i + 1))
        directory="${COMP_WORDS[i+1]:-}"
        ;;
      --run-dir=*) directory="${COMP_WORDS[i]#--run-dir=}" ;;
    esac
  done
  if [[ -z "$directory" ]]; then
    if ((UID == 0)); then directory=/run/ramback; else directory="${XDG_RUNTIME_DIR:-}/ramback"; fi
  fi
  for entry in "$directory"/*/pid; do
    [[ -e "$entry" ]] || continue
    entry="${entry%/pid}"
    printf '%s\n' "${entry##*/}"
  done
}

function _ramback_complete() {
  _complete_ramback
  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" words=""
  # Bash makes a word of its own of the = in --option=value.
  [[ "$word" == "=" ]] && word=""
  [[ "$before" == "=" ]] && before="${COMP_WORDS[COMP_CWORD-2]}"
  case "$before" in
    --mode) words="writethrough writeback checkpoint unsafe" ;;
    --ram) words="reserve sparse" ;;
    --via) words="auto ublk nbd fuse" ;;
    --mkfs) words="ext4 xfs btrfs" ;;
    --repair) words="ram image" ;;
    --journal) [[ "${COMP_WORDS[1]}" == up ]] && words="none" ;;
    -*) ;;
    *)
      if ((COMP_CWORD > 1)); then
        case "${COMP_WORDS[1]}" in
          mode) words="writethrough writeback checkpoint unsafe auto" ;;
          trace) words="on off dump" ;;
          power) words="on-line on-battery low" ;;
        esac
      fi
      ;;
  esac
  if ((COMP_CWORD > 1)) && [[ "$word" != -* ]] && [[ "$before" != -* || "$before" == --*=* || " @FLAGS@ " == *" $before "* ]]; then
    case "${COMP_WORDS[1]}" in
      @NAMED@) words="$words $(_ramback_devices)" ;;
    esac
  fi
  if [[ -n "$words" ]]; then
    COMPREPLY+=($(compgen -W "$words" -- "$word"))
  fi
}

complete -F _ramback_complete -o default ramback
