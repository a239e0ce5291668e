package ramback.backing;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What {@link Backing} promises, on every medium, at sizes that are whole sectors and at sizes that are not. A subclass is a medium; it
 * may lie in another module.
 */
public abstract class BackingContract {
    private static final int MIB = 1024 * 1024;
    private static final int PAGE_BYTES = 4096;

    private final int sizeBytes;
    private final Random random = new Random(42);
    private Backing backing;

    protected BackingContract(int sizeBytes) {
        this.sizeBytes = sizeBytes;
    }

    /** Makes a disk of {@link #sizeBytes()} zeroes, or skips the test where there are none of the kind. */
    protected abstract Backing make() throws IOException;

    /** Closes the disk and opens it again; one in memory stays open. */
    protected abstract Backing reopen() throws IOException;

    /** The size of what is behind the disk, to see that it never grows. */
    protected abstract long storedSizeBytes() throws IOException;

    /** Takes the disk away completely, if there is one. */
    protected abstract void remove() throws IOException;

    protected final int sizeBytes() {
        return sizeBytes;
    }

    @BeforeEach
    final void makeDisk() throws IOException {
        backing = make();
    }

    @AfterEach
    final void removeDisk() throws IOException {
        remove();
    }

    @Test
    void tellsItsSizeAndAPowerOfTwoAsAlignment() {
        assertThat(backing.sizeBytes()).isEqualTo(sizeBytes);
        assertThat(Integer.bitCount(backing.alignmentBytes())).isEqualTo(1);
        assertThat(backing.readOnly()).isFalse();
        assertThat(backing.uri()).isNotEmpty();
    }

    @Test
    void aNewDiskReadsAsZeroes() throws IOException {
        assertThat(readAll()).isEqualTo(new byte[sizeBytes]);
    }

    @Test
    void everyRangeReadsBackWhatWasWrittenAndItsNeighboursStay() throws IOException {
        byte[] expected = fill();
        for (Range range : interestingRanges()) {
            for (int misalignmentBytes : new int[] {0, 1, 16, 511}) {
                byte[] bytes = randomBytes(range.lengthBytes());
                write(range.offsetBytes(), bytes, misalignmentBytes);
                System.arraycopy(bytes, 0, expected, range.offsetBytes(), bytes.length);
                assertThat(Arrays.mismatch(read(range.offsetBytes(), range.lengthBytes(), misalignmentBytes), bytes))
                        .as("%s, memory off by %d", range, misalignmentBytes)
                        .isEqualTo(-1);
            }
        }
        assertThat(readAll()).isEqualTo(expected);
        backing.sync();
        assertThat(readAll()).isEqualTo(expected);
    }

    @Test
    void zeroedRangesReadAsZeroesAndTheirNeighboursStay() throws IOException {
        byte[] expected = fill();
        for (Range range : interestingRanges()) {
            int from = range.offsetBytes();
            int to = from + range.lengthBytes();
            backing.zero(from, range.lengthBytes());
            Arrays.fill(expected, from, to, (byte) 0);
            int seenFrom = Math.max(0, from - PAGE_BYTES);
            int seenTo = Math.min(sizeBytes, to + PAGE_BYTES);
            assertThat(Arrays.mismatch(
                            read(seenFrom, seenTo - seenFrom, 0), Arrays.copyOfRange(expected, seenFrom, seenTo)))
                    .as("%s", range)
                    .isEqualTo(-1);
            byte[] bytes = randomBytes(range.lengthBytes());
            write(from, bytes, 0);
            System.arraycopy(bytes, 0, expected, from, bytes.length);
        }
        backing.sync();
        assertThat(Arrays.mismatch(readAll(), expected)).isEqualTo(-1);
    }

    @Test
    void whatWasSyncedIsThereAfterOpeningAgain() throws IOException {
        byte[] expected = fill();
        backing.zero(sizeBytes / 3, sizeBytes / 3);
        Arrays.fill(expected, sizeBytes / 3, sizeBytes / 3 + sizeBytes / 3, (byte) 0);
        backing.sync();
        backing = reopen();
        assertThat(Arrays.mismatch(readAll(), expected)).isEqualTo(-1);
    }

    @Test
    void nothingOutsideTheSizeIsReachedAndTheImageNeverGrows() throws IOException {
        byte[] expected = fill();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment two = arena.allocate(2);
            assertThatThrownBy(() -> backing.read(sizeBytes - 1L, two)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> backing.write(sizeBytes - 1L, two)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> backing.write(-1, two)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> backing.write(Long.MAX_VALUE, two)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> backing.zero(sizeBytes, 1)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> backing.zero(0, -1)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> backing.nextDataOffset(sizeBytes + 1L))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> backing.nextHoleOffset(-1)).isInstanceOf(IndexOutOfBoundsException.class);
        }
        backing.zero(sizeBytes - 1L, 1);
        expected[sizeBytes - 1] = 0;
        backing.sync();
        assertThat(Arrays.mismatch(readAll(), expected)).isEqualTo(-1);
        assertThat(storedSizeBytes()).isEqualTo(sizeBytes);
    }

    @Test
    void emptyRangesDoNothing() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment none = arena.allocate(1).asSlice(1);
            backing.read(sizeBytes, none);
            backing.write(sizeBytes, none);
            backing.zero(sizeBytes, 0);
            backing.zero(0, 0);
        }
        backing.sync();
        assertThat(readAll()).isEqualTo(new byte[sizeBytes]);
    }

    @Test
    void memoryOnTheHeapAndMemoryThatMayNotBeChangedAreRefused() {
        assertThatThrownBy(() -> backing.read(0, MemorySegment.ofArray(new byte[1])))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> backing.write(0, MemorySegment.ofArray(new byte[1])))
                .isInstanceOf(IllegalArgumentException.class);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment constant = arena.allocate(1).asReadOnly();
            assertThatThrownBy(() -> backing.read(0, constant)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void dataAndHolesPartTheImageAndNoDataIsInAHole() throws IOException {
        byte[] expected = new byte[sizeBytes];
        for (int offset = 0; offset < sizeBytes; offset += 300_000) {
            expected[offset] = 1;
            write(offset, new byte[] {1}, 0);
        }
        backing.sync();
        long at = 0;
        while (at < sizeBytes) {
            long data = backing.nextDataOffset(at);
            assertThat(data).isBetween(at, (long) sizeBytes);
            assertThat(Arrays.mismatch(Arrays.copyOfRange(expected, (int) at, (int) data), new byte[(int) (data - at)]))
                    .as("hole from %d to %d", at, data)
                    .isEqualTo(-1);
            if (data == sizeBytes) {
                break;
            }
            long hole = backing.nextHoleOffset(data);
            assertThat(hole).isBetween(data + 1, (long) sizeBytes);
            at = hole;
        }
        assertThat(backing.nextDataOffset(sizeBytes)).isEqualTo(sizeBytes);
        assertThat(backing.nextHoleOffset(sizeBytes)).isEqualTo(sizeBytes);
    }

    @Test
    void writersOfNeighbouringBytesNeverUndoEachOther() throws Exception {
        assumeTrue(sizeBytes > 16);
        int writerCount = 4;
        int spanBytes = Math.min(sizeBytes, 2 * PAGE_BYTES);
        int rounds = 40;
        CyclicBarrier round = new CyclicBarrier(writerCount);
        List<Callable<Void>> writers = new ArrayList<>();
        for (int writer = 0; writer < writerCount; writer++) {
            int mine = writer;
            writers.add(() -> {
                // Every writer owns each fourth piece of 7 bytes, so that all sectors are everybody's.
                for (int i = 0; i < rounds; i++) {
                    round.await();
                    for (int at = mine * 7; at + 7 <= spanBytes; at += writerCount * 7 * 13) {
                        byte[] bytes = new byte[7];
                        Arrays.fill(bytes, (byte) (i * writerCount + mine));
                        write(at, bytes, 0);
                    }
                }
                return null;
            });
        }
        runAll(writers);
        byte[] content = readAll();
        for (int writer = 0; writer < writerCount; writer++) {
            for (int at = writer * 7; at + 7 <= spanBytes; at += writerCount * 7 * 13) {
                byte last = (byte) ((rounds - 1) * writerCount + writer);
                for (int i = 0; i < 7; i++) {
                    assertThat(content[at + i]).as("byte %d", at + i).isEqualTo(last);
                }
            }
        }
    }

    @Test
    void aWriteOfPartOfASectorLosesNothingOfAWriteOfTheWholeOne() throws Exception {
        int sectorBytes = Math.min(Math.max(backing.alignmentBytes(), 512), sizeBytes);
        assumeTrue(sectorBytes > 16);
        int rounds = 50;
        CyclicBarrier round = new CyclicBarrier(2);
        for (int i = 1; i <= rounds; i++) {
            byte whole = (byte) i;
            byte part = (byte) -i;
            byte[] wholeBytes = new byte[sectorBytes];
            Arrays.fill(wholeBytes, whole);
            runAll(List.of(
                    () -> {
                        round.await();
                        write(0, wholeBytes, 0);
                        return null;
                    },
                    () -> {
                        round.await();
                        write(5, new byte[] {part}, 0);
                        return null;
                    }));
            byte[] sector = read(0, sectorBytes, 0);
            assertThat(sector[5]).isIn(whole, part);
            sector[5] = whole;
            assertThat(sector).isEqualTo(wholeBytes);
        }
    }

    @Test
    void readersWritersAndSyncsAtOnceSeeOnlyWhatWasWritten() throws Exception {
        assumeTrue(sizeBytes >= MIB);
        int pieceBytes = 64 * 1024;
        int pieceCount = sizeBytes / pieceBytes;
        byte[] expected = new byte[pieceCount];
        List<Callable<Void>> tasks = new ArrayList<>();
        for (int writer = 0; writer < 2; writer++) {
            int mine = writer;
            tasks.add(() -> {
                for (int i = 1; i <= 3; i++) {
                    for (int piece = mine; piece < pieceCount; piece += 2) {
                        byte[] bytes = new byte[pieceBytes];
                        Arrays.fill(bytes, (byte) (piece * 3 + i));
                        expected[piece] = (byte) (piece * 3 + i);
                        write(piece * pieceBytes, bytes, mine);
                    }
                }
                return null;
            });
        }
        tasks.add(() -> {
            for (int i = 0; i < 10; i++) {
                backing.sync();
            }
            return null;
        });
        tasks.add(() -> {
            for (int i = 0; i < 3; i++) {
                for (int piece = 0; piece < pieceCount; piece++) {
                    byte[] seen = read(piece * pieceBytes, pieceBytes, 3);
                    for (byte b : seen) {
                        if (b != 0 && (byte) (b - piece * 3) > 3) {
                            throw new AssertionError("piece " + piece + " holds " + b);
                        }
                    }
                }
            }
            return null;
        });
        runAll(tasks);
        for (int piece = 0; piece < pieceCount; piece++) {
            assertThat(read(piece * pieceBytes, pieceBytes, 0)).containsOnly(expected[piece]);
        }
    }

    @Test
    void aClosedDiskRefusesEveryCallAndASecondCloseIsNothing() throws IOException {
        backing.close();
        backing.close();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment one = arena.allocate(1);
            assertThatThrownBy(() -> backing.read(0, one)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> backing.write(0, one)).isInstanceOf(IllegalStateException.class);
        }
        assertThatThrownBy(() -> backing.zero(0, 1)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> backing.sync()).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> backing.nextDataOffset(0)).isInstanceOf(IllegalStateException.class);
    }

    // ---------------------------------------------------------------------------------------------- small parts

    private record Range(int offsetBytes, int lengthBytes) {}

    /** Ranges around everything that has a boundary: sector, page, bounce buffer, buffered end, size. */
    private List<Range> interestingRanges() {
        int[] points = {
            0, 1, 511, 512, 513, 4095, 4096, 4097, 65536, BouncePool.BUFFER_BYTES + 3, MIB - 1, MIB, MIB + 1, sizeBytes
        };
        List<Range> ranges = new ArrayList<>();
        int[] inside = IntStream.of(points)
                .filter(p -> p <= sizeBytes)
                .distinct()
                .sorted()
                .toArray();
        for (int i = 0; i < inside.length; i++) {
            for (int j = i + 1; j < Math.min(inside.length, i + 4); j++) {
                ranges.add(new Range(inside[i], inside[j] - inside[i]));
            }
        }
        ranges.add(new Range(0, sizeBytes));
        ranges.add(new Range(sizeBytes - 1, 1));
        return ranges;
    }

    private byte[] fill() throws IOException {
        byte[] bytes = randomBytes(sizeBytes);
        write(0, bytes, 0);
        return bytes;
    }

    private byte[] randomBytes(int lengthBytes) {
        byte[] bytes = new byte[lengthBytes];
        random.nextBytes(bytes);
        return bytes;
    }

    private byte[] readAll() throws IOException {
        return read(0, sizeBytes, 0);
    }

    private byte[] read(int offsetBytes, int lengthBytes, int misalignmentBytes) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate((long) misalignmentBytes + lengthBytes, PAGE_BYTES)
                    .asSlice(misalignmentBytes);
            backing.read(offsetBytes, memory);
            return memory.toArray(JAVA_BYTE);
        }
    }

    private void write(int offsetBytes, byte[] bytes, int misalignmentBytes) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate((long) misalignmentBytes + bytes.length, PAGE_BYTES)
                    .asSlice(misalignmentBytes);
            MemorySegment.copy(bytes, 0, memory, JAVA_BYTE, 0, bytes.length);
            backing.write(offsetBytes, memory.asReadOnly());
        }
    }

    private static void runAll(List<Callable<Void>> tasks) throws Exception {
        try (ExecutorService executor = Executors.newFixedThreadPool(tasks.size())) {
            List<Future<Void>> results = new ArrayList<>();
            for (Callable<Void> task : tasks) {
                results.add(executor.submit(task));
            }
            for (Future<Void> result : results) {
                try {
                    result.get();
                } catch (ExecutionException e) {
                    executor.shutdownNow();
                    throw new AssertionError(e.getCause());
                }
            }
        }
    }
}
