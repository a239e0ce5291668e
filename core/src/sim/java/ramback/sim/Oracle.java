package ramback.sim;

import org.jspecify.annotations.Nullable;

/** Knows what was promised when, and judges what a recovery made of a crash. */
interface Oracle {

    /** Goes back to the beginning of the recording. */
    void begin();

    /**
     * Goes on by one event.
     *
     * @param untilNanos how long it stayed so: the power may fail at any time before
     */
    void pass(Recording.Event event, long untilNanos);

    /**
     * Judges a recovery from a power failure at this point of the recording.
     *
     * @param image the image's pages after the recovery
     * @return what is wrong, or null
     */
    @Nullable
    String judge(Verdict verdict, byte[][] image);

    /** As {@link #judge}, but an older state than was promised is no fault. */
    @Nullable
    String judgeContent(Verdict verdict, byte[][] image);

    /** How a recovery ended. */
    enum Outcome {
        /** The image is the device at the end of an epoch. */
        RESTORED,
        /** Nothing was changed: an unclean {@code unsafe} left an image that may be torn. */
        TORN,
        /** Nothing was changed: what is there cannot be what a power failure leaves. */
        MEDIA_FAULT
    }

    /**
     * What a recovery says.
     *
     * @param epoch to which epoch the image went back; -1 if that was not said
     */
    record Verdict(Outcome outcome, long epoch, String text) {}

    /** The recovery under test. */
    interface Restorer {

        /**
         * Restores an image.
         *
         * @param stateFile the state file, or null if there is none
         * @param onStateFile takes every replacement of the state file
         * @param goesOn whether the device is started afterwards
         */
        Verdict restore(
                SimDisk image, SimDisk journal, @Nullable String stateFile, StateFileSink onStateFile, boolean goesOn);
    }

    /** Takes a state file. */
    interface StateFileSink {

        /** Replaces it durably; null removes it. */
        void replace(@Nullable String content);
    }
}
