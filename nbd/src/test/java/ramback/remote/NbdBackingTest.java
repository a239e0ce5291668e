package ramback.remote;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.backing.BackingIoException;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.BackingOpenException;
import ramback.backing.BackingOpenException.Reason;
import ramback.clock.Clock;
import ramback.posix.Errno;
import ramback.protocol.Protocol;
import ramback.remote.DiskServer.Ways;

/** What the client does beyond the contract: what it sends, what it refuses, and what it does when the server goes away. */
class NbdBackingTest {

    private static final int MIB = 1 << 20;
    private static final long SECOND = 1_000_000_000L;

    /** For tests in which nothing is waited for until it is too late. */
    private static final Patience LONG = new Patience(
            60 * SECOND, 100 * SECOND, 100 * SECOND, 100 * SECOND, 100 * SECOND, SECOND / 100, SECOND / 100);

    @TempDir
    Path directory;

    private final Arena arena = Arena.ofShared();
    private @Nullable DiskServer server;
    private @Nullable NbdBacking backing;

    @AfterEach
    void close() throws IOException {
        if (server != null) {
            server.hook = null;
        }
        if (backing != null) {
            backing.close();
        }
        if (server != null) {
            server.close();
        }
        arena.close();
        assertThat(Thread.getAllStackTraces().keySet())
                .noneMatch(thread -> thread.getName().equals("remote"));
    }

    private void serve(Ways ways, Patience patience) throws IOException {
        server = DiskServer.of(4 * MIB, ways);
        backing = NbdBacking.open(server.uri(), false, patience, Clock.SYSTEM);
    }

    private MemorySegment filled(int lengthBytes, int value) {
        return arena.allocate(lengthBytes).fill((byte) value);
    }

    private byte[] read(long offsetBytes, int lengthBytes) throws IOException {
        MemorySegment into = arena.allocate(lengthBytes);
        backing.read(offsetBytes, into);
        return into.toArray(JAVA_BYTE);
    }

    /** As write-behind does: until it succeeds. */
    private void writeUntilDone(long offsetBytes, MemorySegment from) {
        while (true) {
            try {
                backing.write(offsetBytes, from);
                return;
            } catch (IOException e) {
                Thread.onSpinWait();
            }
        }
    }

    private static void await(CountDownLatch latch) throws InterruptedException {
        latch.await();
    }

    // ---------------------------------------------------------------------------------------------- what is sent

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void partsOfACallAreUnderWayTogetherAndAreAnsweredInAnyOrder(boolean isRich) throws IOException {
        serve(isRich ? Ways.RICH : Ways.SIMPLE, LONG);
        byte[] bytes = new byte[2 * MIB];
        new Random(7).nextBytes(bytes);
        Arrays.fill(bytes, MIB, MIB + 100_000, (byte) 0);
        System.arraycopy(bytes, 0, server.content, MIB, bytes.length);
        // Nothing is answered until 8 parts are there, and then the first one last.
        CountDownLatch eight = new CountDownLatch(8);
        CountDownLatch others = new CountDownLatch(7);
        server.hook = (connection, command, offset, length) -> {
            eight.countDown();
            await(eight);
            if (offset == MIB) {
                await(others);
            } else {
                others.countDown();
            }
            return 0;
        };
        assertThat(Arrays.mismatch(read(MIB, bytes.length), bytes)).isEqualTo(-1);
        assertThat(server.log).allSatisfy(done -> assertThat(done.lengthBytes()).isEqualTo(256 << 10));
    }

    @Test
    void severalConnectionsAreUsedOnlyWhereAFlushCoversThemAll() throws IOException {
        serve(Ways.RICH, LONG);
        assertThat(server.clients).hasSize(4);
        backing.write(0, filled(2 * MIB, 1));
        assertThat(server.log.stream().map(DiskServer.Done::connection).distinct())
                .hasSizeGreaterThan(1);
        backing.close();
        server.close();
        serve(Ways.SIMPLE, LONG);
        backing.write(0, filled(2 * MIB, 1));
        assertThat(server.clients).hasSize(1);
    }

    @Test
    void zeroesAreMadeByTheServerWhereItCanAndSentWhereItCannot() throws IOException {
        serve(Ways.SIMPLE, LONG);
        backing.write(0, filled(MIB, 1));
        server.log.clear();
        backing.zero(4096, 512 << 10);
        assertThat(server.log).containsExactly(new DiskServer.Done(0, Protocol.CMD_WRITE_ZEROES, 4096, 512 << 10));
        backing.close();
        server.close();
        serve(Ways.OLD, LONG);
        backing.zero(4096, 512 << 10);
        assertThat(server.log)
                .hasSize(2)
                .allSatisfy(done -> assertThat(done.command()).isEqualTo(Protocol.CMD_WRITE));
    }

    @Test
    void aSyncIsAFlushAndCoversWhatWasWritten() throws IOException {
        serve(Ways.RICH, LONG);
        backing.write(0, filled(MIB, 5));
        assertThat(server.durable()[0]).isZero();
        backing.sync();
        assertThat(server.durable()).startsWith(filled(MIB, 5).toArray(JAVA_BYTE));
    }

    @Test
    void holesAreAskedForOnceAndAgainAfterAWriteIntoThem() throws IOException {
        serve(Ways.RICH, LONG);
        for (int offset = 0; offset < 4 * MIB; offset += 64 << 10) {
            server.content[offset] = 1;
        }
        long at = 0;
        int extentCount = 0;
        while (at < 4 * MIB) {
            long data = backing.nextDataOffset(at);
            at = backing.nextHoleOffset(data);
            extentCount += data < 4 * MIB ? 1 : 0;
        }
        assertThat(extentCount).isEqualTo(64);
        assertThat(server.log).hasSize(1);
        backing.write(8192, filled(4096, 9));
        assertThat(backing.nextDataOffset(4096)).isEqualTo(8192);
    }

    // ---------------------------------------------------------------------------------------------- errors

    @ParameterizedTest
    @CsvSource({"5, 5, EIO", "28, 28, ENOSPC", "1, 1, EPERM", "108, 108, 108", "999, 22, EINVAL"})
    void anErrorOfTheServerIsAnErrnoAndSaysWhere(int value, int errno, String name) throws IOException {
        serve(Ways.RICH, LONG);
        server.hook = (connection, command, offset, length) -> offset == MIB ? value : 0;
        BackingIoException failure =
                catchThrowableOfType(BackingIoException.class, () -> backing.write(MIB / 2, filled(MIB, 1)));
        assertThat(failure.errno()).isEqualTo(errno);
        assertThat(failure.operation()).isEqualTo(Operation.WRITE);
        assertThat(failure)
                .hasMessageStartingWith(
                        "cannot write 1048576 bytes at 524288 of " + server.uri() + ": the server answered ")
                .hasMessageContaining(name)
                .hasMessageEndingWith(": why");
        assertThat(read(MIB / 2, 4096)).containsOnly(1);
    }

    @Test
    void aFailedFlushIsAFailedSync() throws IOException {
        serve(Ways.SIMPLE, LONG);
        backing.write(0, filled(4096, 1));
        server.hook = (connection, command, offset, length) -> command == Protocol.CMD_FLUSH ? Protocol.EIO : 0;
        BackingIoException failure = catchThrowableOfType(BackingIoException.class, () -> backing.sync());
        assertThat(failure.errno()).isEqualTo(Errno.EIO);
        assertThat(failure.operation()).isEqualTo(Operation.SYNC);
        server.hook = null;
        backing.sync();
    }

    @Test
    void aServerThatTellsNoHolesAfterAllIsReadAsData() throws IOException {
        serve(Ways.RICH, LONG);
        server.hook =
                (connection, command, offset, length) -> command == Protocol.CMD_BLOCK_STATUS ? Protocol.EINVAL : 0;
        assertThat(backing.nextDataOffset(5)).isEqualTo(5);
        assertThat(backing.nextHoleOffset(5)).isEqualTo(4 * MIB);
    }

    // ---------------------------------------------------------------------------------------------- refusals

    private static void assertRefused(Reason reason, String message, RemoteUri uri, boolean readOnly) {
        assertThatThrownBy(() -> NbdBacking.open(uri, readOnly))
                .isInstanceOfSatisfying(
                        BackingOpenException.class, e -> assertThat(e.reason()).isEqualTo(reason))
                .hasMessageContaining(message)
                .hasMessageNotContaining("\n");
    }

    @Test
    void whatCantBeAnImageIsRefusedWithWhatToDo() throws IOException {
        server = DiskServer.of(4096 + 512, Ways.RICH);
        RemoteUri uri = server.uri();
        assertRefused(
                Reason.FAILED, "has no export 'other' (the server says: not here); nbdinfo --list", other(uri), false);
        server.ways = Ways.OLD;
        assertRefused(Reason.FAILED, "has no export 'other'", other(uri), false);
        server.ways = Ways.RICH.withFlags(Ways.FLAGS | Protocol.FLAG_READ_ONLY);
        assertRefused(Reason.NOT_PERMITTED, "is read-only; give --read-only", uri, false);
        NbdBacking.open(uri, true).close();
        server.ways = Ways.RICH.withFlags(Protocol.FLAG_HAS_FLAGS);
        assertRefused(Reason.NOT_PERMITTED, "takes no FLUSH", uri, false);
        NbdBacking.open(uri, true).close();
        server.ways = Ways.RICH.withBlocks(4096, MIB);
        assertRefused(Reason.NOT_AN_IMAGE, "not a multiple of its smallest block of 4096", uri, true);
        server.ways = Ways.RICH.withBlocks(3, MIB);
        assertRefused(Reason.FAILED, "breaks the protocol: blocks of 3 to 1048576 bytes", uri, true);
        server.ways = Ways.RICH;
        server.content = new byte[0];
        assertRefused(Reason.EMPTY, "has 0 bytes", uri, true);
        server.kill();
        assertRefused(Reason.FAILED, "no connection to " + uri + ": Connection refused; start its server", uri, false);
    }

    private static RemoteUri other(RemoteUri uri) {
        return new RemoteUri(uri.endpoint(), "other");
    }

    @ParameterizedTest
    @CsvSource({
        "SSH-2.0-OpenSSH_9.2p1 Debian, is not an NBD server",
        "'', hangs up at once",
    })
    void whatIsNoServerIsRefused(String greeting, String message) throws Exception {
        Path socket = directory.resolve("s");
        try (ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
                ExecutorService executor = Executors.newSingleThreadExecutor()) {
            listener.bind(UnixDomainSocketAddress.of(socket));
            Future<?> served = executor.submit(() -> {
                try (SocketChannel client = listener.accept()) {
                    client.write(ByteBuffer.wrap(greeting.getBytes(StandardCharsets.UTF_8)));
                }
                return null;
            });
            assertRefused(Reason.FAILED, message, RemoteUri.parse("nbd+unix:///?socket=" + socket), false);
            served.get();
        }
    }

    @Test
    void aServerThatSaysNothingIsGivenUpInTime() throws IOException {
        Path socket = directory.resolve("s");
        Patience patience = new Patience(SECOND / 5, SECOND, SECOND, SECOND, SECOND, SECOND, SECOND);
        try (ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            listener.bind(UnixDomainSocketAddress.of(socket));
            assertThatThrownBy(() -> NbdBacking.open(
                            RemoteUri.parse("nbd+unix:///?socket=" + socket), false, patience, Clock.SYSTEM))
                    .isInstanceOf(BackingOpenException.class)
                    .hasMessageContaining("no answer in time");
        }
    }

    // ---------------------------------------------------------------------------------------------- servers that go
    // away

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aReadThatWasLostIsMadeAgainWhenTheServerIsBack(boolean isTcp) throws Exception {
        server = new DiskServer(4 * MIB, Ways.RICH, isTcp);
        backing = NbdBacking.open(server.uri(), false, LONG, Clock.SYSTEM);
        Arrays.fill(server.content, (byte) 3);
        AtomicBoolean isKilled = new AtomicBoolean();
        server.hook = (connection, command, offset, length) -> {
            if (!isKilled.getAndSet(true)) {
                try {
                    server.kill();
                    server.start();
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            }
            return 0;
        };
        assertThat(read(0, 2 * MIB)).containsOnly(3);
        assertThat(isKilled).isTrue();
    }

    @Test
    void aWriteThatWasLostFailsAndIsNotMadeAgain() throws IOException {
        serve(Ways.RICH, LONG);
        AtomicInteger writeCount = new AtomicInteger();
        server.hook = (connection, command, offset, length) -> {
            if (command == Protocol.CMD_WRITE && writeCount.incrementAndGet() == 1) {
                try {
                    server.kill();
                    server.start();
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            }
            return 0;
        };
        BackingIoException failure =
                catchThrowableOfType(BackingIoException.class, () -> backing.write(0, filled(4096, 1)));
        assertThat(failure.errno()).isZero();
        assertThat(failure).hasMessageContaining("the connection was lost: ");
        assertThat(read(MIB, 1)).containsExactly(0);
        assertThat(writeCount).hasValue(1);
    }

    @Test
    void whatAServerMayHaveLostIsToldByTheNextSyncOnce() throws IOException {
        serve(Ways.RICH, LONG);
        backing.write(0, filled(4096, 1));
        backing.sync();
        backing.write(4096, filled(4096, 2));
        server.kill();
        server.losePower();
        awaitLost();
        server.start();
        assertThatThrownBy(() -> backing.sync())
                .isInstanceOf(BackingIoException.class)
                .hasMessageContaining("the server may have lost them");
        assertThat(server.durable()[4096]).isZero();
        // As the contract wants it: everything since the last good sync, and then again.
        backing.write(4096, filled(4096, 2));
        backing.sync();
        assertThat(Arrays.copyOf(server.durable(), 8192))
                .startsWith(filled(4096, 1).toArray(JAVA_BYTE))
                .endsWith(filled(4096, 2).toArray(JAVA_BYTE));
    }

    @Test
    void aServerThatCameBackAfterASyncHasLostNothing() throws IOException {
        serve(Ways.RICH, LONG);
        backing.write(0, filled(4096, 1));
        backing.sync();
        server.kill();
        server.losePower();
        server.start();
        assertThat(read(0, 4096)).containsOnly(1);
        backing.sync();
    }

    @Test
    void aFlushThatWasLostFailsAndTheNextOneCoversWhatWasWrittenAgain() throws IOException {
        serve(Ways.SIMPLE, LONG);
        backing.write(0, filled(4096, 1));
        AtomicBoolean isKilled = new AtomicBoolean();
        server.hook = (connection, command, offset, length) -> {
            if (command == Protocol.CMD_FLUSH && !isKilled.getAndSet(true)) {
                try {
                    server.kill();
                    server.losePower();
                    server.start();
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
                return Protocol.EIO;
            }
            return 0;
        };
        assertThatThrownBy(() -> backing.sync()).hasMessageContaining("the connection was lost");
        backing.write(0, filled(4096, 1));
        backing.sync();
        assertThat(server.durable()[0]).isEqualTo((byte) 1);
    }

    @Test
    void everySyncThatWaitedForOneThatFailedFails() throws Exception {
        serve(Ways.SIMPLE, LONG);
        backing.write(0, filled(4096, 1));
        CountDownLatch isFlushing = new CountDownLatch(1);
        CountDownLatch isWaiting = new CountDownLatch(1);
        server.hook = (connection, command, offset, length) -> {
            if (command != Protocol.CMD_FLUSH) {
                return 0;
            }
            isFlushing.countDown();
            await(isWaiting);
            return Protocol.EIO;
        };
        try (ExecutorService executor = Executors.newCachedThreadPool()) {
            Future<?> first = executor.submit(() -> {
                backing.sync();
                return null;
            });
            isFlushing.await();
            Thread second = Thread.ofPlatform()
                    .unstarted(() -> assertThatThrownBy(() -> backing.sync())
                            .hasMessageContaining("a sync that was waited for failed"));
            AtomicBoolean isWrong = new AtomicBoolean();
            second.setUncaughtExceptionHandler((thread, e) -> isWrong.set(true));
            second.start();
            while (second.getState() != Thread.State.WAITING) {
                Thread.onSpinWait();
            }
            isWaiting.countDown();
            assertThatThrownBy(first::get).isInstanceOf(ExecutionException.class);
            second.join();
            assertThat(isWrong).isFalse();
        }
    }

    /**
     * The hazard of all clients that connect again: what a server that hung was asked before must not come behind what it is asked
     * afterwards. It is not asked anything before it has closed its end.
     */
    @Test
    void nothingIsAskedOfAServerThatStillHasOldRequests() throws Exception {
        // The server hangs with a write, and is given up.
        serve(
                Ways.SIMPLE,
                new Patience(60 * SECOND, SECOND / 2, SECOND / 2, SECOND / 2, SECOND, SECOND / 100, SECOND / 100));
        CountDownLatch goesOn = new CountDownLatch(1);
        server.hook = (connection, command, offset, length) -> {
            if (connection == 0 && command == Protocol.CMD_WRITE) {
                await(goesOn);
            }
            return 0;
        };
        assertThatThrownBy(() -> backing.write(0, filled(4096, 1)))
                .hasMessageContaining("the server has not answered for");
        // It is heard by nobody as long as it hangs.
        assertThatThrownBy(() -> {
                    while (true) {
                        backing.read(0, filled(1, 0));
                    }
                })
                .hasMessageContaining("the server has not closed its end yet");
        assertThatThrownBy(() -> backing.write(0, filled(4096, 2)))
                .hasMessageContaining("the server has not closed its end yet");
        assertThat(server.clients).hasSize(1);
        goesOn.countDown();
        writeUntilDone(0, filled(4096, 2));
        assertThat(server.clients).hasSizeGreaterThan(1);
        assertThat(server.log.getFirst().connection()).isZero();
        assertThat(Arrays.copyOf(server.content, 4096)).containsOnly(2);
    }

    @Test
    void callsFailWithTheCauseWhenTheServerStaysAway() throws IOException {
        serve(
                Ways.RICH,
                new Patience(60 * SECOND, 60 * SECOND, 60 * SECOND, SECOND / 5, SECOND, SECOND / 100, SECOND / 100));
        server.kill();
        for (int i = 0; i < 100; i++) {
            assertThatThrownBy(() -> backing.read(0, filled(4096, 0)))
                    .isInstanceOfSatisfying(
                            BackingIoException.class, e -> assertThat(e.errno()).isZero())
                    .hasMessageContaining("connection");
        }
        assertThatThrownBy(() -> backing.sync()).hasMessageContaining("connection");
        assertThatThrownBy(() -> backing.nextDataOffset(0)).hasMessageContaining("connection");
    }

    /** Waits until it is known that the server is away. */
    private void awaitLost() throws IOException {
        while (true) {
            try {
                assertThat(backing.damage()).isNull();
            } catch (BackingIoException e) {
                assertThat(e.operation()).isEqualTo(Operation.LOOK);
                assertThat(e).hasMessageStartingWith("cannot look at " + server.uri() + ": ");
                return;
            }
        }
    }

    @Test
    void aLostServerIsSeenByWhoeverLooksAlsoWhenNobodyAsksAnythingOfIt() throws IOException {
        serve(Ways.RICH, LONG);
        assertThat(backing.damage()).isNull();
        server.kill();
        awaitLost();
        server.start();
        while (true) {
            try {
                assertThat(backing.damage()).isNull();
                break;
            } catch (BackingIoException e) {
                assertThat(e).hasMessageContaining("connection");
            }
        }
        assertThat(read(0, 1)).containsExactly(0);
    }

    @Test
    void anotherExportThanBeforeIsNotGoneOnWith() throws IOException {
        serve(
                Ways.RICH,
                new Patience(60 * SECOND, 60 * SECOND, 60 * SECOND, SECOND / 5, SECOND, SECOND / 100, SECOND / 100));
        server.kill();
        byte[] right = server.content;
        server.content = new byte[MIB];
        server.start();
        assertFails("the export has 1048576 bytes now, and had 4194304");
        // Another fault before this one goes: at no moment it is the right one.
        server.ways = Ways.RICH.withFlags(Ways.FLAGS | Protocol.FLAG_READ_ONLY);
        server.content = right;
        assertFails("is read-only");
        server.ways = Ways.RICH.withBlocks(4096, MIB);
        assertFails("has blocks of 4096 to 1048576 bytes now");
        server.ways = Ways.RICH;
        writeUntilDone(0, filled(4096, 1));
    }

    /** Until it fails with this. */
    private void assertFails(String message) {
        while (true) {
            try {
                backing.write(0, filled(4096, 1));
                throw new AssertionError("it was written");
            } catch (IOException e) {
                if (String.valueOf(e.getMessage()).contains(message)) {
                    return;
                }
            }
        }
    }

    @Test
    void aServerThatBabblesIsNotBelievedAndLeft() throws IOException {
        serve(Ways.RICH, LONG);
        Random random = new Random(3);
        for (int i = 0; i < 30; i++) {
            byte[] babble = new byte[64];
            random.nextBytes(babble);
            if (i % 3 > 0) {
                // As far as a header goes.
                ByteBuffer.wrap(babble)
                        .putInt(i % 3 == 1 ? Protocol.SIMPLE_REPLY_MAGIC : Protocol.STRUCTURED_REPLY_MAGIC);
            }
            server.babble = babble;
            assertThatThrownBy(() -> backing.write(0, filled(4096, 1))).hasMessageContaining("breaks the protocol");
            server.babble = null;
            writeUntilDone(0, filled(4096, 2));
            assertThat(read(0, 4096)).containsOnly(2);
        }
    }

    @Test
    void whatIsClosedWhileTheServerIsAwayIsClosedAtOnce() throws IOException {
        serve(Ways.RICH, LONG);
        server.kill();
        backing.close();
        assertThatThrownBy(() -> backing.read(0, filled(1, 0))).isInstanceOf(IllegalStateException.class);
    }
}
