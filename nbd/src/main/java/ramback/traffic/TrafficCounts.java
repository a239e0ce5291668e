package ramback.traffic;

import java.util.Map;

/**
 * What was asked of a device since it is served. A request counts when it is accepted, so requests that still wait are
 * in. A snapshot; immutable.
 *
 * @param clients how many clients there are now, for each kind
 * @param failedCount the requests that were answered with an error
 */
public record TrafficCounts(
        Map<ClientKind, Integer> clients,
        Tally read,
        Tally write,
        Tally zero,
        Tally trim,
        Tally cache,
        Tally flush,
        long failedCount) {

    /** Requests of one kind, and the bytes that they asked for. */
    public record Tally(long requestCount, long bytes) {}

    /** Copies the map. */
    public TrafficCounts {
        clients = Map.copyOf(clients);
    }

    /** How many clients of all kinds. */
    public int clientCount() {
        return clients.values().stream().mapToInt(Integer::intValue).sum();
    }
}
