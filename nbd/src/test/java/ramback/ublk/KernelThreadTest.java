package ramback.ublk;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class KernelThreadTest {

    @Test
    void aThreadIsThereUntilTheKernelHasEndedIt() throws Exception {
        CountDownLatch end = new CountDownLatch(1);
        CountDownLatch begun = new CountDownLatch(1);
        AtomicReference<KernelThread> seen = new AtomicReference<>();
        Thread thread = Thread.ofPlatform().start(() -> {
            seen.set(KernelThread.current());
            begun.countDown();
            try {
                end.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        begun.await();
        KernelThread shown = seen.get();
        assertThat(shown.path()).isDirectory();
        assertThat(shown).isNotEqualTo(KernelThread.current());
        assertThat(shown.awaitEnd(Duration.ofMillis(5))).isFalse();
        end.countDown();
        thread.join();
        assertThat(shown.awaitEnd(Duration.ofSeconds(50))).isTrue();
        assertThat(Files.exists(shown.path())).isFalse();
    }
}
