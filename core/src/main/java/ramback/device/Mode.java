package ramback.device;

import java.util.Locale;
import java.util.Optional;

/** When a write and a flush are acknowledged. Ordered from the strictest promise to none. */
public enum Mode {
    /** Every write is acknowledged when it is durable. */
    WRITETHROUGH,
    /** Writes are acknowledged from RAM; FLUSH and FUA when everything before them is durable. */
    WRITEBACK,
    /** Everything is acknowledged from RAM; the durable image lags by a bounded time. Needs a journal. */
    CHECKPOINT,
    /** Everything is acknowledged from RAM; no bound and no order. Needs a clean stop. */
    UNSAFE;

    /** The word the command line and the status use. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Returns the mode of this word, or nothing when there is no such mode. */
    public static Optional<Mode> ofWord(String word) {
        for (Mode mode : values()) {
            if (mode.word().equals(word)) {
                return Optional.of(mode);
            }
        }
        return Optional.empty();
    }

    /** Returns whether a plain write waits until it is durable. */
    public boolean writesWait() {
        return this == WRITETHROUGH;
    }

    /** Returns whether FLUSH, and a write with FUA, wait until what they cover is durable. */
    public boolean flushesWait() {
        return this == WRITETHROUGH || this == WRITEBACK;
    }
}
