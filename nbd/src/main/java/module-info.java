/**
 * NBD: the server, which sees only the device contract, the client, a slow disk of its own kind, and the kernel as a client.
 */
// The readers of the qualified export are compiled after this module, so javac cannot see them yet.
@SuppressWarnings("module")
module ramback.nbd {
    requires static org.jspecify;
    requires jdk.jfr; // a request as an event
    requires transitive ramback.core;

    exports ramback.nbd to // the daemon makes the server; bench serves a bare device
            ramback.daemon,
            ramback.bench;
    exports ramback.traffic to // the daemon makes what all servers count in, and shows it
            ramback.daemon;
    exports ramback.fuse to // the daemon attaches its devices; bench measures it
            ramback.daemon,
            ramback.bench;
    exports ramback.ublk to // the daemon attaches devices
            ramback.daemon;
    exports ramback.remote to // the engine opens remote images
            ramback.daemon;
    exports ramback.kernelnbd to // the daemon attaches its exports as block devices
            ramback.daemon;
}
