package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

class GiveBackTest {
    private static final int GRANULE = 2 << 20;

    @Property(tries = 100)
    void everyGranuleThatWasNotedIsTakenOnce(@ForAll long seed) {
        Random random = new Random(seed);
        int granuleCount = 1 + random.nextInt(20_000);
        GiveBack giveBack = new GiveBack(granuleCount);
        TreeSet<Long> noted = new TreeSet<>();
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < random.nextInt(600); i++) {
                int granule = random.nextInt(granuleCount);
                int count = 1 + random.nextInt(Math.min(granuleCount - granule, 5));
                giveBack.note((long) granule * GRANULE + 1, (long) count * GRANULE - 1);
                for (long each = granule; each < granule + count; each++) {
                    noted.add(each);
                    assertThat(giveBack.isNoted(each)).isTrue();
                }
            }
            assertThat(giveBack.hasCandidates()).isEqualTo(!noted.isEmpty());
            while (giveBack.take()) {
                for (int i = 0; i < giveBack.takenCount(); i++) {
                    assertThat(noted.remove(giveBack.taken(i))).isTrue();
                    assertThat(giveBack.isNoted(giveBack.taken(i))).isFalse();
                }
            }
            assertThat(noted).isEmpty();
            assertThat(giveBack.hasCandidates()).isFalse();
        }
    }
}
