package ramback.journal;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.zip.CRC32C;
import ramback.backing.Backing;
import ramback.backing.BackingIoException;
import ramback.mutant.Mutant;

/**
 * A stretch of the image on its way from the journal: collected in the image's order, read in the journal's order, written in
 * the image's. Both disks so see long ascending transfers, however the two orders differ.
 */
final class RecoveryStage implements AutoCloseable {
    private static final int RUN_COUNT_MAX = 1 << 16;
    static final int READ_BYTES_MAX = 4 << 20;
    private static final int WRITE_BYTES_MAX = 4 << 20;

    /** From this length on a read of its own costs less than a copy. */
    private static final int LARGE_BYTES = 512 << 10;

    /** Reading on over a gap as long as this costs less than a seek. */
    private static final int GAP_BYTES_MAX = 256 << 10;

    private final JournalFile file;
    private final VersionIndex index;
    private final Backing image;
    private final int chunkBytes;
    private final long base;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory;
    private final MemorySegment readBuffer;
    private final CRC32C crc = new CRC32C();

    // The runs, in the image's order.
    private final long[] firstChunks;
    private final int[] lengths;
    private final int[] extents;
    private final int[] places;
    private int runCount;
    private int usedBytes;

    private int checkedExtent;

    /**
     * @param base a position that no extent's is before
     * @param memoryBytes as much as the longest run or more, less than 2 GiB
     */
    RecoveryStage(JournalFile file, VersionIndex index, Backing image, int chunkBytes, long base, int memoryBytes) {
        this.file = file;
        this.index = index;
        this.image = image;
        this.chunkBytes = chunkBytes;
        this.base = base;
        this.memory = arena.allocate(memoryBytes, JournalFormat.BLOCK_BYTES);
        this.readBuffer = arena.allocate(Math.min(READ_BYTES_MAX, file.ringBytes()), JournalFormat.BLOCK_BYTES);
        int runCountMax = Math.min(RUN_COUNT_MAX, memoryBytes / chunkBytes);
        this.firstChunks = new long[runCountMax];
        this.lengths = new int[runCountMax];
        this.extents = new int[runCountMax];
        this.places = new int[runCountMax];
    }

    /** Whether what lies at one position is read on the way from another. */
    static boolean isNear(long from, long to) {
        return from >= 0 && to >= from && to - from <= READ_BYTES_MAX;
    }

    /** Takes a run of data; false if it is full and must be carried first. */
    boolean add(long firstChunk, long chunkCount, int extent) {
        // An extent of data is at most 1 MiB.
        int lengthBytes = (int) (chunkCount * chunkBytes);
        if (runCount == lengths.length || usedBytes + (long) lengthBytes > memory.byteSize()) {
            return false;
        }
        firstChunks[runCount] = firstChunk;
        lengths[runCount] = lengthBytes;
        extents[runCount] = extent;
        places[runCount] = usedBytes;
        runCount++;
        usedBytes += lengthBytes;
        return true;
    }

    /** Empties it. */
    void clear() {
        runCount = 0;
        usedBytes = 0;
    }

    // ---------------------------------------------------------------------------------------------- from the journal

    /** Reads all runs, and checks them once more: what is written to the image is what was committed. */
    void read() throws IOException {
        long[] order = new long[runCount];
        for (int i = 0; i < runCount; i++) {
            order[i] = (index.position(extents[i]) - base) / JournalFormat.BLOCK_BYTES * RUN_COUNT_MAX + i;
        }
        Arrays.sort(order);
        checkedExtent = -1;
        int from = 0;
        while (from < runCount) {
            if (isLarge(run(order[from]))) {
                readStraight(run(order[from]));
                from++;
                continue;
            }
            long start = index.position(extents[run(order[from])]);
            long end = start;
            int to = from;
            while (to < runCount) {
                int extent = extents[run(order[to])];
                long extentEnd = index.position(extent) + extentBytes(extent);
                if (isLarge(run(order[to]))
                        || index.position(extent) > end + GAP_BYTES_MAX
                        || extentEnd - start > readBuffer.byteSize()) {
                    break;
                }
                end = Math.max(end, extentEnd);
                to++;
            }
            MemorySegment bytes = readBuffer.asSlice(0, end - start);
            try {
                file.read(start, bytes);
            } catch (BackingIoException e) {
                if (!e.isBadMedium()) {
                    throw e;
                }
                // In a gap, where one sector of a commit record is enough.
                readSingly(order, from, to, bytes, start);
            }
            for (int i = from; i < to; i++) {
                take(run(order[i]), bytes, start);
            }
            from = to;
        }
    }

    /** Whether a run is worth a read of its own: a whole extent, and long. */
    private boolean isLarge(int run) {
        return lengths[run] >= LARGE_BYTES && lengths[run] == extentBytes(extents[run]);
    }

    private void readStraight(int run) throws IOException {
        int extent = extents[run];
        MemorySegment to = memory.asSlice(places[run], lengths[run]);
        file.read(index.position(extent), to);
        check(extent, to);
    }

    /** Reads the extents of some runs without what lies between them. */
    private void readSingly(long[] order, int from, int to, MemorySegment bytes, long start) throws IOException {
        long done = start;
        for (int i = from; i < to; i++) {
            int extent = extents[run(order[i])];
            if (index.position(extent) >= done) {
                file.read(index.position(extent), bytes.asSlice(index.position(extent) - start, extentBytes(extent)));
                done = index.position(extent) + extentBytes(extent);
            }
        }
    }

    private static int run(long ordered) {
        return (int) (ordered % RUN_COUNT_MAX);
    }

    private void take(int run, MemorySegment bytes, long start) throws IOException {
        int extent = extents[run];
        long at = index.position(extent) - start;
        if (extent != checkedExtent) {
            check(extent, bytes.asSlice(at, extentBytes(extent)));
            checkedExtent = extent;
        }
        long within = (firstChunks[run] - index.firstChunk(extent)) * chunkBytes;
        MemorySegment.copy(bytes, at + within, memory, places[run], lengths[run]);
    }

    private void check(int extent, MemorySegment bytes) throws IOException {
        crc.reset();
        crc.update(bytes.asByteBuffer());
        if ((int) crc.getValue() != index.checksum(extent) && !Mutant.NO_PAYLOAD_CRC.isOn()) {
            throw new IOException(
                    "the journal's bytes at " + file.offset(index.position(extent))
                            + " were good a moment ago and are not any more; the disk is failing: copy the journal and try again");
        }
    }

    private long extentBytes(int extent) {
        return index.chunkCount(extent) * chunkBytes;
    }

    // ---------------------------------------------------------------------------------------------- to the image

    /** Writes all runs to the image, neighbours together; returns how many bytes. */
    long write() throws IOException {
        long written = 0;
        int from = 0;
        while (from < runCount) {
            long endChunk = firstChunks[from];
            int lengthBytes = 0;
            int to = from;
            while (to < runCount && firstChunks[to] == endChunk && lengthBytes + lengths[to] <= WRITE_BYTES_MAX) {
                lengthBytes += lengths[to];
                endChunk += lengths[to] / chunkBytes;
                to++;
            }
            long offset = firstChunks[from] * chunkBytes;
            long fitting = Math.min(lengthBytes, image.sizeBytes() - offset);
            image.write(offset, memory.asSlice(places[from], fitting));
            written += fitting;
            from = to;
        }
        return written;
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
