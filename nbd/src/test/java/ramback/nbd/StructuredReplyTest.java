package ramback.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.device.Extent;
import ramback.device.Outcome;
import ramback.protocol.Protocol;

/** "Structured replies", and the same with "Extended headers". */
@Timeout(120)
final class StructuredReplyTest {

    private static final int CHUNK = 4096;
    private static final int CHUNK_COUNT = 64;
    private static final int SIZE = CHUNK_COUNT * CHUNK - 100;

    private ServerFixture fixture = null;
    private RamDevice device = null;

    @BeforeEach
    void serve() throws IOException {
        device = RamDevice.ofSize(SIZE);
        device.chunkStates = new int[CHUNK_COUNT];
        fixture = new ServerFixture(device, ServerLimits.DEFAULT);
        byte[] contents = new byte[SIZE];
        new Random(7).nextBytes(contents);
        device.memory.copyFrom(MemorySegment.ofArray(contents));
    }

    @AfterEach
    void stop() throws IOException {
        fixture.close();
    }

    private NbdClient structured() throws IOException {
        NbdClient client = fixture.connect().greet(3).agree(Protocol.OPT_STRUCTURED_REPLY);
        client.go("disk");
        return client;
    }

    private void zero(int firstChunk, int endChunk) {
        int end = Math.min(endChunk * CHUNK, SIZE);
        device.memory
                .asSlice((long) firstChunk * CHUNK, end - (long) firstChunk * CHUNK)
                .fill((byte) 0);
        Arrays.fill(device.chunkStates, firstChunk, endChunk, Extent.ZERO);
    }

    private byte[] contents(long offset, int lengthBytes) {
        return device.memory.asSlice(offset, lengthBytes).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
    }

    /** Reads a reply in chunks and puts them together; returns the types in their order. */
    private String read(NbdClient client, boolean extended, int flags, long offset, int lengthBytes)
            throws IOException {
        client.send(
                extended
                        ? NbdClient.extendedHeader(flags, Protocol.CMD_READ, 99, offset, lengthBytes)
                        : NbdClient.header(flags, Protocol.CMD_READ, 99, offset, lengthBytes));
        byte[] got = new byte[lengthBytes];
        boolean[] seen = new boolean[lengthBytes];
        StringBuilder types = new StringBuilder();
        NbdClient.Chunk chunk;
        do {
            chunk = extended ? client.readExtendedChunk() : client.readChunk();
            assertThat(chunk.cookie()).isEqualTo(99);
            assertThat(chunk.offset()).isEqualTo(extended ? offset : -1);
            if (chunk.type() == Protocol.REPLY_NONE) {
                continue;
            }
            int at = (int) (chunk.data().getLong() - offset);
            boolean isHole = chunk.type() == Protocol.REPLY_OFFSET_HOLE;
            int length = isHole ? chunk.data().getInt() : chunk.data().remaining();
            types.append(isHole ? "hole " : "data ").append(length).append(' ');
            for (int i = at; i < at + length; i++) {
                assertThat(seen[i]).isFalse();
                seen[i] = true;
                got[i] = isHole ? 0 : chunk.data().get();
            }
            assertThat(chunk.data().hasRemaining()).isFalse();
        } while (!chunk.isLast());
        for (boolean one : seen) {
            assertThat(one).isTrue();
        }
        assertThat(got).isEqualTo(contents(offset, lengthBytes));
        return types.toString().trim();
    }

    @Test
    void aReadOfDataIsOneChunk() throws IOException {
        NbdClient client = structured();
        assertThat(read(client, false, 0, 0, 4096)).isEqualTo("data 4096");
        assertThat(read(client, false, 0, 5, 1)).isEqualTo("data 1");
        assertThat(read(client, false, 0, 0, SIZE)).isEqualTo("data " + SIZE);
    }

    @Test
    void zeroesComeAsHoles() throws IOException {
        zero(2, 4);
        zero(63, 64);
        NbdClient client = structured();
        assertThat(read(client, false, 0, CHUNK + 1, 4 * CHUNK)).isEqualTo("data 4095 hole 8192 data 4097");
        assertThat(read(client, false, 0, 2 * CHUNK + 7, 100)).isEqualTo("hole 100");
        assertThat(read(client, false, 0, SIZE - CHUNK, CHUNK)).isEqualTo("data 100 hole 3996");
        assertThat(device.log).allMatch(seen -> seen.kind().equals("read"));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void longRunsOfDataLeaveFromMemoryOrInPieces(boolean direct) throws IOException {
        device.direct = direct;
        zero(20, 21);
        assertThat(read(structured(), false, 0, 0, SIZE)).isEqualTo("data 81920 hole 4096 data 176028");
    }

    @Test
    void oneChunkAloneAnswersWhereTheClientAsksForIt() throws IOException {
        zero(2, 4);
        NbdClient client = structured();
        assertThat(read(client, false, Protocol.CMD_FLAG_DF, CHUNK, 4 * CHUNK)).isEqualTo("data 16384");
        assertThat(read(client, false, Protocol.CMD_FLAG_DF, 2 * CHUNK, 2 * CHUNK))
                .isEqualTo("hole 8192");
    }

    @Test
    void anEmptyReadIsAnsweredByNothing() throws IOException {
        assertThat(read(structured(), false, 0, 17, 0)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void anyRangeOfAnyStatesReadsAsItIs(boolean extended) throws IOException {
        Random random = new Random(20_261_127);
        NbdClient client = fixture.connect()
                .greet(3)
                .agree(extended ? Protocol.OPT_EXTENDED_HEADERS : Protocol.OPT_STRUCTURED_REPLY);
        client.go("disk");
        for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
            if (random.nextBoolean()) {
                zero(chunk, chunk + 1);
            }
        }
        for (int i = 0; i < 300; i++) {
            device.direct = random.nextBoolean();
            int offset = random.nextInt(SIZE);
            int flags = random.nextInt(4) == 0 ? Protocol.CMD_FLAG_DF : 0;
            read(client, extended, flags, offset, random.nextInt(SIZE - offset + 1));
        }
    }

    // ------------------------------------------------------------------------------------------------------ errors

    private static void expectError(NbdClient.Chunk chunk, long cookie, int error, long failedAt) {
        assertThat(chunk.isLast()).isTrue();
        assertThat(chunk.cookie()).isEqualTo(cookie);
        assertThat(chunk.type()).isEqualTo(failedAt < 0 ? Protocol.REPLY_ERROR : Protocol.REPLY_ERROR_OFFSET);
        assertThat(chunk.data().getInt()).isEqualTo(error);
        int textBytes = chunk.data().getShort();
        assertThat(textBytes).isPositive();
        chunk.data().position(chunk.data().position() + textBytes);
        if (failedAt >= 0) {
            assertThat(chunk.data().getLong()).isEqualTo(failedAt);
        }
        assertThat(chunk.data().hasRemaining()).isFalse();
    }

    @Test
    void aReadIsNeverAnsweredSimplyNotEvenWithAnError() throws IOException {
        NbdClient client = structured();
        client.request(Protocol.CMD_READ, 1, SIZE, 1);
        expectError(client.readChunk(), 1, Protocol.EINVAL, -1);
        device.failWith = request -> Outcome.SHUTTING_DOWN;
        client.request(Protocol.CMD_READ, 2, 0, 1);
        expectError(client.readChunk(), 2, Protocol.ESHUTDOWN, -1);
    }

    @ParameterizedTest
    @EnumSource(names = {"IO_ERROR", "NO_SPACE", "READ_ONLY", "INVALID", "SHUTTING_DOWN"})
    void everyErrorHasAText(Outcome outcome) throws IOException {
        device.failWith = request -> outcome;
        NbdClient client = structured();
        client.request(Protocol.CMD_FLUSH, 1, 0, 0);
        expectError(client.readChunk(), 1, Replies.errorOf(outcome), -1);
    }

    @Test
    void aReadThatFailsSaysWhere() throws IOException {
        device.failWith = request -> request.kind().equals("read") ? Outcome.IO_ERROR : null;
        device.chunkStates[3] = Extent.UNLOADED;
        NbdClient client = structured();
        client.request(Protocol.CMD_READ, 1, 2 * CHUNK + 5, 3 * CHUNK);
        expectError(client.readChunk(), 1, Protocol.EIO, 3 * CHUNK);
        client.request(Protocol.CMD_READ, 2, 3 * CHUNK + 5, 10);
        expectError(client.readChunk(), 2, Protocol.EIO, 3 * CHUNK + 5);
        client.request(Protocol.CMD_READ, 3, 0, 10); // loaded meanwhile
        expectError(client.readChunk(), 3, Protocol.EIO, -1);
        client.request(Protocol.CMD_READ, 4, 0, 0);
        expectError(client.readChunk(), 4, Protocol.EIO, -1);
    }

    @Test
    void whatHasNoPayloadIsAnsweredSimply() throws IOException {
        NbdClient client = structured();
        client.write(1, 0, new byte[10]);
        client.expect(1, 0);
        client.request(Protocol.CMD_CACHE, 2, 0, SIZE);
        client.expect(2, 0);
    }

    @Test
    void aReadThatWaitsIsAnsweredInChunksToo() throws Exception {
        zero(1, 2);
        device.deferWhere = request -> true;
        NbdClient client = structured();
        client.request(Protocol.CMD_READ, 1, 0, 2 * CHUNK);
        client.request(Protocol.CMD_READ, 2, 0, CHUNK);
        client.request(Protocol.CMD_FLUSH, 3, 0, 0);
        device.waiting.take().finish(Outcome.DONE);
        NbdClient.Chunk data = client.readChunk();
        assertThat(data.type()).isEqualTo(Protocol.REPLY_OFFSET_DATA);
        assertThat(data.isLast()).isFalse();
        NbdClient.Chunk hole = client.readChunk();
        assertThat(hole.type()).isEqualTo(Protocol.REPLY_OFFSET_HOLE);
        assertThat(hole.isLast()).isTrue();
        device.waiting.take().finish(Outcome.IO_ERROR);
        expectError(client.readChunk(), 2, Protocol.EIO, -1);
        device.waiting.take().finish(Outcome.DONE);
        client.expect(3, 0);
    }

    // --------------------------------------------------------------------------------------------------- handshake

    private int transmissionFlags(NbdClient client) throws IOException {
        return client.option(Protocol.OPT_INFO, NbdClient.infoData("disk"))
                .getFirst()
                .buffer()
                .getShort(10);
    }

    @Test
    void theFlagsOfWhatWasAgreedAreNotToldBefore() throws IOException {
        NbdClient client = fixture.connect().greet(3);
        int more = Protocol.FLAG_SEND_DF | Protocol.FLAG_BLOCK_STATUS_PAYLOAD;
        assertThat(transmissionFlags(client) & more).isZero();
        client.agree(Protocol.OPT_STRUCTURED_REPLY);
        assertThat(transmissionFlags(client) & more).isEqualTo(Protocol.FLAG_SEND_DF);
        client.agree(Protocol.OPT_STRUCTURED_REPLY).agree(Protocol.OPT_EXTENDED_HEADERS);
        assertThat(transmissionFlags(client) & more).isEqualTo(more);
        client.agree(Protocol.OPT_EXTENDED_HEADERS);
        assertThat(client.option(Protocol.OPT_STRUCTURED_REPLY, new byte[0])
                        .getFirst()
                        .type())
                .isEqualTo(Protocol.REP_ERR_EXT_HEADER_REQD);
        client.go("disk");
        assertThat(read(client, true, 0, 0, 10)).isEqualTo("data 10");
    }

    @Test
    void neitherOptionTakesData() throws IOException {
        NbdClient client = fixture.connect().greet(3);
        for (int option : new int[] {Protocol.OPT_STRUCTURED_REPLY, Protocol.OPT_EXTENDED_HEADERS}) {
            for (int lengthBytes : new int[] {1, 100_000}) {
                assertThat(client.option(option, new byte[lengthBytes])
                                .getFirst()
                                .type())
                        .isEqualTo(Protocol.REP_ERR_INVALID);
            }
        }
        client.go("disk");
        client.read(1, 0, 1);
    }

    // ------------------------------------------------------------------------------------------- extended headers

    private NbdClient extended() throws IOException {
        NbdClient client = fixture.connect().greet(3).agree(Protocol.OPT_EXTENDED_HEADERS);
        client.go("disk");
        return client;
    }

    private static void expectDone(NbdClient client, long cookie) throws IOException {
        NbdClient.Chunk chunk = client.readExtendedChunk();
        assertThat(chunk.type()).isEqualTo(Protocol.REPLY_NONE);
        assertThat(chunk.isLast()).isTrue();
        assertThat(chunk.cookie()).isEqualTo(cookie);
    }

    @Test
    void everyReplyIsExtended() throws IOException {
        NbdClient client = extended();
        client.send(NbdClient.extendedHeader(0, Protocol.CMD_FLUSH, 1, 0, 0));
        expectDone(client, 1);
        client.send(NbdClient.extendedHeader(0, Protocol.CMD_WRITE_ZEROES, 2, 0, CHUNK));
        expectDone(client, 2);
        client.send(NbdClient.extendedHeader(0, 77, 3, 0, 0));
        expectError(client.readExtendedChunk(), 3, Protocol.EINVAL, -1);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, Protocol.CMD_FLAG_PAYLOAD_LEN})
    void aWriteSaysHowLongItsPayloadIsAndOneThatForgetsToIsServed(int flags) throws IOException {
        NbdClient client = extended();
        client.send(ByteBuffer.allocate(42)
                .put(NbdClient.extendedHeader(flags, Protocol.CMD_WRITE, 1, 3, 10)
                        .flip())
                .position(42));
        expectDone(client, 1);
        assertThat(contents(3, 10)).containsOnly(0);
    }

    @Test
    void aPayloadWhereNoneBelongsIsSkipped() throws IOException {
        NbdClient client = extended();
        int payload = Protocol.CMD_FLAG_PAYLOAD_LEN;
        client.send(ByteBuffer.allocate(132)
                .put(NbdClient.extendedHeader(payload, Protocol.CMD_READ, 1, 0, 100)
                        .flip())
                .position(132));
        expectError(client.readExtendedChunk(), 1, Protocol.EINVAL, -1);
        assertThat(read(client, true, 0, 0, 10)).isEqualTo("data 10");
    }

    @ParameterizedTest
    @ValueSource(longs = {1L << 32, 1L << 63, -1})
    void lengthsBeyondTheDeviceAreRefused(long lengthBytes) throws IOException {
        NbdClient client = extended();
        client.send(NbdClient.extendedHeader(0, Protocol.CMD_TRIM, 1, 0, lengthBytes));
        expectError(client.readExtendedChunk(), 1, Protocol.EINVAL, -1);
        client.send(NbdClient.extendedHeader(0, Protocol.CMD_WRITE_ZEROES, 2, 0, lengthBytes));
        expectError(client.readExtendedChunk(), 2, Protocol.ENOSPC, -1);
        client.send(NbdClient.extendedHeader(0, Protocol.CMD_READ, 3, 0, lengthBytes));
        expectError(client.readExtendedChunk(), 3, Protocol.EINVAL, -1);
        client.send(NbdClient.extendedHeader(Protocol.CMD_FLAG_PAYLOAD_LEN, Protocol.CMD_WRITE, 4, 0, lengthBytes));
        client.expectClosed();
    }

    @Test
    void aCompactRequestAmongExtendedOnesEndsTheConnection() throws IOException {
        NbdClient client = extended();
        client.send(ByteBuffer.allocate(32)
                .put(NbdClient.header(0, Protocol.CMD_READ, 1, 0, 1).flip())
                .position(32));
        client.expectClosed();
    }
}
