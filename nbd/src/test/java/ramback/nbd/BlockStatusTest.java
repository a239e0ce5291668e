package ramback.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import ramback.device.Extent;
import ramback.protocol.Protocol;

/** "Metadata querying": LIST and SET_META_CONTEXT, and BLOCK_STATUS. */
@Timeout(120)
final class BlockStatusTest {

    private static final String ALLOCATION = "base:allocation";
    private static final String DIRTY = "ramback:dirty";
    private static final int CHUNK = 4096;
    private static final int CHUNK_COUNT = 4096;
    private static final int SIZE = CHUNK * CHUNK_COUNT;

    private ServerFixture fixture = null;
    private RamDevice device = null;

    @BeforeEach
    void serve() throws IOException {
        device = RamDevice.ofSize(SIZE);
        device.chunkStates = new int[CHUNK_COUNT];
        RamDevice other = RamDevice.ofSize(SIZE);
        Export disk = new Export("disk", "", device);
        fixture = new ServerFixture(
                device, ServerLimits.DEFAULT, List.of(disk, disk.view(), new Export("other", "", other, 3)));
    }

    @AfterEach
    void stop() throws IOException {
        fixture.close();
    }

    // --------------------------------------------------------------------------------------------------- handshake

    private static List<String> names(List<NbdClient.OptionReply> replies, boolean set) {
        assertThat(replies.getLast().type()).as(replies.getLast().text()).isEqualTo(Protocol.REP_ACK);
        List<String> names = new ArrayList<>();
        for (NbdClient.OptionReply reply : replies.subList(0, replies.size() - 1)) {
            assertThat(reply.type()).isEqualTo(Protocol.REP_META_CONTEXT);
            int id = reply.data().getInt();
            assertThat(id != 0).isEqualTo(set);
            names.add(reply.text());
        }
        return names;
    }

    private static List<String> list(NbdClient client, String... queries) throws IOException {
        return names(client.option(Protocol.OPT_LIST_META_CONTEXT, NbdClient.metaData("disk", queries)), false);
    }

    private static List<String> set(NbdClient client, String export, String... queries) throws IOException {
        return names(client.option(Protocol.OPT_SET_META_CONTEXT, NbdClient.metaData(export, queries)), true);
    }

    @Test
    void listShowsAllOrANamespaceOrAName() throws IOException {
        NbdClient client = fixture.connect().greet(3);
        assertThat(list(client)).containsExactly(ALLOCATION, DIRTY);
        assertThat(list(client, "base:")).containsExactly(ALLOCATION);
        assertThat(list(client, "ramback:", "base:allocation")).containsExactly(ALLOCATION, DIRTY);
        assertThat(list(client, DIRTY, DIRTY)).containsExactly(DIRTY);
        assertThat(list(client, "qemu:", "base:allocatio", "dirty", "")).isEmpty();
    }

    @Test
    void setTakesWholeNamesOnlyAndIgnoresTheOthers() throws IOException {
        NbdClient client = structured();
        assertThat(set(client, "disk", "base:", "qemu:dirty-bitmap:b0", DIRTY)).containsExactly(DIRTY);
        assertThat(set(client, "disk")).isEmpty();
    }

    @Test
    void setNeedsStructuredReplies() throws IOException {
        NbdClient client = fixture.connect().greet(3);
        assertThat(client.option(Protocol.OPT_SET_META_CONTEXT, NbdClient.metaData("disk", ALLOCATION))
                        .getFirst()
                        .type())
                .isEqualTo(Protocol.REP_ERR_INVALID);
    }

    private NbdClient structured() throws IOException {
        return fixture.connect().greet(3).agree(Protocol.OPT_STRUCTURED_REPLY);
    }

    private NbdClient transmitting(String... contexts) throws IOException {
        NbdClient client = structured();
        set(client, "disk", contexts);
        client.go("disk");
        return client;
    }

    private static void expectNotServed(NbdClient client) throws IOException {
        client.request(Protocol.CMD_BLOCK_STATUS, 5, 0, CHUNK);
        NbdClient.Chunk chunk = client.readChunk();
        assertThat(chunk.type()).isEqualTo(Protocol.REPLY_ERROR);
        assertThat(chunk.data().getInt()).isEqualTo(Protocol.EINVAL);
        client.request(Protocol.CMD_CACHE, 6, 0, 1);
        client.expect(6, 0);
    }

    @Test
    void contextsOfADeviceAreNotThoseOfItsView() throws IOException {
        NbdClient client = structured();
        assertThat(set(client, "disk", ALLOCATION)).containsExactly(ALLOCATION);
        client.go("disk-ro");
        expectNotServed(client);
        NbdClient looking = structured();
        assertThat(set(looking, "disk-ro", ALLOCATION)).containsExactly(ALLOCATION);
        looking.go("disk-ro");
        looking.request(Protocol.CMD_BLOCK_STATUS, 5, 0, CHUNK);
        assertThat(looking.readChunk().type()).isEqualTo(Protocol.REPLY_BLOCK_STATUS);
    }

    @Test
    void aSetThatFailsLeavesNothingSet() throws IOException {
        List<byte[]> wrong = List.of(
                NbdClient.metaData("nobody", ALLOCATION),
                new byte[3],
                Arrays.copyOf(NbdClient.metaData("disk", ALLOCATION), 20),
                Arrays.copyOf(NbdClient.metaData("disk", ALLOCATION), 40),
                new byte[20_000]);
        for (byte[] data : wrong) {
            NbdClient client = structured();
            set(client, "disk", ALLOCATION);
            assertThat(client.option(Protocol.OPT_SET_META_CONTEXT, data)
                            .getFirst()
                            .type())
                    .isNegative();
            client.go("disk");
            expectNotServed(client);
        }
    }

    @Test
    void contextsOfAnotherExportAreNotMeant() throws IOException {
        NbdClient client = structured();
        set(client, "disk", ALLOCATION);
        client.go("other");
        expectNotServed(client);
    }

    @Test
    void aGenerationOfTheExportIsTheExport() throws IOException {
        NbdClient client = structured();
        set(client, "other@3", ALLOCATION);
        client.go("other");
        assertThat(status(client, 0, 0, SIZE)).containsExactly(ALLOCATION + " 16777216:0");
    }

    @Test
    void withoutContextsItIsNotServed() throws IOException {
        expectNotServed(transmitting());
        NbdClient plain = fixture.transmitting();
        plain.request(Protocol.CMD_BLOCK_STATUS, 1, 0, CHUNK);
        plain.expect(1, Protocol.EINVAL);
    }

    // ------------------------------------------------------------------------------------------------ transmission

    /** Asks, and returns for each context its name and each extent as LENGTH:STATUS. */
    private static List<String> status(NbdClient client, int flags, long offset, int lengthBytes) throws IOException {
        client.request(flags, Protocol.CMD_BLOCK_STATUS, 9, offset, lengthBytes);
        List<String> told = new ArrayList<>();
        NbdClient.Chunk chunk;
        do {
            chunk = client.readChunk();
            assertThat(chunk.type()).isEqualTo(Protocol.REPLY_BLOCK_STATUS);
            ByteBuffer data = chunk.data();
            StringBuilder text = new StringBuilder(data.getInt() == 1 ? ALLOCATION : DIRTY);
            while (data.hasRemaining()) {
                text.append(' ').append(data.getInt()).append(':').append(data.getInt());
            }
            told.add(text.toString());
        } while (!chunk.isLast());
        return told;
    }

    @Test
    void extentsReachFromChangeToChange() throws IOException {
        Arrays.fill(device.chunkStates, 1, 3, Extent.ZERO | Extent.UNLOADED);
        Arrays.fill(device.chunkStates, 2, 5, Extent.ZERO | Extent.DIRTY);
        NbdClient client = transmitting(ALLOCATION, DIRTY);
        assertThat(status(client, 0, 0, 10 * CHUNK))
                .containsExactly(ALLOCATION + " 4096:0 16384:3 20480:0", DIRTY + " 8192:0 12288:1 20480:0");
        assertThat(status(client, 0, 100, 50)).containsExactly(ALLOCATION + " 50:0", DIRTY + " 50:0");
        assertThat(status(client, 0, 2 * CHUNK - 1, 2)).containsExactly(ALLOCATION + " 2:3", DIRTY + " 1:0 1:1");
        assertThat(status(transmitting(DIRTY), 0, SIZE - 1, 1)).containsExactly(DIRTY + " 1:0");
    }

    @Test
    void oneExtentIsEnoughWhereTheClientSaysSo() throws IOException {
        Arrays.fill(device.chunkStates, 1, 3, Extent.ZERO);
        NbdClient client = transmitting(ALLOCATION);
        assertThat(status(client, Protocol.CMD_FLAG_REQ_ONE, 0, SIZE)).containsExactly(ALLOCATION + " 4096:0");
        assertThat(status(client, Protocol.CMD_FLAG_REQ_ONE, CHUNK, 10)).containsExactly(ALLOCATION + " 10:3");
    }

    @Test
    void aReplyHoldsSoManyExtentsAndTheClientAsksOn() throws IOException {
        for (int chunk = 0; chunk < CHUNK_COUNT; chunk += 2) {
            device.chunkStates[chunk] = Extent.ZERO;
        }
        NbdClient client = transmitting(ALLOCATION);
        String first = status(client, 0, 0, SIZE).getFirst();
        assertThat(first.split(" ")).hasSize(1 + Replies.EXTENT_COUNT_MAX);
    }

    @ParameterizedTest
    @CsvSource({"0,0", "16777216,1", "16777215,2", "-1,1"})
    void aRangeThatIsEmptyOrOutsideIsInvalid(long offset, int lengthBytes) throws IOException {
        NbdClient client = transmitting(ALLOCATION);
        client.request(Protocol.CMD_BLOCK_STATUS, 1, offset, lengthBytes);
        NbdClient.Chunk chunk = client.readChunk();
        assertThat(chunk.type()).isEqualTo(Protocol.REPLY_ERROR);
        assertThat(chunk.data().getInt()).isEqualTo(Protocol.EINVAL);
    }

    // ------------------------------------------------------------------------------------------- extended headers

    private NbdClient extended(String... contexts) throws IOException {
        NbdClient client = fixture.connect().greet(3).agree(Protocol.OPT_EXTENDED_HEADERS);
        set(client, "disk", contexts);
        client.go("disk");
        return client;
    }

    /** Sends a BLOCK_STATUS whose payload is this. */
    private static void sendFiltered(NbdClient client, long length, int... ids) throws IOException {
        ByteBuffer request = ByteBuffer.allocate(32 + 8 + 4 * ids.length);
        request.put(NbdClient.extendedHeader(
                        Protocol.CMD_FLAG_PAYLOAD_LEN, Protocol.CMD_BLOCK_STATUS, 9, CHUNK, 8 + 4L * ids.length)
                .flip());
        request.putLong(length);
        for (int id : ids) {
            request.putInt(id);
        }
        client.send(request);
    }

    private static List<String> extendedStatus(NbdClient client) throws IOException {
        List<String> told = new ArrayList<>();
        NbdClient.Chunk chunk;
        do {
            chunk = client.readExtendedChunk();
            assertThat(chunk.type()).isEqualTo(Protocol.REPLY_BLOCK_STATUS_EXT);
            ByteBuffer data = chunk.data();
            StringBuilder text = new StringBuilder(data.getInt() == 1 ? ALLOCATION : DIRTY);
            assertThat(data.getInt()).isEqualTo(data.remaining() / 16);
            while (data.hasRemaining()) {
                text.append(' ').append(data.getLong()).append(':').append(data.getLong());
            }
            told.add(text.toString());
        } while (!chunk.isLast());
        return told;
    }

    @Test
    void extendedExtentsAreWide() throws IOException {
        device.chunkStates[0] = Extent.ZERO;
        NbdClient client = extended(ALLOCATION, DIRTY);
        client.send(NbdClient.extendedHeader(0, Protocol.CMD_BLOCK_STATUS, 9, 0, SIZE));
        assertThat(extendedStatus(client)).containsExactly(ALLOCATION + " 4096:3 16773120:0", DIRTY + " 16777216:0");
    }

    @Test
    void thePayloadSaysWhichContextsAreMeant() throws IOException {
        device.chunkStates[2] = Extent.ZERO;
        NbdClient client = extended(ALLOCATION, DIRTY);
        sendFiltered(client, 2 * CHUNK, 1);
        assertThat(extendedStatus(client)).containsExactly(ALLOCATION + " 4096:0 4096:3");
        sendFiltered(client, CHUNK, 2, 1);
        assertThat(extendedStatus(client)).containsExactly(ALLOCATION + " 4096:0", DIRTY + " 4096:0");
    }

    @Test
    void aPayloadThatMakesNoSenseIsInvalid() throws IOException {
        NbdClient client = extended(ALLOCATION);
        int[][] wrong = {{}, {0}, {2}, {3}, {-1}, {1, 1}, {1, 2, 3, 4, 5}};
        for (int[] ids : wrong) {
            sendFiltered(client, CHUNK, ids);
            expectInvalid(client);
        }
        for (long length : new long[] {0, SIZE, Long.MIN_VALUE}) {
            sendFiltered(client, length, 1);
            expectInvalid(client);
        }
        client.send(ByteBuffer.allocate(43)
                .put(NbdClient.extendedHeader(Protocol.CMD_FLAG_PAYLOAD_LEN, Protocol.CMD_BLOCK_STATUS, 9, 0, 11)
                        .flip())
                .position(43));
        expectInvalid(client);
        sendFiltered(client, 1, 1);
        assertThat(extendedStatus(client)).containsExactly(ALLOCATION + " 1:0");
    }

    private static void expectInvalid(NbdClient client) throws IOException {
        NbdClient.Chunk chunk = client.readExtendedChunk();
        assertThat(chunk.type()).isEqualTo(Protocol.REPLY_ERROR);
        assertThat(chunk.data().getInt()).isEqualTo(Protocol.EINVAL);
    }
}
