package ramback.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.journal.JournalScan.Verdict;
import ramback.mutant.Mutant;
import ramback.posix.Errno;

/** Whatever rots or is misdirected in a journal, what is recovered is exact, or there is a verdict. */
class JournalRotTest {
    private static final int CHUNK_BYTES = 4096;
    private static final Stamps EMPTY = new Stamps(CHUNK_BYTES, 10 * CHUNK_BYTES - 100);
    private static final int RING_BYTES = 192 << 10;
    private static final int EPOCH_COUNT = 5;

    private JournalRun run;
    private byte[] journal;
    private byte[] image;
    private long firstLive;

    /** A journal in its second lap, with five live epochs that wrap around, and the newest one without a successor. */
    @BeforeEach
    void writeAJournal() throws IOException {
        run = new JournalRun(EMPTY, RING_BYTES, Power.forEver(), true, 11);
        Random random = new Random(3);
        long stamp = 1;
        run.attach();
        for (int i = 0; i < 8 + EPOCH_COUNT; i++) {
            SortedMap<Integer, Long> changes = new TreeMap<>();
            for (int k = 0; k < 4; k++) {
                changes.put(random.nextInt(10), k == 3 && i % 2 == 0 ? 0 : ++stamp);
            }
            run.epoch(changes, i % 3 == 0, false);
            if (i < 8) {
                run.apply();
            }
        }
        journal = run.journalDisk.content();
        image = run.imageDisk.content();
        JournalScan scan = scan(journal);
        assertThat(scan.verdict()).isEqualTo(Verdict.EPOCHS);
        assertThat(scan.epochCount()).isEqualTo(EPOCH_COUNT);
        firstLive = scan.firstEpoch();
        long[] ends = new long[2];
        scan.forEachEpoch((epoch, first, end) -> {
            ends[0] = ends[0] == 0 ? first : ends[0];
            ends[1] = end;
        });
        assertThat(ends[1] / RING_BYTES).as("wraps around").isGreaterThan(ends[0] / RING_BYTES);
    }

    @AfterEach
    void close() throws IOException {
        Mutant.plant(null);
        run.close();
    }

    private static JournalScan scan(byte[] bytes) throws IOException {
        return JournalScan.of(new CacheDisk(bytes.clone(), Power.forEver()));
    }

    /** Null if what is recovered is the newest state, or there is a verdict against it; otherwise what is wrong. */
    private String judge(byte[] bytes, boolean newestMayBeLost) throws IOException {
        CacheDisk journalDisk = new CacheDisk(bytes.clone(), Power.forEver());
        JournalScan scan = JournalScan.of(journalDisk);
        return switch (scan.verdict()) {
            case NOT_A_JOURNAL, NEWER_FORMAT, TRUNCATED, SUSPENDED, CLEAN, EMPTY -> "verdict " + scan.verdict();
            case DAMAGED -> null;
            // What is still good must be: the image holds nothing newer here.
            case MEDIA_FAULT -> recover(journalDisk, scan, scan.lastEpoch(), true);
            case EPOCHS ->
                scan.lastEpoch() < run.acknowledged && !newestMayBeLost
                        ? "epoch " + scan.lastEpoch() + " of " + run.acknowledged + " without a word"
                        : recover(journalDisk, scan, scan.lastEpoch(), false);
        };
    }

    private String recover(CacheDisk journalDisk, JournalScan scan, long to, boolean acceptTorn) throws IOException {
        CacheDisk imageDisk = new CacheDisk(image.clone(), Power.forEver());
        try {
            Recovery.run(journalDisk, scan, imageDisk, to, acceptTorn, (done, total) -> {});
        } catch (IllegalArgumentException e) {
            return e.getMessage();
        }
        return Arrays.equals(imageDisk.content(), run.states.get(to).bytes())
                ? null
                : "the image is not that of epoch " + to;
    }

    @Test
    void everyFlippedBitIsFoundOrHarmless() throws IOException {
        Random random = new Random(8);
        for (int at = 0; at < journal.length; at++) {
            // Each byte of what records say; of payload and of what is empty, a few in each sector.
            boolean dense = at % 4096 < 640;
            if (!dense && at % 97 != 0) {
                continue;
            }
            byte before = journal[at];
            journal[at] ^= (byte) (1 << random.nextInt(8));
            assertThat(judge(journal, false)).as("a bit of byte %d", at).isNull();
            journal[at] = before;
        }
    }

    @Test
    void everyLostBlockIsFoundOrHarmless() throws IOException {
        long newestCommit = newestCommitOffset();
        for (int block = 0; block < journal.length / 4096; block++) {
            for (int filling : new int[] {0, 0xff, 0x5a}) {
                byte[] bytes = journal.clone();
                Arrays.fill(bytes, block * 4096, (block + 1) * 4096, (byte) filling);
                // The commit record of the newest epoch is the only witness of it, as long as nothing follows.
                assertThat(judge(bytes, block * 4096L == newestCommit))
                        .as("block %d", block)
                        .isNull();
            }
        }
    }

    private long newestCommitOffset() throws IOException {
        long[] end = new long[1];
        scan(journal).forEachEpoch((epoch, first, endPosition) -> end[0] = endPosition);
        return JournalFormat.HEADER_BYTES + (end[0] - 4096) % RING_BYTES;
    }

    @Test
    void theNewestCommitRecordHasAWitnessOnceAnotherEpochIsBegun() throws IOException {
        int commit = (int) newestCommitOffset();
        EMPTY.append(run.journal(), run.acknowledged + 1, new TreeMap<>(Map.of(1, 999L)), 1);
        run.journal().barrier();
        byte[] bytes = run.journalDisk.content();
        Arrays.fill(bytes, commit, commit + 4096, (byte) 0);
        assertThat(scan(bytes).verdict()).isEqualTo(Verdict.MEDIA_FAULT);
        assertThat(scan(bytes).lastEpoch()).isEqualTo(run.acknowledged - 1);
        assertThat(scan(bytes).highestEpoch()).isEqualTo(run.acknowledged);
    }

    /** Found by the simulation, kill seed 135736123: such a journal was taken for one that ends an epoch earlier. */
    @Test
    void aRecoveryThatWasBrokenOffIsAWitnessOfTheNewestEpoch() throws IOException {
        int commit = (int) newestCommitOffset();
        CacheDisk journalDisk = new CacheDisk(journal.clone(), Power.forEver());
        CacheDisk imageDisk = new CacheDisk(image.clone(), Power.forEver());
        imageDisk.failSync(1, true);
        JournalScan whole = JournalScan.of(journalDisk);
        assertThatThrownBy(
                        () -> Recovery.run(journalDisk, whole, imageDisk, run.acknowledged, false, (done, total) -> {}))
                .isInstanceOf(IOException.class);
        byte[] bytes = journalDisk.content();
        Arrays.fill(bytes, commit, commit + 4096, (byte) 0);
        JournalScan scan = scan(bytes);
        assertThat(scan.verdict()).isEqualTo(Verdict.MEDIA_FAULT);
        assertThat(scan.lastEpoch()).isEqualTo(run.acknowledged - 1);
        assertThat(scan.highestEpoch()).isEqualTo(run.acknowledged);
        assertThat(scan.exactFromEpoch()).isEqualTo(run.acknowledged);
        assertThat(JournalScan.ofRecords(new CacheDisk(bytes, Power.forEver())).verdict())
                .isEqualTo(Verdict.MEDIA_FAULT);
    }

    @Test
    void everyMisdirectedBlockIsFoundOrHarmless() throws IOException {
        long newestCommit = newestCommitOffset();
        Random random = new Random(5);
        int blockCount = journal.length / 4096;
        for (int i = 0; i < 1500; i++) {
            int from = random.nextInt(blockCount);
            int to = random.nextInt(blockCount);
            byte[] bytes = journal.clone();
            System.arraycopy(journal, from * 4096, bytes, to * 4096, 4096);
            assertThat(judge(bytes, to * 4096L == newestCommit))
                    .as("block %d at %d", from, to)
                    .isNull();
        }
    }

    @Test
    void oneWholeSectorOfASlotOrACommitRecordIsEnough() throws IOException {
        for (int block : new int[] {0, 32 << 10, (int) newestCommitOffset()}) {
            for (int kept = 0; kept < 8; kept++) {
                byte[] bytes = journal.clone();
                byte[] sector = Arrays.copyOfRange(bytes, block + kept * 512, block + (kept + 1) * 512);
                Arrays.fill(bytes, block, block + 4096, (byte) 0x77);
                System.arraycopy(sector, 0, bytes, block + kept * 512, 512);
                assertThat(scan(bytes).verdict()).isEqualTo(Verdict.EPOCHS);
                assertThat(scan(bytes).lastEpoch()).isEqualTo(run.acknowledged);
            }
        }
    }

    /** What the page cache says of a bad sector, and what a direct read says: critical medium, protection, target. */
    @ParameterizedTest
    @ValueSource(ints = {Errno.EIO, Errno.ENODATA, Errno.EILSEQ, Errno.EREMOTEIO, Errno.EBADMSG, Errno.EUCLEAN})
    void aBlockThatCannotBeReadIsAFaultWhereItMatters(int errno) throws IOException {
        for (int block = 0; block < journal.length / 4096; block++) {
            CacheDisk disk = new CacheDisk(journal.clone(), Power.forEver());
            disk.makeUnreadable(block * 4096L, (block + 1) * 4096L, errno);
            byte[] zeroed = journal.clone();
            Arrays.fill(zeroed, block * 4096, (block + 1) * 4096, (byte) 0);
            Verdict asZeroes = scan(zeroed).verdict();
            JournalScan scan = JournalScan.of(disk);
            if (block * 4096L == newestCommitOffset()) {
                assertThat(scan.verdict()).isEqualTo(Verdict.MEDIA_FAULT);
            } else if (scan.verdict() != asZeroes) {
                // Right behind the end, where the next record would be.
                assertThat(scan.verdict()).isEqualTo(Verdict.MEDIA_FAULT);
                assertThat(block * 4096L).isEqualTo(newestCommitOffset() + 4096);
            }
        }
    }

    @Test
    void anUnreadableSectorOfTheNewestCommitRecordLosesNothing() throws IOException {
        for (int copy = 0; copy < 8; copy++) {
            CacheDisk disk = new CacheDisk(journal.clone(), Power.forEver());
            long sector = newestCommitOffset() + copy * 512L;
            disk.makeUnreadable(sector, sector + 512, Errno.ENODATA);
            JournalScan scan = JournalScan.of(disk);
            assertThat(scan.verdict()).as("copy %d", copy).isEqualTo(Verdict.EPOCHS);
            assertThat(scan.lastEpoch()).isEqualTo(run.acknowledged);
            assertThat(JournalScan.ofRecords(disk).lastEpoch()).isEqualTo(run.acknowledged);
            assertThat(recover(disk, scan, scan.lastEpoch(), false)).isNull();
        }
    }

    @Test
    void anUnreadableSectorOfAnyCommitRecordLosesNothing() throws IOException {
        List<Long> commits = new ArrayList<>();
        scan(journal).forEachEpoch((epoch, first, end) -> commits.add(end - 4096));
        for (long position : commits) {
            CacheDisk disk = new CacheDisk(journal.clone(), Power.forEver());
            // All copies but one; the record lies between the payload of its epoch and that of the next.
            long offset = JournalFormat.HEADER_BYTES + position % RING_BYTES;
            disk.makeUnreadable(offset, offset + 7 * 512, Errno.ENODATA);
            JournalScan scan = JournalScan.of(disk);
            assertThat(scan.verdict()).as("at %d", position).isEqualTo(Verdict.EPOCHS);
            assertThat(recover(disk, scan, scan.lastEpoch(), false)).isNull();
        }
    }

    @Test
    void sectorsAreReadAsTheDiskCanGiveThem() throws IOException {
        CacheDisk disk = new CacheDisk(journal.clone(), Power.forEver()).alignedTo(4096);
        disk.makeUnreadable(newestCommitOffset(), newestCommitOffset() + 512);
        assertThat(JournalScan.of(disk).verdict()).isEqualTo(Verdict.MEDIA_FAULT);
    }

    @Test
    void aBadAreaOfAnySizeIsAFaultAsLongAsTheDiskAnswers() throws IOException {
        // Windows end with the ring, so that the area covers all of a window of any size, and all of the ring but one
        // block.
        long newestCommit = newestCommitOffset();
        for (long from = JournalFormat.HEADER_BYTES; from <= newestCommit; from += 4096) {
            CacheDisk disk = new CacheDisk(journal.clone(), Power.forEver());
            disk.makeUnreadable(from, journal.length, Errno.ENODATA);
            JournalScan scan = JournalScan.of(disk);
            assertThat(scan.verdict()).as("from %d", from).isEqualTo(Verdict.MEDIA_FAULT);
            assertThat(recover(disk, scan, scan.lastEpoch(), true)).isNull();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.EIO, Errno.ENODATA})
    void aFileOfWhichNothingCanBeReadIsNoVerdict(int errno) throws IOException {
        CacheDisk disk = new CacheDisk(journal.clone(), Power.forEver());
        disk.makeUnreadable(0, journal.length, errno);
        assertThatThrownBy(() -> JournalScan.of(disk)).hasMessageContaining(Errno.name(errno));
        // The slots alone are a damage.
        disk.makeUnreadable(0, JournalFormat.HEADER_BYTES, errno);
        assertThat(JournalScan.of(disk).verdict()).isEqualTo(Verdict.DAMAGED);
    }

    @Test
    void aDiskThatGoesAwayUnderWayIsNoVerdict() throws IOException {
        CacheDisk disk = new CacheDisk(journal.clone(), Power.forEver());
        // The slots' sixteen sectors and a part of the ring.
        disk.goAwayAfterReads(17);
        assertThatThrownBy(() -> JournalScan.of(disk)).hasMessageContaining("EIO");
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.ENXIO, Errno.ENODEV, Errno.EINVAL})
    void aDiskThatIsGoneIsNoBadBlock(int errno) throws IOException {
        for (long block : new long[] {0, newestCommitOffset()}) {
            CacheDisk disk = new CacheDisk(journal.clone(), Power.forEver());
            disk.makeUnreadable(block, block + 4096, errno);
            assertThatThrownBy(() -> JournalScan.of(disk)).hasMessageContaining(Errno.name(errno));
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Mutant.class,
            names = {"NO_PAYLOAD_CRC", "EARLY_STOP_ON_ROT", "SKIP_GAP", "NO_EPOCH_TAG"})
    void rotFindsTheMutant(Mutant mutant) throws IOException {
        Mutant.plant(mutant);
        int wrong = 0;
        for (int block = 16; block < journal.length / 4096; block++) {
            byte[] bytes = journal.clone();
            bytes[block * 4096 + 100] ^= 4;
            bytes[block * 4096 + 1000] ^= 4;
            Arrays.fill(bytes, block * 4096 + 2000, (block + 1) * 4096, (byte) 0);
            wrong += judge(bytes, block * 4096L == newestCommitOffset()) == null ? 0 : 1;
        }
        assertThat(wrong).as("%s", mutant).isPositive();
    }

    @Test
    void aFaultSaysWhereAndUpToWhichEpochTheLogIsGood() throws IOException {
        long[] start = new long[1];
        scan(journal).forEachEpoch((epoch, first, end) -> start[0] = epoch == firstLive + 2 ? first : start[0]);
        int payload = (int) (JournalFormat.HEADER_BYTES + (start[0] + 4096) % RING_BYTES);
        byte[] bytes = journal.clone();
        bytes[payload + 17] ^= 1;
        JournalScan scan = scan(bytes);
        assertThat(scan.verdict()).isEqualTo(Verdict.MEDIA_FAULT);
        assertThat(scan.lastEpoch()).isEqualTo(firstLive + 1);
        assertThat(scan.highestEpoch()).isEqualTo(run.acknowledged);
        assertThat(scan.faultOffsetBytes()).isEqualTo(payload);
        assertThat(scan.fault().orElseThrow())
                .contains("epoch " + (firstLive + 2))
                .contains("checksum");
        // Nothing newer was going to be applied, and all commit records are there to say so.
        assertThat(scan.exactFromEpoch()).isEqualTo(firstLive - 1);
        assertThat(judge(bytes, false)).isNull();
    }

    @Test
    void recordsOfAnOldOwnerAreNotBelieved() throws IOException {
        // The old owner was taken for dead, and goes on writing.
        LocalJournal old = run.journal();
        CacheDisk disk = run.journalDisk;
        long last = run.acknowledged;
        LocalJournal next = LocalJournal.open(disk, JournalScan.of(disk), 5, new Random(77)::nextLong);
        next.fence();
        EMPTY.append(old, last + 1, new TreeMap<>(Map.of(1, 555L)), 1);
        old.commit(last + 1, java.time.Instant.ofEpochSecond(1));
        JournalScan scan = JournalScan.of(disk);
        assertThat(scan.verdict()).isEqualTo(Verdict.EPOCHS);
        assertThat(scan.lastEpoch()).isEqualTo(last);
        next.close();
    }
}
