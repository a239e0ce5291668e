package ramback.image;

import java.lang.foreign.MemorySegment;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.JJ_Result;
import org.openjdk.jcstress.infra.results.J_Result;

/** What lies above the bits of a {@link Summary}; the bits themselves are tried by {@link ChunkTableStress}. */
public final class SummaryStress {

    private SummaryStress() {}

    private static Summary create(int wordCount) {
        return new Summary(MemorySegment.ofArray(new long[wordCount >>> 6]), wordCount);
    }

    /**
     * The last word below an upper bit is lowered while its neighbour is raised. Fails when {@code lower} does not look at the lower
     * bits again, or does so before the upper bit goes, and when {@code raise} looks at the upper bit before it sets the lower one
     * (everywhere); with weaker modes than volatile on AArch64.
     */
    @JCStressTest
    @Outcome(id = "65", expect = Expect.ACCEPTABLE, desc = "what was raised is found")
    @State
    public static class LoweredBesideRaised {
        private final Summary summary = create(128);

        public LoweredBesideRaised() {
            summary.raise(64);
        }

        @Actor
        public void lowers() {
            summary.lower(64);
        }

        @Actor
        public void raises() {
            summary.raise(65);
        }

        @Arbiter
        public void after(J_Result r) {
            r.r1 = summary.next(0);
        }
    }

    /** Two upper bits of one long are raised by two writers. Fails when raising is a get and a set (everywhere). */
    @JCStressTest
    @Outcome(id = "64, 128", expect = Expect.ACCEPTABLE, desc = "both are found")
    @State
    public static class RaisedByTwo {
        private final Summary summary = create(192);

        @Actor
        public void one() {
            summary.raise(64);
        }

        @Actor
        public void two() {
            summary.raise(128);
        }

        @Arbiter
        public void after(JJ_Result r) {
            r.r1 = summary.next(0);
            r.r2 = summary.next(65);
        }
    }

    /**
     * Whoever has raised a word finds it, whoever else raised the same one. Fails when {@code raise} looks at the upper bit only if it
     * has set the lower one itself (everywhere).
     */
    @JCStressTest
    @Outcome(id = "64, 64", expect = Expect.ACCEPTABLE, desc = "found by each")
    @State
    public static class FoundByWhoRaised {
        private final Summary summary = create(128);

        @Actor
        public void one(JJ_Result r) {
            summary.raise(64);
            r.r1 = summary.next(0);
        }

        @Actor
        public void two(JJ_Result r) {
            summary.raise(64);
            r.r2 = summary.next(0);
        }
    }
}
