package ramback.device;

/** All sessions of a device are taken. An operator's matter: the message names the limit and the option that raises it. */
public final class TooManySessionsException extends Exception {
    private static final long serialVersionUID = 1L;

    /** Says how many sessions are open of how many. */
    public TooManySessionsException(int sessionCountMax) {
        super("all " + sessionCountMax + " client sessions are taken; disconnect a client or raise --max-clients");
    }
}
