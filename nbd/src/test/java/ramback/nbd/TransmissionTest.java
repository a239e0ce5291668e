package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.device.Outcome;
import ramback.protocol.Protocol;
import ramback.traffic.ClientKind;
import ramback.traffic.TrafficCounts;

@Timeout(120)
final class TransmissionTest {

    private static final int SIZE = (40 << 20) + 3;
    private static final int EPERM = 1;
    private static final int EIO = 5;
    private static final int EINVAL = 22;
    private static final int ENOSPC = 28;
    private static final int ESHUTDOWN = 108;
    private static final int FUA = 1;

    private static final MemorySegment MEMORY = Arena.global().allocate(SIZE);

    private ServerFixture fixture = null;
    private NbdClient client = null;

    @BeforeEach
    void serve() throws IOException {
        MEMORY.fill((byte) 0);
        fixture = new ServerFixture(new RamDevice("disk", MEMORY, 4096, false, 16, 64), ServerLimits.DEFAULT);
        client = fixture.transmitting();
    }

    @AfterEach
    void stop() throws IOException {
        fixture.close();
    }

    private static byte[] bytes(long seed, int lengthBytes) {
        byte[] bytes = new byte[lengthBytes];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private byte[] inDevice(long offset, int lengthBytes) {
        byte[] bytes = new byte[lengthBytes];
        MemorySegment.copy(fixture.device.memory, ValueLayout.JAVA_BYTE, offset, bytes, 0, lengthBytes);
        return bytes;
    }

    private void expectAlive() throws IOException {
        assertThat(client.read(0xa11fe, 0, 1)).hasSize(1);
    }

    // ------------------------------------------------------------------------------------------- reads and writes

    @ParameterizedTest
    @CsvSource({
        "0,0",
        "0,1",
        "1,1",
        "4095,2",
        "5,4096",
        "3,65536",
        "3,65537",
        "4096,131072",
        "1,1048577",
        "0,33554432",
        "8388611,33554432"
    })
    void whatIsWrittenIsRead(long offset, int lengthBytes) throws IOException {
        byte[] payload = bytes(offset, lengthBytes);
        client.write(7, offset, payload);
        client.expect(7, 0);
        assertThat(inDevice(offset, lengthBytes)).isEqualTo(payload);
        assertThat(client.read(8, offset, lengthBytes)).isEqualTo(payload);
    }

    @ParameterizedTest
    @ValueSource(ints = {65537, 1 << 20, 32 << 20})
    void memoryThatIsNotDirectIsCopied(int lengthBytes) throws IOException {
        fixture.device.direct = false;
        byte[] payload = bytes(1, lengthBytes);
        client.write(7, 11, payload);
        client.expect(7, 0);
        assertThat(client.read(8, 11, lengthBytes)).isEqualTo(payload);
        expectAlive();
    }

    @Test
    void requestsArriveByteByByte() throws IOException {
        ByteBuffer whole = ByteBuffer.allocate(28 + 10)
                .put(NbdClient.header(0, Protocol.CMD_WRITE, 5, 3, 10).flip())
                .put(bytes(1, 10))
                .flip();
        while (whole.hasRemaining()) {
            client.send(ByteBuffer.allocate(1).put(whole.get()));
        }
        client.expect(5, 0);
        assertThat(inDevice(3, 10)).isEqualTo(bytes(1, 10));
    }

    @Test
    void pipelinedRequestsAreAnsweredInOrderWhenNoneWaits() throws IOException {
        int count = 1000;
        ByteBuffer all = ByteBuffer.allocate(count * (28 + 100));
        for (int i = 0; i < count; i++) {
            all.put(NbdClient.header(0, Protocol.CMD_WRITE, i, i * 100L, 100).flip())
                    .put(bytes(i, 100));
        }
        client.send(all);
        for (int i = 0; i < count; i++) {
            client.expect(i, 0);
        }
        for (int i = 0; i < count; i++) {
            assertThat(inDevice(i * 100L, 100)).isEqualTo(bytes(i, 100));
        }
    }

    @Test
    void aBatchOfRequestsIsAnsweredWhileTheNextIsHalfThere() throws IOException {
        ByteBuffer one = NbdClient.header(0, Protocol.CMD_FLUSH, 1, 0, 0).flip();
        client.send(ByteBuffer.allocate(28 + 13)
                .put(one)
                .put(NbdClient.header(0, 0, 2, 0, 5).array(), 0, 13));
        client.expect(1, 0);
        client.send(ByteBuffer.allocate(15).put(NbdClient.header(0, 0, 2, 0, 5).array(), 13, 15));
        client.expect(2, 0);
        client.receive(5);
    }

    // -------------------------------------------------------------------------------------------- other commands

    @Test
    void flushTrimCacheAndZeroesReachTheDevice() throws IOException {
        client.write(1, 0, bytes(1, 10_000));
        client.expect(1, 0);
        client.request(Protocol.CMD_FLUSH, 2, 0, 0);
        client.request(FUA, Protocol.CMD_TRIM, 3, 5, SIZE - 5);
        client.request(Protocol.CMD_CACHE, 4, 0, SIZE);
        client.request(Protocol.CMD_WRITE_ZEROES, 5, 100, 50);
        client.request(FUA | 2 | 16, Protocol.CMD_WRITE_ZEROES, 6, 200, 50);
        for (int cookie = 2; cookie <= 6; cookie++) {
            client.expect(cookie, 0);
        }
        assertThat(fixture.device.log)
                .containsExactly(
                        new RamDevice.Seen("write", 0, 10_000, false, false),
                        new RamDevice.Seen("flush", 0, 0, false, false),
                        new RamDevice.Seen("trim", 5, SIZE - 5, false, true),
                        new RamDevice.Seen("read", 0, SIZE, false, false),
                        new RamDevice.Seen("zero", 100, 50, true, false),
                        new RamDevice.Seen("zero", 200, 50, false, true));
        assertThat(inDevice(100, 50)).containsOnly(0);
        assertThat(inDevice(150, 50)).isEqualTo(java.util.Arrays.copyOfRange(bytes(1, 10_000), 150, 200));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3, 4, 5, 6})
    void forceUnitAccessIsAcceptedOnEveryCommand(int command) throws IOException {
        client.request(FUA, command, 1, 0, 0);
        client.expect(1, 0);
    }

    @Test
    void forceUnitAccessReachesTheDeviceWithAWrite() throws IOException {
        client.request(FUA, Protocol.CMD_WRITE, 1, 0, 0);
        client.expect(1, 0);
        assertThat(fixture.device.log).containsExactly(new RamDevice.Seen("write", 0, 0, false, true));
    }

    @Test
    void disconnectAnswersWhatCameBeforeAndCloses() throws IOException {
        client.request(Protocol.CMD_FLUSH, 1, 0, 0);
        client.request(Protocol.CMD_DISC, 2, 0, 0);
        client.expect(1, 0);
        client.expectClosed();
    }

    // ---------------------------------------------------------------------------------------------------- errors

    @ParameterizedTest
    @ValueSource(ints = {7, 8, 9, 0x7fff, 0xffff})
    void anUnknownCommandIsInvalid(int command) throws IOException {
        client.request(command, 1, 0, 0);
        client.expect(1, EINVAL);
        expectAlive();
    }

    @ParameterizedTest
    @CsvSource({
        "0,2", "0,4", "0,8", "0,16", "0,32", "0,32768", "1,2", "1,4", "1,16", "1,32", "3,2", "3,16", "4,2", "4,16",
        "5,2", "5,16", "6,4", "6,8", "6,32", "6,64"
    })
    void aFlagThatIsNotDocumentedForTheCommandIsInvalid(int command, int flag) throws IOException {
        client.request(flag, command, 1, 0, command == Protocol.CMD_FLUSH ? 0 : 10);
        if (command == Protocol.CMD_WRITE) {
            client.send(ByteBuffer.allocate(10).position(10));
        }
        client.expect(1, EINVAL);
        expectAlive();
        assertThat(fixture.device.log).hasSize(1);
    }

    @ParameterizedTest
    @CsvSource({
        "0,0," + SIZE + ",1," + EINVAL,
        "0,0,-1,1," + EINVAL,
        "0,0,-1,0," + EINVAL,
        "0,0," + (SIZE + 1) + ",0," + EINVAL,
        "0,0,9223372036854775807,2," + EINVAL,
        "4,0,1," + SIZE + "," + EINVAL,
        "4,0,0,-1," + EINVAL,
        "5,0,0,-1," + EINVAL,
        "5,0,-4096,4096," + EINVAL,
        "6,0,0,-1," + ENOSPC,
        "6,0," + SIZE + ",1," + ENOSPC,
        "6,2,-1,1," + ENOSPC,
        "3,0,1,0," + EINVAL,
        "3,0,0,1," + EINVAL,
    })
    void aRangeBeyondTheEndIsRefused(int command, int flags, long offset, int lengthBytes, int error)
            throws IOException {
        client.request(flags, command, 1, offset, lengthBytes);
        client.expect(1, error);
        expectAlive();
        assertThat(fixture.device.log).hasSize(1);
    }

    @ParameterizedTest
    @CsvSource({SIZE + ",1", (SIZE - 9) + ",10", "-1,1", (SIZE + 1) + ",0", "9223372036854775807,100000"})
    void aWriteBeyondTheEndFindsNoSpaceAndItsPayloadIsSkipped(long offset, int lengthBytes) throws IOException {
        client.write(1, offset, bytes(1, lengthBytes));
        client.expect(1, ENOSPC);
        expectAlive();
    }

    @Test
    void lengthsOverThePayloadLimitAreInvalid() throws IOException {
        client.request(Protocol.CMD_READ, 1, 0, (32 << 20) + 1);
        client.expect(1, EINVAL);
        client.request(Protocol.CMD_READ, 2, 0, -1);
        client.expect(2, EINVAL);
        client.write(3, 0, new byte[(32 << 20) + 1]);
        client.expect(3, EINVAL);
        expectAlive();
        assertThat(fixture.device.log).hasSize(1);
    }

    @Test
    void aWriteFarOverThePayloadLimitClosesTheConnection() throws IOException {
        client.request(Protocol.CMD_WRITE, 1, 0, (64 << 20) + 1);
        client.expectClosed();
    }

    @Test
    void aWrongRequestMagicClosesTheConnection() throws IOException {
        client.send(ByteBuffer.allocate(28).putInt(0x25609514).position(28));
        client.expectClosed();
    }

    @Test
    void aReadOnlyDeviceRefusesEveryChange() throws IOException {
        fixture.close();
        RamDevice device = new RamDevice("disk", RamDevice.ofSize(100).memory, 4096, true, 1, 4);
        fixture = new ServerFixture(device, ServerLimits.DEFAULT);
        client = fixture.transmitting();
        client.write(1, 0, new byte[5]);
        client.expect(1, EPERM);
        client.write(1, 1000, new byte[5]);
        client.expect(1, EPERM);
        client.request(Protocol.CMD_TRIM, 1, 0, 5);
        client.expect(1, EPERM);
        client.request(Protocol.CMD_WRITE_ZEROES, 1, 0, 5);
        client.expect(1, EPERM);
        client.request(Protocol.CMD_FLUSH, 1, 0, 0);
        client.expect(1, 0);
        assertThat(client.read(1, 0, 100)).hasSize(100);
    }

    @Test
    void aViewRefusesEveryChangeAndShowsThoseOfOthersAtOnce() throws IOException {
        fixture.close();
        RamDevice device = RamDevice.ofSize(100);
        Export export = new Export("disk", "", device);
        fixture = new ServerFixture(device, ServerLimits.DEFAULT, List.of(export, export.view()));
        NbdClient writer = fixture.transmitting();
        client = fixture.connect().greet(3);
        client.go("disk-ro");
        client.write(1, 0, new byte[5]);
        client.expect(1, EPERM);
        client.write(2, 0, new byte[0]);
        client.expect(2, EPERM);
        client.request(Protocol.CMD_TRIM, 3, 0, 5);
        client.expect(3, EPERM);
        client.request(Protocol.CMD_WRITE_ZEROES, 4, 0, 5);
        client.expect(4, EPERM);
        assertThat(device.log).as("what reached the device").isEmpty();
        byte[] written = "something new".getBytes(UTF_8);
        writer.write(5, 10, written);
        writer.expect(5, 0);
        assertThat(client.read(6, 10, written.length)).isEqualTo(written);
        client.request(Protocol.CMD_FLUSH, 7, 0, 0);
        client.expect(7, 0);
        client.request(Protocol.CMD_CACHE, 8, 0, 100);
        client.expect(8, 0);
    }

    @ParameterizedTest
    @CsvSource({
        "IO_ERROR," + EIO,
        "NO_SPACE," + ENOSPC,
        "SHUTTING_DOWN," + ESHUTDOWN,
        "INVALID," + EINVAL,
        "READ_ONLY," + EPERM
    })
    void theDevicesOutcomesBecomeErrorValues(Outcome outcome, int error) throws IOException {
        fixture.device.failWith = request -> outcome;
        client.request(Protocol.CMD_READ, 1, 0, 70_000);
        client.write(2, 0, new byte[300_000]);
        client.request(Protocol.CMD_FLUSH, 3, 0, 0);
        client.request(Protocol.CMD_TRIM, 4, 0, 5);
        client.request(Protocol.CMD_CACHE, 5, 0, 5);
        client.request(Protocol.CMD_WRITE_ZEROES, 6, 0, 5);
        for (int cookie = 1; cookie <= 6; cookie++) {
            client.expect(cookie, error);
        }
        fixture.device.failWith = null;
        expectAlive();
        assertThat(fixture.server.traffic().counts().failedCount()).isEqualTo(6);
    }

    @Test
    void anUnexpectedExceptionOfTheDeviceEndsItsConnectionAndNoOther() throws Exception {
        NbdClient other = fixture.transmitting();
        fixture.device.failWith = request -> {
            throw new IllegalStateException("thrown by a test");
        };
        client.request(Protocol.CMD_FLUSH, 1, 0, 0);
        client.expectClosed();
        fixture.device.failWith = null;
        assertThat(other.read(1, 0, 10)).hasSize(10);
    }

    @Test
    void whatWasAnsweredBeforeAViolationLeaves() throws Exception {
        ByteBuffer requests = ByteBuffer.allocate(2 * 28 + 28);
        requests.put(NbdClient.header(0, Protocol.CMD_FLUSH, 1, 0, 0).flip());
        requests.put(NbdClient.header(0, Protocol.CMD_READ, 2, SIZE, 1).flip());
        client.send(requests.put(new byte[28]));
        client.expect(1, 0);
        client.expect(2, EINVAL);
        client.expectClosed();
    }

    @Test
    void aClientThatHangsUpWithinAPayloadIsForgotten() throws Exception {
        client.request(Protocol.CMD_WRITE, 1, 0, 1000);
        client.send(ByteBuffer.allocate(999).position(999));
        client.close();
        fixture.awaitNoClient();
        assertThat(inDevice(0, 999)).as("no whole run was there").containsOnly(0);
    }

    // ----------------------------------------------------------------------------------------------------- counts

    @Test
    void requestsAndBytesAreCounted() throws Exception {
        client.read(1, 0, 10);
        client.read(1, 0, 100_000);
        client.write(2, 0, new byte[33]);
        client.expect(2, 0);
        client.request(Protocol.CMD_TRIM, 3, 0, SIZE);
        client.expect(3, 0);
        client.request(99, 4, 0, 0);
        client.expect(4, EINVAL);
        TrafficCounts whileOpen = fixture.server.traffic().counts();
        client.request(Protocol.CMD_DISC, 0, 0, 0);
        client.expectClosed();
        fixture.awaitNoClient();
        TrafficCounts afterwards = fixture.server.traffic().counts();
        assertThat(whileOpen)
                .isEqualTo(new TrafficCounts(
                        Map.of(ClientKind.NBD, 1, ClientKind.UBLK, 0, ClientKind.FUSE, 0),
                        new TrafficCounts.Tally(2, 100_010),
                        new TrafficCounts.Tally(1, 33),
                        new TrafficCounts.Tally(0, 0),
                        new TrafficCounts.Tally(1, SIZE),
                        new TrafficCounts.Tally(0, 0),
                        new TrafficCounts.Tally(0, 0),
                        1));
        assertThat(afterwards)
                .usingRecursiveComparison()
                .ignoringFields("clients")
                .isEqualTo(whileOpen);
        assertThat(afterwards.clientCount()).isZero();
    }
}
