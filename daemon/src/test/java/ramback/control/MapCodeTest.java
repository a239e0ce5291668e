package ramback.control;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;
import ramback.engine.SampleMap;

class MapCodeTest {

    @Property
    void theEndsOfAScaleAreNothingAndAllOfIt(
            @ForAll @LongRange(min = 0, max = 1L << 40) long part,
            @ForAll @LongRange(min = 1, max = 1L << 40) long whole,
            @ForAll @IntRange(min = 3, max = 255) int most) {
        int share = MapCode.share(part, whole, most);
        assertThat(share).isBetween(0, most);
        assertThat(share == 0).isEqualTo(part == 0);
        assertThat(share == most).isEqualTo(part >= whole);
    }

    @Test
    void aCellIsTwoBytes() {
        byte[] cells = MapCode.encode(SampleMap.of(25, 3));
        assertThat(cells).hasSize(50);
        // Chunks 0 to 3: in memory, with data, one of four dirty.
        assertThat(new int[] {cells[0] & 0xff, cells[1] & 0xff}).containsExactly(0xf0, 64);
        // Chunks 4 to 7: zeroes. 8 to 11: in flight. 32 and later: not loaded.
        assertThat(cells[2] & 0xff).isEqualTo(0xfe);
        assertThat(cells[4] & 0xff).isEqualTo(0xf1);
        assertThat(cells[6] & 0xff).isEqualTo(0xf0);
        assertThat(new int[] {cells[16], cells[17], cells[48], cells[49]}).containsOnly(0);
    }

    @Property(tries = 200)
    void changesMakeTheNewPictureOfTheOldOne(
            @ForAll @IntRange(min = 1, max = 16_384) int cellCount, @ForAll long seed) {
        Random random = new Random(seed);
        byte[] before = new byte[cellCount * 2];
        random.nextBytes(before);
        byte[] now = before.clone();
        int changed = random.nextInt(cellCount + 1);
        for (int i = 0; i < changed; i++) {
            now[random.nextInt(now.length)] = (byte) random.nextInt();
        }
        byte[] changes = MapCode.changes(before, now);
        if (changes == null) {
            return; // more than half of it: all of it is told
        }
        assertThat(changes.length).isLessThanOrEqualTo(now.length);
        for (int at = 0; at < changes.length; at += 4) {
            int cell = (changes[at] & 0xff) << 8 | (changes[at + 1] & 0xff);
            before[2 * cell] = changes[at + 2];
            before[2 * cell + 1] = changes[at + 3];
        }
        assertThat(before).isEqualTo(now);
    }

    @Test
    void nothingChangedIsNothingAndEverythingIsToldAnew() {
        byte[] before = new byte[200];
        byte[] now = new byte[200];
        assertThat(MapCode.changes(before, now)).isEmpty();
        java.util.Arrays.fill(now, (byte) 1);
        assertThat(MapCode.changes(before, now)).isNull();
    }
}
