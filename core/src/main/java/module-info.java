/**
 * The device: memory, chunk table, epochs, write-behind. Depends on nothing but the JDK.
 */
// The readers of the qualified exports are compiled after this module, so javac cannot see them yet.
@SuppressWarnings("module")
module ramback.core {
    requires static org.jspecify;
    requires jdk.jfr; // what happens behind the clients' backs as events

    // The contract, for whoever serves a device or offers one.
    exports ramback.device;

    // The parts, for who assembles them (engine), who measures them (bench), and for another kind of slow disk (nbd's
    // remote).
    exports ramback.clock to
            ramback.nbd,
            ramback.daemon,
            ramback.bench;
    exports ramback.mutant to
            ramback.daemon;
    exports ramback.posix to
            ramback.nbd,
            ramback.daemon,
            ramback.bench;
    exports ramback.tls to
            ramback.nbd;
    exports ramback.trace to
            ramback.daemon,
            ramback.bench;
    exports ramback.memory to
            ramback.daemon,
            ramback.bench;
    exports ramback.image to
            ramback.daemon,
            ramback.bench;
    exports ramback.backing to
            ramback.nbd,
            ramback.daemon,
            ramback.bench;
    exports ramback.journal to
            ramback.daemon,
            ramback.bench;
    exports ramback.power to
            ramback.daemon,
            ramback.bench;
    exports ramback.writeback to
            ramback.daemon,
            ramback.bench;
}
