package ramback.remote;

/**
 * How long a server is waited for.
 *
 * @param handshakeNanos for a connection and its handshake
 * @param answerNanos without any sign of life while it owes an answer; then the connection is given up
 * @param slowAnswerNanos the same while it makes something durable or writes zeroes, which may take a disk minutes
 * @param outageNanos how long calls wait for a lost connection to come back, from its loss on; later ones fail at once
 * @param settleNanos how long a server that can't be heard any more is given to close its end of a TCP connection
 * @param retryNanosMin between the first two attempts to connect again; doubled each time
 * @param retryNanosMax between later ones
 */
record Patience(
        long handshakeNanos,
        long answerNanos,
        long slowAnswerNanos,
        long outageNanos,
        long settleNanos,
        long retryNanosMin,
        long retryNanosMax) {

    private static final long SECOND = 1_000_000_000L;

    static final Patience DEFAULT =
            new Patience(10 * SECOND, 60 * SECOND, 300 * SECOND, 10 * SECOND, 60 * SECOND, SECOND / 5, 5 * SECOND);
}
