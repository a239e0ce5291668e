package ramback.nbd;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The connections that have not agreed on an export yet: so many at most, each for so long at most. A client that
 * withholds bytes loses its place when its time is up, or earlier when a newcomer needs it; so it keeps nobody out.
 * Its own thread closes what stays too long. Safe for use by many threads.
 */
final class HandshakeRoom {

    private record Visit(Connection connection, long deadlineNanos) {}

    private final int countMax;
    private final long timeoutNanos;
    private final Deque<Visit> visits = new ArrayDeque<>(); // guarded by this; oldest first
    private boolean closed; // guarded by this

    HandshakeRoom(int countMax, long timeoutNanos) {
        this.countMax = countMax;
        this.timeoutNanos = timeoutNanos;
    }

    /** Lets a connection in; the oldest must leave when all places are taken. */
    void enter(Connection connection) {
        Connection oldest = null;
        synchronized (this) {
            if (visits.size() == countMax) {
                oldest = visits.removeFirst().connection;
            }
            visits.addLast(new Visit(connection, System.nanoTime() + timeoutNanos));
            notifyAll();
        }
        if (oldest != null) {
            oldest.abort("its place in the handshake was needed: all " + countMax + " are taken");
        }
    }

    /** The connection has agreed on an export, or is gone. */
    synchronized void leave(Connection connection) {
        visits.removeIf(visit -> visit.connection == connection);
    }

    /** Ends {@link #run()}. */
    synchronized void close() {
        closed = true;
        notifyAll();
    }

    /** Closes the connections whose time is up, until the room is closed; sleeps while there are none. */
    void run() {
        try {
            Connection late = nextLate();
            while (late != null) {
                late.abort("the handshake took more than " + TimeUnit.NANOSECONDS.toMillis(timeoutNanos) + " ms");
                late = nextLate();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized @Nullable Connection nextLate() throws InterruptedException {
        while (!closed) {
            Visit oldest = visits.peekFirst();
            if (oldest == null) {
                wait();
                continue;
            }
            long leftNanos = oldest.deadlineNanos - System.nanoTime();
            if (leftNanos <= 0) {
                return visits.removeFirst().connection;
            }
            wait(TimeUnit.NANOSECONDS.toMillis(leftNanos) + 1);
        }
        return null;
    }
}
