package ramback.journal;

/** What all disks of a test hang on: counts what they do, and fails at a chosen moment. */
final class Power {
    /** The power is gone; nothing that a program does may catch this. */
    static final class Cut extends Error {
        private static final long serialVersionUID = 1L;

        Cut() {
            super("power cut", null, false, false);
        }
    }

    private final long cutAt;
    private long stepCount;

    /** @param cutAt before which write or sync, from 1; 0 for never */
    Power(long cutAt) {
        this.cutAt = cutAt;
    }

    static Power forEver() {
        return new Power(0);
    }

    /** Called before each write and sync. */
    void step() {
        if (++stepCount == cutAt) {
            throw new Cut();
        }
    }

    long stepCount() {
        return stepCount;
    }
}
