package ramback.mutant;

import org.jspecify.annotations.Nullable;

/**
 * A moment between two changes of the memory that outlives the process: here a test looks at what a process would leave that is killed
 * just now, or ends the process that it simulates.
 *
 * <p>Where mutants may be planted ({@link Mutant}), visitors are allowed. In any other process this costs nothing: there is never one,
 * and the compiler knows it.
 */
public final class KillPoint {

    private static final boolean ALLOWED = Mutant.areAllowed();

    private static volatile @Nullable Runnable visitor;

    private KillPoint() {}

    /** Says that a change was made, and that another one follows. */
    public static void pass() {
        if (ALLOWED) {
            Runnable present = visitor;
            if (present != null) {
                present.run();
            }
        }
    }

    /** Whether somebody looks; a change of many bytes is then made in two halves. */
    public static boolean isVisited() {
        return ALLOWED && visitor != null;
    }

    /**
     * Has something done at each of these moments, by the thread that comes there; null for nothing.
     *
     * @throws IllegalStateException in a process in which that is not allowed
     */
    public static void visit(@Nullable Runnable newVisitor) {
        if (!ALLOWED) {
            throw Mutant.notAllowed();
        }
        visitor = newVisitor;
    }
}
