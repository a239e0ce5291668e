package ramback.remote;

import java.io.IOException;

/** There is no connection, or it was lost before the answer came: whether the server did what it was asked is not known. */
final class LostException extends IOException {
    private static final long serialVersionUID = 1L;

    LostException(String message) {
        super(message);
    }
}
