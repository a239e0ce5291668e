package ramback.attach;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import ramback.engine.Refusal;
import ramback.posix.Posix;

@Timeout(60)
class AttachLockTest {

    @TempDir
    Path directory;

    private AttachLock take() {
        try {
            return AttachLock.take(directory);
        } catch (Refusal e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void whoComesSecondWaitsForTheFirst() throws Exception {
        AttachLock first = AttachLock.take(directory);
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(directory.resolve("attach.lock"))))
                .isEqualTo("rw-------");
        int fd = Posix.open(directory.resolve("attach.lock"), Posix.O_RDWR, 0);
        assertThat(Posix.tryLockExclusive(fd)).isFalse();
        Posix.close(fd);
        CompletableFuture<AttachLock> second = CompletableFuture.supplyAsync(this::take);
        first.close();
        second.get().close();
    }

    @Test
    void aDirectoryThatIsNotThereAndALinkAreRefused() throws Exception {
        assertThatThrownBy(() -> AttachLock.take(directory.resolve("nowhere")))
                .isInstanceOf(Refusal.class)
                .hasMessageContaining("cannot lock " + directory.resolve("nowhere/attach.lock"));
        Files.createSymbolicLink(directory.resolve("attach.lock"), directory.resolve("elsewhere"));
        assertThatThrownBy(() -> AttachLock.take(directory)).isInstanceOf(Refusal.class);
        assertThat(directory.resolve("elsewhere")).doesNotExist();
    }
}
