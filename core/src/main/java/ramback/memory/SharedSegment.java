package ramback.memory;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import ramback.posix.Errno;
import ramback.posix.FilesystemStatus;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * One device's memory: a file on tmpfs, locked while it is in use and mapped as a whole. The mapping lives until
 * {@link #close()}; whoever touches it afterwards crashes the process, so every thread that uses it ends first.
 */
public final class SharedSegment implements AutoCloseable {

    private static final int MODE_OWNER_ONLY = 0600;
    private static final int ALLOCATOR_COUNT_MAX = 8;

    private final Path path;
    private final int fd;
    private final SegmentLayout layout;
    private final MemorySegment mapping;
    private final @Nullable Granules granules;
    private final MemoryLock lock;

    private SharedSegment(Path path, int fd, SegmentLayout layout, MemorySegment mapping, boolean sparse) {
        this.path = path;
        this.fd = fd;
        this.layout = layout;
        this.mapping = mapping;
        this.granules = sparse
                ? new Granules(fd, layout, mapping.asSlice(layout.granulesOffset(), layout.granulesBytes()))
                : null;
        this.lock = lock(mapping, layout, sparse);
    }

    /**
     * Creates a segment, all zero.
     *
     * @param path a path that does not exist, in a directory on tmpfs that only its owner can write
     * @param sparse whether memory is taken as it is touched; otherwise all of it is taken now
     * @throws MemoryShortageException when the memory, or the tmpfs, has less than is needed
     */
    public static SharedSegment create(Path path, SegmentLayout layout, boolean sparse, ImageIdentity image)
            throws IOException {
        int fd = Posix.open(path, Posix.O_RDWR | Posix.O_CREAT | Posix.O_EXCL | Posix.O_NOFOLLOW, MODE_OWNER_ONLY);
        try {
            if (!Posix.tryLockExclusive(fd)) {
                throw new IOException("memory segment " + path + " was taken by another ramback in the same moment");
            }
            Posix.fchmod(fd, MODE_OWNER_ONLY);
            checkRoom(fd, path, layout, sparse);
            Posix.ftruncate(fd, layout.segmentBytes());
            allocate(fd, path, layout, sparse);
            MemorySegment mapping = Posix.mmapShared(fd, layout.segmentBytes());
            Posix.madvise(mapping, Posix.MADV_DONTDUMP);
            SegmentHeader.write(mapping, layout, sparse, image, SystemMemory.bootId());
            return new SharedSegment(path, fd, layout, mapping, sparse);
        } catch (IOException | RuntimeException e) {
            discard(path, fd);
            throw e;
        }
    }

    private static void checkRoom(int fd, Path path, SegmentLayout layout, boolean sparse) throws IOException {
        FilesystemStatus filesystem = Posix.filesystemStatus(fd);
        if (filesystem.type() != FilesystemStatus.TYPE_TMPFS) {
            throw new IOException(
                    "--ram-dir " + path.getParent()
                            + " is not on tmpfs, so the device would not be in memory; give a directory on tmpfs such as /dev/shm");
        }
        long needBytes = sparse ? layout.stagingOffset() : layout.reservedBytes();
        MemoryCgroup cgroup = MemoryCgroup.ofThisProcess();
        if (cgroup != null && needBytes > cgroup.limitBytes()) {
            throw new MemoryShortageException(needBytes, cgroup.limitBytes(), "memory cgroup (" + cgroup.file() + ")");
        }
        long memoryBytes = SystemMemory.availableBytes();
        if (needBytes > memoryBytes) {
            throw new MemoryShortageException(needBytes, memoryBytes, "memory (MemAvailable)");
        }
        if (needBytes > filesystem.availableBytes()) {
            throw new MemoryShortageException(
                    needBytes, filesystem.availableBytes(), "tmpfs at " + path.getParent() + " (its size limit)");
        }
    }

    private static void allocate(int fd, Path path, SegmentLayout layout, boolean sparse) throws IOException {
        try {
            // The planes in either case: a chunk's state must never be what memory runs out for.
            Posix.fallocate(fd, Posix.FALLOC_ALLOCATE, 0, layout.stagingOffset());
            if (!sparse) {
                allocateInParallel(fd, layout.dataOffset(), layout.dataBytes());
            }
        } catch (PosixException e) {
            if (e.errno() == Errno.ENOSPC || e.errno() == Errno.ENOMEM) {
                long haveBytes = Posix.filesystemStatus(fd).availableBytes();
                throw new MemoryShortageException(
                        sparse ? layout.stagingOffset() : layout.reservedBytes(),
                        haveBytes,
                        "tmpfs at " + path.getParent());
            }
            throw e;
        }
    }

    /** Takes memory with as many threads as there are processors: the kernel zeroes it page by page. */
    private static void allocateInParallel(int fd, long offset, long length) throws PosixException {
        int count = Math.clamp(Runtime.getRuntime().availableProcessors(), 1, ALLOCATOR_COUNT_MAX);
        long share =
                Math.ceilDiv(Math.ceilDiv(length, count), SegmentLayout.GRANULE_BYTES) * SegmentLayout.GRANULE_BYTES;
        AtomicReference<@Nullable PosixException> failure = new AtomicReference<>();
        List<Thread> threads = new ArrayList<>();
        for (long begin = 0; begin < length; begin += share) {
            long from = offset + begin;
            long bytes = Math.min(share, length - begin);
            threads.add(Thread.ofPlatform().name("allocate").start(() -> {
                try {
                    Posix.fallocate(fd, Posix.FALLOC_ALLOCATE, from, bytes);
                } catch (PosixException e) {
                    failure.compareAndSet(null, e);
                }
            }));
        }
        boolean interrupted = false;
        for (Thread thread : threads) {
            while (thread.isAlive()) {
                try {
                    thread.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        PosixException first = failure.get();
        if (first != null) {
            throw first;
        }
    }

    /**
     * Locks what the process may lock, as it is touched: zeroing 200 MiB of states of a tebibyte would be most of a start. The data of a
     * sparse segment is left out: it may outgrow the memory, and then be slow rather than have processes killed.
     */
    private static MemoryLock lock(MemorySegment mapping, SegmentLayout layout, boolean sparse) {
        MemorySegment states = mapping.asSlice(0, layout.stagingOffset());
        MemorySegment data = mapping.asSlice(layout.dataOffset(), layout.dataBytes());
        MemoryLock lock = MemoryLock.NONE;
        try {
            Posix.lock(states, true);
            lock = MemoryLock.STATES;
            if (sparse) {
                // A process that is locked as a whole has locked it.
                Posix.unlock(data);
            } else {
                Posix.lock(mapping.asSlice(layout.stagingOffset()), true);
                lock = MemoryLock.ALL;
            }
        } catch (PosixException e) {
            // Not permitted; who starts the device says so where it matters.
        }
        return lock;
    }

    private static void discard(Path path, int fd) {
        try {
            Posix.unlink(path);
        } catch (PosixException ignored) {
            // The first failure is the one to report; the segment has no content yet.
        }
        closeQuietly(fd);
    }

    private static void closeQuietly(int fd) {
        try {
            Posix.close(fd);
        } catch (PosixException ignored) {
            // Nothing was written through it that could be lost.
        }
    }

    /**
     * Takes over what a process that is gone left, as it is. The path is one that {@link #inspect} found to be whole, and nobody has
     * changed it since: whoever has the image's lock is the only one who may.
     *
     * @throws IOException when somebody else has it
     */
    public static SharedSegment takeOver(Path path) throws IOException {
        int fd = Posix.open(path, Posix.O_RDWR | Posix.O_NOFOLLOW, 0);
        boolean isTaken = false;
        try {
            if (!Posix.tryLockExclusive(fd)) {
                throw new IOException("memory segment " + path + " is locked by a live daemon");
            }
            MemorySegment mapping = Posix.mmapShared(fd, Posix.status(fd).sizeBytes());
            SegmentLayout layout = SegmentHeader.layout(mapping);
            if (layout.segmentBytes() != mapping.byteSize()) {
                throw new IOException("memory segment " + path + " has " + mapping.byteSize() + " bytes, not the "
                        + layout.segmentBytes() + " of its header");
            }
            Posix.madvise(mapping, Posix.MADV_DONTDUMP);
            isTaken = true;
            return new SharedSegment(path, fd, layout, mapping, SegmentHeader.isSparse(mapping));
        } finally {
            if (!isTaken) {
                closeQuietly(fd);
            }
        }
    }

    /**
     * Says whose changes the memory holds from now on: a process that finds it may take it over only while the state file has the
     * same device and generation.
     */
    public void bind(UUID device, long generation) {
        SegmentHeader.bind(mapping, device, generation);
    }

    /** Notes that the journal has an epoch durably: who takes over knows then whether he found all of the journal. */
    public void noteCommitted(long epoch) {
        SegmentHeader.noteCommitted(mapping, epoch);
    }

    /** What a segment file that nobody serves any more is. */
    public enum Leftover {
        /** There is no such file. */
        NONE,
        /** Another process has it locked: a live daemon. */
        IN_USE,
        /** It was never finished: nobody was ever served from it. */
        UNFINISHED,
        /** It has another layout than this program's, or not the length that it says. */
        UNREADABLE,
        /** It can be taken over by whom it belongs to. */
        WHOLE
    }

    /**
     * What was found of a segment; all but the first is known of a whole one only.
     *
     * @param layoutVersion of its header; 0 if it has none
     * @param device whose changes it holds
     * @param generation of the attachment whose changes it holds; 0 for nobody's
     * @param committedEpoch the newest that the journal had durably; 0 if there was none
     * @param isOfThisBoot whether it was made since the machine was booted
     * @param isSparse whether its memory was taken as it was touched
     * @param loadedChunks chunks that are in it
     * @param dirtyChunks chunks in it that the image may lack
     * @param dirtyDataChunks those among them that hold data
     * @param dirtyZeroRuns runs of zeroes among them, each within a word of the planes
     */
    public record LeftoverReport(
            Leftover leftover,
            int layoutVersion,
            @Nullable SegmentLayout layout,
            @Nullable ImageIdentity image,
            @Nullable UUID device,
            long generation,
            long committedEpoch,
            boolean isOfThisBoot,
            boolean isSparse,
            long loadedChunks,
            long dirtyChunks,
            long dirtyDataChunks,
            long dirtyZeroRuns) {

        static LeftoverReport of(Leftover leftover, int layoutVersion) {
            return new LeftoverReport(leftover, layoutVersion, null, null, null, 0, 0, false, false, 0, 0, 0, 0);
        }
    }

    /** Looks at the segment file an earlier daemon may have left at a path; changes nothing. */
    public static LeftoverReport inspect(Path path) throws IOException {
        int fd;
        try {
            fd = Posix.open(path, Posix.O_RDWR | Posix.O_NOFOLLOW, 0);
        } catch (PosixException e) {
            if (e.errno() == Errno.ENOENT) {
                return LeftoverReport.of(Leftover.NONE, 0);
            }
            throw e;
        }
        try {
            if (!Posix.tryLockExclusive(fd)) {
                return LeftoverReport.of(Leftover.IN_USE, 0);
            }
            long fileBytes = Posix.status(fd).sizeBytes();
            if (fileBytes < SegmentHeader.LENGTH_BYTES) {
                return LeftoverReport.of(Leftover.UNFINISHED, 0);
            }
            MemorySegment mapping = Posix.mmapShared(fd, fileBytes);
            try {
                return report(mapping);
            } finally {
                Posix.munmap(mapping);
            }
        } finally {
            closeQuietly(fd);
        }
    }

    private static LeftoverReport report(MemorySegment mapping) throws IOException {
        if (!SegmentHeader.hasMagic(mapping)) {
            // The magic comes last: without it no client was ever served from this segment.
            return LeftoverReport.of(Leftover.UNFINISHED, 0);
        }
        int version = SegmentHeader.layoutVersion(mapping);
        SegmentLayout layout = version == SegmentLayout.VERSION ? possibleLayout(mapping) : null;
        if (layout == null || layout.segmentBytes() != mapping.byteSize()) {
            return LeftoverReport.of(Leftover.UNREADABLE, version);
        }
        long loaded = 0;
        long dirty = 0;
        long dirtyData = 0;
        long zeroRuns = 0;
        for (long word = 0; word < layout.wordCount(); word++) {
            long at = word * Long.BYTES;
            // L: a killed writer may have been in the middle of the chunk. Without V it is nobody's data.
            long present = plane(mapping, layout, 4, at);
            long newer = present
                    & (plane(mapping, layout, 0, SegmentLayout.lockWord(word) * Long.BYTES)
                            | plane(mapping, layout, 1, at)
                            | plane(mapping, layout, 2, at)
                            | plane(mapping, layout, 3, at));
            loaded += Long.bitCount(present);
            if (newer != 0) {
                long zero = newer & plane(mapping, layout, 5, at);
                dirty += Long.bitCount(newer);
                dirtyData += Long.bitCount(newer & ~zero);
                zeroRuns += Long.bitCount(zero & ~(zero << 1));
            }
        }
        return new LeftoverReport(
                Leftover.WHOLE,
                version,
                layout,
                SegmentHeader.image(mapping),
                SegmentHeader.device(mapping),
                SegmentHeader.generation(mapping),
                SegmentHeader.committedEpoch(mapping),
                SegmentHeader.bootId(mapping).equals(SystemMemory.bootId()),
                SegmentHeader.isSparse(mapping),
                loaded,
                dirty,
                dirtyData,
                zeroRuns);
    }

    private static @Nullable SegmentLayout possibleLayout(MemorySegment mapping) {
        try {
            return SegmentHeader.layout(mapping);
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    private static long plane(MemorySegment mapping, SegmentLayout layout, int plane, long at) {
        return mapping.get(ValueLayout.JAVA_LONG, layout.planeOffset(plane) + at);
    }

    /** How this segment is laid out. */
    public SegmentLayout layout() {
        return layout;
    }

    /** How much of this segment can't be swapped out. */
    public MemoryLock lock() {
        return lock;
    }

    /** The segment's file. */
    public Path path() {
        return path;
    }

    /** A plane of chunk states, numbered as in {@link SegmentLayout}. */
    public MemorySegment plane(int plane) {
        return mapping.asSlice(layout.planeOffset(plane), layout.planeBytes(plane));
    }

    /** A summary, numbered as in {@link SegmentLayout}. */
    public MemorySegment summary(int summary) {
        return mapping.asSlice(layout.summaryOffset(summary), layout.summaryBytes());
    }

    /**
     * The staging area of a session, 0 to the greatest number of sessions − 1, or that of who mends, with its memory taken.
     *
     * @throws PosixException when there is no memory for it
     */
    public MemorySegment staging(int session) throws PosixException {
        long begin = layout.stagingOffset() + (long) session * layout.sessionBytes();
        Posix.fallocate(fd, Posix.FALLOC_ALLOCATE, begin, layout.sessionBytes());
        return mapping.asSlice(begin, layout.stagingBytes());
    }

    /**
     * A redo slot, 0 to their number − 1. The first one of a session is for stores out of its receive buffer; the second, and
     * that of who mends, has the room for stores from elsewhere. They lie in the session's staging area, so {@link #staging} comes first.
     */
    public RedoSlot redoSlot(int index) {
        long area =
                layout.stagingOffset() + (long) (index / SegmentLayout.REDO_SLOTS_PER_SESSION) * layout.sessionBytes();
        return new RedoSlot(
                mapping,
                layout.redoOffset() + (long) index * SegmentLayout.REDO_SLOT_BYTES,
                area + layout.stagingBytes());
    }

    /** Gives the memory of a session's staging area back, until its next use; none of its redo slots may have begun. */
    public void releaseStaging(int session) {
        giveBack(layout.stagingOffset() + (long) session * layout.sessionBytes(), layout.sessionBytes());
    }

    /** Gives the memory of all staging areas back, while none is used. */
    public void releaseStaging() {
        giveBack(layout.stagingOffset(), layout.dataOffset() - layout.stagingOffset());
    }

    private void giveBack(long begin, long lengthBytes) {
        try {
            Posix.fallocate(fd, Posix.FALLOC_FL_PUNCH_HOLE | Posix.FALLOC_FL_KEEP_SIZE, begin, lengthBytes);
        } catch (PosixException ignored) {
            // Then the next client finds it taken.
        }
    }

    /** The device's data, in whole chunks. */
    public MemorySegment data() {
        return mapping.asSlice(layout.dataOffset(), layout.dataBytes());
    }

    /** The memory of a sparse device, or null when all of it is reserved. */
    public @Nullable Granules granules() {
        return granules;
    }

    /**
     * Makes the page tables of all chunk states, and zeroes their pages, ahead of their first use: otherwise the first epochs of a large
     * device are sealed with a page fault or two for each chunk. Only an acceleration, as {@link #populate}.
     */
    public void populateStates() {
        populate(mapping.asSlice(0, layout.stagingOffset()));
    }

    /**
     * Makes the page tables of a reserved range, and zeroes its pages, ahead of its first use. Only an acceleration:
     * does nothing where the kernel can't (before Linux 5.14).
     */
    public void populate(long offsetBytes, long lengthBytes) {
        long begin = offsetBytes & -4096L;
        long end = Math.min((offsetBytes + lengthBytes + 4095) & -4096L, layout.dataBytes());
        populate(mapping.asSlice(layout.dataOffset() + begin, end - begin));
    }

    private static void populate(MemorySegment pages) {
        try {
            Posix.madvise(pages, Posix.MADV_POPULATE_WRITE);
        } catch (PosixException ignored) {
            // Then the pages are made as they are touched.
        }
    }

    /** Unmaps and unlocks the segment, but leaves its file: the next process may take it over. Nobody may be using it. */
    public void leave() throws IOException {
        Posix.munmap(mapping);
        Posix.close(fd);
    }

    /** Unmaps, removes and unlocks the segment: the end of its data. */
    @Override
    public void close() throws IOException {
        remove();
        Posix.munmap(mapping);
    }

    /** Removes and unlocks the segment, but leaves it mapped, for when somebody may still be using it. */
    public void remove() throws IOException {
        Posix.unlink(path);
        Posix.close(fd);
    }
}
