package ramback.nbd;

import java.time.Duration;

/**
 * What a server allows its clients. The number of clients is each device's own limit.
 *
 * @param handshakeCountMax the connections that may be in the handshake at once, at least 1; one more takes the oldest's place
 * @param handshakeTimeout how long a handshake may take as a whole
 * @param handshakeStay how long nobody has to give up its place in the handshake: a newcomer waits
 * @param polling how much a connection may poll
 */
public record ServerLimits(
        int handshakeCountMax, Duration handshakeTimeout, Duration handshakeStay, PollingLimits polling) {

    /** What a server uses unless told otherwise. */
    public static final ServerLimits DEFAULT =
            new ServerLimits(64, Duration.ofSeconds(10), Duration.ofMillis(250), PollingLimits.DEFAULT);

    /** Refuses limits that would let nobody in. */
    public ServerLimits {
        if (handshakeCountMax < 1 || !handshakeTimeout.isPositive() || handshakeStay.isNegative()) {
            throw new IllegalArgumentException("handshake limits " + handshakeCountMax + " connections, "
                    + handshakeStay + " to " + handshakeTimeout);
        }
    }
}
