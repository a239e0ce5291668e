package ramback.image;

import org.jspecify.annotations.Nullable;
import ramback.clock.Backoff;
import ramback.memory.RedoSlot;

/** A thread that works on the chunk store, by its number among all who may be inside at once. Used by one thread. */
public final class Worker {

    final int index;
    final Backoff backoff = new Backoff();
    /** Where its stores are noted for the next process; null where nobody is to take the memory over. */
    final @Nullable RedoSlot redo;

    /** The worker of this number, 0 to the store's worker count − 1, whose stores may be lost halfway with the process. */
    public Worker(int index) {
        this(index, null);
    }

    /** As above; what it stores is noted in a slot of its own. */
    public Worker(int index, @Nullable RedoSlot redo) {
        this.index = index;
        this.redo = redo;
    }
}
