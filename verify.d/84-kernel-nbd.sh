# what: in a QEMU guest: block devices of the kernel's NBD driver, without a process of their own, outlive a kill of their server under load
# budget: 300
# clients: yes
# long: only

# The server alone (nbd's tests have a program for it); the whole program is in 86. Once, however long is given.

readonly PATIENCE_SECONDS=900

# shellcheck source=guest.sh
source "$ROOT/verify.d/guest.sh"
# shellcheck disable=SC2034 # guest.sh's
GUEST_KERNEL=6.12

if ! guest_available >packages.log 2>&1; then
    skip 'everything in a guest' "QEMU, busybox or Debian's kernel cannot be installed: $(tail -n 1 packages.log)"
    return 0
fi

classes=$ROOT/nbd/target/test-classes/ramback/nbd

compiled() { # the server that runs in the guest
    [[ -f $classes/AttachRam.class ]] &&
        [[ -z $(find "$ROOT"/nbd/src/{main,test} -newer "$classes/AttachRam.class" -name '*.java' -print -quit) ]]
}

compile() {
    cd "$ROOT" || return
    mkdir -p target
    flock target/build.lock mvn -B -ntp -q -Dspotless.check.skip -pl nbd -am test-compile
    touch "$classes/AttachRam.class"
}

guest() {
    guest_run guest-nbd.log $PATIENCE_SECONDS 1024M 16 "run=$ROOT/verify.d/guest-nbd.sh"
}

compiled || must 'the tests are compiled' compile
must 'an initramfs' guest_kernel
check 'all that a block device of the kernel promises' guest
grep -h '^guest: ' "check-$CHECKS.log" | sed 's/^/        /'
