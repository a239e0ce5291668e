package ramback.nbd;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The connections that have not agreed on an export yet: so many at most, each for so long at most. A client that
 * withholds bytes loses its place when its time is up, or earlier when a newcomer needs it; so it keeps nobody out. But
 * not before it had the time for a handshake: else a crowd that comes again and again would push out everybody who means
 * it, and a thread would be started for each of them. Until then the newcomer waits, and those behind it in the
 * listener's queue. Its own thread closes what stays too long. Safe for use by many threads.
 */
final class HandshakeRoom {

    private record Visit(Connection connection, long beginNanos) {}

    private final int countMax;
    private final long timeoutNanos;
    private final long stayNanos;
    private final Deque<Visit> visits = new ArrayDeque<>(); // guarded by this; oldest first
    private boolean closed; // guarded by this

    /**
     * Makes an empty room.
     *
     * @param stayNanos how long nobody loses a place to a newcomer
     */
    HandshakeRoom(int countMax, long timeoutNanos, long stayNanos) {
        this.countMax = countMax;
        this.timeoutNanos = timeoutNanos;
        this.stayNanos = stayNanos;
    }

    /**
     * Lets a connection in; waits for a place, which the oldest must leave, when all are taken.
     *
     * @return whether it is in: nobody enters a closed room, or a server that stops would greet whom it leaves at once
     */
    boolean enter(Connection connection) {
        Connection oldest;
        synchronized (this) {
            boolean isFree = awaitPlace();
            if (closed) {
                return false;
            }
            oldest = isFree ? null : visits.removeFirst().connection;
            visits.addLast(new Visit(connection, System.nanoTime()));
            notifyAll();
        }
        if (oldest != null) {
            oldest.abort("its place in the handshake was needed: all " + countMax + " are taken");
        }
        return true;
    }

    /** Waits until there is a place, or the oldest may lose its own: then false. */
    private boolean awaitPlace() {
        while (visits.size() == countMax && !closed) {
            long leftNanos = visits.getFirst().beginNanos + stayNanos - System.nanoTime();
            if (leftNanos <= 0) {
                return false;
            }
            try {
                wait(TimeUnit.NANOSECONDS.toMillis(leftNanos) + 1);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return false;
            }
        }
        return true;
    }

    /** The connection has agreed on an export, or is gone. */
    synchronized void leave(Connection connection) {
        if (visits.removeIf(visit -> visit.connection == connection)) {
            notifyAll();
        }
    }

    /** Ends {@link #run()}, and lets nobody in any more. */
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
            long leftNanos = oldest.beginNanos + timeoutNanos - System.nanoTime();
            if (leftNanos <= 0) {
                notifyAll();
                return visits.removeFirst().connection;
            }
            wait(TimeUnit.NANOSECONDS.toMillis(leftNanos) + 1);
        }
        return null;
    }
}
