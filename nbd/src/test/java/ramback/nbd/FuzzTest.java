package ramback.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Random bytes, wholly and after a valid beginning: the server closes or answers, and goes on serving others. */
@Timeout(120)
final class FuzzTest {

    private static final int ROUNDS = 300;

    private static ServerFixture serve() throws IOException {
        RamDevice device = new RamDevice("disk", Arena.ofAuto().allocate(1 << 20), 4096, false, 64, 8);
        device.logging = false;
        return new ServerFixture(
                device, new ServerLimits(32, Duration.ofSeconds(10), Duration.ZERO, PollingLimits.DEFAULT));
    }

    /** Sends what the server takes of it, reads what it answers, hangs up. */
    private static void throwAt(NbdClient client, ByteBuffer bytes) {
        try (client) {
            client.send(bytes);
            client.channel.shutdownOutput();
            ByteBuffer answers = ByteBuffer.allocate(1 << 16);
            while (client.channel.read(answers.clear()) >= 0) {
                // whatever it says
            }
        } catch (IOException e) {
            assertThat(e.getMessage()).containsAnyOf("Broken pipe", "Connection reset");
        }
    }

    private static void expectServing(ServerFixture fixture) throws Exception {
        try (NbdClient client = fixture.transmitting()) {
            assertThat(client.read(1, 0, 100)).hasSize(100);
        }
        fixture.awaitNoClient();
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2})
    void randomBytesInTheHandshake(long seed) throws Exception {
        Random random = new Random(seed);
        try (ServerFixture fixture = serve()) {
            for (int round = 0; round < ROUNDS; round++) {
                NbdClient client = fixture.connect().greet(random.nextInt(5));
                ByteBuffer bytes = ByteBuffer.allocate(1 << 16);
                while (bytes.remaining() > 1000 && random.nextInt(20) > 0) {
                    byte[] data = new byte[random.nextInt(40)];
                    random.nextBytes(data);
                    if (data.length > 4 && random.nextBoolean()) {
                        data[0] = data[1] = data[2] = 0;
                    }
                    bytes.putLong(random.nextInt(50) == 0 ? random.nextLong() : 0x49484156454F5054L)
                            .putInt(random.nextInt(13))
                            .putInt(random.nextInt(30) == 0 ? random.nextInt() : data.length)
                            .put(data);
                }
                throwAt(client, bytes);
            }
            expectServing(fixture);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {3, 4})
    void randomBytesInTheTransmission(long seed) throws Exception {
        Random random = new Random(seed);
        try (ServerFixture fixture = serve()) {
            for (int round = 0; round < ROUNDS; round++) {
                NbdClient client = fixture.transmitting();
                ByteBuffer bytes = ByteBuffer.allocate(1 << 16);
                while (bytes.remaining() > 1000 && random.nextInt(30) > 0) {
                    byte[] payload = new byte[random.nextInt(900)];
                    bytes.put(NbdClient.header(
                                    random.nextInt(4) == 0 ? random.nextInt() : random.nextInt(2),
                                    random.nextInt(10) == 0 ? random.nextInt() : random.nextInt(9),
                                    random.nextLong(),
                                    random.nextInt(5) == 0 ? random.nextLong() : random.nextInt(1 << 20),
                                    random.nextInt(20) == 0 ? random.nextInt() : payload.length)
                            .flip());
                    if (random.nextBoolean()) {
                        bytes.put(payload);
                    }
                }
                throwAt(client, bytes);
            }
            expectServing(fixture);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {5})
    void nothingButNoise(long seed) throws Exception {
        Random random = new Random(seed);
        try (ServerFixture fixture = serve()) {
            for (int round = 0; round < ROUNDS; round++) {
                byte[] noise = new byte[random.nextInt(2000)];
                random.nextBytes(noise);
                throwAt(fixture.connect(), ByteBuffer.allocate(noise.length).put(noise));
                throwAt(
                        fixture.transmitting(),
                        ByteBuffer.allocate(noise.length).put(noise));
            }
            expectServing(fixture);
        }
    }
}
