package ramback.writeback;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.CRC32C;
import ramback.image.ChunkStore;
import ramback.image.ChunkTable;
import ramback.journal.ImageChecksums;
import ramback.memory.SegmentLayout;

/**
 * Makes the checksums of an image that is clean and not served any more, from RAM, which holds the same: nothing is read from the disk.
 * Memory of zeroes is not touched, and blocks of nothing but zeroes cost a look at their marks. Of blocks that RAM holds only in part is known
 * what the last stop knew, unless they were written to.
 */
public final class ChecksumPass {

    /** How many blocks are handed out at a time. */
    private static final int WINDOW_BLOCKS = 4096;

    private static final int THREAD_COUNT_MAX = 4;

    private static final byte UNKNOWN = 0;
    private static final byte ZERO = 1;
    private static final byte DATA = 2;

    private final ChunkStore store;
    private final SegmentLayout layout;
    private final ChunkTable table;
    private final ImageCheck before;
    private final MemorySegment zeroChunk;
    private final byte[] kinds = new byte[WINDOW_BLOCKS];
    private final int[] crcs = new int[WINDOW_BLOCKS];

    private ChecksumPass(ChunkStore store, ImageCheck before) {
        this.store = store;
        this.layout = store.layout();
        this.table = store.table();
        this.before = before;
        this.zeroChunk = MemorySegment.ofArray(new byte[layout.chunkBytes()]);
    }

    /**
     * The checksums of the image. Nobody changes the device while this goes on, and nothing of it is dirty.
     *
     * @param before what was known of the image, and what was found
     */
    public static ImageChecksums over(ChunkStore store, ImageCheck before) {
        return new ChecksumPass(store, before).run();
    }

    private ImageChecksums run() {
        ImageChecksums.Builder builder = new ImageChecksums.Builder(layout.sizeBytes());
        long blockCount = (layout.sizeBytes() + ImageChecksums.BLOCK_BYTES - 1) / ImageChecksums.BLOCK_BYTES;
        for (long first = 0; first < blockCount; first += WINDOW_BLOCKS) {
            int count = (int) Math.min(WINDOW_BLOCKS, blockCount - first);
            window(first, count);
            for (int i = 0; i < count; i++) {
                switch (kinds[i]) {
                    case ZERO -> builder.addZero(1);
                    case DATA -> builder.addData(crcs[i]);
                    default -> before.addExpected(first + i, builder);
                }
            }
        }
        return builder.build();
    }

    private void window(long first, int count) {
        int dataCount = 0;
        for (int i = 0; i < count; i++) {
            kinds[i] = kindOf(first + i);
            dataCount += kinds[i] == DATA ? 1 : 0;
        }
        AtomicInteger next = new AtomicInteger();
        Runnable work = () -> {
            for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
                if (kinds[i] == DATA) {
                    crcs[i] = crcOf(first + i);
                }
            }
        };
        int helperCount =
                Math.min(Math.min(Runtime.getRuntime().availableProcessors(), THREAD_COUNT_MAX), dataCount) - 1;
        List<Thread> helpers = new ArrayList<>();
        for (int i = 0; i < helperCount; i++) {
            helpers.add(Thread.ofPlatform().daemon().name("checksum-" + i).start(work));
        }
        work.run();
        helpers.forEach(ChecksumPass::join);
    }

    private static void join(Thread helper) {
        boolean interrupted = false;
        while (true) {
            try {
                helper.join();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private long firstChunk(long block) {
        return (block * ImageChecksums.BLOCK_BYTES) >>> layout.chunkShift();
    }

    private byte kindOf(long block) {
        if (!ImageCheck.isLoaded(store, block)) {
            return UNKNOWN;
        }
        long first = firstChunk(block);
        long last = Math.min(firstChunk(block + 1), layout.chunkCount()) - 1;
        for (long word = ChunkTable.wordOf(first); word <= ChunkTable.wordOf(last); word++) {
            if ((~table.zero(word) & ChunkTable.maskOf(word, first, last)) != 0) {
                return DATA;
            }
        }
        return ZERO;
    }

    private int crcOf(long block) {
        CRC32C crc = new CRC32C();
        long end = Math.min(layout.sizeBytes(), (block + 1) * ImageChecksums.BLOCK_BYTES);
        for (long at = block * ImageChecksums.BLOCK_BYTES; at < end; ) {
            boolean isZero = isZero(at);
            long next = at;
            do {
                next += layout.chunkBytes();
            } while (next < end && isZero(next) == isZero && !isZero);
            int length = (int) (Math.min(next, end) - at);
            MemorySegment bytes =
                    isZero ? zeroChunk.asSlice(0, length) : store.data().asSlice(at, length);
            crc.update(bytes.asByteBuffer());
            at = next;
        }
        return (int) crc.getValue();
    }

    private boolean isZero(long offsetBytes) {
        long chunk = offsetBytes >>> layout.chunkShift();
        return (table.zero(ChunkTable.wordOf(chunk)) >>> chunk & 1) != 0;
    }
}
