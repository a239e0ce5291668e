package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.device.Outcome;
import ramback.protocol.Protocol;
import ramback.tls.PemCertificates;
import ramback.traffic.Traffic;

/** "TLS support": STARTTLS, who must use it, and with which certificates. */
@Timeout(120)
final class TlsTest {

    private static final int SIZE = 8 << 20;
    /** More than a record's 16 KiB with all that may be around them. */
    private static final int OVERSIZED_BYTES = 20_000;
    /** Nobody is closed because its time is up. */
    private static final ServerLimits UNHURRIED =
            new ServerLimits(8, Duration.ofHours(1), Duration.ZERO, PollingLimits.OFF);

    @TempDir
    static Path keys;

    private final RamDevice device = RamDevice.ofSize(SIZE);
    private @Nullable NbdServer server;
    private InetSocketAddress address = new InetSocketAddress(0);

    /** Each is its own authority: one for the server, a client, a stranger, and one for the server later on. */
    @BeforeAll
    static void makeKeys() throws IOException {
        for (String name : List.of("server", "client", "stranger", "renewed")) {
            TestKeys.make(keys, name);
        }
    }

    private static KeyStore load(String name) throws Exception {
        return KeyStore.getInstance(keys.resolve(name + ".p12").toFile(), TestKeys.PASSWORD.toCharArray());
    }

    private static TlsKeys serverKeys(@Nullable String authority) throws IOException {
        return new TlsKeys(
                keys.resolve("server.crt"),
                keys.resolve("server.key"),
                authority == null ? null : keys.resolve(authority + ".crt"));
    }

    private void serve(TlsMode mode, TlsKeys tlsKeys) throws IOException {
        serve(mode, tlsKeys, ServerLimits.DEFAULT);
    }

    private void serve(TlsMode mode, TlsKeys tlsKeys, ServerLimits limits) throws IOException {
        byte[] contents = new byte[SIZE];
        new Random(3).nextBytes(contents);
        device.memory.copyFrom(MemorySegment.ofArray(contents));
        server = new NbdServer(List.of(new Export("disk", "", device)), limits, mode, tlsKeys, new Traffic());
        address = server.listenTcp(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), false);
    }

    private NbdServer server() {
        return Objects.requireNonNull(server);
    }

    @AfterEach
    void stop() {
        if (server != null) {
            server.close();
        }
        assertThat(device.openSessionCount).as("sessions left open").hasValue(0);
    }

    // -------------------------------------------------------------------------------------------------- the client

    /** Says STARTTLS, and then speaks through the JDK's TLS, as {@link NbdClient} does without. */
    private static final class Encrypted implements AutoCloseable {
        private final SSLSocket socket;
        private final DataInputStream in;
        private final OutputStream out;

        Encrypted(NbdClient plain, String authority, @Nullable String own, String protocol) throws Exception {
            SSLContext context = SSLContext.getInstance("TLS");
            KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            if (own != null) {
                factory.init(load(own), TestKeys.PASSWORD.toCharArray());
            }
            context.init(
                    own == null ? null : factory.getKeyManagers(),
                    PemCertificates.trusted(keys.resolve(authority + ".crt")),
                    null);
            Socket under = plain.channel.socket();
            socket = (SSLSocket) context.getSocketFactory().createSocket(under, "localhost", under.getPort(), true);
            socket.setEnabledProtocols(new String[] {protocol});
            socket.startHandshake();
            in = new DataInputStream(socket.getInputStream());
            out = socket.getOutputStream();
        }

        /** Sends an option and returns the types of its replies. */
        List<Integer> option(int code, byte[] data) throws IOException {
            out.write(ByteBuffer.allocate(16 + data.length)
                    .putLong(0x49484156454F5054L)
                    .putInt(code)
                    .putInt(data.length)
                    .put(data)
                    .array());
            List<Integer> types = new java.util.ArrayList<>();
            int type;
            do {
                assertThat(in.readLong()).isEqualTo(0x3e889045565a9L);
                assertThat(in.readInt()).isEqualTo(code);
                type = in.readInt();
                types.add(type);
                in.readNBytes(in.readInt());
            } while (type == Protocol.REP_INFO || type == Protocol.REP_META_CONTEXT);
            return types;
        }

        void go() throws IOException {
            assertThat(option(Protocol.OPT_GO, NbdClient.infoData("disk")).getLast())
                    .isEqualTo(Protocol.REP_ACK);
        }

        void send(ByteBuffer message) throws IOException {
            byte[] bytes = new byte[message.position()];
            message.flip().get(bytes);
            out.write(bytes);
        }

        byte[] read(long offset, int lengthBytes) throws IOException {
            send(NbdClient.header(0, Protocol.CMD_READ, 5, offset, lengthBytes));
            assertThat(in.readInt()).isEqualTo(0x67446698);
            assertThat(in.readInt()).isZero();
            assertThat(in.readLong()).isEqualTo(5);
            return in.readNBytes(lengthBytes);
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }

    private NbdClient greeted() throws IOException {
        return NbdClient.connect(address).greet(3);
    }

    private Encrypted encrypted(NbdClient client) throws Exception {
        return new Encrypted(client.agree(Protocol.OPT_STARTTLS), "server", null, "TLSv1.3");
    }

    private byte[] contents(long offset, int lengthBytes) {
        return device.memory.asSlice(offset, lengthBytes).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
    }

    // --------------------------------------------------------------------------------------------------- the tests

    @ParameterizedTest
    @ValueSource(strings = {"TLSv1.3", "TLSv1.2"})
    void everythingOfAnySizeGoesThroughBothWays(String protocol) throws Exception {
        serve(TlsMode.REQUIRE, serverKeys(null));
        try (NbdClient plain = greeted();
                Encrypted client = new Encrypted(plain.agree(Protocol.OPT_STARTTLS), "server", null, protocol)) {
            client.go();
            Random random = new Random(1);
            for (int lengthBytes : new int[] {1, 4096, 16_384, 20_000, Replies.COPIED_BYTES_MAX + 1, 4 << 20}) {
                byte[] payload = new byte[lengthBytes];
                random.nextBytes(payload);
                int offset = random.nextInt(SIZE - lengthBytes);
                client.send(ByteBuffer.allocate(28 + lengthBytes)
                        .put(NbdClient.header(0, Protocol.CMD_WRITE, 7, offset, lengthBytes)
                                .flip())
                        .put(payload));
                assertThat(client.in.readNBytes(16)[7]).isZero();
                assertThat(contents(offset, lengthBytes)).isEqualTo(payload);
                assertThat(client.read(offset, lengthBytes)).isEqualTo(payload);
                assertThat(client.read(0, lengthBytes)).isEqualTo(contents(0, lengthBytes));
            }
            client.send(NbdClient.header(0, Protocol.CMD_DISC, 1, 0, 0));
            assertThat(client.in.read()).as("a clean end, not a cut").isEqualTo(-1);
        }
    }

    @Test
    void whatWasAgreedBeforeCountsForNothing() throws Exception {
        serve(TlsMode.ALLOW, serverKeys(null));
        try (NbdClient plain = greeted().agree(Protocol.OPT_STRUCTURED_REPLY)) {
            plain.option(Protocol.OPT_SET_META_CONTEXT, NbdClient.metaData("disk", "base:allocation"));
            try (Encrypted client = encrypted(plain)) {
                client.go();
                assertThat(client.read(100, 100)).isEqualTo(contents(100, 100));
                client.send(NbdClient.header(0, Protocol.CMD_BLOCK_STATUS, 1, 0, 100));
                assertThat(client.in.readInt()).isEqualTo(0x67446698);
                assertThat(client.in.readInt()).isEqualTo(Protocol.EINVAL);
            }
        }
    }

    @Test
    void itIsAgreedAnewUnderTlsAndOnlyOnce() throws Exception {
        serve(TlsMode.ALLOW, serverKeys(null));
        try (NbdClient plain = greeted();
                Encrypted client = encrypted(plain)) {
            assertThat(client.option(Protocol.OPT_STARTTLS, new byte[0])).containsExactly(Protocol.REP_ERR_INVALID);
            assertThat(client.option(Protocol.OPT_STRUCTURED_REPLY, new byte[0]))
                    .containsExactly(Protocol.REP_ACK);
            client.go();
            client.send(NbdClient.header(0, Protocol.CMD_READ, 1, 0, 10));
            assertThat(client.in.readInt()).isEqualTo(0x668e33ef);
        }
    }

    /** A renegotiation in TLS 1.2, new keys for both ways in TLS 1.3; with replies of both threads on their way. */
    @ParameterizedTest
    @ValueSource(strings = {"TLSv1.3", "TLSv1.2"})
    void aClientMayAgreeOnNewKeysInTheMiddle(String protocol) throws Exception {
        device.deferWhere = request -> request.kind().equals("flush");
        serve(TlsMode.REQUIRE, serverKeys(null));
        try (NbdClient plain = greeted();
                Encrypted client = new Encrypted(plain.agree(Protocol.OPT_STARTTLS), "server", null, protocol)) {
            client.go();
            for (int turn = 0; turn < 10; turn++) {
                client.send(NbdClient.header(0, Protocol.CMD_FLUSH, 1, 0, 0));
                RamDevice.Waiting flush = device.waiting.take();
                client.socket.startHandshake();
                flush.finish(Outcome.DONE);
                assertThat(client.in.readNBytes(16)).startsWith(0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0);
                assertThat(client.read(turn, 1 << 20)).isEqualTo(contents(turn, 1 << 20));
            }
        }
    }

    @Test
    void anAbortUnderTlsEndsItCleanly() throws Exception {
        serve(TlsMode.REQUIRE, serverKeys(null));
        try (NbdClient plain = greeted();
                Encrypted client = encrypted(plain)) {
            assertThat(client.option(Protocol.OPT_ABORT, new byte[0])).containsExactly(Protocol.REP_ACK);
            assertThat(client.in.read()).isEqualTo(-1);
        }
    }

    @Test
    void whereItIsRequiredNothingElseIsAnsweredBefore() throws Exception {
        serve(TlsMode.REQUIRE, serverKeys(null));
        try (NbdClient client = greeted()) {
            for (int option : new int[] {3, 6, 7, 8, 9, 10, 11, 99}) {
                assertThat(client.option(option, new byte[0]).getFirst().type()).isEqualTo(Protocol.REP_ERR_TLS_REQD);
            }
            assertThat(client.option(Protocol.OPT_STARTTLS, new byte[1])
                            .getFirst()
                            .type())
                    .isEqualTo(Protocol.REP_ERR_INVALID);
            client.agree(Protocol.OPT_ABORT);
            client.expectClosed();
        }
        try (NbdClient client = greeted()) {
            client.sendOption(Protocol.OPT_EXPORT_NAME, "disk".getBytes(UTF_8));
            client.expectClosed();
        }
    }

    @Test
    void whereItIsAllowedOthersAreServedWithout() throws Exception {
        serve(TlsMode.ALLOW, serverKeys(null));
        try (NbdClient client = greeted()) {
            client.go("disk");
            assertThat(client.read(1, 0, 10)).isEqualTo(contents(0, 10));
        }
    }

    @Test
    void nonsenseInPlaceOfTlsEndsTheConnection() throws Exception {
        serve(TlsMode.ALLOW, serverKeys(null));
        try (NbdClient client = greeted().agree(Protocol.OPT_STARTTLS)) {
            client.send(ByteBuffer.allocate(100).position(100));
            byte[] alert = new byte[1];
            ByteBuffer got = ByteBuffer.wrap(alert);
            client.channel.read(got);
            assertThat(alert[0]).as("an alert").isEqualTo((byte) 21);
        }
    }

    /** What was sent behind STARTTLS in the clear is no part of what follows: here it breaks TLS. */
    @Test
    void whatIsSentInTheClearBehindStartTlsIsNotTakenForAnOption() throws Exception {
        serve(TlsMode.ALLOW, serverKeys(null));
        try (NbdClient client = greeted()) {
            client.send(ByteBuffer.allocate(32)
                    .putLong(0x49484156454F5054L)
                    .putInt(Protocol.OPT_STARTTLS)
                    .putInt(0)
                    .putLong(0x49484156454F5054L)
                    .putInt(Protocol.OPT_LIST)
                    .putInt(0));
            assertThat(client.readOptionReply().type()).isEqualTo(Protocol.REP_ACK);
            assertThat(client.receive(1).get()).as("an alert").isEqualTo((byte) 21);
        }
    }

    /** A record that is longer than TLS allows is no record to wait for, with a buffer that is full. */
    @Test
    void aRecordOfMoreThanTlsAllowsEndsTheConnectionDuringTheHandshake() throws Exception {
        serve(TlsMode.ALLOW, serverKeys(null), UNHURRIED);
        try (NbdClient client = greeted().agree(Protocol.OPT_STARTTLS)) {
            client.send(oversizedRecord(22));
            client.expectClosed();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"TLSv1.3", "TLSv1.2"})
    void aRecordOfMoreThanTlsAllowsEndsTheConnectionAndItsReplies(String protocol) throws Exception {
        device.deferWhere = request -> request.kind().equals("flush");
        serve(TlsMode.ALLOW, serverKeys(null));
        try (NbdClient plain = greeted();
                Encrypted client = new Encrypted(plain.agree(Protocol.OPT_STARTTLS), "server", null, protocol)) {
            client.go();
            client.send(NbdClient.header(0, Protocol.CMD_FLUSH, 1, 0, 0));
            RamDevice.Waiting flush = device.waiting.take();
            plain.send(oversizedRecord(23));
            flush.finish(Outcome.DONE);
            readToTheEnd(plain);
        }
        while (server().connectionCount() > 0) {
            Thread.onSpinWait();
        }
    }

    /** The server may have closed already. */
    private static void sendAnyhow(NbdClient client, int option) {
        try {
            client.sendOption(option, new byte[0]);
        } catch (IOException e) {
            // It has.
        }
    }

    private static void readToTheEnd(NbdClient client) {
        try {
            ByteBuffer any = ByteBuffer.allocate(1000);
            while (client.channel.read(any.clear()) >= 0) {
                // What TLS had to say before.
            }
        } catch (IOException e) {
            assertThat(e).hasMessageContaining("reset"); // closed with our bytes unread
        }
    }

    private static ByteBuffer oversizedRecord(int type) {
        return ByteBuffer.allocate(5 + OVERSIZED_BYTES)
                .put((byte) type)
                .putShort((short) 0x0303)
                .putShort((short) OVERSIZED_BYTES)
                .position(5 + OVERSIZED_BYTES);
    }

    /** "The server MUST operate in NOTLS mode unless … the client replied with NBD_FLAG_C_FIXED_NEWSTYLE". */
    @ParameterizedTest
    @ValueSource(ints = {0, 2})
    void withoutFixedNewstyleThereIsNoTls(int clientFlags) throws Exception {
        serve(TlsMode.ALLOW, serverKeys(null));
        try (NbdClient client = NbdClient.connect(address).greet(clientFlags)) {
            assertThat(client.option(Protocol.OPT_STARTTLS, new byte[0]))
                    .extracting(NbdClient.OptionReply::type)
                    .containsExactly(Protocol.REP_ERR_POLICY);
            client.go("disk");
            assertThat(client.read(1, 0, 10)).isEqualTo(contents(0, 10));
        }
    }

    /** Nor may such a client be told that TLS is required, and without it is not served. */
    @ParameterizedTest
    @ValueSource(ints = {0, 2})
    void withoutFixedNewstyleNobodyIsServedWhereTlsIsRequired(int clientFlags) throws Exception {
        serve(TlsMode.REQUIRE, serverKeys(null));
        for (int option : new int[] {Protocol.OPT_STARTTLS, Protocol.OPT_LIST, Protocol.OPT_ABORT}) {
            try (NbdClient client = NbdClient.connect(address).greet(clientFlags)) {
                sendAnyhow(client, option);
                client.expectClosed();
            }
        }
    }

    @Test
    void withAnAuthorityClientsMustShowACertificateOfIt() throws Exception {
        serve(TlsMode.REQUIRE, serverKeys("client"));
        try (NbdClient plain = greeted();
                Encrypted client = new Encrypted(plain.agree(Protocol.OPT_STARTTLS), "server", "client", "TLSv1.3")) {
            client.go();
            assertThat(client.read(0, 10)).isEqualTo(contents(0, 10));
        }
        for (String own : new @Nullable String[] {null, "stranger"}) {
            try (NbdClient plain = greeted().agree(Protocol.OPT_STARTTLS)) {
                assertThatIOException().isThrownBy(() -> {
                    try (Encrypted client = new Encrypted(plain, "server", own, "TLSv1.3")) {
                        client.go();
                    }
                });
            }
        }
    }

    // --------------------------------------------------------------------------------------------------- the files

    @ParameterizedTest
    @ValueSource(strings = {"RSA", "RSASSA-PSS", "Ed25519"})
    void keysOfEachKindServeAndAreKnownToBelongToTheirCertificate(String algorithm) throws Exception {
        TestKeys made = TestKeys.make(keys, algorithm, algorithm);
        serve(TlsMode.REQUIRE, new TlsKeys(made.certificate(), made.key(), null));
        try (NbdClient plain = greeted().agree(Protocol.OPT_STARTTLS);
                Encrypted client = new Encrypted(plain, algorithm, null, "TLSv1.3")) {
            client.go();
        }
        for (String other : List.of("server", algorithm + "-other")) {
            TestKeys stranger = TestKeys.make(keys, other + "-" + algorithm, other.equals("server") ? "EC" : algorithm);
            assertThatIOException()
                    .isThrownBy(() -> new TlsKeys(made.certificate(), stranger.key(), null))
                    .withMessageContaining("is not that of the certificate");
        }
    }

    @Test
    void renewedFilesServeTheConnectionsThatBeginFromThenOn() throws Exception {
        Path certificate = Files.copy(keys.resolve("server.crt"), keys.resolve("used.crt"));
        Path key = Files.copy(keys.resolve("server.key"), keys.resolve("used.key"));
        TlsKeys used = new TlsKeys(certificate, key, null);
        serve(TlsMode.REQUIRE, used);
        try (NbdClient before = greeted();
                Encrypted old = encrypted(before)) {
            Files.copy(keys.resolve("renewed.crt"), certificate, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
            assertThatIOException().isThrownBy(used::reload).withMessageContaining("is not that of the certificate");
            try (NbdClient plain = greeted();
                    Encrypted client = encrypted(plain)) {
                client.go();
            }
            Files.copy(keys.resolve("renewed.key"), key, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
            used.reload();
            try (NbdClient plain = greeted().agree(Protocol.OPT_STARTTLS);
                    Encrypted client = new Encrypted(plain, "renewed", null, "TLSv1.3")) {
                client.go();
            }
            old.go();
            assertThat(old.read(0, 10)).isEqualTo(contents(0, 10));
        }
    }

    @Test
    void aServerHasKeysExactlyWhenItHasTls() throws Exception {
        List<Export> exports = List.of(new Export("disk", "", device));
        TlsKeys some = serverKeys(null);
        assertThatThrownBy(() -> new NbdServer(exports, ServerLimits.DEFAULT, TlsMode.ALLOW, null, new Traffic()))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new NbdServer(exports, ServerLimits.DEFAULT, TlsMode.OFF, some, new Traffic()))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
