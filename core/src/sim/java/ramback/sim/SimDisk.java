package ramback.sim;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;
import ramback.backing.BackingIoException;
import ramback.backing.BackingIoException.Operation;
import ramback.mutant.KillPoint;
import ramback.posix.Errno;

/**
 * A disk with a volatile cache: what was written can be read at once, and is durable only after a sync that succeeded. It takes
 * its time, during which others go on, and fails as disks do, on its {@link Temper}. Everything done to it is recorded. Safe
 * for use by many threads.
 */
public final class SimDisk implements Backing {

    /** A power of two, as of a disk with sectors of 4 KiB. */
    private static final int ALIGNMENT_BYTES = 4096;

    private final int number;
    private final String uri;
    private final long sizeBytes;
    private final byte[][] pages;
    private final @Nullable Recording recording;
    private final Temper temper;
    private final List<Write> pending = new ArrayList<>();
    private boolean closed;

    /**
     * A disk with some content.
     *
     * @param pages what it holds, null for pages of zeroes; changed by this disk, the pages themselves never are
     * @param recording where everything is recorded, or null
     */
    SimDisk(int number, String name, long sizeBytes, byte[][] pages, @Nullable Recording recording, Temper temper) {
        this.number = number;
        this.uri = "sim://" + name;
        this.sizeBytes = sizeBytes;
        this.pages = pages;
        this.recording = recording;
        this.temper = temper;
    }

    /** A patient disk of zeroes that nobody records. */
    public static SimDisk plain(String name, long sizeBytes) {
        return new SimDisk(0, name, sizeBytes, new byte[pageCount(sizeBytes)][], null, Temper.PATIENT);
    }

    static int pageCount(long sizeBytes) {
        return (int) ((sizeBytes + Write.PAGE_BYTES - 1) / Write.PAGE_BYTES);
    }

    /** What it holds, durable or not. */
    byte[][] pages() {
        return pages;
    }

    @Override
    public String uri() {
        return uri;
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public int alignmentBytes() {
        return ALIGNMENT_BYTES;
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    private void check(long offsetBytes, long lengthBytes) {
        Objects.checkFromIndexSize(offsetBytes, lengthBytes, sizeBytes);
        if (closed) {
            throw new IllegalStateException(uri + " is closed");
        }
    }

    private static void checkMemory(MemorySegment memory) {
        if (!memory.isNative()) {
            throw new IllegalArgumentException("memory on the heap cannot be given to a disk");
        }
    }

    @Override
    public void read(long offsetBytes, MemorySegment into) throws IOException {
        checkMemory(into);
        if (into.isReadOnly()) {
            throw new IllegalArgumentException("memory that may not be changed cannot be read into");
        }
        check(offsetBytes, into.byteSize());
        temper.pass(Operation.READ, into.byteSize());
        if (temper.errno(Operation.READ) != 0) {
            throw failure(Operation.READ, offsetBytes, into.byteSize(), Errno.EIO);
        }
        synchronized (this) {
            long end = offsetBytes + into.byteSize();
            for (long at = offsetBytes; at < end; ) {
                int page = (int) (at / Write.PAGE_BYTES);
                int from = (int) (at % Write.PAGE_BYTES);
                int length = (int) Math.min(Write.PAGE_BYTES - from, end - at);
                byte[] bytes = pages[page];
                if (bytes == null) {
                    into.asSlice(at - offsetBytes, length).fill((byte) 0);
                } else {
                    MemorySegment.copy(bytes, from, into, JAVA_BYTE, at - offsetBytes, length);
                }
                at += length;
            }
        }
    }

    @Override
    public void write(long offsetBytes, MemorySegment from) throws IOException {
        checkMemory(from);
        check(offsetBytes, from.byteSize());
        if (from.byteSize() > 0) {
            change(Operation.WRITE, offsetBytes, from.byteSize(), from);
        }
    }

    @Override
    public void zero(long offsetBytes, long lengthBytes) throws IOException {
        check(offsetBytes, lengthBytes);
        if (lengthBytes > 0) {
            change(Operation.ZERO, offsetBytes, lengthBytes, null);
        }
    }

    private void change(Operation operation, long offsetBytes, long lengthBytes, @Nullable MemorySegment from)
            throws IOException {
        int errno = temper.errno(operation);
        Write write = newWrite(offsetBytes, lengthBytes, from);
        synchronized (this) {
            if (errno != 0) {
                write = someOf(write);
            }
            write.applyTo(pages);
            if (recording != null) {
                pending.add(write);
                recording.add(new Recording.Began(temper.nanoTime(), write));
            }
        }
        temper.hash(number, offsetBytes, lengthBytes, from);
        KillPoint.pass();
        temper.pass(operation, lengthBytes);
        write.isDone = true;
        if (errno != 0) {
            throw failure(operation, offsetBytes, lengthBytes, errno);
        }
    }

    private Write newWrite(long offsetBytes, long lengthBytes, @Nullable MemorySegment from) {
        int first = (int) (offsetBytes / Write.PAGE_BYTES);
        int last = (int) ((offsetBytes + lengthBytes - 1) / Write.PAGE_BYTES);
        byte[][] content = new byte[last - first + 1][];
        for (int page = first; page <= last && from != null; page++) {
            long pageBegin = (long) page * Write.PAGE_BYTES;
            int begin = (int) Math.max(0, offsetBytes - pageBegin);
            int end = (int) Math.min(Write.PAGE_BYTES, offsetBytes + lengthBytes - pageBegin);
            byte[] bytes = new byte[Write.PAGE_BYTES];
            MemorySegment.copy(from, JAVA_BYTE, pageBegin + begin - offsetBytes, bytes, begin, end - begin);
            content[page - first] = bytes;
        }
        int writeNumber = recording == null ? 0 : recording.nextWriteNumber();
        return new Write(writeNumber, number, offsetBytes, lengthBytes, content);
    }

    /** Of a write that fails, its first sectors may have been written all the same. */
    private Write someOf(Write whole) {
        long sectors = temper.draw(whole.sectorCount() + 1);
        byte[][] changed = new byte[whole.lastPage() - whole.firstPage() + 1][];
        for (int i = 0; i < changed.length; i++) {
            changed[i] = pages[whole.firstPage() + i];
        }
        byte[][] all = pages.clone();
        whole.applyPrefix(all, (int) sectors);
        for (int i = 0; i < changed.length; i++) {
            changed[i] = all[whole.firstPage() + i];
        }
        return new Write(whole.number, number, whole.offsetBytes, whole.lengthBytes, changed);
    }

    @Override
    public void sync() throws IOException {
        if (closed) {
            throw new IllegalStateException(uri + " is closed");
        }
        List<Write> covered = new ArrayList<>();
        synchronized (this) {
            for (Write write : pending) {
                if (write.isDone) {
                    covered.add(write);
                }
            }
        }
        boolean fails = temper.errno(Operation.SYNC) != 0;
        temper.pass(Operation.SYNC, 0);
        temper.hash(number, fails ? -2 : -1, covered.size(), null);
        synchronized (this) {
            pending.removeAll(covered);
            if (recording != null && !fails) {
                recording.add(new Recording.Synced(temper.nanoTime(), number, covered));
            } else if (recording != null) {
                List<Write> kept = new ArrayList<>();
                List<Write> lost = new ArrayList<>();
                for (Write write : covered) {
                    (temper.draw(2) == 0 ? kept : lost).add(write);
                }
                recording.add(new Recording.Dropped(temper.nanoTime(), number, kept, lost));
            }
        }
        if (fails) {
            throw failure(Operation.SYNC, 0, 0, Errno.EIO);
        }
        KillPoint.pass();
    }

    private BackingIoException failure(Operation operation, long offsetBytes, long lengthBytes, int errno) {
        return new BackingIoException(
                operation, uri, offsetBytes, lengthBytes, errno, "as simulated (" + Errno.name(errno) + ")", null);
    }

    @Override
    public long nextDataOffset(long fromBytes) {
        return next(fromBytes, true);
    }

    @Override
    public long nextHoleOffset(long fromBytes) {
        return next(fromBytes, false);
    }

    private synchronized long next(long fromBytes, boolean isData) {
        Objects.checkFromIndexSize(fromBytes, 0, sizeBytes);
        if (closed) {
            throw new IllegalStateException(uri + " is closed");
        }
        for (long at = fromBytes; at < sizeBytes; at = (at / Write.PAGE_BYTES + 1) * Write.PAGE_BYTES) {
            if ((pages[(int) (at / Write.PAGE_BYTES)] != null) == isData) {
                return at;
            }
        }
        return sizeBytes;
    }

    @Override
    public void close() {
        closed = true;
    }

    /** Whoever used it was killed: what he had begun to write is in its cache. */
    synchronized void settle() {
        pending.forEach(write -> write.isDone = true);
    }

    /** Opens it again; what it has not synced is still in its cache. */
    void reopen() {
        closed = false;
    }

    /** A disk's pace and health. */
    interface Temper {

        /** A disk that takes no time and never fails. */
        Temper PATIENT = new Temper() {};

        /** Takes the time that an operation takes. */
        default void pass(Operation operation, long lengthBytes) {}

        /** Why the next operation of a kind fails; 0 if it does not. */
        default int errno(Operation operation) {
            return 0;
        }

        /** Draws a number from 0 to below a bound. */
        default int draw(int bound) {
            return 0;
        }

        /** Hears of every change. */
        default void hash(int disk, long offsetBytes, long lengthBytes, @Nullable MemorySegment bytes) {}

        default long nanoTime() {
            return 0;
        }
    }

    /** A disk with chance: mostly healthy, sometimes slow, now and then failing for as long as it is told to. */
    static final class Moody implements Temper {

        private static final long READ_NANOS = 60_000;
        private static final long WRITE_NANOS = 40_000;
        private static final long SYNC_NANOS = 300_000;
        private static final long SLOW_FACTOR = 60;
        private static final long STUCK_NANOS = 9_000_000_000L;

        private final Scheduler scheduler;
        private final TraceHash hash;
        private final Random random;
        private final double failShare;
        private final boolean failsReads;
        private final double slowShare;
        private final double stuckShare;
        private final long healthyFromNanos;

        /**
         * A disk's temper.
         *
         * @param failShare of the operations that fail before {@code healthyFromNanos}
         * @param failsReads whether reads fail as well
         * @param slowShare of the operations that take much longer than others
         * @param stuckShare of the operations that take seconds
         */
        Moody(
                Scheduler scheduler,
                TraceHash hash,
                long seed,
                double failShare,
                boolean failsReads,
                double slowShare,
                double stuckShare,
                long healthyFromNanos) {
            this.scheduler = scheduler;
            this.hash = hash;
            this.random = new Random(seed);
            this.failShare = failShare;
            this.failsReads = failsReads;
            this.slowShare = slowShare;
            this.stuckShare = stuckShare;
            this.healthyFromNanos = healthyFromNanos;
        }

        @Override
        public void pass(Operation operation, long lengthBytes) {
            long nanos = switch (operation) {
                case READ, SEEK, LOOK -> READ_NANOS + lengthBytes;
                case WRITE, ZERO -> WRITE_NANOS + lengthBytes * 2;
                case SYNC -> SYNC_NANOS;
            };
            nanos = 1 + (long) (nanos * random.nextDouble() * 2);
            if (random.nextDouble() < slowShare) {
                nanos *= SLOW_FACTOR;
            }
            if (scheduler.nanoTime() < healthyFromNanos && random.nextDouble() < stuckShare) {
                nanos += STUCK_NANOS;
            }
            scheduler.noteProgress();
            scheduler.sleepUntil(operation, scheduler.nanoTime() + nanos);
        }

        @Override
        public int errno(Operation operation) {
            if (scheduler.nanoTime() >= healthyFromNanos || random.nextDouble() >= failShare) {
                return 0;
            }
            if (operation == Operation.READ && !failsReads) {
                return 0;
            }
            boolean isChange = operation == Operation.WRITE || operation == Operation.ZERO;
            return isChange && random.nextInt(3) == 0 ? Errno.ENOSPC : Errno.EIO;
        }

        @Override
        public int draw(int bound) {
            return random.nextInt(bound);
        }

        @Override
        public void hash(int disk, long offsetBytes, long lengthBytes, @Nullable MemorySegment bytes) {
            hash.add(disk);
            hash.add(offsetBytes);
            hash.add(lengthBytes);
            hash.add(scheduler.nanoTime());
            if (bytes != null) {
                hash.add(bytes);
            }
        }

        @Override
        public long nanoTime() {
            return scheduler.nanoTime();
        }
    }
}
