package ramback.control;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ViewersTest {

    private final Viewers viewers = new Viewers();

    private static byte[] bytes(String text) {
        return text.getBytes(UTF_8);
    }

    /** A viewer on a thread of its own. */
    private Thread follow(OutputStream out) throws InterruptedException {
        CountDownLatch entered = new CountDownLatch(1);
        Thread thread = Thread.ofVirtual().start(() -> {
            Viewers.Viewer viewer = viewers.enter();
            entered.countDown();
            if (viewer != null) {
                viewers.serve(viewer, out, bytes("greeting."));
            }
        });
        entered.await();
        return thread;
    }

    @Test
    void theFirstMessageIsAllOfItAndTheNextWhatIsNew() throws InterruptedException {
        ByteArrayOutputStream one = new ByteArrayOutputStream();
        ByteArrayOutputStream other = new ByteArrayOutputStream();
        Thread first = follow(one);
        viewers.send(() -> bytes("all."), bytes("news."));
        Thread second = follow(other);
        viewers.send(() -> bytes("all again."), bytes("more."));
        viewers.send(() -> bytes("never"), bytes(""));
        viewers.end();
        first.join();
        second.join();
        assertThat(one.toString(UTF_8)).isEqualTo("retry: 2000\n\ngreeting.all.more.");
        assertThat(other.toString(UTF_8)).isEqualTo("retry: 2000\n\ngreeting.all again.");
        assertThat(viewers.isEmpty()).isTrue();
        assertThat(viewers.enter()).isNull();
    }

    @Test
    void theGreetingComesAtOnceAndWhatMeansNothingMakesNobodyLessNew() throws InterruptedException {
        CountDownLatch greeted = new CountDownLatch(1);
        ByteArrayOutputStream out = new ByteArrayOutputStream() {
            @Override
            public void flush() {
                greeted.countDown();
            }
        };
        Thread thread = follow(out);
        greeted.await();
        assertThat(out.toString(UTF_8)).isEqualTo("retry: 2000\n\ngreeting.");
        viewers.sendNothing(bytes("nothing."));
        viewers.send(() -> bytes("all."), bytes("news."));
        viewers.end();
        thread.join();
        assertThat(out.toString(UTF_8)).endsWith("greeting.nothing.all.");
    }

    @Test
    void oneThatDoesNotReadIsDroppedAndNobodyWaitsForIt() throws InterruptedException {
        CountDownLatch isStuck = new CountDownLatch(1);
        OutputStream stuck = new OutputStream() {
            @Override
            public void write(int b) {
                throw new AssertionError("written as arrays");
            }

            @Override
            public void write(byte[] bytes, int offset, int length) throws IOException {
                isStuck.countDown();
                try {
                    // As a socket whose other end does not read: only an interrupt ends it.
                    new CountDownLatch(1).await(1, TimeUnit.HOURS);
                } catch (InterruptedException e) {
                    throw new IOException("closed by interrupt", e);
                }
            }
        };
        ByteArrayOutputStream good = new ByteArrayOutputStream();
        Thread slow = follow(stuck);
        Thread reader = follow(good);
        isStuck.await();
        List<String> sent = new ArrayList<>();
        for (int i = 0; i <= Viewers.BACKLOG_COUNT_MAX; i++) {
            String message = "message " + i + ".";
            sent.add(message);
            viewers.send(() -> bytes(message), bytes(message));
            while (!good.toString(UTF_8).contains(message)) {
                Thread.onSpinWait();
            }
        }
        slow.join();
        assertThat(viewers.count()).isEqualTo(1);
        viewers.end();
        reader.join();
        assertThat(good.toString(UTF_8)).endsWith("greeting." + String.join("", sent));
    }

    @Test
    void asManyAsMayFollowAndNoMore() {
        for (int i = 0; i < Viewers.VIEWER_COUNT_MAX; i++) {
            assertThat(viewers.enter()).isNotNull();
        }
        assertThat(viewers.enter()).isNull();
        assertThat(viewers.count()).isEqualTo(Viewers.VIEWER_COUNT_MAX);
    }
}
