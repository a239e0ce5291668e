package ramback.control;

/** An HTTP response: its status code and its whole body as text. */
record HttpReply(int status, String body) {}
