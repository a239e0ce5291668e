package ramback.backing;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;

/** Any sequence of calls leaves the disk as the same sequence leaves an array of bytes. */
class BackingPropertyTest {
    private static final int SIZE_BYTES_MAX = 600_000;

    enum Kind {
        READ,
        WRITE,
        ZERO,
        SYNC,
        REOPEN
    }

    /** Offsets and lengths are parts of what is there, in thousandths, or sectors: whatever the size. */
    record Step(Kind kind, int offset, int length, boolean sectors, int misalignmentBytes, byte value) {}

    @Property(tries = 60)
    void aFileIsAnArrayOfBytes(@ForAll("sizes") int sizeBytes, @ForAll("steps") List<Step> steps) throws IOException {
        check(Medium.Kind.FILE, sizeBytes, steps);
    }

    @Property(tries = 40)
    void aFileOnTmpfsIsAnArrayOfBytes(@ForAll("sizes") int sizeBytes, @ForAll("steps") List<Step> steps)
            throws IOException {
        check(Medium.Kind.TMPFS, sizeBytes, steps);
    }

    @Property(tries = 40)
    void theTestDiskIsAnArrayOfBytes(@ForAll("sizes") int sizeBytes, @ForAll("steps") List<Step> steps)
            throws IOException {
        check(Medium.Kind.MEMORY, sizeBytes, steps);
    }

    @Property(tries = 15)
    void aBlockDeviceIsAnArrayOfBytes(@ForAll("sizes") int sizeBytes, @ForAll("steps") List<Step> steps)
            throws IOException {
        if (Medium.isRoot()) {
            check(Medium.Kind.LOOP_512, Math.max(512, sizeBytes / 512 * 512), steps);
        }
    }

    @Provide
    Arbitrary<Integer> sizes() {
        return Arbitraries.integers()
                .between(1, SIZE_BYTES_MAX)
                .edgeCases(edges -> edges.add(1, 511, 512, 4096, 65537));
    }

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Kind> kinds = Arbitraries.frequency(
                Tuple.of(4, Kind.READ),
                Tuple.of(8, Kind.WRITE),
                Tuple.of(4, Kind.ZERO),
                Tuple.of(1, Kind.SYNC),
                Tuple.of(1, Kind.REOPEN));
        Arbitrary<Step> step = Combinators.combine(
                        kinds,
                        Arbitraries.integers().between(0, 1000),
                        Arbitraries.integers().between(0, 1000),
                        Arbitraries.of(true, false),
                        Arbitraries.of(0, 0, 1, 4, 512),
                        Arbitraries.bytes())
                .as(Step::new);
        return step.list().ofMinSize(1).ofMaxSize(40);
    }

    private static void check(Medium.Kind kind, int sizeBytes, List<Step> steps) throws IOException {
        byte[] model = new byte[sizeBytes];
        try (Medium medium = Medium.create(kind, sizeBytes);
                Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(sizeBytes + 4096L, 4096);
            for (Step step : steps) {
                int offset = part(sizeBytes, step.offset(), step.sectors());
                int length = part(sizeBytes - offset, step.length(), step.sectors());
                MemorySegment piece = memory.asSlice(step.misalignmentBytes(), length);
                Backing backing = medium.backing();
                switch (step.kind()) {
                    case READ -> {
                        backing.read(offset, piece);
                        assertThat(Arrays.mismatch(
                                        piece.toArray(JAVA_BYTE), Arrays.copyOfRange(model, offset, offset + length)))
                                .as("%s", step)
                                .isEqualTo(-1);
                    }
                    case WRITE -> {
                        for (int i = 0; i < length; i++) {
                            piece.set(JAVA_BYTE, i, (byte) (step.value() + i / 100));
                        }
                        backing.write(offset, piece);
                        MemorySegment.copy(piece, JAVA_BYTE, 0, model, offset, length);
                    }
                    case ZERO -> {
                        backing.zero(offset, length);
                        Arrays.fill(model, offset, offset + length, (byte) 0);
                    }
                    case SYNC -> backing.sync();
                    case REOPEN -> medium.reopen();
                }
            }
            MemorySegment all = memory.asSlice(0, sizeBytes);
            medium.backing().read(0, all);
            assertThat(Arrays.mismatch(all.toArray(JAVA_BYTE), model)).isEqualTo(-1);
        }
    }

    private static int part(int ofBytes, int thousandths, boolean sectors) {
        int bytes = (int) ((long) ofBytes * thousandths / 1000);
        return sectors ? bytes / 512 * 512 : bytes;
    }
}
