package ramback.image;

import java.util.Objects;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** One test for the "why" of the access mode in {@link RegionCounts}. */
public final class RegionCountsStress {

    private RegionCountsStress() {}

    /** Words of one region count together, and none is lost. Fails when {@code add} reads and then writes (everywhere). */
    @JCStressTest
    @Outcome(id = "3, -1", expect = Expect.ACCEPTABLE, desc = "what all of them added")
    @State
    public static class WordsOfARegion {
        private final RegionCounts counts = Objects.requireNonNull(RegionCounts.of(4, 1));

        @Actor
        public void one() {
            counts.addLoaded(0, 1);
            counts.addZero(1, 1);
        }

        @Actor
        public void two() {
            counts.addLoaded(3, 2);
            counts.addZero(2, -2);
        }

        @Arbiter
        public void after(II_Result r) {
            r.r1 = (int) counts.loaded(0);
            r.r2 = (int) counts.zero(0);
        }
    }
}
