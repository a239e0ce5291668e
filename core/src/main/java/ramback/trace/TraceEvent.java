package ramback.trace;

import java.util.Locale;

/** What is traced, and what the event's two numbers mean. */
public enum TraceEvent {
    /** A read request. */
    READ("offset", "bytes"),
    /** A write request. */
    WRITE("offset", "bytes"),
    /** A write-zeroes request. */
    ZERO("offset", "bytes"),
    /** A trim request. */
    TRIM("offset", "bytes"),
    /** A flush request, and the epoch it waits for (-1: nothing to wait for). */
    FLUSH("epoch", "dirtyChunks"),
    /** A request that must wait: its token, and what for (an ordinal of the session's reasons). */
    DEFER("token", "reason"),
    /** A deferred request is finished: its token and the ordinal of its outcome. */
    RESUME("token", "outcome"),
    /** A range was asked of the loader ahead of the background population. */
    DEMAND("firstChunk", "chunks"),
    /** Chunks were read from the image. */
    LOAD("firstChunk", "chunks"),
    /** Chunks are holes in the image and were marked as zeroes. */
    HOLE("firstChunk", "chunks"),
    /** Chunks became dirty in the open epoch. */
    DIRTY("firstChunk", "epoch"),
    /** An epoch was sealed. */
    SEAL("epoch", "dirtyChunks"),
    /** Chunks of the sealed epoch were captured: the first chunk of their word and the word's mask. */
    CAPTURE("firstChunk", "mask"),
    /** A run of chunks was written to the image. */
    APPLY("offset", "bytes"),
    /** A run of chunks became a hole in the image. */
    PUNCH("offset", "bytes"),
    /** Chunks became clean: the first chunk of their word and the word's mask. */
    CLEAN("firstChunk", "mask"),
    /** An epoch became durable, and how many chunks it had. */
    COMMIT("epoch", "chunks"),
    /** Versions were appended to the journal: bytes of payload. */
    APPEND("epoch", "bytes"),
    /** A round of applying began: everything captured up to this epoch goes to the image. */
    ROUND("epoch", "journalBytes"),
    /** Epochs were retired: the image has them, and their journal space is free. */
    RETIRE("epoch", "journalBytes"),
    /** The backing store failed: 0 load, 1 apply, 2 sync, 3 journal; and where. */
    FAULT("kind", "offset"),
    /** The mode changed: ordinals of the old and the new mode. */
    MODE("from", "to"),
    /** Memory of a sparse device was given back. */
    GIVE_BACK("offset", "bytes");

    private final String word;
    private final String firstName;
    private final String secondName;

    TraceEvent(String firstName, String secondName) {
        this.word = name().toLowerCase(Locale.ROOT);
        this.firstName = firstName;
        this.secondName = secondName;
    }

    /** One line of text. By hand: a full ring is 65,536 of them, and a format string costs more than all the rest. */
    String format(long nanos, long thread, long first, long second) {
        String micros = Long.toString(1_000_000 + nanos / 1000 % 1_000_000);
        return nanos / 1_000_000_000 + "." + micros.substring(1) + " t" + thread + " " + word + " " + firstName + "="
                + text(firstName, first) + " " + secondName + "=" + text(secondName, second);
    }

    private static String text(String name, long value) {
        return name.equals("mask") ? "0x" + Long.toHexString(value) : Long.toString(value);
    }
}
