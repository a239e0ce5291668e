package ramback.kernelnbd;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import ramback.clock.Clock;
import ramback.kernelnbd.KernelNbd.Options;
import ramback.kernelnbd.KernelNbdException.Reason;
import ramback.nbd.TestServer;
import ramback.posix.Errno;
import ramback.posix.Posix;
import ramback.posix.PosixException;
import ramback.posix.RawSockets;
import ramback.protocol.Protocol;
import ramback.remote.RemoteUri;

/** {@link NbdDriver} with our own server, and a kernel that is a directory of files and an answer to each message. */
class KernelNbdTest {

    private static final int FLAGS_USUAL = Protocol.FLAG_HAS_FLAGS
            | Protocol.FLAG_SEND_FLUSH
            | Protocol.FLAG_SEND_FUA
            | Protocol.FLAG_SEND_TRIM
            | Protocol.FLAG_SEND_WRITE_ZEROES
            | Protocol.FLAG_CAN_MULTI_CONN;

    @TempDir
    Path dir;

    private final Kernel kernel = new Kernel();
    private final FakeClock clock = new FakeClock();
    private NbdFiles files;
    private NbdDriver driver;

    @BeforeEach
    void makeFiles() throws IOException {
        files = new NbdFiles(dir.resolve("block"), dir.resolve("dev"), dir.resolve("proc"));
        for (Path path :
                List.of(files.blocks(), files.devices(), files.processes().resolve("self"))) {
            Files.createDirectories(path);
        }
        // So many rights as a process of root's has, and a list of sockets that never names one of ours.
        Files.writeString(files.processes().resolve("self/status"), "Name:\tjava\nCapEff:\t000001ffffffffff\n");
        Files.createDirectories(files.processes().resolve("net"));
        kernel.listSockets();
        for (int index = 0; index < 2; index++) {
            Files.createDirectories(files.blocks().resolve("nbd" + index + "/queue"));
            Files.writeString(files.blocks().resolve("nbd" + index + "/queue/io_timeout"), "30000\n");
        }
        driver = new NbdDriver(() -> new NbdFamily(new GenericNetlink(kernel)), files, clock);
    }

    @AfterEach
    void closeWhatTheKernelHas() throws Exception {
        kernel.forget();
    }

    @Test
    void oneConnectionWaitsForEverAndSendsAgainSoon() throws Exception {
        try (TestServer server = TestServer.ofSize(1 << 20)) {
            RemoteUri uri = uri(server.socket(), "disk");
            assertThat(driver.connect(uri, Options.DEFAULT)).isZero();
            assertThat(kernel.setup())
                    .containsExactlyInAnyOrderEntriesOf(new TreeMap<>(Map.of(
                            2, 1L << 20, // the size
                            3, 512L, // the block size
                            4, 0L, // no time-out
                            5, (long) FLAGS_USUAL,
                            6, 0L, // no client flags
                            8, 86_400L)));
            assertThat(kernel.identifier()).isEqualTo(uri.toString());
            assertThat(kernel.descriptors).hasSize(1);
            assertThat(files.requestTimeoutMillis(0)).isEqualTo(KernelNbd.RESEND_MILLIS);
            // The socket is at the beginning of the transmission phase, and simple replies were agreed.
            assertThat(read(kernel.descriptors.getFirst(), 4096, 16))
                    .hasSize(16)
                    .containsOnly(0);
        }
    }

    /** Its requests come to the server: a thread of that which waits for them would keep it from ending when it is killed. */
    @Test
    @Timeout(60)
    void partitionsAreLookedForByAnotherProcess() throws Exception {
        assumeThat(NbdDriver.OPENER).isExecutable();
        Path node = files.node(0);
        assertThat(new ProcessBuilder("mkfifo", node.toString()).start().waitFor())
                .isZero();
        try (TestServer server = TestServer.ofSize(1 << 20)) {
            CompletableFuture<Integer> connected = new CompletableFuture<>();
            Thread.ofPlatform().daemon().start(() -> {
                try {
                    connected.complete(driver.connect(uri(server.socket(), "disk"), Options.DEFAULT));
                } catch (IOException e) {
                    connected.completeExceptionally(e);
                }
            });
            while (!isOpenedByAChild()) {
                assertThat(connected).isNotDone();
                assertThat(Thread.interrupted()).as("whether time is over").isFalse();
            }
            Files.newByteChannel(node, StandardOpenOption.WRITE).close(); // lets it go on
            assertThat(connected.get()).isZero();
        }
    }

    private static boolean isOpenedByAChild() {
        return ProcessHandle.current()
                .children()
                .anyMatch(child -> child.info().command().orElse("").endsWith("/blockdev"));
    }

    @Test
    void severalConnectionsHaveATimeOutThatALongCommitDoesNotReach() throws Exception {
        try (TestServer server = TestServer.ofSize(1 << 20)) {
            driver.connect(uri(server.socket(), "disk"), new Options(3, 4096, true));
            assertThat(kernel.descriptors).hasSize(3).doesNotHaveDuplicates();
            assertThat(kernel.setup())
                    .containsEntry(3, 4096L)
                    .containsEntry(4, 300L)
                    .containsEntry(5, (long) (FLAGS_USUAL | Protocol.FLAG_READ_ONLY));
            assertThat(files.requestTimeoutMillis(0)).isEqualTo(30_000);
            assertThat(server.clientCount()).isEqualTo(3);
        }
    }

    @Test
    void theBlockSizeIsTheLargestThatReachesTheEnd() throws Exception {
        assertSizeAndBlocks((1 << 20) + 4096, 4096, (1 << 20) + 4096, 4096);
        assertSizeAndBlocks((1 << 20) + 2048, 4096, (1 << 20) + 2048, 2048);
        assertSizeAndBlocks((1 << 20) + 512, 4096, (1 << 20) + 512, 512);
        assertSizeAndBlocks((1 << 20) + 4096, 1024, (1 << 20) + 4096, 1024);
    }

    @Test
    void whatIsBeyondTheLastSectorIsLeftOut() throws Exception {
        assertSizeAndBlocks((1 << 20) + 1536 + 100, 4096, (1 << 20) + 1536, 512);
        assertSizeAndBlocks(512 + 511, 4096, 512, 512);
        try (TestServer server = TestServer.ofSize(511)) {
            assertRefused(
                    Reason.UNFIT,
                    "has 511 bytes; a block device has 512 at least",
                    () -> driver.connect(uri(server.socket(), "disk"), Options.DEFAULT));
        }
        assertThat(kernel.descriptors).isEmpty();
    }

    private void assertSizeAndBlocks(long exportBytes, int wantedBytes, long sizeBytes, long blockBytes)
            throws Exception {
        try (TestServer server = TestServer.ofSize(exportBytes)) {
            driver.connect(uri(server.socket(), "disk"), new Options(1, wantedBytes, false));
            assertThat(kernel.setup()).containsEntry(2, sizeBytes).containsEntry(3, blockBytes);
        }
        kernel.forget();
    }

    @Test
    void aReadOnlyExportMakesAReadOnlyDevice() throws Exception {
        try (TestServer server = TestServer.readOnly(1 << 20)) {
            driver.connect(uri(server.socket(), "disk"), Options.DEFAULT);
            assertThat(kernel.setup().get(5) & Protocol.FLAG_READ_ONLY).isNotZero();
        }
    }

    @Test
    void whatTheServerRefusesIsSaidAndLeavesNothing() throws Exception {
        Path nowhere = dir.resolve("nowhere");
        assertRefused(
                Reason.FAILED,
                "cannot connect to " + nowhere + ": No such file",
                () -> driver.connect(uri(nowhere, "disk"), Options.DEFAULT));
        try (TestServer server = TestServer.ofSize(1 << 20)) {
            assertThatThrownBy(() -> driver.connect(uri(server.socket(), "other"), Options.DEFAULT))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("has no export 'other'");
            server.awaitNoClient();
        }
        assertThat(kernel.connectCount).isZero();
    }

    @Test
    void whatDoesNotSpeakNbdIsRefused() throws Exception {
        Path socket = dir.resolve("web");
        try (ServerSocketChannel listener =
                ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(UnixDomainSocketAddress.of(socket))) {
            Thread.ofVirtual().start(() -> {
                try (var peer = listener.accept()) {
                    peer.write(ByteBuffer.wrap("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(UTF_8)));
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            });
            assertThatThrownBy(() -> driver.connect(uri(socket, "disk"), Options.DEFAULT))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("is not an NBD server");
        }
    }

    @Test
    void whatTheKernelRefusesIsSaidInOneLineAndTheConnectionsEnd() throws Exception {
        try (TestServer server = TestServer.ofSize(1 << 20)) {
            ThrowingCallable connect = () -> driver.connect(uri(server.socket(), "disk"), new Options(2, 512, false));
            kernel.error = Errno.EPERM;
            assertRefused(Reason.NOT_PERMITTED, "need CAP_SYS_ADMIN", connect);
            kernel.error = Errno.EINVAL;
            assertRefused(Reason.FAILED, "cannot connect a block device: Invalid argument", connect);
            kernel.isLoaded = false;
            assertRefused(Reason.UNAVAILABLE, "run 'modprobe nbd'", connect);
            server.awaitNoClient();
        }
    }

    @Test
    void unavailableSaysWhatIsMissing() throws Exception {
        assertThat(driver.unavailable()).isEmpty();
        Files.writeString(files.processes().resolve("self/status"), "CapEff:\t00000000a80425fb\n"); // Docker's
        assertThat(driver.unavailable()).get().asString().contains("CAP_SYS_ADMIN");
        kernel.isLoaded = false;
        assertThat(driver.unavailable()).get().asString().contains("modprobe nbd");
        var sandbox = new NbdDriver(
                () -> {
                    throw new PosixException("socket", Errno.EAFNOSUPPORT, null);
                },
                files,
                clock);
        assertThat(sandbox.unavailable()).get().asString().contains("leave the sandbox");
    }

    @Test
    void reconnectBringsAsManyConnectionsAsTheDeviceHad() throws Exception {
        RemoteUri uri;
        Path socket = dir.resolve("s");
        try (TestServer server = TestServer.at(socket, 1 << 20)) {
            uri = uri(server.socket(), "disk");
            driver.connect(uri, new Options(2, 512, false));
        }
        kernel.forget(); // as when the server dies: its ends are closed
        try (TestServer server = TestServer.at(socket, 1 << 20)) {
            kernel.deadCount = 2;
            driver.reconnect(0, uri);
            assertThat(kernel.descriptors).hasSize(2);
            assertThat(kernel.identifier()).isEqualTo(uri.toString());
            assertThat(server.clientCount()).isEqualTo(2);
        }
    }

    @Test
    void reconnectTriesAgainUntilTheKernelHasNoticed() throws Exception {
        try (TestServer server = TestServer.ofSize(1 << 20)) {
            RemoteUri uri = uri(server.socket(), "disk");
            driver.connect(uri, new Options(2, 512, false));
            kernel.forget();
            kernel.deadCount = 0;
            clock.onPark = () -> kernel.deadCount = 1; // one each time somebody looks
            driver.reconnect(0, uri);
            assertThat(clock.parkCount).isEqualTo(2);
            assertThat(kernel.descriptors).hasSize(2);
        }
    }

    @Test
    void reconnectSaysWhenTheConnectionsAreAllThere() throws Exception {
        try (TestServer server = TestServer.ofSize(1 << 20)) {
            RemoteUri uri = uri(server.socket(), "disk");
            driver.connect(uri, Options.DEFAULT);
            kernel.deadCount = 0;
            assertRefused(Reason.IN_USE, "still has its connections", () -> driver.reconnect(0, uri));
        }
    }

    @Test
    void reconnectRefusesWhatIsAnothers() throws Exception {
        try (TestServer server = TestServer.ofSize(1 << 20)) {
            RemoteUri uri = uri(server.socket(), "disk");
            assertRefused(Reason.MISSING, "nothing to reconnect", () -> driver.reconnect(0, uri));
            driver.connect(uri, Options.DEFAULT);
            assertRefused(
                    Reason.IN_USE,
                    "is the block device of " + uri,
                    () -> driver.reconnect(0, uri(server.socket(), "disk@1")));
        }
    }

    @Test
    void reconnectRefusesAnExportThatAMountedFilesystemWouldNotBear() throws Exception {
        Path socket = dir.resolve("s");
        RemoteUri uri = uri(socket, "disk");
        try (TestServer _ = TestServer.at(socket, 1 << 20)) {
            driver.connect(uri, Options.DEFAULT);
        }
        kernel.forget();
        kernel.deadCount = 1;
        try (TestServer _ = TestServer.at(socket, (1 << 20) - 1)) {
            assertRefused(Reason.UNFIT, "has 1048575 bytes now", () -> driver.reconnect(0, uri));
        }
        try (TestServer _ = TestServer.readOnlyAt(socket, 1 << 20)) {
            assertRefused(Reason.UNFIT, "is read-only now", () -> driver.reconnect(0, uri));
        }
        try (TestServer _ = TestServer.at(socket, 2 << 20)) {
            driver.reconnect(0, uri);
            assertThat(kernel.setup()).as("its size stays").doesNotContainKey(2);
        }
    }

    @Test
    void disconnectLeavesTheDeviceAsItWas() throws Exception {
        try (TestServer server = TestServer.ofSize(1 << 20)) {
            int index = driver.connect(uri(server.socket(), "disk"), Options.DEFAULT);
            assertThat(driver.disconnect(index, unix(server.socket()))).isTrue();
            assertThat(files.requestTimeoutMillis(index)).isEqualTo(30_000);
            assertThat(files.isConnected(index)).isFalse();
            server.awaitNoClient();
        }
        for (long millis : new long[] {300_000, 60_000}) {
            files.setRequestTimeoutMillis(0, millis);
            assertThat(driver.disconnect(0, unix(dir))).as("a second time").isTrue();
            assertThat(files.requestTimeoutMillis(0)).isEqualTo(millis == 60_000 ? millis : 30_000);
        }
        kernel.error = Errno.EINVAL;
        assertThat(driver.disconnect(99, unix(dir))).as("of what there is not").isTrue();
        kernel.error = Errno.EPERM;
        assertRefused(Reason.NOT_PERMITTED, "CAP_SYS_ADMIN", () -> driver.disconnect(0, unix(dir)));
    }

    @Test
    void disconnectSaysWhenSomebodyStillHasItOpen() throws Exception {
        try (TestServer server = TestServer.ofSize(1 << 20)) {
            kernel.isHeldOpen = true;
            int index = driver.connect(uri(server.socket(), "disk"), Options.DEFAULT);
            assertThat(driver.disconnect(index, unix(server.socket()))).isFalse();
        }
    }

    @Test
    void disconnectTakesNothingFromAnotherServer() throws Exception {
        try (TestServer server = TestServer.ofSize(1 << 20)) {
            int index = driver.connect(uri(server.socket(), "disk"), Options.DEFAULT);
            int sentCount = kernel.sent.size();
            assertRefused(
                    Reason.IN_USE,
                    "is the block device of " + uri(server.socket(), "disk") + ", not of /run/ramback/disk/nbd.sock",
                    () -> driver.disconnect(index, unix(Path.of("/run/ramback/disk/nbd.sock"))));
            backend("nbd0", "a cluster's\n");
            assertRefused(Reason.IN_USE, "a cluster's", () -> driver.disconnect(index, unix(server.socket())));
            assertThat(kernel.sent).hasSize(sentCount);
            backend("nbd0", uri(server.socket(), "disk@7") + "\n");
            Path otherName = Files.createSymbolicLink(
                    dir.resolve("run"), server.socket().toAbsolutePath().getParent());
            assertThat(driver.disconnect(
                            index, unix(otherName.resolve(server.socket().getFileName()))))
                    .isTrue();
        }
    }

    /** As nbd-client(8) makes them. */
    @Test
    void whatSaysNothingOfItsServerIsNoneOfOursWhereTheKernelWouldTell() throws Exception {
        try (TestServer server = TestServer.ofSize(1 << 20)) {
            RemoteUri uri = uri(server.socket(), "disk");
            int index = driver.connect(uri, Options.DEFAULT);
            Files.delete(files.blocks().resolve("nbd0/backend"));
            for (String release : List.of("5.14.0\n", "6.1.0-49-amd64\n", "10.0-rc1\n", "odd\n")) {
                release(release);
                assertRefused(
                        Reason.IN_USE,
                        "was not connected by ramback",
                        () -> driver.disconnect(index, unix(server.socket())));
                assertRefused(Reason.IN_USE, "was not connected by ramback", () -> driver.reconnect(index, uri));
            }
            release("5.10.0-32-amd64\n");
            assertThat(driver.disconnect(index, unix(server.socket()))).isTrue();
        }
    }

    private void release(String text) throws IOException {
        Files.writeString(
                Files.createDirectories(files.processes().resolve("sys/kernel")).resolve("osrelease"), text);
    }

    @Test
    void attachedAreThoseOfOurs() throws Exception {
        assertThat(driver.attached()).isEmpty();
        backend("nbd0", "");
        backend("nbd10", "nbd+unix:///disk@3?socket=/run/ramback/disk/nbd.sock\n");
        backend("nbd2", "nbd+unix:///a%20b?socket=/s\n");
        backend("nbd3", "some rbd cookie\n");
        backend("nbd4", "nbd+unix:///nothing\n");
        backend("nbdx", "nbd+unix:///a?socket=/s\n");
        assertThat(driver.attached())
                .containsExactly(
                        new KernelNbd.Attached(2, uri(Path.of("/s"), "a b")),
                        new KernelNbd.Attached(10, uri(Path.of("/run/ramback/disk/nbd.sock"), "disk@3")));
        assertThat(new NbdFiles(dir.resolve("none"), dir, dir).indexes()).isEmpty();
    }

    @Test
    void whatTheKernelsPageOfANameCannotHoldIsRefused() throws Exception {
        try (TestServer server = TestServer.named("x".repeat(2048))) {
            assertRefused(
                    Reason.UNFIT,
                    "2048 are possible",
                    () -> driver.connect(uri(server.socket(), "x".repeat(2048)), Options.DEFAULT));
        }
    }

    @Test
    void optionsAreChecked() {
        for (int count : new int[] {0, 17}) {
            assertThatThrownBy(() -> new Options(count, 512, false)).hasMessageContaining("1 to 16");
        }
        for (int bytes : new int[] {0, 256, 513, 8192}) {
            assertThatThrownBy(() -> new Options(1, bytes, false)).hasMessageContaining("512, 1024, 2048 or 4096");
        }
    }

    @Test
    void thisMachineIsAskedWithoutHarm() throws Exception {
        KernelNbd.unavailable()
                .ifPresent(line -> assertThat(line).doesNotContain("\n").contains(";"));
        assertThat(KernelNbd.attached()).isNotNull();
        assertThat(KernelNbd.path(7)).isEqualTo(Path.of("/dev/nbd7"));
    }

    private void backend(String device, String text) throws IOException {
        Files.writeString(
                Files.createDirectories(files.blocks().resolve(device)).resolve("backend"), text);
    }

    private static RemoteUri.Unix unix(Path socket) {
        return new RemoteUri.Unix(socket);
    }

    private static RemoteUri uri(Path socket, String export) {
        return new RemoteUri(new RemoteUri.Unix(socket), export);
    }

    private static void assertRefused(Reason reason, String message, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(KernelNbdException.class, e -> {
            assertThat(e.reason()).isEqualTo(reason);
            assertThat(e).hasMessageContaining(message);
            assertThat(e.getMessage()).doesNotContain("\n");
        });
    }

    /** One READ by hand, answered as the kernel expects it. */
    private static byte[] read(int fd, long offsetBytes, int lengthBytes) throws IOException {
        byte[] request = ByteBuffer.allocate(Protocol.REQUEST_BYTES)
                .putInt(Protocol.REQUEST_MAGIC)
                .putShort((short) 0)
                .putShort((short) Protocol.CMD_READ)
                .putLong(0x0123_4567_89AB_CDEFL)
                .putLong(offsetBytes)
                .putInt(lengthBytes)
                .array();
        RawSockets.send(fd, request, 0, request.length);
        byte[] answer = new byte[Protocol.SIMPLE_REPLY_BYTES + lengthBytes];
        for (int have = 0; have < answer.length; ) {
            assertThat(RawSockets.awaitReadable(fd, 10_000)).isTrue();
            int count = RawSockets.receive(fd, answer, have, answer.length - have);
            assertThat(count).isPositive();
            have += count;
        }
        ByteBuffer reply = ByteBuffer.wrap(answer);
        assertThat(reply.getInt()).isEqualTo(Protocol.SIMPLE_REPLY_MAGIC);
        assertThat(reply.getInt()).isZero();
        assertThat(reply.getLong()).isEqualTo(0x0123_4567_89AB_CDEFL);
        return Arrays.copyOfRange(answer, Protocol.SIMPLE_REPLY_BYTES, answer.length);
    }

    private static final class FakeClock implements Clock {
        private long nanos = 1;
        private int parkCount;
        private Runnable onPark = () -> {};

        @Override
        public long nanoTime() {
            return nanos;
        }

        @Override
        public Instant now() {
            return Instant.EPOCH;
        }

        @Override
        public void park(Object blocker, long deadlineNanos) {
            nanos = deadlineNanos;
            parkCount++;
            onPark.run();
        }
    }

    /** Keeps sockets that it is given as the kernel does: by references of its own. */
    private final class Kernel extends FakeKernel {
        private final List<Integer> descriptors = new ArrayList<>();
        private ByteBuffer request = ByteBuffer.allocate(0);
        private int connectCount;
        private int deadCount;
        private boolean isHeldOpen;

        @Override
        void carryOut(ByteBuffer request) throws IOException {
            if (error != 0) {
                return;
            }
            this.request = request;
            answer = new byte[0];
            Path device = files.blocks().resolve("nbd0");
            switch (request.get(16)) {
                case 1 -> {
                    connectCount++;
                    List<Integer> sockets = sockets();
                    take(sockets, sockets.size());
                    answer = index(0);
                    for (int i = 0; i < sockets.size(); i++) {
                        Files.createDirectories(device.resolve("mq/" + i));
                    }
                    Files.writeString(device.resolve("pid"), "1\n");
                    Files.writeString(device.resolve("backend"), identifier() + "\n");
                    Files.writeString(device.resolve("size"), setup().get(2) / 512 + "\n");
                    Files.writeString(device.resolve("ro"), (setup().get(5) >> 1 & 1) + "\n");
                }
                case 2 -> {
                    forget();
                    if (!isHeldOpen) {
                        Files.deleteIfExists(device.resolve("pid"));
                        Files.deleteIfExists(device.resolve("backend"));
                    }
                }
                case 3 -> {
                    List<Integer> sockets = sockets();
                    int count = Math.min(deadCount, sockets.size());
                    take(sockets, count);
                    deadCount -= count;
                }
                default -> throw new AssertionError("command " + request.get(16));
            }
        }

        private void take(List<Integer> sockets, int count) throws IOException {
            for (int socket : sockets.subList(0, count)) {
                descriptors.add(duplicate(socket));
            }
            listSockets();
        }

        @SuppressWarnings("restricted") // dup(2), which the product has no use for
        private static int duplicate(int descriptor) {
            Linker linker = Linker.nativeLinker();
            try {
                return (int) linker.downcallHandle(
                                linker.defaultLookup().findOrThrow("dup"),
                                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT))
                        .invokeExact(descriptor);
            } catch (Throwable t) {
                throw new AssertionError(t);
            }
        }

        private void listSockets() throws IOException {
            StringBuilder lines = new StringBuilder("Num       RefCount Protocol Flags    Type St Inode Path\n");
            lines.append("0000000000000000: 00000002 00000000 00010000 0001 01     0 /run/other.sock\n");
            for (int descriptor : descriptors) {
                lines.append("0000000000000000: 00000003 00000000 00000000 0001 03 ")
                        .append(Posix.status(descriptor).inode())
                        .append('\n');
            }
            Files.writeString(files.processes().resolve("net/unix"), lines);
        }

        private void forget() throws IOException {
            for (int descriptor : descriptors) {
                Posix.close(descriptor);
            }
            descriptors.clear();
        }

        private List<NetlinkAttribute> attributes() throws IOException {
            return NetlinkAttribute.all(
                    request.duplicate().order(ByteOrder.nativeOrder()).position(20));
        }

        /** The numbers of the last command. */
        private Map<Integer, Long> setup() throws IOException {
            Map<Integer, Long> numbers = new TreeMap<>();
            for (NetlinkAttribute attribute : attributes()) {
                if (attribute.type() != 7
                        && attribute.type() != 10
                        && attribute.value().remaining() == 8) {
                    numbers.put(attribute.type(), attribute.value().getLong(0));
                }
            }
            return numbers;
        }

        private String identifier() throws IOException {
            for (NetlinkAttribute attribute : attributes()) {
                if (attribute.type() == 10) {
                    String text = UTF_8.decode(attribute.value().duplicate()).toString();
                    assertThat(text).endsWith("\0");
                    return text.substring(0, text.length() - 1);
                }
            }
            throw new AssertionError("no identifier");
        }

        private List<Integer> sockets() throws IOException {
            List<Integer> sockets = new ArrayList<>();
            for (NetlinkAttribute attribute : attributes()) {
                if (attribute.type() == 7) {
                    for (NetlinkAttribute item : attribute.nested()) {
                        sockets.add(item.nested().getFirst().u32());
                    }
                }
            }
            return sockets;
        }
    }
}
