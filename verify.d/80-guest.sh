# what: in a QEMU guest with little memory: a filesystem on a device that its own host serves takes several times the memory and comes to its end
# budget: 120
# clients: yes
# long: only

# Software emulation, so it takes minutes. Runs for as long as is given, at least once: each time the guest is new.

readonly MEMORY=640M DISK_MIB=256 FILE_MIB=200 ROUNDS=8
readonly PATIENCE_SECONDS=1500
readonly PACKAGES=(qemu-system-x86:qemu-system-x86_64 busybox-static:busybox nbd-client:nbd-client kmod:modprobe xz-utils:xz cpio:cpio)

packages() {
    local entry missing=()
    for entry in "${PACKAGES[@]}"; do
        command -v "${entry#*:}" >/dev/null || missing+=("${entry%%:*}")
    done
    if ((${#missing[@]} > 0)); then apt-get install -y -q --no-install-recommends "${missing[@]}"; fi
}

kernel() { # -> $WORK/kernel: Debian's, and the modules that the guest needs, in an initramfs
    local package version module
    package=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
    apt-get download "$package"
    dpkg-deb -x "$package"_*.deb kernel
    version=$(basename kernel/lib/modules/*)
    depmod -b kernel "$version"
    mkdir -p initramfs/bin initramfs/mod
    for module in virtio_pci virtio_blk 9pnet_virtio 9p overlay nbd ext4; do
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
    mkdir -p initramfs/{proc,sys,dev}
    chmod +x initramfs/init
    (cd initramfs && find . | cpio -o -H newc --quiet | gzip -1) >initramfs.gz
    cp kernel/boot/vmlinuz-* vmlinuz
}

guest() { # FLUSHER: on|off
    rm -f disk.raw
    truncate -s ${DISK_MIB}M disk.raw
    timeout $PATIENCE_SECONDS qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m $MEMORY -smp 2 -nographic -no-reboot \
        -kernel vmlinuz -initrd initramfs.gz \
        -append "console=ttyS0 quiet panic=-1 rdinit=/init run=$ROOT/verify.d/guest-pressure.sh jdk=$JAVA_HOME flusher=$1 rounds=$ROUNDS mib=$FILE_MIB" \
        -drive "file=disk.raw,format=raw,if=virtio,cache=none" \
        -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap </dev/null >"guest-$1.log" 2>&1 || true
    tr -d '\r' <"guest-$1.log" | grep -a 'guest: \|threads have\|ramback: \|rror\|ut of memory\|blocked for' | tail -n 30
    tr -d '\r' <"guest-$1.log" | grep -qa '^guest: done'
}

must 'what it takes is installed' packages
must "Debian's kernel and an initramfs" kernel
ROUND=0
END=$((SECONDS + LONG_MINUTES * 60))
while ((ROUND == 0 || SECONDS + 300 < END)); do
    ROUND=$((ROUND + 1))
    check "guest $ROUND: $((FILE_MIB * ROUNDS)) MiB through $MEMORY of memory, every thread an I/O flusher" guest on
    grep -h '^guest: round\|^guest: done\|threads have' "check-$CHECKS.log" | tail -n 3 | sed 's/^/        /'
done
