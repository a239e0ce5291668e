package ramback.sim;

import org.jspecify.annotations.Nullable;

/** What the media hold after a power failure; its arrays may be changed, its pages may not. */
final class CrashImage {

    static final int IMAGE = 0;
    static final int JOURNAL = 1;
    static final int DISK_COUNT = 2;

    final byte[][][] pages;

    @Nullable
    String stateFile;
    /** How it came about, for messages. */
    String made;

    CrashImage(byte[][][] durable, @Nullable String stateFile, String made) {
        this.pages = new byte[][][] {durable[IMAGE].clone(), durable[JOURNAL].clone()};
        this.stateFile = stateFile;
        this.made = made;
    }

    CrashImage copy() {
        return new CrashImage(pages, stateFile, made);
    }
}
