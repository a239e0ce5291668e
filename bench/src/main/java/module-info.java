/**
 * Benchmarks. Reads everything, is read by nobody.
 */
module ramback.bench {
    requires static org.jspecify;
    requires ramback.core;
    requires ramback.nbd;
    requires ramback.daemon;
}
