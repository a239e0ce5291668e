package ramback.nbd;

/**
 * What a server has done since it was made. A request counts when it is accepted, so requests that still wait are in.
 *
 * @param clientCount the connections in the transmission phase now
 * @param failedCount the requests that were answered with an error
 */
public record ServerCounts(
        int clientCount, Tally read, Tally write, Tally zero, Tally trim, Tally cache, Tally flush, long failedCount) {

    /** Requests of one kind, and the bytes that they asked for. */
    public record Tally(long requestCount, long bytes) {}
}
