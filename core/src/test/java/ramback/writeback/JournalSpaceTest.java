package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.image.ChunkStore;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.image.Worker;
import ramback.journal.VersionBatch;
import ramback.memory.TemporarySegment;
import ramback.trace.Trace;

/** What is reserved of the journal is enough for what is appended. */
class JournalSpaceTest {
    private static final int CHUNK = 4096;
    private static final int DESCRIPTOR_BYTES = 4096;
    private static final int WORD_COUNT = 64;
    private static final long SIZE = 64L * WORD_COUNT * CHUNK;

    private final Epochs epochs = new Epochs(1, Clock.SYSTEM, () -> {});
    private final DirtyCount dirty = new DirtyCount();
    private final Versions versions = new Versions(Clock.SYSTEM, CHUNK, 64 * CHUNK);
    private final VersionBatch batch = new VersionBatch();
    private final Worker worker = new Worker(0);
    private final Backoff backoff = new Backoff();

    /** Takes everything out of the ring; returns how many extents that makes. */
    private long takeAll() {
        long extents = 0;
        while (versions.ring().take(batch, JournalWriter.BATCH_BYTES_MAX) > 0) {
            extents += batch.extentCount();
            versions.ring().release();
        }
        return extents;
    }

    @Test
    void trimsThatSplitSealedRunsOfZeroesPayForTheRestOfThem() {
        TemporarySegment segment = new TemporarySegment(SIZE, CHUNK, 1, false);
        try {
            ChunkStore store = new ChunkStore(segment.segment(), epochs, versions, dirty, new Trace(Clock.SYSTEM));
            versions.keep(true);
            for (long word = 0; word < WORD_COUNT; word++) {
                store.zeroRun(worker, word << 6, (word << 6) + 63);
            }
            long sealed = epochs.cut();
            long extents = 0;
            for (long word = 0; word < WORD_COUNT; word++) {
                // Each one leaves something of the sealed run on both sides.
                for (long chunk = (word << 6) + 1; chunk < (word + 1) << 6; chunk += 2) {
                    store.zeroRun(worker, chunk, chunk);
                }
                store.captureWord(sealed, word, backoff);
                extents += takeAll();
            }
            long open = epochs.cut();
            for (long word = 0; word < WORD_COUNT; word++) {
                store.captureWord(open, word, backoff);
                extents += takeAll();
            }
            assertThat(extents).isEqualTo(WORD_COUNT * (64 + 32));
            long neededBytes = extents * DESCRIPTOR_BYTES / VersionBatch.EXTENT_COUNT_MAX;
            assertThat(versions.journalSpace().reservedBytes(dirty)).isGreaterThanOrEqualTo(neededBytes);
        } finally {
            versions.close();
            segment.close();
        }
    }
}
