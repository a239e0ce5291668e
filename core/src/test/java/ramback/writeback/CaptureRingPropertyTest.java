package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import net.jqwik.api.constraints.IntRange;
import ramback.journal.VersionBatch;

/** Any sequence of calls does to the ring what it does to a list that knows how many of its elements were taken. */
class CaptureRingPropertyTest {
    private static final int CHUNK_BYTES = 64;

    enum Kind {
        PUT_DATA,
        PUT_ZEROES,
        TAKE,
        RELEASE,
        REWIND
    }

    /** {@code size}: for zeroes how many chunks, for a take how many chunks of payload. */
    record Step(Kind kind, int chunk, int size, boolean forSealer) {}

    private record Version(long chunk, int zeroCount, byte value) {
        boolean isData() {
            return zeroCount == 0;
        }
    }

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Kind> kinds = Arbitraries.frequency(
                Tuple.of(8, Kind.PUT_DATA),
                Tuple.of(2, Kind.PUT_ZEROES),
                Tuple.of(4, Kind.TAKE),
                Tuple.of(3, Kind.RELEASE),
                Tuple.of(1, Kind.REWIND));
        return Combinators.combine(
                        kinds,
                        Arbitraries.integers().between(0, 8),
                        Arbitraries.integers().between(1, 5),
                        Arbitraries.of(true, false))
                .as(Step::new)
                .list()
                .ofMaxSize(200);
    }

    @Property(tries = 1_500)
    void theRingIsAList(
            @ForAll("steps") List<Step> steps,
            @ForAll @IntRange(min = 1, max = 9) int slotCount,
            @ForAll @IntRange(min = 1, max = 20) int entryCount,
            @ForAll @IntRange(min = 0, max = 3) int reserved) {
        int reservedCount = Math.min(reserved, Math.min(slotCount, entryCount) - 1);
        int entryMax = Integer.highestOneBit(2 * entryCount - 1);
        List<Version> model = new ArrayList<>();
        int taken = 0;
        int released = 0;
        VersionBatch batch = new VersionBatch();
        try (Arena arena = Arena.ofConfined()) {
            CaptureRing ring = new CaptureRing(
                    CHUNK_BYTES, arena.allocate((long) slotCount * CHUNK_BYTES), entryCount, reservedCount);
            MemorySegment content = arena.allocate(CHUNK_BYTES);
            byte value = 0;
            for (Step step : steps) {
                int usedEntries = model.size() - released;
                int usedSlots = dataCount(model, released, model.size());
                int left = step.forSealer ? reservedCount : 0;
                switch (step.kind) {
                    case PUT_DATA -> {
                        boolean fits = usedEntries < entryMax - left && usedSlots < slotCount - left;
                        content.fill(++value);
                        assertThat(ring.tryPut(step.chunk, content, 1, step.forSealer))
                                .isEqualTo(fits);
                        if (fits) {
                            model.add(new Version(step.chunk, 0, value));
                        }
                    }
                    case PUT_ZEROES -> {
                        boolean fits = usedEntries < entryMax - left;
                        assertThat(ring.tryPut(step.chunk, MemorySegment.NULL, step.size, step.forSealer))
                                .isEqualTo(fits);
                        if (fits) {
                            model.add(new Version(step.chunk, step.size, (byte) 0));
                        }
                    }
                    case TAKE -> {
                        int count = takeCount(model, taken, slotCount, step.size);
                        assertThat(ring.take(batch, (long) step.size * CHUNK_BYTES))
                                .isEqualTo(count);
                        assertThat(CaptureRingTest.wordsOf(batch, CHUNK_BYTES))
                                .isEqualTo(wordsOf(model.subList(taken, taken + count)));
                        taken += count;
                    }
                    case RELEASE -> {
                        ring.release();
                        released = taken;
                    }
                    case REWIND -> {
                        ring.rewind();
                        taken = released;
                    }
                }
                assertThat(ring.isEmpty()).isEqualTo(released == model.size());
                assertThat(ring.hasMore()).isEqualTo(taken < model.size());
                assertThat(ring.usedEntryCount()).isEqualTo(model.size() - released);
                assertThat(ring.usedBytes()).isEqualTo((long) dataCount(model, released, model.size()) * CHUNK_BYTES);
                assertThat(ring.takenBytes()).isEqualTo((long) dataCount(model, released, taken) * CHUNK_BYTES);
            }
        }
    }

    private static int dataCount(List<Version> versions, int from, int to) {
        return (int) versions.subList(from, to).stream().filter(Version::isData).count();
    }

    /** How many are taken together: up to so many chunks of payload, which must not go around the end of the slots. */
    private static int takeCount(List<Version> versions, int taken, int slotCount, int payloadMax) {
        int slot = dataCount(versions, 0, taken);
        int payload = 0;
        int count = 0;
        for (Version version : versions.subList(taken, versions.size())) {
            if (version.isData()) {
                if (payload == payloadMax || (payload > 0 && slot % slotCount == 0)) {
                    break;
                }
                payload++;
                slot++;
            }
            count++;
        }
        return count;
    }

    /** As {@link CaptureRingTest#wordsOf} has it: zeroes that follow each other are one extent. */
    private static List<String> wordsOf(List<Version> versions) {
        List<String> words = new ArrayList<>();
        long zeroFirst = 0;
        long zeroCount = 0;
        for (Version version : versions) {
            boolean joins = !version.isData() && zeroCount > 0 && zeroFirst + zeroCount == version.chunk;
            if (zeroCount > 0 && !joins) {
                words.add(zeroFirst + "+" + zeroCount);
                zeroCount = 0;
            }
            if (version.isData()) {
                words.add(version.chunk + ":" + version.value);
            } else {
                zeroFirst = joins ? zeroFirst : version.chunk;
                zeroCount += version.zeroCount;
            }
        }
        if (zeroCount > 0) {
            words.add(zeroFirst + "+" + zeroCount);
        }
        return words;
    }
}
