package ramback.fuse;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import ramback.posix.Errno;
import ramback.posix.Vectors;

/**
 * The text files' requests, each on a virtual thread {@code fuse-text}: a word may take as long as it likes, and holds
 * up neither the device nor {@code cat status}. A program that is interrupted while it waits is answered at once. Safe
 * for use by many threads.
 */
final class TextFiles {

    /** The most requests that are dealt with at once; one more is answered with EBUSY. */
    static final int TASK_COUNT_MAX = 64;

    /** The most text files that are open at once; one more is answered with ENFILE. */
    static final int OPEN_COUNT_MAX = 4096;

    /** How many interruptions of requests that have not been seen yet are remembered. */
    private static final int EARLY_COUNT_MAX = 16;

    private static final byte[] NOTHING = {};

    private static final Logger LOG = System.getLogger(TextFiles.class.getPackageName());

    /** An open file: what a program reads from it is of one moment. */
    private static final class Handle {
        byte @Nullable [] text; // guarded by this
    }

    /** What is done for a program that waits. */
    private interface Work {
        /** Returns the body of the reply. */
        byte[] run() throws Refusal, InterruptedException;
    }

    private static final class Refusal extends Exception {
        private static final long serialVersionUID = 1L;
        final int errno;

        Refusal(int errno) {
            super(Errno.name(errno));
            this.errno = errno;
        }
    }

    private record Task(int fd, Thread thread) {}

    private final Map<Long, Handle> handles = new HashMap<>(); // guarded by this

    /**
     * Begins where no server before, whose open files this one may take over, can have been: none opens one a
     * nanosecond.
     */
    private long lastHandle = System.nanoTime(); // guarded by this

    private final Map<Long, Task> tasks = new HashMap<>(); // by their requests; guarded by this
    private final long[] early = new long[EARLY_COUNT_MAX]; // guarded by this
    private int earlyNext; // guarded by this
    private boolean left; // guarded by this

    /** Opens a file: returns the number of the open file, or 0 when too many are open. */
    synchronized long open() {
        if (handles.size() >= OPEN_COUNT_MAX) {
            return 0;
        }
        handles.put(++lastHandle, new Handle());
        return lastHandle;
    }

    /** Closes an open file. */
    synchronized void release(long fh) {
        handles.remove(fh);
    }

    /** The open file of a number; one that another server opened, before this one took over, begins anew. */
    private synchronized Handle handle(long fh) {
        return handles.computeIfAbsent(fh, _ -> new Handle());
    }

    /** Answers a READ over a descriptor, now or later. */
    void read(int fd, long unique, FuseFile file, long fh, long offsetBytes, int lengthBytes) {
        Handle handle = handle(fh);
        begin(fd, unique, () -> {
            byte[] text;
            synchronized (handle) {
                if (handle.text == null) {
                    handle.text = file.text().get().getBytes(StandardCharsets.UTF_8);
                }
                text = handle.text;
            }
            int from = (int) Math.min(Math.max(offsetBytes, 0), text.length);
            int count = Math.min(Math.max(lengthBytes, 0), text.length - from);
            return Arrays.copyOfRange(text, from, from + count);
        });
    }

    /** Answers a WRITE over a descriptor, now or later. */
    void write(int fd, long unique, FuseFile file, long fh, long offsetBytes, byte[] bytes) {
        Handle handle = handle(fh);
        begin(fd, unique, () -> {
            FuseFile.Words words = file.words();
            if (words == null || offsetBytes != 0 || bytes.length > FuseFile.WORD_BYTES_MAX) {
                throw new Refusal(Errno.EINVAL);
            }
            if (!words.accept(new String(bytes, StandardCharsets.UTF_8).strip())) {
                throw new Refusal(Errno.EINVAL);
            }
            synchronized (handle) {
                handle.text = null;
            }
            byte[] written = new byte[FuseProtocol.WRITE_OUT_BYTES];
            MemorySegment.ofArray(written).set(JAVA_INT.withByteAlignment(1), 0, bytes.length);
            return written;
        });
    }

    private void begin(int fd, long unique, Work work) {
        Thread thread = Thread.ofVirtual().name("fuse-text").unstarted(() -> run(unique, work));
        synchronized (this) {
            if (left) {
                send(fd, unique, Errno.EINTR, NOTHING);
                return;
            }
            if (tasks.size() >= TASK_COUNT_MAX) {
                send(fd, unique, Errno.EBUSY, NOTHING);
                return;
            }
            tasks.put(unique, new Task(fd, thread));
            thread.start();
            for (long interrupted : early) {
                if (interrupted == unique) {
                    interrupt(unique);
                }
            }
        }
    }

    private void run(long unique, Work work) {
        try {
            end(unique, 0, work.run());
        } catch (Refusal e) {
            end(unique, e.errno, NOTHING);
        } catch (InterruptedException e) {
            end(unique, Errno.EINTR, NOTHING);
        } catch (RuntimeException | Error e) {
            LOG.log(Level.WARNING, "fuse: a text file failed by an internal error", e);
            end(unique, Errno.EIO, NOTHING);
        }
    }

    /** Answers a request, unless that was done, or can't be any more. */
    private synchronized void end(long unique, int errno, byte[] body) {
        Task task = tasks.remove(unique);
        if (task != null) {
            send(task.fd, unique, errno, body);
        }
    }

    /** The program that waits for a request was interrupted; it is told so, unless the request is none of ours. */
    synchronized void interrupt(long unique) {
        Task task = tasks.get(unique);
        if (task == null) {
            early[earlyNext++ % EARLY_COUNT_MAX] = unique;
            return;
        }
        end(unique, Errno.EINTR, NOTHING);
        task.thread.interrupt();
    }

    /** Answers all that wait with EINTR, and whoever comes later. */
    synchronized void leave() {
        left = true;
        for (long unique : tasks.keySet().stream().toList()) {
            interrupt(unique);
        }
    }

    /** Answers no more: the descriptors are about to be closed, and no request comes any more. */
    synchronized void close() {
        tasks.values().forEach(task -> task.thread.interrupt());
        tasks.clear();
        handles.clear();
    }

    private static void send(int fd, long unique, int errno, byte[] body) {
        try (Arena arena = Arena.ofConfined()) {
            int lengthBytes = FuseProtocol.OUT_HEADER_BYTES + body.length;
            MemorySegment vector = arena.allocate(Vectors.BYTES, Long.BYTES);
            MemorySegment reply = arena.allocate(lengthBytes, Long.BYTES);
            reply.set(JAVA_INT, 0, lengthBytes);
            reply.set(JAVA_INT, 4, -errno);
            reply.set(JAVA_LONG, 8, unique);
            MemorySegment.copy(body, 0, reply, JAVA_BYTE, FuseProtocol.OUT_HEADER_BYTES, body.length);
            Vectors.set(vector, 0, reply.address(), lengthBytes);
            Replies.check(unique, Vectors.write(fd, vector.address(), 1));
        }
    }
}
