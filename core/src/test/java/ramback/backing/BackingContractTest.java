package ramback.backing;

import java.io.IOException;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The contract on every medium that the core knows. */
@ParameterizedClass(name = "{0} of {1} bytes")
@MethodSource("media")
class BackingContractTest extends BackingContract {
    private static final int MIB = 1024 * 1024;

    private final Medium.Kind kind;
    private Medium medium;

    BackingContractTest(Medium.Kind kind, int sizeBytes) {
        super(sizeBytes);
        this.kind = kind;
    }

    static Stream<Arguments> media() {
        int[] oddSizes = {1, 511, 512, 4095, 4096 + 512, MIB, MIB + 37, 2 * MIB - 1};
        return Stream.of(
                        sizes(Medium.Kind.MEMORY, oddSizes),
                        sizes(Medium.Kind.WATCHED, 1, MIB + 37),
                        sizes(Medium.Kind.SIMULATED, oddSizes),
                        sizes(Medium.Kind.FILE, oddSizes),
                        sizes(Medium.Kind.TMPFS, oddSizes),
                        sizes(Medium.Kind.LOOP_512, 512, MIB + 512),
                        sizes(Medium.Kind.LOOP_4096, 4096, MIB + 4096))
                .flatMap(s -> s);
    }

    private static Stream<Arguments> sizes(Medium.Kind kind, int... sizes) {
        return IntStream.of(sizes).mapToObj(size -> Arguments.of(kind, size));
    }

    @Override
    protected Backing make() throws IOException {
        medium = Medium.create(kind, sizeBytes());
        return medium.backing();
    }

    @Override
    protected Backing reopen() throws IOException {
        medium.reopen();
        return medium.backing();
    }

    @Override
    protected long storedSizeBytes() throws IOException {
        return medium.fileSizeBytes();
    }

    @Override
    protected void remove() throws IOException {
        if (medium != null) {
            medium.close();
        }
    }
}
