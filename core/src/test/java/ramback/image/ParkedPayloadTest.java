package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class ParkedPayloadTest {
    private static final int CAPACITY = 1 << 20;

    private record Held(int part, int begin, int length) {}

    @Property(tries = 100)
    void partsNeverOverlapAndAreFreeAgainInOrder(
            @ForAll long seed, @ForAll @IntRange(min = 1, max = 20) int lengthShift) {
        ParkedPayload payload = new ParkedPayload(4096);
        Random random = new Random(seed);
        List<Held> held = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            if (random.nextInt(5) < 3) {
                int length = 1 + random.nextInt(1 << lengthShift);
                boolean room = payload.hasRoom(length);
                int part = payload.take(length);
                assertThat(part >= 0).isEqualTo(room);
                if (part < 0) {
                    assertThat(held).as("what must be in the way").isNotEmpty();
                    continue;
                }
                int begin = payload.begin(part);
                assertThat(begin).isBetween(0, CAPACITY - length);
                assertThat(held).noneMatch(other -> other.part() == part);
                for (Held other : held) {
                    if (begin + length > other.begin() && other.begin() + other.length() > begin) {
                        throw new AssertionError("part at " + begin + " of " + length + " overlaps " + other);
                    }
                }
                held.add(new Held(part, begin, length));
            } else if (!held.isEmpty()) {
                Held gone = held.remove(random.nextInt(held.size()));
                payload.free(gone.part());
            }
        }
        held.forEach(part -> payload.free(part.part()));
        assertThat(payload.take(CAPACITY)).isNotNegative();
    }

    @Test
    void askingForRoomTakesNone() {
        ParkedPayload payload = new ParkedPayload(4096);
        for (int i = 0; i < 16; i++) {
            for (int n = 0; n < 10; n++) {
                assertThat(payload.hasRoom(64 << 10)).isTrue();
            }
            assertThat(payload.take(64 << 10)).isNotNegative();
        }
        assertThat(payload.hasRoom(1)).isFalse();
    }

    @Test
    void roomIsForFourChunksOfAnySize() {
        ParkedPayload payload = new ParkedPayload(1 << 20);
        for (int i = 0; i < 4; i++) {
            assertThat(payload.take(1 << 20)).isNotNegative();
        }
        assertThat(payload.take(1)).isNegative();
        assertThat(payload.memory().byteSize()).isEqualTo(4 << 20);
    }

    @Test
    void thereAreNoMorePartsThanThereIsBookKeepingFor() {
        ParkedPayload payload = new ParkedPayload(4096);
        int first = payload.take(1);
        int count = 1;
        while (payload.take(1) >= 0) {
            count++;
        }
        assertThat(count).isEqualTo(1024);
        payload.free(first);
        assertThat(payload.take(1)).isNotNegative();
    }
}
