package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.protocol.Protocol;

@Timeout(60)
final class HandshakeTest {

    private static final int ALL_FLAGS = 0b1101_0110_1101;

    private ServerFixture fixture = null;

    @BeforeEach
    void serve() throws IOException {
        fixture = ServerFixture.ofSize(1_000_003);
    }

    @AfterEach
    void stop() throws IOException {
        fixture.close();
    }

    private NbdClient greeted() throws IOException {
        return fixture.connect().greet(3);
    }

    /** The stream is still parseable: LIST is answered. */
    private static void expectParseable(NbdClient client) throws IOException {
        assertThat(client.option(Protocol.OPT_LIST, new byte[0])).hasSize(2);
    }

    private static void expectError(NbdClient client, int option, byte[] data, int error) throws IOException {
        List<NbdClient.OptionReply> replies = client.option(option, data);
        assertThat(replies).hasSize(1);
        assertThat(replies.getFirst().type()).isEqualTo(error);
        assertThat(replies.getFirst().text()).doesNotContain("\0").isNotEmpty();
        expectParseable(client);
    }

    // ---------------------------------------------------------------------------------------------- client flags

    @ParameterizedTest
    @ValueSource(ints = {4, 0x8000_0003, 0xffff_ffff})
    void unknownClientFlagsCloseTheConnection(int flags) throws IOException {
        NbdClient client = fixture.connect().greet(flags);
        client.expectClosed();
    }

    @Test
    void aWrongOptionMagicClosesTheConnection() throws IOException {
        NbdClient client = greeted();
        client.send(
                ByteBuffer.allocate(16).putLong(0x49484156454F5055L).putInt(3).putInt(0));
        client.expectClosed();
    }

    // ----------------------------------------------------------------------------------------------- EXPORT_NAME

    @Test
    void exportNameAnswersSizeFlagsAndZeroes() throws IOException {
        NbdClient client = fixture.connect().greet(1);
        client.sendOption(Protocol.OPT_EXPORT_NAME, "disk".getBytes(UTF_8));
        ByteBuffer answer = client.receive(10 + 124);
        assertThat(answer.getLong()).isEqualTo(1_000_003);
        assertThat(answer.getShort()).isEqualTo((short) ALL_FLAGS);
        byte[] zeroes = new byte[124];
        answer.get(zeroes);
        assertThat(zeroes).containsOnly(0);
        assertThat(client.read(1, 1_000_000, 3)).hasSize(3);
    }

    @Test
    void exportNameWithoutZeroesAnswersTenBytes() throws IOException {
        NbdClient client = greeted();
        client.sendOption(Protocol.OPT_EXPORT_NAME, new byte[0]);
        client.receive(10);
        assertThat(client.read(1, 0, 5)).hasSize(5);
    }

    @Test
    void anUnknownExportNameClosesTheConnection() throws IOException {
        NbdClient client = greeted();
        client.sendOption(Protocol.OPT_EXPORT_NAME, "disc".getBytes(UTF_8));
        client.expectClosed();
    }

    @ParameterizedTest
    @ValueSource(ints = {4097, 16 << 10, 20_000})
    void anExportNameOfMoreThan4096BytesClosesTheConnection(int lengthBytes) throws IOException {
        NbdClient client = greeted();
        client.sendOption(Protocol.OPT_EXPORT_NAME, new byte[lengthBytes]);
        client.expectClosed();
    }

    // ----------------------------------------------------------------------------------------------- INFO and GO

    @Test
    void infoSaysEverythingThatIsAskedForAndStaysInTheHandshake() throws IOException {
        NbdClient client = greeted();
        List<NbdClient.OptionReply> replies =
                client.option(Protocol.OPT_INFO, NbdClient.infoData("disk", 1, 2, 3, 77, 2));
        assertThat(replies).hasSize(5);
        assertThat(replies.getLast().type()).isEqualTo(Protocol.REP_ACK);
        ByteBuffer export = replies.get(0).buffer();
        assertThat(export.remaining()).isEqualTo(12);
        assertThat(export.getShort()).isEqualTo((short) Protocol.INFO_EXPORT);
        assertThat(export.getLong()).isEqualTo(1_000_003);
        assertThat(export.getShort()).isEqualTo((short) ALL_FLAGS);
        assertThat(replies.get(1).text()).isEqualTo("\0\1disk");
        assertThat(replies.get(2).text()).isEqualTo("\0\2a disk for tests");
        ByteBuffer block = replies.get(3).buffer();
        assertThat(block.getShort()).isEqualTo((short) Protocol.INFO_BLOCK_SIZE);
        assertThat(block.getInt()).isEqualTo(1);
        assertThat(block.getInt()).isEqualTo(4096);
        assertThat(block.getInt()).isEqualTo(32 << 20);
        assertThat(fixture.server.clientCount()).isZero();
        client.go("disk");
        assertThat(client.read(9, 3, 4)).hasSize(4);
    }

    @Test
    void goWithoutItemsSaysTheExportAndTransmits() throws IOException {
        NbdClient client = fixture.connect().greet(1); // no zeroes are sent after GO, whatever the client's flags
        List<NbdClient.OptionReply> replies = client.option(Protocol.OPT_GO, NbdClient.infoData("disk"));
        assertThat(replies).hasSize(2);
        assertThat(client.read(1, 0, 1)).hasSize(1);
        assertThat(fixture.server.clientCount()).isEqualTo(1);
    }

    @Test
    void theEmptyNameMeansTheOnlyExport() throws IOException {
        NbdClient client = greeted();
        assertThat(client.option(Protocol.OPT_INFO, NbdClient.infoData("", 1))
                        .get(1)
                        .text())
                .isEqualTo("\0\1disk");
        client.go("");
        assertThat(client.read(1, 0, 1)).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"Disk", "disk ", "disk\0", "\u00fc", "\0"})
    void anUnknownNameIsUnknown(String name) throws IOException {
        NbdClient client = greeted();
        expectError(client, Protocol.OPT_GO, NbdClient.infoData(name), Protocol.REP_ERR_UNKNOWN);
        expectError(client, Protocol.OPT_INFO, NbdClient.infoData(name), Protocol.REP_ERR_UNKNOWN);
    }

    @Test
    void malformedInfoDataIsInvalid() throws IOException {
        NbdClient client = greeted();
        byte[] good = NbdClient.infoData("disk", 3);
        byte[] tooShort = {0, 0, 0, 0, 0};
        byte[] trailing = java.util.Arrays.copyOf(good, good.length + 1);
        byte[] missingItem = java.util.Arrays.copyOf(good, good.length - 2);
        byte[] nameBeyondEnd = good.clone();
        nameBeyondEnd[3] = 100;
        byte[] nameOverTheInt = good.clone();
        nameOverTheInt[0] = (byte) 0xff;
        byte[] manyItems = good.clone();
        manyItems[8] = (byte) 0xff;
        byte[] longName = NbdClient.infoData("x".repeat(4097));
        for (byte[] data : List.of(
                new byte[0], tooShort, trailing, missingItem, nameBeyondEnd, nameOverTheInt, manyItems, longName)) {
            expectError(client, Protocol.OPT_INFO, data, Protocol.REP_ERR_INVALID);
            expectError(client, Protocol.OPT_GO, data, Protocol.REP_ERR_INVALID);
        }
    }

    @Test
    void aNameOf4096BytesIsAskedForInVain() throws IOException {
        expectError(greeted(), Protocol.OPT_GO, NbdClient.infoData("x".repeat(4096)), Protocol.REP_ERR_UNKNOWN);
    }

    @Test
    void moreDataThanAnOptionCanNeedIsTooBig() throws IOException {
        NbdClient client = greeted();
        expectError(client, Protocol.OPT_GO, new byte[(16 << 10) + 1], Protocol.REP_ERR_TOO_BIG);
        expectError(client, Protocol.OPT_INFO, new byte[1 << 20], Protocol.REP_ERR_TOO_BIG);
    }

    @Test
    void everySessionIsTakenThenGoIsRefusedByPolicyAndTheClientMayTryAgain() throws Exception {
        fixture.close();
        RamDevice one = new RamDevice("disk", RamDevice.ofSize(4096).memory, 4096, false, 1, 4);
        fixture = new ServerFixture(one, ServerLimits.DEFAULT);
        NbdClient first = fixture.transmitting();
        NbdClient second = greeted();
        expectError(second, Protocol.OPT_GO, NbdClient.infoData("disk"), Protocol.REP_ERR_POLICY);
        NbdClient third = greeted();
        third.sendOption(Protocol.OPT_EXPORT_NAME, "disk".getBytes(UTF_8));
        third.expectClosed();
        first.request(Protocol.CMD_DISC, 0, 0, 0);
        first.expectClosed();
        fixture.awaitNoClient();
        second.go("disk");
        assertThat(second.read(1, 0, 4096)).hasSize(4096);
    }

    @Test
    void aStoppingDeviceRefusesGoWithShutdown() throws IOException {
        fixture.device.stopping = true;
        expectError(greeted(), Protocol.OPT_GO, NbdClient.infoData("disk"), Protocol.REP_ERR_SHUTDOWN);
        NbdClient client = greeted();
        client.sendOption(Protocol.OPT_EXPORT_NAME, "disk".getBytes(UTF_8));
        client.expectClosed();
    }

    @Test
    void aReadOnlyDeviceOffersNoChanges() throws IOException {
        fixture.close();
        RamDevice device = new RamDevice("disk", RamDevice.ofSize(1).memory, 65536, true, 1, 4);
        fixture = new ServerFixture(device, ServerLimits.DEFAULT);
        ByteBuffer export = greeted()
                .option(Protocol.OPT_INFO, NbdClient.infoData(""))
                .getFirst()
                .buffer();
        export.getShort();
        assertThat(export.getLong()).isEqualTo(1);
        assertThat(export.getShort()).isEqualTo((short) 0b0101_0000_1111);
    }

    // ---------------------------------------------------------------------------------------------------- views

    private static final int READ_ONLY_FLAGS = 0b0101_0000_1111;

    private NbdClient greetedWithView(RamDevice device, String description) throws IOException {
        fixture.close();
        Export export = new Export("disk", description, device, 4);
        fixture = new ServerFixture(device, ServerLimits.DEFAULT, List.of(export, export.view()));
        return greeted();
    }

    private static int flagsOf(NbdClient client, String name) throws IOException {
        ByteBuffer export = client.option(Protocol.OPT_INFO, NbdClient.infoData(name))
                .getFirst()
                .buffer();
        assertThat(export.getShort()).isZero();
        assertThat(export.getLong()).isEqualTo(1_000_003);
        return export.getShort();
    }

    @Test
    void aViewIsListedBesideItsDeviceAndSaysWhatItIs() throws IOException {
        NbdClient client = greetedWithView(RamDevice.ofSize(1_000_003), "a disk");
        assertThat(client.option(Protocol.OPT_LIST, new byte[0]))
                .extracting(NbdClient.OptionReply::text)
                .containsExactly("\0\0\0\4diska disk", "\0\0\0\7disk-roa disk (read-only, live)", "");
        assertThat(client.option(Protocol.OPT_INFO, NbdClient.infoData("disk-ro", 1, 2, 3)))
                .hasSize(5)
                .satisfies(
                        replies -> assertThat(replies.get(1).text()).isEqualTo("\0\1disk-ro"),
                        replies -> assertThat(replies.get(2).text()).isEqualTo("\0\2a disk (read-only, live)"));
        assertThat(new Export("d", "", RamDevice.ofSize(1)).view().description())
                .isEqualTo("(read-only, live)");
    }

    @Test
    void aViewHasTheSizeOfItsDeviceAndTakesNoChanges() throws IOException {
        NbdClient client = greetedWithView(RamDevice.ofSize(1_000_003), "");
        assertThat(flagsOf(client, "disk")).isEqualTo(ALL_FLAGS);
        assertThat(flagsOf(client, "")).as("the default is no view").isEqualTo(ALL_FLAGS);
        assertThat(flagsOf(client, "disk-ro")).isEqualTo(READ_ONLY_FLAGS);
        assertThat(flagsOf(client, "disk-ro@4")).isEqualTo(READ_ONLY_FLAGS);
        expectUnknown(client, "disk-ro@3", "export disk-ro has generation 4 now");
        expectUnknown(client, "disk-ro-ro", "no export of that name");
        client.sendOption(Protocol.OPT_EXPORT_NAME, "disk-ro".getBytes(UTF_8));
        ByteBuffer taken = client.receive(10);
        assertThat(taken.getLong()).isEqualTo(1_000_003);
        assertThat(taken.getShort()).isEqualTo((short) READ_ONLY_FLAGS);
        assertThat(client.read(1, 0, 10)).hasSize(10);
    }

    private static void expectUnknown(NbdClient client, String name, String text) throws IOException {
        List<NbdClient.OptionReply> replies = client.option(Protocol.OPT_GO, NbdClient.infoData(name));
        assertThat(replies).extracting(NbdClient.OptionReply::type).containsExactly(Protocol.REP_ERR_UNKNOWN);
        assertThat(replies.getFirst().text()).contains(text);
    }

    @Test
    void aReadOnlyDeviceHasAViewAsWell() throws IOException {
        RamDevice device = new RamDevice("disk", RamDevice.ofSize(1_000_003).memory, 4096, true, 2, 4);
        NbdClient client = greetedWithView(device, "");
        assertThat(flagsOf(client, "disk")).isEqualTo(READ_ONLY_FLAGS);
        assertThat(flagsOf(client, "disk-ro")).isEqualTo(READ_ONLY_FLAGS);
    }

    @Test
    void clientsOfAViewAreClientsOfTheDevice() throws IOException {
        RamDevice device = new RamDevice("disk", RamDevice.ofSize(1_000_003).memory, 4096, false, 2, 4);
        NbdClient client = greetedWithView(device, "");
        client.go("disk-ro");
        greeted().go("disk");
        expectFull(greeted(), "disk");
        expectFull(greeted(), "disk-ro");
        assertThat(new Exports(List.of(new Export("a", "", device), new Export("a", "", device).view()))
                        .sessionCountMax())
                .isEqualTo(2);
    }

    private static void expectFull(NbdClient client, String name) throws IOException {
        assertThat(client.option(Protocol.OPT_GO, NbdClient.infoData(name)))
                .extracting(NbdClient.OptionReply::type)
                .containsExactly(Protocol.REP_ERR_POLICY);
    }

    // ---------------------------------------------------------------------------------------------- LIST and ABORT

    @Test
    void listNamesEveryExportAndItsDescription() throws IOException {
        fixture.close();
        RamDevice device = RamDevice.ofSize(1);
        fixture = new ServerFixture(
                device, ServerLimits.DEFAULT, List.of(new Export("a", "", device), new Export("b", "second", device)));
        NbdClient client = greeted();
        List<NbdClient.OptionReply> replies = client.option(Protocol.OPT_LIST, new byte[0]);
        assertThat(replies).extracting(NbdClient.OptionReply::text).containsExactly("\0\0\0\1a", "\0\0\0\1bsecond", "");
        expectErrorOfSeveral(client);
        client.go("b");
    }

    private static void expectErrorOfSeveral(NbdClient client) throws IOException {
        assertThat(client.option(Protocol.OPT_INFO, NbdClient.infoData("")))
                .as("the empty name means nothing when there are several")
                .extracting(NbdClient.OptionReply::type)
                .containsExactly(Protocol.REP_ERR_UNKNOWN);
    }

    @Test
    void aGenerationThatIsOverIsRefusedAndTheNameAloneIsNot() throws IOException {
        fixture.close();
        RamDevice device = RamDevice.ofSize(1);
        fixture = new ServerFixture(device, ServerLimits.DEFAULT, List.of(new Export("disk", "", device, 4)));
        greeted().go("disk");
        greeted().go("disk@4");
        greeted().go("");
        NbdClient late = greeted();
        for (String name : List.of("disk@3", "disk@5", "disk@04", "disk@", "disk@4 ")) {
            List<NbdClient.OptionReply> replies = late.option(Protocol.OPT_GO, NbdClient.infoData(name));
            assertThat(replies).extracting(NbdClient.OptionReply::type).containsExactly(Protocol.REP_ERR_UNKNOWN);
            assertThat(replies.getFirst().text())
                    .contains("export disk has generation 4 now")
                    .contains("connect anew as disk@4");
        }
        assertThat(late.option(Protocol.OPT_GO, NbdClient.infoData("disc@4"))
                        .getFirst()
                        .text())
                .contains("no export of that name");
        NbdClient old = greeted();
        old.sendOption(Protocol.OPT_EXPORT_NAME, "disk@3".getBytes(UTF_8));
        old.expectClosed();
    }

    @Test
    void listWithDataIsInvalid() throws IOException {
        expectError(greeted(), Protocol.OPT_LIST, new byte[1], Protocol.REP_ERR_INVALID);
        expectError(greeted(), Protocol.OPT_LIST, new byte[30_000], Protocol.REP_ERR_INVALID);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 5, 20_000})
    void abortIsAcknowledgedWhateverItsDataAndEndsTheConnection(int lengthBytes) throws IOException {
        NbdClient client = greeted();
        client.sendOption(Protocol.OPT_ABORT, new byte[lengthBytes]);
        assertThat(client.readOptionReply().type()).isEqualTo(Protocol.REP_ACK);
        client.expectClosed();
    }

    @Test
    void aClientMayAbortAndHangUpWithoutWaiting() throws IOException {
        NbdClient client = greeted();
        client.sendOption(Protocol.OPT_ABORT, new byte[0]);
        client.close();
        fixture.transmitting().read(1, 0, 1);
    }

    // --------------------------------------------------------------------------------------------- everything else

    @ParameterizedTest
    @ValueSource(ints = {0, 4, 5, 12, 13, 0x7fff_ffff, 0x8000_0001, 0xffff_ffff})
    void anOptionThatIsNotOursIsUnsupportedAndTheStreamStaysParseable(int option) throws IOException {
        NbdClient client = greeted();
        expectError(client, option, new byte[0], Protocol.REP_ERR_UNSUP);
        expectError(client, option, new byte[7], Protocol.REP_ERR_UNSUP);
        expectError(client, option, new byte[100_000], Protocol.REP_ERR_UNSUP);
        client.go("disk");
    }

    @ParameterizedTest
    @ValueSource(ints = {(1 << 20) + 1, 0x7fff_ffff, 0xffff_ffff})
    void aHugeOptionLengthClosesTheConnection(int lengthBytes) throws IOException {
        for (int option : new int[] {Protocol.OPT_EXPORT_NAME, Protocol.OPT_GO, Protocol.OPT_LIST, 99}) {
            NbdClient client = greeted();
            client.sendOptionHeader(option, lengthBytes);
            client.expectClosed();
        }
    }

    @Test
    void optionsArriveByteByByte() throws IOException {
        NbdClient client = greeted();
        byte[] data = NbdClient.infoData("disk", 3);
        ByteBuffer whole = ByteBuffer.allocate(16 + data.length)
                .putLong(0x49484156454F5054L)
                .putInt(Protocol.OPT_GO)
                .putInt(data.length)
                .put(data)
                .flip();
        while (whole.hasRemaining()) {
            client.send(ByteBuffer.allocate(1).put(whole.get()));
        }
        assertThat(client.readOptionReplies()).hasSize(3);
        assertThat(client.read(1, 0, 1)).hasSize(1);
    }

    @Test
    void whoWithholdsBytesIsClosedWhenTheTimeIsUp() throws IOException {
        fixture.close();
        fixture = new ServerFixture(
                RamDevice.ofSize(1), new ServerLimits(8, Duration.ofSeconds(3), Duration.ZERO, PollingLimits.OFF));
        NbdClient silent = fixture.connect();
        NbdClient inTheHeader = greeted();
        inTheHeader.send(ByteBuffer.allocate(9));
        NbdClient inTheData = greeted();
        inTheData.sendOptionHeader(Protocol.OPT_GO, 10);
        silent.receive(18);
        silent.expectClosed();
        inTheHeader.expectClosed();
        inTheData.expectClosed();
    }

    @Test
    void aClientOutlivesTheHandshakesTimeOnceItTransmits() throws Exception {
        fixture.close();
        fixture = new ServerFixture(
                RamDevice.ofSize(1), new ServerLimits(8, Duration.ofSeconds(3), Duration.ZERO, PollingLimits.OFF));
        NbdClient client = fixture.transmitting();
        NbdClient silent = fixture.connect(); // its end shows that the time was up for the client as well
        silent.receive(18);
        silent.expectClosed();
        assertThat(client.read(1, 0, 1)).hasSize(1);
    }

    @Test
    void aNewcomerTakesTheOldestPlaceInAFullHandshake() throws IOException {
        fixture.close();
        fixture = new ServerFixture(
                RamDevice.ofSize(1), new ServerLimits(2, Duration.ofHours(1), Duration.ZERO, PollingLimits.OFF));
        NbdClient oldest = fixture.connect().greet(3);
        NbdClient second = fixture.connect().greet(3);
        NbdClient third = fixture.connect().greet(3);
        oldest.expectClosed();
        second.go("disk");
        third.go("disk");
        assertThat(second.read(1, 0, 1)).hasSize(1);
        assertThat(third.read(1, 0, 1)).hasSize(1);
    }

    @Test
    void aNewcomerWaitsWhileTheOldestMayStay() throws IOException {
        fixture.close();
        ServerLimits limits = new ServerLimits(2, Duration.ofHours(1), Duration.ofMinutes(30), PollingLimits.OFF);
        fixture = new ServerFixture(RamDevice.ofSize(1), limits);
        NbdClient oldest = fixture.connect().greet(3);
        NbdClient second = fixture.connect().greet(3);
        NbdClient third = fixture.connect(); // in the listener's queue, or waiting for a place
        NbdClient fourth = fixture.connect();
        oldest.go("disk");
        third.greet(3).go("disk");
        second.close();
        fourth.greet(3).go("disk");
        assertThat(oldest.read(1, 0, 1)).hasSize(1);
        assertThat(third.read(1, 0, 1)).hasSize(1);
        assertThat(fourth.read(1, 0, 1)).hasSize(1);
    }

    @Test
    void aServerStopsWhileANewcomerWaits() throws IOException {
        fixture.close();
        ServerLimits limits = new ServerLimits(1, Duration.ofHours(1), Duration.ofMinutes(30), PollingLimits.OFF);
        fixture = new ServerFixture(RamDevice.ofSize(1), limits);
        NbdClient oldest = fixture.connect().greet(3);
        NbdClient second = fixture.connect();
        fixture.server.close();
        oldest.expectClosed();
        second.expectClosed();
    }

    /** The room by itself: a server's stop goes by too fast to always meet a newcomer that waits. */
    @Test
    void nobodyEntersARoomThatIsClosedMeanwhile() throws Exception {
        long hour = Duration.ofHours(1).toNanos();
        HandshakeRoom room = new HandshakeRoom(1, hour, hour);
        try (SocketChannel first = SocketChannel.open();
                SocketChannel second = SocketChannel.open()) {
            Connection oldest = new Connection(1, first, fixture.server, Encryption.NONE);
            assertThat(room.enter(oldest)).isTrue();
            FutureTask<Boolean> waiting =
                    new FutureTask<>(() -> room.enter(new Connection(2, second, fixture.server, Encryption.NONE)));
            Thread thread = Thread.ofPlatform().daemon().start(waiting);
            while (thread.getState() != Thread.State.TIMED_WAITING) {
                Thread.sleep(1);
            }
            room.close();
            assertThat(waiting.get()).isFalse();
            room.leave(oldest);
            assertThat(room.enter(oldest)).isFalse();
        }
    }

    @Test
    void connectionsThatAreSlowToEndKeepNewcomersOutOnlyWhenThereAreTooMany() throws Exception {
        fixture.close();
        RamDevice device = RamDevice.ofSize(1);
        CountDownLatch mayEnd = new CountDownLatch(1);
        device.afterRelease = () -> awaitUninterruptibly(mayEnd);
        fixture = new ServerFixture(device, new ServerLimits(1, Duration.ofHours(1), Duration.ZERO, PollingLimits.OFF));
        int connectionCountMax = device.sessionCountMax() + 2;
        for (int i = 0; i < connectionCountMax; i++) {
            NbdClient client = fixture.transmitting();
            client.close();
            while (device.openSessionCount.get() > 0) {
                Thread.sleep(1);
            }
        }
        assertThat(fixture.server.connectionCount()).isEqualTo(connectionCountMax);
        NbdClient waiting = fixture.connect();
        Thread accepting = Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("nbd-accept " + fixture.socket))
                .findFirst()
                .orElseThrow();
        while (accepting.getState() != Thread.State.WAITING) {
            Thread.sleep(1);
        }
        assertThat(fixture.server.connectionCount()).isEqualTo(connectionCountMax);
        mayEnd.countDown();
        waiting.greet(3).go("disk");
        assertThat(waiting.read(1, 0, 1)).hasSize(1);
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void anExportsNameMustBeAString() {
        RamDevice device = RamDevice.ofSize(1);
        for (String name : List.of("", "a\0b", "x".repeat(4097))) {
            org.assertj.core.api.Assertions.assertThatIllegalArgumentException()
                    .isThrownBy(() -> new Export(name, "", device));
        }
        org.assertj.core.api.Assertions.assertThatIllegalArgumentException()
                .isThrownBy(() -> new Exports(List.of(new Export("a", "", device), new Export("a", "", device))))
                .withMessageContaining("two exports are named a");
    }
}
