package ramback.control;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Who follows a device: a stream of server-sent events each. What is sent is made once for all, and waits in a bounded queue a viewer;
 * one that does not read until that is full is dropped, so that nobody waits for anybody and nothing grows. Safe for use by many
 * threads.
 */
final class Viewers {

    /** As many may follow at once. */
    static final int VIEWER_COUNT_MAX = 16;
    /** As many messages may wait for a viewer, beside what its socket holds: eight seconds' worth. */
    static final int BACKLOG_COUNT_MAX = 16;

    /** How soon a browser that lost us tries again. */
    private static final byte[] RETRY = "retry: 2000\n\n".getBytes(UTF_8);

    /** Empty, as no message is. */
    private static final byte[] END = {};

    /** One of them. */
    static final class Viewer {
        private final Thread thread;
        private final BlockingQueue<byte[]> backlog = new ArrayBlockingQueue<>(BACKLOG_COUNT_MAX);
        private boolean isNew = true;

        private Viewer(Thread thread) {
            this.thread = thread;
        }
    }

    private final List<Viewer> viewers = new ArrayList<>();
    private boolean hasEnded;

    /** Returns whether nobody follows. */
    synchronized boolean isEmpty() {
        return viewers.isEmpty();
    }

    /** How many follow. */
    synchronized int count() {
        return viewers.size();
    }

    /**
     * Lets one more in, on whose thread {@link #serve} is going to run.
     *
     * @return null when there are as many as may be, or it has ended
     */
    synchronized @Nullable Viewer enter() {
        if (hasEnded || viewers.size() == VIEWER_COUNT_MAX) {
            return null;
        }
        Viewer viewer = new Viewer(Thread.currentThread());
        viewers.add(viewer);
        return viewer;
    }

    /** Sends a greeting to one viewer, then what comes, until it goes, is dropped, or it has ended. */
    void serve(Viewer viewer, OutputStream out, byte[] greeting) {
        try (out) {
            out.write(RETRY);
            out.write(greeting);
            out.flush();
            for (byte[] message = viewer.backlog.take(); message.length > 0; message = viewer.backlog.take()) {
                out.write(message);
                out.flush();
            }
        } catch (IOException | UncheckedIOException | InterruptedException e) {
            // It has gone, or was dropped: both are told by nobody but itself.
        } finally {
            leave(viewer);
            // Of the one that dropped it; the connection is closed, and the thread may be used for another.
            Thread.interrupted();
        }
    }

    private synchronized void leave(Viewer viewer) {
        viewers.remove(viewer);
    }

    /**
     * Sends a message to all; returns at once.
     *
     * @param toNew made, once, for those to whom nothing was sent yet
     * @param toOthers empty for nothing
     */
    synchronized void send(Supplier<byte[]> toNew, byte[] toOthers) {
        byte[] first = null;
        for (Viewer viewer : List.copyOf(viewers)) {
            byte[] message = toOthers;
            if (viewer.isNew) {
                first = first == null ? toNew.get() : first;
                message = first;
                viewer.isNew = false;
            }
            if (message.length > 0 && !viewer.backlog.offer(message)) {
                drop(viewer);
            }
        }
    }

    /** Sends to all what means nothing, by which those that have gone are found; who is new stays so. */
    synchronized void sendNothing(byte[] message) {
        for (Viewer viewer : List.copyOf(viewers)) {
            if (!viewer.backlog.offer(message)) {
                drop(viewer);
            }
        }
    }

    /** Whoever waits in a write to a socket that nobody reads hears of nothing else than this; it closes the socket. */
    private void drop(Viewer viewer) {
        viewers.remove(viewer);
        viewer.thread.interrupt();
    }

    /** Ends all streams, after what was sent; nobody is let in any more. */
    synchronized void end() {
        hasEnded = true;
        for (Viewer viewer : List.copyOf(viewers)) {
            if (!viewer.backlog.offer(END)) {
                drop(viewer);
            }
        }
    }
}
