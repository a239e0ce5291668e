package ramback.nbd;

/**
 * What one client sends, and how it goes about it.
 *
 * @param stream the bytes, before the reading of them changes its cookies
 * @param lengthBytes how many of them
 * @param pieces how they are sent
 * @param pauseAt where the client stops for a moment, so that the server gets a message in two parts; 0: nowhere
 * @param manner what the client does about the answers
 * @param besideTurns how often the good client works while the stream is sent; 0: it does not work on that device
 */
@SuppressWarnings("ArrayRecordComponent") // nobody compares them, and the reading is meant to change the stream
record Conversation(byte[] stream, int lengthBytes, Pieces pieces, int pauseAt, Manner manner, int besideTurns) {

    /** Where a stream is cut into pieces. */
    enum Pieces {
        WHOLE,
        RANDOM,
        DRIP
    }

    /** What a client does about the answers. */
    enum Manner {
        /** Reads everything, then hangs up. */
        PATIENT,
        /** Hangs up as soon as everything is sent, then reads. */
        HASTY,
        /** Reads nothing before everything is sent or the server takes no more. */
        SULKING,
        /** Closes without reading the rest. */
        VANISHING
    }
}
