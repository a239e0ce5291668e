# The guest of sections 80 to 84 and 86, sourced by them, on Debian's kernel, under software emulation: this very system, read-only with
# an overlay in memory, or what is on a disk.

# A section that needs more modules than those for disks and filesystems, or a newer kernel than the default where Debian has one,
# sets these before it calls anything here, the latter as in 6.12.
GUEST_MODULES=() GUEST_KERNEL=

readonly GUEST_PACKAGES=(qemu-system-x86:qemu-system-x86_64 busybox-static:busybox kmod:modprobe xz-utils:xz cpio:cpio)

guest_packages() { # [PACKAGE:PROGRAM...]: these too
    local entry missing=()
    for entry in "${GUEST_PACKAGES[@]}" "$@"; do
        command -v "${entry#*:}" >/dev/null || missing+=("${entry%%:*}")
    done
    if ((${#missing[@]} > 0)); then apt-get install -y -q --no-install-recommends "${missing[@]}"; fi
}

guest_download() { # -> the package of Debian's kernel
    local meta package=
    for meta in ${GUEST_KERNEL:+"linux-image-$GUEST_KERNEL-amd64"} linux-image-amd64; do
        package=$(apt-cache depends "$meta" 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
        if [[ -n $package ]]; then break; fi
    done
    apt-get download "$package"
}

guest_available() { # [PACKAGE:PROGRAM...]: these two; with new lists of packages if it does not go with the old
    { guest_packages "$@" && guest_download; } || { apt-get update -q && guest_packages "$@" && guest_download; }
}

guest_kernel() { # [PROGRAM...] -> vmlinuz, and initramfs.gz with the modules that the guest needs, and these programs of this system
    local version module program
    dpkg-deb -x linux-image-*.deb kernel
    version=$(basename kernel/lib/modules/*)
    depmod -b kernel "$version"
    mkdir -p initramfs/bin initramfs/mod
    for module in virtio_pci virtio_blk 9pnet_virtio 9p overlay nbd ext4 "${GUEST_MODULES[@]}"; do
        modprobe -d kernel -S "$version" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
    done | awk '!seen[$0]++' >wanted.txt
    while IFS= read -r module; do
        case $module in
            *.xz) xz -dc "$module" >"initramfs/mod/$(basename "$module" .xz)" && basename "$module" .xz ;;
            *) cp "$module" initramfs/mod/ && basename "$module" ;;
        esac
    done <wanted.txt >initramfs/modules
    cp "$(command -v busybox)" initramfs/bin/busybox
    cp "$ROOT/verify.d/guest-init" initramfs/init
    for program in "$@"; do
        # shellcheck disable=SC2046 # a word each
        cp --parents -L $(ldd "$(command -v "$program")" | grep -o '/[^ ]*') initramfs
        mkdir -p initramfs/sbin
        cp "$(command -v "$program")" initramfs/sbin/
    done
    mkdir -p initramfs/{proc,sys,dev}
    chmod +x initramfs/init
    (cd initramfs && find . | cpio -o -H newc --quiet | gzip -1) >initramfs.gz
    cp kernel/boot/vmlinuz-* vmlinuz
}

guest_machine() { # MEMORY WORD...: sets GUEST_QEMU, what starts it, with these on its kernel's command line
    GUEST_QEMU=(qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m "$1" -smp 2 -nographic
        -kernel vmlinuz -initrd initramfs.gz -append "console=ttyS0 quiet panic=-1 rdinit=/init ${*:2}")
}

guest_of_host() { # MEMORY WORD...: sets GUEST_QEMU, one with disk.raw as /dev/vda, and these on its kernel's command line
    # Programs at the same addresses each time: QEMU goes on with what it has translated, and a JVM starts in two thirds of the time.
    guest_machine "$1" norandmaps mitigations=off "jdk=$JAVA_HOME" "${@:2}"
    GUEST_QEMU+=(-no-reboot -drive "file=disk.raw,format=raw,if=virtio,cache=none"
        -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap)
}

guest_complaints() { # LOG
    tr -d '\r' <"$1" | grep -a 'guest: \|threads have\|ramback: \|rror\|ut of memory\|blocked for' | tail -n 30
}

guest_run() { # LOG SECONDS MEMORY DISK_MIB WORD...: until it powers off, with an empty /dev/vda, and these on its kernel's command line
    rm -f disk.raw
    truncate -s "$4M" disk.raw
    guest_of_host "$3" "${@:5}"
    timeout --kill-after=10 "$2" "${GUEST_QEMU[@]}" </dev/null >"$1" 2>&1 || true
    guest_complaints "$1"
    tr -d '\r' <"$1" | grep -qa '^guest: done'
}

guest_command() { # SOCKET COMMAND: to QEMU's monitor, QMP
    /usr/bin/python3 -I - "$@" <<'P'
import json, socket, sys

with socket.socket(socket.AF_UNIX) as monitor:
    monitor.connect(sys.argv[1])
    answers = monitor.makefile()
    answers.readline()  # its greeting
    for command in "qmp_capabilities", sys.argv[2]:
        monitor.sendall(json.dumps({"execute": command}).encode())
        answer = {}
        while "return" not in answer:  # events come in between
            answer = json.loads(answers.readline())
            if "error" in answer:
                sys.exit(str(answer))
P
}
