package ramback.journal;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** What a device holds, as one number a chunk: 0 for zeroes, otherwise the seed of its bytes. */
final class Stamps {
    final int chunkBytes;
    final int imageBytes;
    private final long[] stamps;

    Stamps(int chunkBytes, int imageBytes) {
        this(chunkBytes, imageBytes, new long[(imageBytes + chunkBytes - 1) / chunkBytes]);
    }

    private Stamps(int chunkBytes, int imageBytes, long[] stamps) {
        this.chunkBytes = chunkBytes;
        this.imageBytes = imageBytes;
        this.stamps = stamps;
    }

    int chunkCount() {
        return stamps.length;
    }

    long get(int chunk) {
        return stamps[chunk];
    }

    /** What it holds after some chunks were changed. */
    Stamps with(Map<Integer, Long> changes) {
        long[] changed = stamps.clone();
        changes.forEach((chunk, stamp) -> changed[chunk] = stamp);
        return new Stamps(chunkBytes, imageBytes, changed);
    }

    /** The bytes of a whole device. */
    byte[] bytes() {
        byte[] bytes = new byte[stamps.length * chunkBytes];
        for (int chunk = 0; chunk < stamps.length; chunk++) {
            fill(bytes, chunk * chunkBytes, stamps[chunk]);
        }
        return Arrays.copyOf(bytes, imageBytes);
    }

    private void fill(byte[] bytes, int at, long stamp) {
        if (stamp != 0) {
            ByteBuffer buffer = ByteBuffer.wrap(bytes, at, chunkBytes).slice().order(ByteOrder.LITTLE_ENDIAN);
            long x = stamp * 0x9E37_79B9_7F4A_7C15L | 1;
            while (buffer.hasRemaining()) {
                x ^= x << 13;
                x ^= x >>> 7;
                x ^= x << 17;
                buffer.putLong(x);
            }
        }
    }

    /** The bytes of a chunk with a stamp, whole even where the image ends within it. */
    byte[] chunk(long stamp) {
        byte[] bytes = new byte[chunkBytes];
        fill(bytes, 0, stamp);
        return bytes;
    }

    /** Appends changes to an epoch, in batches of a few extents. */
    void append(EpochLog log, long epoch, SortedMap<Integer, Long> changes, int chunksABatch)
            throws java.io.IOException {
        SortedMap<Integer, Long> part = new TreeMap<>();
        for (Map.Entry<Integer, Long> change : changes.entrySet()) {
            part.put(change.getKey(), change.getValue());
            if (part.size() == chunksABatch) {
                appendBatch(log, epoch, part);
                part.clear();
            }
        }
        if (!part.isEmpty()) {
            appendBatch(log, epoch, part);
        }
    }

    private void appendBatch(EpochLog log, long epoch, SortedMap<Integer, Long> changes) throws java.io.IOException {
        VersionBatch batch = new VersionBatch();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment payload = arena.allocate((long) changes.size() * chunkBytes + 1, 4096);
            long used = 0;
            for (Map.Entry<Integer, Long> change : changes.entrySet()) {
                batch.add(change.getKey(), 1, change.getValue() == 0);
                if (change.getValue() != 0) {
                    MemorySegment.copy(chunk(change.getValue()), 0, payload, ValueLayout.JAVA_BYTE, used, chunkBytes);
                    used += chunkBytes;
                }
            }
            batch.payload(payload.asSlice(0, used));
            log.append(epoch, batch);
        }
    }

    @Override
    public String toString() {
        return Arrays.toString(stamps);
    }
}
