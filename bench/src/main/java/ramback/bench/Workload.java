package ramback.bench;

import java.util.List;

/**
 * Requests of one size at random places, so many in flight at a time, on one connection.
 *
 * @param name as the table shows it
 * @param isWrite whether it overwrites the device
 * @param blockBytes the size of a request
 * @param depth how many are in flight
 */
record Workload(String name, boolean isWrite, int blockBytes, int depth) {

    private static final int KIB = 1 << 10;

    /** What is measured, reads before writes. */
    static final List<Workload> ALL = List.of(
            new Workload("4K read QD1", false, 4 * KIB, 1),
            new Workload("4K read QD32", false, 4 * KIB, 32),
            new Workload("64K read QD4", false, 64 * KIB, 4),
            new Workload("1M read QD4", false, 1024 * KIB, 4),
            new Workload("4K write QD1", true, 4 * KIB, 1),
            new Workload("4K write QD32", true, 4 * KIB, 32),
            new Workload("64K write QD4", true, 64 * KIB, 4),
            new Workload("1M write QD4", true, 1024 * KIB, 4));
}
