# what: in a QEMU guest: block devices of ublk_drv, by the server alone: discard, partitions, read-only, all in flight, kills of it under a filesystem
# budget: 400
# clients: yes
# long: only

# The server alone (nbd's tests have a program for it), on Debian's newer kernel: the first that has the driver and is packaged for this system.
# The whole program is in 86. Once, however long is given.

readonly PATIENCE_SECONDS=900

# shellcheck source=guest.sh
source "$ROOT/verify.d/guest.sh"
GUEST_KERNEL=6.12
GUEST_MODULES=(ublk_drv xfs)

if ! guest_available fdisk:sfdisk >packages.log 2>&1; then
    skip 'block devices in a guest' "QEMU or Debian's kernel cannot be installed: $(tail -n 1 packages.log)"
    return 0
fi

classes=$ROOT/nbd/target/test-classes/ramback/ublk/ServeUblk.class

compiled() {
    [[ -s $ROOT/nbd/target/test-classpath.txt && -f $classes ]] &&
        [[ -z $(find "$ROOT"/{core,nbd}/src/{main,test} -newer "$classes" -name '*.java' -print -quit) ]]
}

compile() {
    cd "$ROOT" || return
    mkdir -p target
    flock target/build.lock mvn -B -ntp -q -Dspotless.check.skip -pl nbd -am test-compile
    touch "$classes"
}

guest() {
    guest_run guest-ublk.log $PATIENCE_SECONDS 2048M 16 "run=$ROOT/verify.d/guest-ublk.sh"
}

if ! compiled; then must 'the server compiles' compile; fi
must 'an initramfs' guest_kernel
check 'block devices of ublk_drv in a guest' guest
grep -h '^guest: ' "check-$CHECKS.log" | sed 's/^/        /'
