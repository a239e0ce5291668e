package ramback.posix;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An eventfd that threads raise. */
final class EventCounterTest {

    @TempDir
    Path dir;

    @Test
    void whatWasRaisedIsReadAtOnce() throws Exception {
        try (EventCounter counter = new EventCounter();
                Arena arena = Arena.ofConfined()) {
            counter.raise();
            counter.raise();
            MemorySegment value = arena.allocate(ValueLayout.JAVA_LONG);
            MemorySegment vector = arena.allocate(Vectors.BYTES, Long.BYTES);
            Vectors.set(vector, 0, value.address(), Long.BYTES);
            assertThat(Vectors.read(counter.fd(), vector.address(), 1)).isEqualTo(Long.BYTES);
            assertThat(value.get(ValueLayout.JAVA_LONG, 0)).isEqualTo(2);
        }
    }

    /** Its number belongs to somebody else as soon as it is closed. */
    @Test
    void raisedAfterItsEndItWritesNothing() throws Exception {
        EventCounter counter = new EventCounter();
        int number = counter.fd();
        counter.close();
        Path file = dir.resolve("file");
        int fd = Posix.open(file, Posix.O_RDWR | Posix.O_CREAT, 0600);
        try {
            assertThat(fd).as("the least free number").isEqualTo(number);
            counter.raise();
            counter.close();
            assertThat(Files.size(file)).isZero();
        } finally {
            Posix.close(fd);
        }
    }
}
