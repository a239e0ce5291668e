package ramback.nbd;

import java.time.Duration;

/**
 * What a server allows its clients. The number of clients is each device's own limit.
 *
 * @param handshakeCountMax the connections that may be in the handshake at once, at least 1; one more closes the oldest
 * @param handshakeTimeout how long a handshake may take as a whole
 * @param polling how much a connection may poll
 */
public record ServerLimits(int handshakeCountMax, Duration handshakeTimeout, PollingLimits polling) {

    /** What a server uses unless told otherwise. */
    public static final ServerLimits DEFAULT = new ServerLimits(64, Duration.ofSeconds(10), PollingLimits.DEFAULT);

    /** Refuses limits that would let nobody in. */
    public ServerLimits {
        if (handshakeCountMax < 1 || !handshakeTimeout.isPositive()) {
            throw new IllegalArgumentException(
                    "handshake limits " + handshakeCountMax + " connections, " + handshakeTimeout);
        }
    }
}
