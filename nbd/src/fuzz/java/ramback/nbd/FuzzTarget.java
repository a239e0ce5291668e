package ramback.nbd;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;

/** A server to be fuzzed, with a good client that stays connected to its first export. */
interface FuzzTarget extends AutoCloseable {

    Path socket();

    List<FuzzExport> exports();

    /** Whether clients of the socket may, or must, encrypt. */
    TlsMode tls();

    /** A client of the first export that does nothing wrong. */
    NbdClient goodClient();

    /** Says from the next conversation on what becomes of clients that want a session, and whether the good one works. */
    void prepare(Reading.Availability availability, boolean beside);

    /** Whether {@link #prepare} can make the device full or stopping. */
    boolean canRefuse();

    /** Waits until the server has no client but the good one. */
    void awaitAlone() throws IOException;

    /** Returns everything that an export's device holds. */
    MemorySegment contents(FuzzExport export) throws IOException;

    /** Ends it; what it has left behind is a failure. */
    @Override
    void close() throws IOException;
}
