package ramback.image;

import ramback.clock.Backoff;

/** A thread that works on the chunk store, by its number among all who may be inside at once. Used by one thread. */
public final class Worker {

    final int index;
    final Backoff backoff = new Backoff();

    /** The worker of this number, 0 to the store's worker count − 1. */
    public Worker(int index) {
        this.index = index;
    }
}
