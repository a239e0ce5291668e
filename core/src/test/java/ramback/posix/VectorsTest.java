package ramback.posix;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Scattered and gathered transfers over a pair of sockets, and waking who waits in one. */
@Timeout(30)
final class VectorsTest {

    @Test
    void messagesAreGatheredAndScattered() throws Exception {
        Descriptors.Pair pair = Descriptors.socketPair(Descriptors.SOCK_SEQPACKET);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocateFrom("abcdefgh");
            MemorySegment vectors = arena.allocate(2 * Vectors.BYTES, 8);
            Vectors.set(vectors, 0, text.address(), 3);
            Vectors.set(vectors, 1, text.address() + 5, 2);
            assertThat(Vectors.write(pair.first(), vectors.address(), 2)).isEqualTo(5);
            MemorySegment into = arena.allocate(16);
            Vectors.set(vectors, 0, into.address() + 8, 1);
            Vectors.set(vectors, 1, into.address(), 8);
            assertThat(Vectors.read(pair.second(), vectors.address(), 2)).isEqualTo(5);
            assertThat(into.get(ValueLayout.JAVA_BYTE, 8)).isEqualTo((byte) 'a');
            assertThat(into.getString(0)).isEqualTo("bcfg");
            Posix.close(pair.first());
            assertThat(Vectors.read(pair.second(), vectors.address(), 2)).isZero();
        } finally {
            Posix.close(pair.second());
        }
        assertThat(Vectors.write(-1, 0, 0)).isEqualTo(-Errno.EBADF);
        assertThat(Vectors.readInterruptibly(-1, 0, 0)).isEqualTo(-Errno.EBADF);
    }

    @Test
    void aThreadThatReadsIsWoken() throws Exception {
        Descriptors.Pair pair = Descriptors.socketPair(Descriptors.SOCK_SEQPACKET);
        AtomicLong self = new AtomicLong();
        AtomicLong result = new AtomicLong();
        AtomicBoolean ended = new AtomicBoolean();
        Object living = new Object();
        Thread reader = Thread.ofPlatform().start(() -> {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment vectors = arena.allocate(Vectors.BYTES, 8);
                Vectors.set(vectors, 0, arena.allocate(8).address(), 8);
                self.set(Wakeup.self());
                result.set(Vectors.readInterruptibly(pair.first(), vectors.address(), 1));
            } catch (PosixException e) {
                throw new AssertionError(e);
            } finally {
                synchronized (living) {
                    ended.set(true);
                }
            }
        });
        while (!ended.get()) {
            synchronized (living) { // it may be woken as long as it lives
                if (self.get() != 0 && !ended.get()) {
                    Wakeup.wake(self.get());
                }
            }
        }
        reader.join();
        assertThat(result).hasValue(-Errno.EINTR);
        Posix.close(pair.first());
        Posix.close(pair.second());
    }

    @Test
    void mountingNothingFailsWithItsReason() {
        Path missing = Path.of("/nonexistent/directory");
        assertThatThrownBy(() -> Mounts.mount("none", missing, "tmpfs", 0, ""))
                .isInstanceOfSatisfying(
                        PosixException.class, e -> assertThat(e.errno()).isIn(Errno.ENOENT, Errno.EPERM));
        assertThatThrownBy(() -> Mounts.unmount(missing, Mounts.MNT_DETACH))
                .isInstanceOfSatisfying(
                        PosixException.class, e -> assertThat(e.errno()).isIn(Errno.ENOENT, Errno.EPERM));
    }
}
