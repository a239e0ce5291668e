/**
 * Benchmarks. Reads everything, is read by nobody.
 */
module ramback.bench {
    requires static org.jspecify;
    requires ramback.core;
    requires ramback.nbd;
    requires ramback.daemon;
    requires com.fasterxml.jackson.core;

    provides ramback.control.Bench with
            ramback.bench.DeviceBench;
}
