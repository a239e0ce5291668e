package ramback.nbd;

import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.LongAdder;
import ramback.protocol.Protocol;

/**
 * One connection's counts of requests and bytes by command. Written by the connection's request thread (failures by both
 * of its threads), read by anybody at any time: opaque stores, so counting costs no fence and a reader may be a moment
 * behind.
 */
final class Traffic {

    private static final int COMMAND_COUNT = Protocol.CMD_BLOCK_STATUS + 1;

    private final AtomicLongArray requests = new AtomicLongArray(COMMAND_COUNT);
    private final AtomicLongArray bytes = new AtomicLongArray(COMMAND_COUNT);
    private final LongAdder failed = new LongAdder();

    /** Counts a request that was understood, before it is carried out. For the request thread. */
    void count(int command, long lengthBytes) {
        requests.setOpaque(command, requests.getPlain(command) + 1);
        bytes.setOpaque(command, bytes.getPlain(command) + lengthBytes);
    }

    /** Counts a request that was answered with an error. For any thread. */
    void countFailed() {
        failed.increment();
    }

    /** Adds another connection's counts to these. For one thread at a time, and none that counts. */
    void add(Traffic other) {
        for (int command = 0; command < COMMAND_COUNT; command++) {
            requests.setOpaque(command, requests.getPlain(command) + other.requests.getOpaque(command));
            bytes.setOpaque(command, bytes.getPlain(command) + other.bytes.getOpaque(command));
        }
        failed.add(other.failed.sum());
    }

    /** How many requests of all kinds. */
    long requestCount() {
        long sum = 0;
        for (int command = 0; command < COMMAND_COUNT; command++) {
            sum += requests.getOpaque(command);
        }
        return sum;
    }

    /** Returns the counts as a server's, with this many clients. */
    ServerCounts toCounts(int clientCount) {
        return new ServerCounts(
                clientCount,
                tally(Protocol.CMD_READ),
                tally(Protocol.CMD_WRITE),
                tally(Protocol.CMD_WRITE_ZEROES),
                tally(Protocol.CMD_TRIM),
                tally(Protocol.CMD_CACHE),
                tally(Protocol.CMD_FLUSH),
                failed.sum());
    }

    private ServerCounts.Tally tally(int command) {
        return new ServerCounts.Tally(requests.getOpaque(command), bytes.getOpaque(command));
    }
}
