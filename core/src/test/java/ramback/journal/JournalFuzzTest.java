package ramback.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;

/** Whatever bytes a file holds, reading it as a journal ends with a verdict, and an image is never made of anything but an epoch. */
class JournalFuzzTest {
    private static final Stamps EMPTY = new Stamps(4096, 10 * 4096 - 77);
    private static final int RING_BYTES = 128 << 10;

    private static JournalRun journal(Random random) throws IOException {
        JournalRun run = new JournalRun(EMPTY, RING_BYTES, Power.forEver(), random.nextBoolean(), random.nextLong());
        run.attach();
        int epochCount = random.nextInt(12);
        for (int i = 0; i < epochCount; i++) {
            Map<Integer, Long> changes = new TreeMap<>();
            for (int k = 0; k < 1 + random.nextInt(3); k++) {
                changes.put(random.nextInt(10), random.nextInt(4) == 0 ? 0 : 1 + random.nextLong(1 << 30));
            }
            run.epoch(new TreeMap<>(changes), random.nextBoolean(), false);
            if (run.journal().usedBytes() > RING_BYTES / 2 || random.nextInt(4) == 0) {
                run.apply();
            }
            if (random.nextInt(6) == 0) {
                run.attach();
            }
        }
        return run;
    }

    @Property(tries = 400, shrinking = ShrinkingMode.OFF)
    void arbitraryBytesAreNoJournal(@ForAll Random random) throws IOException {
        byte[] bytes = new byte[1 + random.nextInt(200_000)];
        if (random.nextBoolean()) {
            random.nextBytes(bytes);
        }
        // Magics here and there.
        for (int i = random.nextInt(6); i > 0; i--) {
            int at = random.nextInt(bytes.length) / 512 * 512;
            byte[] magic =
                    ("RAMBACK" + "SDC".charAt(random.nextInt(3))).getBytes(java.nio.charset.StandardCharsets.US_ASCII);
            System.arraycopy(magic, 0, bytes, at, Math.min(magic.length, bytes.length - at));
        }
        CacheDisk disk = new CacheDisk(bytes, Power.forEver());
        JournalScan scan = JournalScan.of(disk);
        assertThat(scan.verdict()).isIn(JournalScan.Verdict.NOT_A_JOURNAL, JournalScan.Verdict.DAMAGED);
        assertThat(disk.content()).isEqualTo(bytes);
    }

    @Property(tries = 1500, shrinking = ShrinkingMode.OFF)
    void aMutatedJournalNeverMakesAWrongImage(@ForAll Random random) throws IOException {
        try (JournalRun run = journal(random)) {
            byte[] bytes = run.journalDisk.content();
            for (int i = 1 + random.nextInt(5); i > 0; i--) {
                mutate(bytes, random);
            }
            check(run, bytes);
        }
    }

    /** Numbers that say nonsense under a checksum that is right: made by a program with a fault, or by somebody who wants harm. */
    @Property(tries = 1500, shrinking = ShrinkingMode.OFF)
    void nonsenseWithARightChecksumDoesNoHarm(@ForAll Random random) throws IOException {
        try (JournalRun run = journal(random)) {
            byte[] bytes = run.journalDisk.content();
            for (int i = 1 + random.nextInt(4); i > 0; i--) {
                int block = random.nextInt(bytes.length / 4096) * 4096;
                if (random.nextBoolean()) {
                    block = random.nextInt(2) * (32 << 10);
                }
                int length = bytes[block + 7] == 'D' ? 4096 : 512;
                int field = random.nextInt(bytes[block + 7] == 'D' && random.nextBoolean() ? 30 : 64) * 8;
                long[] values = {
                    0, 1, -1, Long.MAX_VALUE, Long.MIN_VALUE, random.nextLong(), random.nextLong(1 << 20) * 4096, 4096
                };
                for (int copy = 0; copy < 4096 / length; copy++) {
                    MemorySegment record = MemorySegment.ofArray(bytes).asSlice(block + copy * length, length);
                    record.set(JournalFormat.LONG, field, values[random.nextInt(values.length)]);
                    MemorySegment direct =
                            java.lang.foreign.Arena.ofAuto().allocate(length).copyFrom(record);
                    record.set(JournalFormat.INT, JournalFormat.CHECKSUM, JournalFormat.checksumOf(direct));
                }
            }
            CacheDisk disk = new CacheDisk(bytes.clone(), Power.forEver());
            JournalScan scan = JournalScan.of(disk);
            assertThat(disk.content()).isEqualTo(bytes);
            describe(scan);
            if (scan.verdict().mayBeRecovered() && scan.identity().orElseThrow().imageBytes() == EMPTY.imageBytes) {
                Recovery.run(
                        disk,
                        scan,
                        new CacheDisk(EMPTY.imageBytes, Power.forEver()),
                        scan.lastEpoch(),
                        true,
                        (done, total) -> {});
            }
        }
    }

    private static void mutate(byte[] bytes, Random random) {
        int at = random.nextInt(bytes.length);
        switch (random.nextInt(6)) {
            case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> bytes[at / 4096 * 4096 + random.nextInt(640)] = (byte) random.nextInt();
            case 2 -> Arrays.fill(bytes, at / 512 * 512, Math.min(bytes.length, at / 512 * 512 + 512), (byte) 0);
            case 3 -> {
                int from = random.nextInt(bytes.length / 4096) * 4096;
                System.arraycopy(bytes, from, bytes, at / 4096 * 4096, 4096);
            }
            case 4 -> {
                int from = random.nextInt(bytes.length / 512) * 512;
                System.arraycopy(bytes, from, bytes, at / 512 * 512, 512);
            }
            default -> {
                int end = at + random.nextInt(Math.min(20_000, bytes.length - at));
                for (int i = at; i < end; i++) {
                    bytes[i] = (byte) random.nextInt();
                }
            }
        }
    }

    private static void check(JournalRun run, byte[] bytes) throws IOException {
        CacheDisk disk = new CacheDisk(bytes.clone(), Power.forEver());
        JournalScan scan = JournalScan.of(disk);
        assertThat(disk.content()).as("a scan changes nothing").isEqualTo(bytes);
        describe(scan);
        if (scan.verdict().mayBeRecovered()) {
            CacheDisk image = new CacheDisk(run.imageDisk.content(), Power.forEver());
            boolean exact = scan.lastEpoch() >= scan.exactFromEpoch();
            Recovery.run(disk, scan, image, scan.lastEpoch(), !exact, (done, total) -> {});
            if (exact && !newestSuperblockIsLost(run.journalDisk.content(), bytes)) {
                assertThat(run.states).containsKey(scan.lastEpoch());
                assertThat(image.content())
                        .isEqualTo(run.states.get(scan.lastEpoch()).bytes());
            }
        }
    }

    /**
     * Whether no copy of it is left. If the epochs behind it have gone as well, nothing tells that the image has parts of them
     * (docs/journal-format.md): two losses, of eight sectors each.
     */
    private static boolean newestSuperblockIsLost(byte[] before, byte[] bytes) {
        MemorySegment was = MemorySegment.ofArray(before);
        int other = JournalFormat.SLOT_DISTANCE_BYTES;
        long sequence = was.get(JournalFormat.LONG, Superblock.SEQUENCE);
        int slot = was.get(JournalFormat.LONG, other + Superblock.SEQUENCE) > sequence ? other : 0;
        for (int at = slot; at < slot + JournalFormat.BLOCK_BYTES; at += JournalFormat.SECTOR_BYTES) {
            if (Arrays.equals(
                    before, at, at + JournalFormat.SECTOR_BYTES, bytes, at, at + JournalFormat.SECTOR_BYTES)) {
                return false;
            }
        }
        return true;
    }

    /** All that a report would ask. */
    private static void describe(JournalScan scan) {
        assertThat(scan.verdict()).isNotNull();
        assertThat(scan.usedBytes()).isBetween(0L, scan.capacityBytes());
        assertThat(scan.fault().isPresent()).isEqualTo(scan.verdict() == JournalScan.Verdict.MEDIA_FAULT);
        assertThat(scan.faultOffsetBytes() >= 0).isEqualTo(scan.fault().isPresent());
        assertThat(scan.committedAt(scan.lastEpoch())).isNotNull();
        assertThat(scan.committedAt()).isNotNull();
        assertThat(scan.exactFromEpoch()).isNotNegative();
        assertThat(scan.highestEpoch()).isGreaterThanOrEqualTo(scan.lastEpoch());
    }
}
