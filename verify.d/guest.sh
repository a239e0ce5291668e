# The guest of sections 80 and 81, sourced by them: this very system, read-only with an overlay in memory, on Debian's kernel, under
# software emulation.

readonly GUEST_PACKAGES=(qemu-system-x86:qemu-system-x86_64 busybox-static:busybox nbd-client:nbd-client kmod:modprobe xz-utils:xz cpio:cpio)

guest_packages() {
    local entry missing=()
    for entry in "${GUEST_PACKAGES[@]}"; do
        command -v "${entry#*:}" >/dev/null || missing+=("${entry%%:*}")
    done
    if ((${#missing[@]} > 0)); then apt-get install -y -q --no-install-recommends "${missing[@]}"; fi
}

guest_kernel() { # -> vmlinuz, and initramfs.gz with the modules that the guest needs
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

guest_run() { # LOG SECONDS MEMORY DISK_MIB WORD...: until it powers off, with an empty /dev/vda, and these on its kernel's command line
    rm -f disk.raw
    truncate -s "$4M" disk.raw
    timeout "$2" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m "$3" -smp 2 -nographic -no-reboot \
        -kernel vmlinuz -initrd initramfs.gz -append "console=ttyS0 quiet panic=-1 rdinit=/init jdk=$JAVA_HOME ${*:5}" \
        -drive "file=disk.raw,format=raw,if=virtio,cache=none" \
        -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap </dev/null >"$1" 2>&1 || true
    tr -d '\r' <"$1" | grep -a 'guest: \|threads have\|ramback: \|rror\|ut of memory\|blocked for' | tail -n 30
    tr -d '\r' <"$1" | grep -qa '^guest: done'
}
