package ramback.traffic;

import java.util.Map;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.LongAdder;

/**
 * Counts of requests and bytes by kind. Written by one thread (failures by any), read by anybody at any time: opaque
 * stores, so counting costs no fence and a reader may be a moment behind.
 */
final class Tallies {

    private final AtomicLongArray requests = new AtomicLongArray(RequestKind.COUNT);
    private final AtomicLongArray bytes = new AtomicLongArray(RequestKind.COUNT);
    private final LongAdder failed = new LongAdder();

    /** Counts a request that was understood, before it is carried out. */
    void count(RequestKind kind, long lengthBytes) {
        int at = kind.ordinal();
        requests.setOpaque(at, requests.getPlain(at) + 1);
        bytes.setOpaque(at, bytes.getPlain(at) + lengthBytes);
    }

    /** Counts a request that was answered with an error. For any thread. */
    void countFailed() {
        failed.increment();
    }

    /** Adds other counts to these. For one thread at a time, and none that counts. */
    void add(Tallies other) {
        for (int at = 0; at < RequestKind.COUNT; at++) {
            requests.setOpaque(at, requests.getPlain(at) + other.requests.getOpaque(at));
            bytes.setOpaque(at, bytes.getPlain(at) + other.bytes.getOpaque(at));
        }
        failed.add(other.failed.sum());
    }

    /** How many requests of all kinds. */
    long requestCount() {
        long sum = 0;
        for (int at = 0; at < RequestKind.COUNT; at++) {
            sum += requests.getOpaque(at);
        }
        return sum;
    }

    /** Returns the counts as a device's, with these clients. */
    TrafficCounts toCounts(Map<ClientKind, Integer> clients) {
        return new TrafficCounts(
                clients,
                tally(RequestKind.READ),
                tally(RequestKind.WRITE),
                tally(RequestKind.ZERO),
                tally(RequestKind.TRIM),
                tally(RequestKind.CACHE),
                tally(RequestKind.FLUSH),
                failed.sum());
    }

    private TrafficCounts.Tally tally(RequestKind kind) {
        return new TrafficCounts.Tally(requests.getOpaque(kind.ordinal()), bytes.getOpaque(kind.ordinal()));
    }
}
