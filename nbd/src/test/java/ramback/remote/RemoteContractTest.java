package ramback.remote;

import java.io.IOException;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import ramback.backing.Backing;
import ramback.backing.BackingContract;
import ramback.nbd.ServedMemory;
import ramback.protocol.Protocol;

/** The contract of slow disks, kept by the NBD client on servers with all kinds of ways. */
@ParameterizedClass(name = "{0} of {1} bytes")
@MethodSource("media")
class RemoteContractTest extends BackingContract {

    private static final int MIB = 1 << 20;

    /** Whose server. */
    enum Kind {
        OURS,
        SIMPLE,
        RICH,
        OLD,
        BLOCKS_OF_512,
        BLOCKS_OF_4096_NO_ZEROES;

        DiskServer.Ways ways() {
            return switch (this) {
                case OURS, SIMPLE -> DiskServer.Ways.SIMPLE;
                case RICH -> DiskServer.Ways.RICH;
                case OLD -> DiskServer.Ways.OLD;
                case BLOCKS_OF_512 -> DiskServer.Ways.RICH.withBlocks(512, 64 << 10);
                case BLOCKS_OF_4096_NO_ZEROES ->
                    DiskServer.Ways.SIMPLE
                            .withBlocks(4096, 4096)
                            .withFlags(Protocol.FLAG_HAS_FLAGS | Protocol.FLAG_SEND_FLUSH);
            };
        }
    }

    private final Kind kind;
    private @Nullable AutoCloseable server;
    private @Nullable RemoteUri uri;
    private @Nullable Backing backing;

    RemoteContractTest(Kind kind, int sizeBytes) {
        super(sizeBytes);
        this.kind = kind;
    }

    static Stream<Arguments> media() {
        return Stream.of(
                Arguments.of(Kind.OURS, 1),
                Arguments.of(Kind.OURS, 4095),
                Arguments.of(Kind.OURS, MIB + 37),
                Arguments.of(Kind.SIMPLE, 511),
                Arguments.of(Kind.SIMPLE, 2 * MIB - 1),
                Arguments.of(Kind.RICH, 1),
                Arguments.of(Kind.RICH, 4096 + 512),
                Arguments.of(Kind.RICH, MIB + 37),
                Arguments.of(Kind.OLD, MIB),
                Arguments.of(Kind.BLOCKS_OF_512, 512),
                Arguments.of(Kind.BLOCKS_OF_512, MIB + 512),
                Arguments.of(Kind.BLOCKS_OF_4096_NO_ZEROES, 4096),
                Arguments.of(Kind.BLOCKS_OF_4096_NO_ZEROES, MIB + 4096));
    }

    @Override
    protected Backing make() throws IOException {
        if (kind == Kind.OURS) {
            ServedMemory ours = new ServedMemory(sizeBytes());
            server = ours;
            uri = RemoteUri.parse("nbd+unix:///disk?socket=" + ours.socket());
        } else {
            DiskServer other = DiskServer.of(sizeBytes(), kind.ways());
            server = other;
            uri = other.uri();
        }
        backing = NbdBacking.open(uri, false);
        return backing;
    }

    @Override
    protected Backing reopen() throws IOException {
        backing.close();
        backing = NbdBacking.open(uri, false);
        return backing;
    }

    @Override
    protected long storedSizeBytes() {
        return server instanceof DiskServer other ? other.content.length : sizeBytes();
    }

    @Override
    protected void remove() throws IOException {
        try {
            if (backing != null) {
                backing.close();
            }
            if (server != null) {
                server.close();
            }
        } catch (IOException e) {
            throw e;
        } catch (Exception e) {
            throw new IOException(e);
        }
    }
}
