package ramback.cli;

import java.io.IOException;
import ramback.control.StatusJson;
import ramback.control.StatusReport;

/** What a daemon answers when it is asked for its status, for tests. */
final class Answer {

    private Answer() {}

    /**
     * The answer of a device that is well.
     *
     * @param more fields of JSON that count more than those that are there already; empty for none
     */
    static String json(String name, String more) {
        return "{\"name\":\"" + name + "\",\"state\":\"ready\",\"light\":\"green\",\"mode\":\"writeback\","
                + "\"configuredMode\":\"writeback\",\"sizeBytes\":1073741824,\"chunkBytes\":4096,\"chunks\":262144,"
                + "\"loadedChunks\":262144,\"dirtyMaxBytes\":268435456,\"pid\":4711,\"uptimeSeconds\":10,"
                + "\"uri\":\"nbd+unix:///" + name + "?socket=/run/ramback/" + name + "/nbd.sock\","
                + "\"backing\":{\"uri\":\"file:///srv/" + name + ".img\",\"directIo\":true},"
                + "\"journal\":{\"path\":\"/srv/" + name
                + ".img.journal\",\"sizeBytes\":268435456,\"usedBytes\":67108864}"
                + (more.isEmpty() ? "" : "," + more) + "}";
    }

    /** The same, as it is read. */
    static StatusReport status(String name, String more) throws IOException {
        return StatusJson.read(json(name, more));
    }
}
