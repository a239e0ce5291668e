package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import ramback.device.Outcome;

/** A short campaign, and that the fuzzer's oracle finds what is wrong. */
@Timeout(120)
final class FuzzerTest {

    private static final int SIZE = 10_000;

    @Test
    void aCampaignFindsNothing() throws IOException {
        Campaign campaign = new Campaign();
        // Not every device has room for a good client.
        for (long seed = 20_261_126;
                campaign.totals().messageCount < 20_000 || campaign.totals().goodCount == 0;
                seed++) {
            campaign.round(seed);
        }
        assertThat(campaign.totals().goodCount).isPositive();
        assertThat(campaign.totals().ends).doesNotContain(0);
    }

    @Test
    void aSeedSaysAllThatIsSaid() throws IOException {
        Campaign first = new Campaign();
        first.round(5);
        Campaign second = new Campaign();
        second.round(5);
        assertThat(second.totals().messageCount).isEqualTo(first.totals().messageCount);
        assertThat(second.totals().options).isEqualTo(first.totals().options);
        assertThat(second.totals().commands).isEqualTo(first.totals().commands);
    }

    @Test
    void aByteThatNobodyAskedToChangeIsFound() throws IOException {
        boolean isTried = false;
        for (long seed = 3; !isTried; seed++) {
            isTried = changesAByte(seed);
        }
    }

    /** Returns false if this seed's device is too small for a byte to stay as it was changed. */
    private static boolean changesAByte(long seed) throws IOException {
        try (LocalTarget target = new LocalTarget(new SplittableRandom(seed))) {
            RamDevice device = target.firstDevice();
            if (device.sizeBytes() < 1 << 20 || target.tls() != TlsMode.OFF) {
                return false;
            }
            AtomicInteger requests = new AtomicInteger();
            var fails = device.failWith;
            device.failWith = request -> {
                if (requests.incrementAndGet() == 50) {
                    long at = device.sizeBytes() / 3;
                    device.memory.set(ValueLayout.JAVA_BYTE, at, (byte) ~device.memory.get(ValueLayout.JAVA_BYTE, at));
                }
                return fails == null ? null : fails.apply(request);
            };
            assertThatThrownBy(() -> new Campaign().round(target, 3))
                    .isInstanceOf(FuzzFailure.class)
                    .hasMessageContaining("byte " + device.sizeBytes() / 3 + " ");
            return true;
        }
    }

    @Test
    void aRequestThatFailsForNoReasonIsFound() throws IOException {
        try (LocalTarget target = withoutTls()) {
            target.firstDevice().failWith = request -> request.offsetBytes() > 0 ? Outcome.IO_ERROR : null;
            assertThatThrownBy(() -> new Campaign().round(target, 3))
                    .isInstanceOf(FuzzFailure.class)
                    .hasMessageContaining("a reply with error 5 to request");
        }
    }

    /** One where conversations come to requests. */
    private static LocalTarget withoutTls() throws IOException {
        long seed = 3;
        LocalTarget target = new LocalTarget(new SplittableRandom(seed));
        while (target.tls() != TlsMode.OFF) {
            target.close();
            target = new LocalTarget(new SplittableRandom(++seed));
        }
        return target;
    }

    private static FuzzExport exportOf(byte[] contents) {
        return new FuzzExport(
                "disk",
                "a disk for tests",
                0,
                4096,
                false,
                false,
                true,
                new DiskModel(contents),
                FuzzExport.Faults.NONE,
                0,
                0,
                () -> false,
                false);
    }

    /** LIST, GO, a write, two reads, a read behind the end, DISC. */
    private static byte[] stream() {
        byte[] info = NbdClient.infoData("disk", 1, 2, 3);
        return ByteBuffer.allocate(4 + 16 + 16 + info.length + 5 * 28 + 100 + 28)
                .putInt(3)
                .putLong(Reading.IHAVEOPT)
                .putInt(3)
                .putInt(0)
                .putLong(Reading.IHAVEOPT)
                .putInt(7)
                .putInt(info.length)
                .put(info)
                .put(NbdClient.header(0, 1, 0, 50, 100).flip())
                .put("x".repeat(100).getBytes(UTF_8))
                .put(NbdClient.header(1, 0, 0, 0, 200).flip())
                .put(NbdClient.header(0, 0, 0, SIZE - 1, 1).flip())
                .put(NbdClient.header(0, 0, 0, SIZE, 1).flip())
                .put(NbdClient.header(0, 6, 0, 90, 50).flip())
                .put(NbdClient.header(0, 2, 0, 0, 0).flip())
                .array();
    }

    private static byte[] answersOfTheServer() throws IOException {
        byte[] stream = stream();
        Reading reading = new Reading(
                List.of(exportOf(new byte[SIZE])), Reading.Availability.OPEN, TlsMode.OFF, stream, stream.length);
        assertThat(reading.end()).isEqualTo(Reading.End.GOODBYE);
        try (ServerFixture fixture = new ServerFixture(RamDevice.ofSize(SIZE), ServerLimits.DEFAULT);
                NbdClient client = fixture.connect()) {
            client.send(ByteBuffer.wrap(stream).position(stream.length));
            ByteBuffer answers = ByteBuffer.allocate(10_000);
            while (client.channel.read(answers) >= 0) {
                // until it closes
            }
            return Arrays.copyOf(answers.array(), answers.position());
        }
    }

    private static void judge(byte[] answers, int lengthBytes) {
        byte[] stream = stream();
        Answers judge = new Answers(new Reading(
                List.of(exportOf(new byte[SIZE])), Reading.Availability.OPEN, TlsMode.OFF, stream, stream.length));
        judge.take(ByteBuffer.wrap(answers, 0, lengthBytes));
        judge.finish(true);
    }

    @Test
    void everyChangedBitOfTheAnswersIsFound() throws IOException {
        byte[] answers = answersOfTheServer();
        judge(answers, answers.length);
        for (int bit = 0; bit < answers.length * 8; bit++) {
            byte[] changed = answers.clone();
            changed[bit / 8] ^= (byte) (1 << bit % 8);
            assertThatThrownBy(() -> judge(changed, changed.length))
                    .as("bit %s of byte %s", bit % 8, bit / 8)
                    .isInstanceOf(FuzzFailure.class);
        }
    }

    @Test
    void everyMissingByteOfTheAnswersIsFound() throws IOException {
        byte[] answers = answersOfTheServer();
        for (int length = 0; length < answers.length; length++) {
            int cut = length;
            assertThatThrownBy(() -> judge(answers, cut)).isInstanceOf(FuzzFailure.class);
        }
    }
}
