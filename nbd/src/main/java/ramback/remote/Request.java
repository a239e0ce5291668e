package ramback.remote;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * One request on its way. There is a fixed number of them, used again and again. Who began it writes the first part; then the exchange's
 * thread alone touches it and its memory, until it is done.
 */
final class Request {

    /** Its place in the table; the low part of the cookie. */
    final int index;

    // What is asked.
    int command;
    long offsetBytes;
    int lengthBytes;
    /** What a WRITE sends and a READ fills, all that remains of it; null for the others. */
    @Nullable
    ByteBuffer memory;
    /** What a BLOCK_STATUS fills. */
    @Nullable
    Extents extents;

    @Nullable
    Thread waiter;

    // While it is under way.
    long cookie;

    @Nullable
    Link link;
    /** How many bytes of a READ have come. */
    int receivedBytes;

    // The outcome.
    /** "Error values"; 0 if all is well. */
    int error;
    /** What the server says of the error; may be empty. */
    String message = "";
    /** Why it has no answer; null if it has one. */
    @Nullable
    String lost;

    volatile boolean done;

    Request(int index) {
        this.index = index;
    }

    /** How many bytes it occupies a connection with. */
    long weightBytes() {
        return memory == null ? 0 : lengthBytes;
    }

    boolean isOk() {
        return error == 0 && lost == null;
    }
}
