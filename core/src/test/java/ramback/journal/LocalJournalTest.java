package ramback.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.UUID;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import ramback.backing.Backing;
import ramback.backing.MemoryBacking;
import ramback.journal.JournalScan.Verdict;

/** What a caller of the journal can rely on. */
class LocalJournalTest {
    private static final Stamps EMPTY = new Stamps(4096, 32 * 4096);
    private static final Instant TIME = Instant.ofEpochSecond(1_700_000_000, 123_456_789);

    private static LocalJournal open(Backing disk) throws IOException {
        LocalJournal journal = LocalJournal.open(disk, JournalScan.of(disk), 3, new Random(1)::nextLong);
        journal.fence();
        return journal;
    }

    private static CacheDisk formatted() throws IOException {
        CacheDisk disk = new CacheDisk((int) LocalJournal.sizeBytesMin(), Power.forEver());
        LocalJournal.format(disk, JournalRun.identity(EMPTY), 0);
        return disk;
    }

    private static void append(LocalJournal journal, long epoch, int chunk, long stamp) throws IOException {
        EMPTY.append(journal, epoch, new TreeMap<>(Map.of(chunk, stamp)), 1);
    }

    private static void commit(LocalJournal journal, long epoch, int chunk, long stamp) throws IOException {
        append(journal, epoch, chunk, stamp);
        journal.commit(epoch, TIME);
    }

    private static byte[] recovered(Backing disk) throws IOException {
        CacheDisk image = new CacheDisk(EMPTY.imageBytes, Power.forEver());
        JournalScan scan = JournalScan.of(disk);
        Recovery.run(disk, scan, image, scan.lastEpoch(), false, (done, total) -> {});
        return image.content();
    }

    // ---------------------------------------------------------------------------------------------- rehearsal

    /** What would be recovered from a journal that is in use. */
    private static byte[] recoveredFromCopy(CacheDisk disk) throws IOException {
        return recovered(new CacheDisk(disk.content(), Power.forEver()));
    }

    @Test
    void aRehearsalChangesNothingThatTheJournalHolds() throws IOException {
        CacheDisk disk = formatted();
        byte[] before;
        try (LocalJournal journal = open(disk)) {
            for (long epoch = 1; epoch <= 4; epoch++) {
                commit(journal, epoch, (int) epoch, epoch);
            }
            before = recoveredFromCopy(disk);
            assertThat(journal.rehearse(0, 256 << 10)).isEqualTo(256 << 10);
            assertThat(journal.rehearse(64 << 10, 100_000)).isEqualTo(98_304); // whole blocks
            assertThat(recoveredFromCopy(disk)).isEqualTo(before);
            commit(journal, 5, 5, 5);
            assertThat(recoveredFromCopy(disk)).isNotEqualTo(before);
        }
        before = recoveredFromCopy(disk);
        try (LocalJournal journal = open(disk)) {
            assertThat(journal.rehearse(0, 1 << 20)).isLessThan(1 << 20).isPositive();
            assertThat(recoveredFromCopy(disk)).isEqualTo(before);
            commit(journal, 6, 6, 6);
        }
        assertThat(JournalScan.of(disk).lastEpoch()).isEqualTo(6);
    }

    @Test
    void aRehearsalIsForTheTimeBetweenTwoEpochs() throws IOException {
        try (LocalJournal journal = open(formatted())) {
            append(journal, 1, 1, 1);
            assertThat(journal.rehearse(0, 4096)).isZero();
            journal.commit(1, TIME);
            assertThat(journal.rehearse(0, 4096)).isEqualTo(4096);
            assertThat(journal.rehearse(0, 4095)).isZero();
            assertThat(journal.rehearse(1 << 20, 4096)).isZero();
            journal.suspend();
            assertThat(journal.rehearse(0, 4096)).isZero();
        }
    }

    // ---------------------------------------------------------------------------------------------- life

    @Test
    void aNewJournalIsCleanAndSaysWhatItBelongsTo() throws IOException {
        JournalScan scan = JournalScan.of(formatted());
        assertThat(scan.verdict()).isEqualTo(Verdict.CLEAN);
        assertThat(scan.identity()).contains(JournalRun.identity(EMPTY));
        assertThat(scan.lastEpoch()).isZero();
        assertThat(scan.firstEpoch()).isEqualTo(-1);
        assertThat(scan.committedAt()).isEmpty();
        assertThat(scan.capacityBytes()).isEqualTo(1 << 20);
    }

    @Test
    void aFormatThatThePowerCutsNeverLeavesASuperblockBeforeTheNewest() throws IOException {
        CacheDisk made = formatted();
        try (LocalJournal journal = open(made)) {
            for (long epoch = 1; epoch <= 4; epoch++) {
                commit(journal, epoch, (int) epoch, epoch);
                journal.truncate(epoch - 1);
            }
        }
        Superblock newest = JournalScan.of(made).superblock();
        assertThat(newest.sequence()).isGreaterThan(2);
        JournalIdentity other = new JournalIdentity(new UUID(7, 7), 8192, 100 * 8192, 1, 1);
        Random random = new Random(6);
        boolean isCut = true;
        for (int cutAt = 1; isCut; cutAt++) {
            CacheDisk disk = new CacheDisk(made.content(), new Power(cutAt));
            try {
                LocalJournal.format(disk, other, 9);
                isCut = false;
            } catch (Power.Cut e) {
                // And this is what may be left.
            }
            for (CacheDisk.Survival survival : CacheDisk.Survival.values()) {
                for (int i = 0; i < 20; i++) {
                    CacheDisk left = new CacheDisk(disk.survivors(survival, random), Power.forEver());
                    Superblock found = JournalScan.of(left).superblock();
                    assertThat(found).as("%s, cut %d", survival, cutAt).isNotNull();
                    if (!isCut || !found.equals(newest)) {
                        assertThat(found.identity())
                                .as("%s, cut %d", survival, cutAt)
                                .isEqualTo(other);
                        assertThat(found.sequence()).isGreaterThan(newest.sequence());
                        assertThat(found.headEpoch()).isEqualTo(9);
                    }
                }
            }
        }
    }

    @Test
    void epochsGoOnWhereAFormatSaysAndAcrossStarts() throws IOException {
        CacheDisk disk = new CacheDisk((int) LocalJournal.sizeBytesMin(), Power.forEver());
        LocalJournal.format(disk, JournalRun.identity(EMPTY), 41);
        try (LocalJournal journal = open(disk)) {
            assertThat(journal.headEpoch()).isEqualTo(41);
            assertThatThrownBy(() -> journal.commit(41, TIME)).isInstanceOf(IllegalStateException.class);
            commit(journal, 42, 1, 1);
        }
        try (LocalJournal journal = open(disk)) {
            assertThat(journal.headEpoch()).isEqualTo(42);
            assertThat(journal.tail()).isEqualTo(42);
        }
    }

    @Test
    void aCommittedEpochIsThereAfterAPowerCut() throws IOException {
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            commit(journal, 1, 3, 7);
            append(journal, 2, 4, 8);
            journal.barrier();
        }
        CacheDisk left = new CacheDisk(disk.survivors(CacheDisk.Survival.NONE, new Random(1)), Power.forEver());
        JournalScan scan = JournalScan.of(left);
        assertThat(scan.verdict()).isEqualTo(Verdict.EPOCHS);
        assertThat(scan.lastEpoch()).isEqualTo(1);
        assertThat(scan.committedAt()).contains(TIME);
        assertThat(scan.versionCount()).isEqualTo(1);
        assertThat(scan.dataBytes()).isEqualTo(4096);
        assertThat(recovered(left)).isEqualTo(EMPTY.with(Map.of(3, 7L)).bytes());
    }

    @Test
    void spaceIsUsedFromCommitToTruncate() throws IOException {
        try (LocalJournal journal = open(formatted())) {
            assertThat(journal.usedBytes()).isZero();
            assertThat(journal.tail()).isEqualTo(-1);
            commit(journal, 1, 1, 1);
            assertThat(journal.usedBytes()).isEqualTo(3 * 4096);
            commit(journal, 2, 1, 2);
            assertThat(journal.tail()).isEqualTo(1);
            journal.truncate(1);
            assertThat(journal.usedBytes()).isEqualTo(3 * 4096);
            assertThat(journal.tail()).isEqualTo(2);
            journal.truncate(7);
            assertThat(journal.usedBytes()).isZero();
            assertThat(journal.tail()).isEqualTo(-1);
        }
    }

    @Test
    void nothingIsWrittenBeforeTheFence() throws IOException {
        CacheDisk disk = formatted();
        byte[] before = disk.content();
        try (LocalJournal journal = LocalJournal.open(disk, JournalScan.of(disk), 3, () -> 5)) {
            assertThatThrownBy(() -> append(journal, 1, 1, 1)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> journal.commit(1, TIME)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(journal::suspend).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(journal::markClean).isInstanceOf(IllegalStateException.class);
        }
        assertThat(disk.content()).isEqualTo(before);
    }

    @Test
    void aSuspensionIsTakenBackByTheNextCommitAndNotBefore() throws IOException {
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            commit(journal, 1, 1, 1);
            journal.suspend();
            assertThat(journal.isSuspended()).isTrue();
            assertThat(journal.usedBytes()).isZero();
            append(journal, 5, 1, 2);
            journal.barrier();
            assertThat(JournalScan.of(disk).verdict()).isEqualTo(Verdict.SUSPENDED);
            journal.commit(5, TIME);
            assertThat(journal.isSuspended()).isFalse();
            assertThat(JournalScan.of(disk).verdict()).isEqualTo(Verdict.EPOCHS);
            assertThat(JournalScan.of(disk).lastEpoch()).isEqualTo(5);
        }
    }

    @Test
    void aSuspensionOutlivesARestart() throws IOException {
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            journal.suspend();
        }
        try (LocalJournal journal = open(disk)) {
            assertThat(journal.isSuspended()).isTrue();
            assertThat(JournalScan.of(disk).verdict()).isEqualTo(Verdict.SUSPENDED);
        }
        Recovery.discard(disk, JournalScan.of(disk));
        assertThat(JournalScan.of(disk).verdict()).isEqualTo(Verdict.CLEAN);
    }

    @Test
    void aFaultyJournalGoesOnSuspendedWhenTheRamHasEverything() throws IOException {
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            commit(journal, 1, 1, 1);
            commit(journal, 2, 2, 2);
            disk.write((64 << 10) + 4096 + 5, Arena.ofAuto().allocate(4));
        }
        assertThat(JournalScan.of(disk).verdict()).isEqualTo(Verdict.MEDIA_FAULT);
        Recovery.suspend(disk, JournalScan.of(disk));
        assertThat(JournalScan.of(disk).verdict()).isEqualTo(Verdict.SUSPENDED);
        try (LocalJournal journal = open(disk)) {
            assertThat(journal.isSuspended()).isTrue();
            commit(journal, 4, 3, 3);
        }
        assertThat(JournalScan.of(disk).verdict()).isEqualTo(Verdict.EPOCHS);
        assertThat(JournalScan.of(disk).firstEpoch()).isEqualTo(4);
    }

    @Test
    void anEpochMayBeEmpty() throws IOException {
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            journal.commit(1, TIME);
            journal.commit(2, TIME);
            assertThat(JournalScan.of(disk).epochCount()).isEqualTo(2);
            assertThat(JournalScan.of(disk).versionCount()).isZero();
        }
    }

    @Test
    void asManyStartsMayFollowOneAnotherAsThereAreSalts() throws IOException {
        CacheDisk disk = formatted();
        for (int i = 1; i <= Superblock.SALT_COUNT_MAX; i++) {
            try (LocalJournal journal = LocalJournal.open(disk, JournalScan.of(disk), i, new Random(i)::nextLong)) {
                journal.fence();
                // A start without a commit takes no room.
                journal.fence();
                commit(journal, i, i, i);
            }
        }
        JournalScan scan = JournalScan.of(disk);
        assertThat(scan.epochCount()).isEqualTo(Superblock.SALT_COUNT_MAX);
        assertThat(scan.generation()).isEqualTo(Superblock.SALT_COUNT_MAX);
        try (LocalJournal journal = LocalJournal.open(disk, scan, 99, () -> 1)) {
            assertThatThrownBy(journal::fence)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("recover");
        }
        Map<Integer, Long> all = new TreeMap<>();
        for (int i = 1; i <= Superblock.SALT_COUNT_MAX; i++) {
            all.put(i, (long) i);
        }
        assertThat(recovered(disk)).isEqualTo(EMPTY.with(all).bytes());
        open(disk).close();
    }

    // ---------------------------------------------------------------------------------------------- room

    @Test
    void liveEpochsAreNeverOverwritten() throws IOException {
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            long epoch = 0;
            while (journal.capacityBytes() - journal.usedBytes() >= 3 * 4096) {
                commit(journal, ++epoch, (int) (epoch % 32), epoch);
            }
            long last = epoch;
            assertThatThrownBy(() -> append(journal, last + 1, 1, 1))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("journal full");
            assertThat(JournalScan.of(disk).lastEpoch()).isEqualTo(last);
            journal.truncate(1);
            commit(journal, last + 1, 1, 1);
            assertThat(JournalScan.of(disk).firstEpoch()).isEqualTo(2);
            assertThat(JournalScan.of(disk).lastEpoch()).isEqualTo(last + 1);
        }
    }

    @Test
    void anEpochOfManyBatchesGoesOutInFewLargeWrites() throws IOException {
        MemoryBacking disk = new MemoryBacking((int) LocalJournal.sizeBytes(32 << 20));
        LocalJournal.format(disk, new JournalIdentity(JournalRun.DEVICE, 4096, 1L << 30, 1, 2), 0);
        try (LocalJournal journal = open(disk);
                Arena arena = Arena.ofConfined()) {
            disk.forgetCalls();
            MemorySegment payload = arena.allocate(1 << 20, 4096);
            VersionBatch batch = new VersionBatch();
            for (int i = 0; i < 16; i++) {
                batch.clear();
                batch.add(i * 256L, 256, false);
                batch.payload(payload);
                journal.append(1, batch);
            }
            journal.commit(1, TIME);
            List<MemoryBacking.Call> writes = disk.calls(ramback.backing.BackingIoException.Operation.WRITE);
            // 16 MiB by four, and the commit record.
            assertThat(writes).hasSize(5);
            assertThat(writes.subList(0, 4)).allMatch(write -> write.lengthBytes() == 4 * ((1 << 20) + 4096));
            assertThat(disk.calls(ramback.backing.BackingIoException.Operation.SYNC))
                    .hasSize(2);
        }
    }

    /** Chunks that are neighbours of the last ones, or far away, data or zeroes. */
    record Run(int chunkCount, boolean near, boolean zero) {}

    @Provide
    Arbitrary<List<Run>> runs() {
        Arbitrary<Integer> counts = Arbitraries.frequencyOf(
                net.jqwik.api.Tuple.of(3, Arbitraries.just(1)),
                net.jqwik.api.Tuple.of(2, Arbitraries.integers().between(1, 4)),
                net.jqwik.api.Tuple.of(1, Arbitraries.integers().between(1, 300)));
        return Combinators.combine(counts, Arbitraries.of(true, false), Arbitraries.of(true, false, false))
                .as(Run::new)
                .list()
                .ofMinSize(1)
                .ofMaxSize(400);
    }

    @Property(tries = 120)
    void anEpochTakesNoMoreThanItsCost(@ForAll("runs") List<Run> runs, @ForAll Random random) throws IOException {
        int chunkBytes = 4096 << random.nextInt(9);
        Backing disk = new NullDisk(LocalJournal.sizeBytes(8L << 30));
        LocalJournal.format(disk, new JournalIdentity(JournalRun.DEVICE, chunkBytes, 1L << 43, 1, 2), 0);
        JournalScan scan = JournalScan.of(disk);
        try (LocalJournal journal = LocalJournal.open(disk, scan, 1, () -> 9);
                Arena arena = Arena.ofConfined()) {
            journal.fence();
            MemorySegment memory = arena.allocate(1 << 20, 4096);
            long dataChunks = 0;
            long zeroRuns = 0;
            long sinceBarrier = 0;
            long chunk = 0;
            for (Run run : runs) {
                if (dataChunks * chunkBytes > 7L << 30) {
                    break;
                }
                long left = run.chunkCount();
                chunk += run.near() ? 0 : 1000;
                VersionBatch batch = new VersionBatch();
                while (left > 0) {
                    long count = run.zero() ? left : Math.min(left, (1 << 20) / chunkBytes);
                    batch.clear();
                    batch.add(chunk, count, run.zero());
                    batch.payload(run.zero() ? MemorySegment.NULL : memory.asSlice(0, count * chunkBytes));
                    journal.append(1, batch);
                    chunk += count;
                    left -= count;
                    dataChunks += run.zero() ? 0 : count;
                    zeroRuns += run.zero() ? 1 : 0;
                    sinceBarrier += run.zero() ? 0 : count * chunkBytes;
                    if (sinceBarrier >= LocalJournal.BARRIER_DISTANCE_BYTES) {
                        journal.barrier();
                        sinceBarrier = 0;
                    }
                }
            }
            journal.commit(1, TIME);
            assertThat(journal.usedBytes())
                    .isLessThanOrEqualTo(LocalJournal.costBytes(chunkBytes, dataChunks, zeroRuns)
                            + LocalJournal.EPOCH_OVERHEAD_BYTES);
        }
    }

    // ---------------------------------------------------------------------------------------------- failures

    @Test
    void whatALostSyncTookMustBeAppendedAgainBeforeACommit() throws IOException {
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            append(journal, 1, 1, 1);
            disk.failSync(disk.syncCount() + 1, true);
            assertThatThrownBy(() -> journal.commit(1, TIME)).isInstanceOf(IOException.class);
            assertThatThrownBy(() -> journal.commit(1, TIME))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("1 chunks");
            commit(journal, 1, 1, 1);
        }
        assertThat(recovered(disk)).isEqualTo(EMPTY.with(Map.of(1, 1L)).bytes());
    }

    @Test
    void aCommitRecordThatCouldNotBeSyncedMayBeWrittenAgainAlone() throws IOException {
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            append(journal, 1, 1, 1);
            disk.failSync(disk.syncCount() + 2, true);
            assertThatThrownBy(() -> journal.commit(1, TIME)).isInstanceOf(IOException.class);
            journal.commit(1, TIME);
        }
        assertThat(recovered(disk)).isEqualTo(EMPTY.with(Map.of(1, 1L)).bytes());
    }

    @Test
    void whatIsAppendedAgainIsWrittenInPlace() throws IOException {
        CacheDisk undisturbed = formatted();
        try (LocalJournal journal = open(undisturbed)) {
            append(journal, 1, 1, 1);
            journal.barrier();
            append(journal, 1, 2, 2);
            journal.commit(1, TIME);
        }
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            append(journal, 1, 1, 1);
            journal.barrier();
            for (int sync = 1; sync <= 2; sync++) {
                append(journal, 1, 2, 2);
                disk.failSync(disk.syncCount() + sync, true);
                assertThatThrownBy(() -> journal.commit(1, TIME)).isInstanceOf(IOException.class);
            }
            append(journal, 1, 2, 2);
            journal.commit(1, TIME);
        }
        assertThat(Arrays.mismatch(disk.content(), undisturbed.content())).isEqualTo(-1);
    }

    @Test
    void whatIsDurableIsNotWrittenAgainUnderACommitRecordThatMayBeThere() throws IOException {
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            append(journal, 1, 1, 1);
            disk.failSync(disk.syncCount() + 2, false);
            assertThatThrownBy(() -> journal.commit(1, TIME)).isInstanceOf(IOException.class);
            int writes = disk.writeCount();
            append(journal, 1, 1, 1);
            journal.commit(1, TIME);
            assertThat(disk.writeCount()).as("the commit record alone").isEqualTo(writes + 1);
        }
        assertThat(recovered(disk)).isEqualTo(EMPTY.with(Map.of(1, 1L)).bytes());
    }

    @Test
    void aTruncateThatFailsTellsWhoeverAppendsThatTheirBytesMayBeLost() throws IOException {
        CacheDisk disk = formatted();
        LocalJournal.format(disk, new JournalIdentity(JournalRun.DEVICE, 4096, 32 * 4096, 7, 42), 0);
        try (LocalJournal journal = open(disk)) {
            commit(journal, 1, 1, 1);
            append(journal, 2, 2, 2);
            disk.failSync(disk.syncCount() + 1, true);
            assertThatThrownBy(() -> journal.truncate(1)).isInstanceOf(IOException.class);
            assertThat(journal.tail()).isEqualTo(1);
            assertThatThrownBy(journal::barrier)
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("earlier failure");
            append(journal, 2, 2, 2);
            journal.commit(2, TIME);
            journal.truncate(1);
            assertThat(journal.tail()).isEqualTo(2);
        }
        assertThat(JournalScan.of(disk).firstEpoch()).isEqualTo(2);
    }

    @Test
    void aSuspensionThatFailedIsTakenBackBeforeAnythingIsCommitted() throws IOException {
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            commit(journal, 1, 1, 1);
            // The superblock reaches the disk, but nobody knows.
            disk.failSync(disk.syncCount() + 1, false);
            assertThatThrownBy(journal::suspend).isInstanceOf(IOException.class);
            assertThat(journal.isSuspended()).isFalse();
            commit(journal, 2, 2, 2);
        }
        JournalScan scan = JournalScan.of(disk);
        assertThat(scan.verdict()).isEqualTo(Verdict.EPOCHS);
        assertThat(scan.firstEpoch()).isEqualTo(1);
        assertThat(scan.lastEpoch()).isEqualTo(2);
    }

    // ---------------------------------------------------------------------------------------------- exactness

    @Test
    void olderStatesAreExactOnlyAsLongAsNothingNewerIsApplied() throws IOException {
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            journal.applying(1);
            commit(journal, 1, 1, 1);
            commit(journal, 2, 1, 2);
            commit(journal, 3, 1, 3);
            assertThat(JournalScan.of(disk).exactFromEpoch()).isEqualTo(1);
            journal.applying(2);
            assertThat(JournalScan.of(disk).exactFromEpoch()).isEqualTo(2);
            journal.applying(4);
            commit(journal, 4, 1, 4);
            assertThat(JournalScan.of(disk).exactFromEpoch()).isEqualTo(4);
            commit(journal, 5, 1, 5);
            assertThat(JournalScan.of(disk).exactFromEpoch()).isEqualTo(4);
        }
        CacheDisk image = new CacheDisk(EMPTY.imageBytes, Power.forEver());
        JournalScan scan = JournalScan.of(disk);
        assertThatThrownBy(() -> Recovery.run(disk, scan, image, 3, false, (done, total) -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("parts of epochs up to 4");
        assertThat(Recovery.run(disk, scan, image, 4, false, (done, total) -> {})
                        .epoch())
                .isEqualTo(4);
        assertThat(image.content()).isEqualTo(EMPTY.with(Map.of(1, 4L)).bytes());
        assertThat(JournalScan.of(disk).verdict()).isEqualTo(Verdict.CLEAN);
    }

    @Test
    void aCallerThatNeverSaysWhatItAppliesIsTakenToApplyAll() throws IOException {
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            commit(journal, 1, 1, 1);
            commit(journal, 2, 1, 2);
        }
        assertThat(JournalScan.of(disk).exactFromEpoch()).isEqualTo(2);
    }

    // ---------------------------------------------------------------------------------------------- other verdicts

    @Test
    void aFileThatWasCutShortIsTruncated() throws IOException {
        CacheDisk disk = formatted();
        byte[] bytes = Arrays.copyOf(disk.content(), disk.content().length - 4096);
        assertThat(JournalScan.of(new CacheDisk(bytes, Power.forEver())).verdict())
                .isEqualTo(Verdict.TRUNCATED);
        assertThat(JournalScan.of(new CacheDisk(Arrays.copyOf(bytes, 512), Power.forEver()))
                        .verdict())
                .isEqualTo(Verdict.TRUNCATED);
        assertThat(JournalScan.of(new CacheDisk(Arrays.copyOf(bytes, 511), Power.forEver()))
                        .verdict())
                .isEqualTo(Verdict.NOT_A_JOURNAL);
    }

    @Test
    void aJournalOfANewerVersionIsLeftAlone() throws IOException {
        CacheDisk disk = formatted();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment sector = arena.allocate(512);
            disk.read(32 << 10, sector);
            sector.set(JournalFormat.INT, JournalFormat.VERSION_NUMBER, 2);
            sector.set(JournalFormat.INT, JournalFormat.CHECKSUM, JournalFormat.checksumOf(sector));
            disk.write(32 << 10, sector);
        }
        JournalScan scan = JournalScan.of(disk);
        assertThat(scan.verdict()).isEqualTo(Verdict.NEWER_FORMAT);
        assertThat(scan.version()).isEqualTo(2);
        assertThat(scan.verdict().mayBeContinued()).isFalse();
        assertThat(scan.verdict().mayBeRecovered()).isFalse();
    }

    @Test
    void recordsOfAnotherDeviceAreNotBelieved() throws IOException {
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            commit(journal, 1, 1, 1);
        }
        // Another device's journal over it: the same salt, by a chance of one in 2^64, and the same epochs.
        byte[] records = disk.content();
        LocalJournal.format(disk, new JournalIdentity(new java.util.UUID(1, 2), 4096, EMPTY.imageBytes, 7, 42), 0);
        open(disk).close();
        try (Arena arena = Arena.ofConfined()) {
            disk.write(
                    64 << 10,
                    arena.allocateFrom(
                            java.lang.foreign.ValueLayout.JAVA_BYTE,
                            Arrays.copyOfRange(records, 64 << 10, records.length)));
        }
        assertThat(JournalScan.of(disk).verdict()).isEqualTo(Verdict.EMPTY);
    }

    @Test
    void aLookAtTheRecordsAloneFindsTheSameEpochs() throws IOException {
        CacheDisk disk = formatted();
        try (LocalJournal journal = open(disk)) {
            commit(journal, 1, 1, 1);
            commit(journal, 2, 2, 2);
        }
        JournalScan scan = JournalScan.ofRecords(disk);
        assertThat(scan.verdict()).isEqualTo(Verdict.EPOCHS);
        assertThat(scan.lastEpoch()).isEqualTo(2);
        CacheDisk image = new CacheDisk(EMPTY.imageBytes, Power.forEver());
        assertThatThrownBy(() -> Recovery.run(disk, scan, image, 2, true, (done, total) -> {}))
                .isInstanceOf(IllegalArgumentException.class);
        LocalJournal.open(disk, scan, 4, () -> 8).close();
    }
}
