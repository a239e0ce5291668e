package ramback.nbd;

import java.io.IOException;
import java.nio.file.Path;

/** Our own server over memory, as the export {@code disk}, for the tests of our own client. */
public final class ServedMemory implements AutoCloseable {

    private final ServerFixture fixture;

    public ServedMemory(long sizeBytes) throws IOException {
        fixture = ServerFixture.ofSize(sizeBytes);
    }

    /** Where it listens. */
    public Path socket() {
        return fixture.socket;
    }

    @Override
    public void close() throws IOException {
        fixture.close();
    }
}
