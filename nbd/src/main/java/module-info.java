/**
 * The NBD server. Sees only the device contract.
 */
@SuppressWarnings("module")
module ramback.nbd {
    requires static org.jspecify;
    requires transitive ramback.core;

// javac refuses to export a package without a class: take the line in with the package's first class.
// exports ramback.nbd to ramback.daemon, ramback.bench;
}
