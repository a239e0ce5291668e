package ramback.nbd;

/** The server did what it must not, or did not do what it must. */
final class FuzzFailure extends RuntimeException {

    private static final long serialVersionUID = 1;

    FuzzFailure(String what) {
        super(what);
    }

    FuzzFailure(String what, Throwable cause) {
        super(what, cause);
    }
}
