package ramback.posix;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Programs that inherit an open file, and how they end. */
@Timeout(30)
final class SpawnTest {

    private static final Path SHELL = Path.of("/bin/sh");

    private static String read(int fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocate(100);
            MemorySegment vector = arena.allocate(Vectors.BYTES, 8);
            Vectors.set(vector, 0, text.address(), 99);
            assertThat(Vectors.read(fd, vector.address(), 1)).isNotNegative();
            return text.getString(0);
        }
    }

    private static int run(String script, int inherited, int standardError) throws PosixException {
        return Spawn.await(
                Spawn.start(SHELL, List.of("sh", "-c", script), List.of("WORD=said"), inherited, standardError));
    }

    @Test
    void aProgramHasTheFilesAndTheEnvironmentThatItWasGiven() throws Exception {
        Descriptors.Pair passed = Descriptors.socketPair(Descriptors.SOCK_STREAM);
        Descriptors.Pair errors = Descriptors.socketPair(Descriptors.SOCK_STREAM);
        assertThat(run("echo $WORD >&3; echo wrong >&2; exit 7", passed.second(), errors.second()))
                .isEqualTo(7);
        assertThat(read(passed.first())).isEqualTo("said\n");
        assertThat(read(errors.first())).isEqualTo("wrong\n");
        assertThat(run("kill -9 $$", passed.second(), errors.second())).isEqualTo(128 + 9);
        for (int fd : new int[] {passed.second(), errors.second(), errors.first()}) {
            Posix.close(fd);
        }
        assertThat(Descriptors.receive(passed.first()))
                .as("nobody is there any more")
                .isEqualTo(-1);
        Posix.close(passed.first());
    }

    @Test
    void aMessageWithoutADescriptorHasNone() throws Exception {
        Descriptors.Pair pair = Descriptors.socketPair(Descriptors.SOCK_STREAM);
        assertThat(run("echo >&3", pair.second(), pair.second())).isZero();
        assertThat(Descriptors.receive(pair.first())).isEqualTo(-1);
        Posix.close(pair.first());
        Posix.close(pair.second());
    }

    @Test
    void whatStaysOpenOverExecIsInherited() throws Exception {
        Descriptors.Pair pair = Descriptors.socketPair(Descriptors.SOCK_STREAM);
        String script = "test -e /proc/self/fd/" + pair.first();
        assertThat(run(script, pair.second(), pair.second())).isEqualTo(1);
        Descriptors.closeOnExec(pair.first(), false);
        assertThat(run(script, pair.second(), pair.second())).isZero();
        Descriptors.closeOnExec(pair.first(), true);
        assertThat(run(script, pair.second(), pair.second())).isEqualTo(1);
        Posix.close(pair.first());
        Posix.close(pair.second());
    }

    @Test
    void aProgramThatIsNotThereIsSaid() {
        assertThatThrownBy(() -> Spawn.start(Path.of("/nonexistent"), List.of("x"), List.of(), 2, 2))
                .isInstanceOfSatisfying(
                        PosixException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT));
    }
}
