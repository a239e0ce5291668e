package ramback.kernelnbd;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import ramback.posix.Errno;
import ramback.posix.PosixException;

/** The bytes of generic netlink. Both processors that we run on are little-endian, and so are the bytes here. */
class NetlinkTest {

    private final FakeKernel kernel = new FakeKernel();

    @Test
    void aFamilyIsAskedForByItsNameWithAZeroByteAndPadding() throws Exception {
        try (GenericNetlink netlink = new GenericNetlink(kernel)) {
            assertThat(netlink.family("nbd")).isEqualTo(FakeKernel.FAMILY);
        }
        assertThat(kernel.sent.getFirst())
                .isEqualTo(hex(
                        "1c000000 10000500 01000000 00000000", // 28 bytes to the controller, request, ack
                        "03020000", // GETFAMILY, version 2
                        "08000200 6e626400"));
        assertThat(kernel.isClosed).isTrue();
    }

    @Test
    void connectSaysWhatTheDeviceIsAndNestsEachSocket() throws Exception {
        kernel.answer = FakeKernel.index(3);
        try (NbdFamily family = new NbdFamily(new GenericNetlink(kernel))) {
            var setup = new NbdFamily.Setup(0x0000_0012_3456_7800L, 4096, 0x16d, 300, 86_400, "me");
            assertThat(family.connect(null, setup, new int[] {7, 258})).isEqualTo(3);
        }
        assertThat(kernel.sent.getLast())
                .isEqualTo(hex(
                        "80000000 1c000500 02000000 00000000", // the second message
                        "01010000", // CONNECT, version 1
                        "0c000200 00785634 12000000", // SIZE_BYTES
                        "0c000300 00100000 00000000", // BLOCK_SIZE_BYTES
                        "0c000400 2c010000 00000000", // TIMEOUT
                        "0c000500 6d010000 00000000", // SERVER_FLAGS
                        "0c000600 00000000 00000000", // CLIENT_FLAGS
                        "1c000700", // SOCKETS
                        "0c000100 08000100 07000000", // SOCK_ITEM of a SOCK_FD
                        "0c000100 08000100 02010000",
                        "0c000800 80510100 00000000", // DEAD_CONN_TIMEOUT
                        "07000a00 6d650000")); // BACKEND_IDENTIFIER, and padding that is not counted
    }

    @Test
    void connectNamesAnIndexOnlyWhenOneIsWanted() throws Exception {
        kernel.answer = FakeKernel.index(5);
        try (NbdFamily family = new NbdFamily(new GenericNetlink(kernel))) {
            var setup = new NbdFamily.Setup(512, 512, 1, 0, 1, "");
            assertThat(family.connect(5, setup, new int[] {3})).isEqualTo(5);
        }
        assertThat(kernel.sent.getLast()).containsSequence(hex("01010000 08000100 05000000 0c000200"));
    }

    @Test
    void reconfigureAndDisconnectNameTheDevice() throws Exception {
        try (NbdFamily family = new NbdFamily(new GenericNetlink(kernel))) {
            family.reconfigure(2, "it", new int[] {9});
            assertThat(kernel.sent.getLast())
                    .isEqualTo(hex(
                            "34000000 1c000500 02000000 00000000",
                            "03010000 08000100 02000000", // RECONFIGURE, INDEX
                            "10000700 0c000100 08000100 09000000", // SOCKETS
                            "07000a00 69740000"));
            family.disconnect(2);
            assertThat(kernel.sent.getLast())
                    .isEqualTo(hex(
                            "1c000000 1c000500 03000000 00000000", "02010000 08000100 02000000")); // DISCONNECT, INDEX
        }
    }

    @Test
    void statusListsEveryDevice() throws Exception {
        kernel.answer = FakeKernel.devices(true, false, true);
        try (NbdFamily family = new NbdFamily(new GenericNetlink(kernel))) {
            assertThat(family.status()).containsExactlyEntriesOf(new TreeMap<>(Map.of(0, true, 1, false, 2, true)));
        }
    }

    @Test
    void aRefusalIsItsErrno() throws Exception {
        kernel.error = Errno.EBUSY;
        try (NbdFamily family = new NbdFamily(new GenericNetlink(kernel))) {
            assertThatThrownBy(() -> family.disconnect(1))
                    .isInstanceOfSatisfying(
                            PosixException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EBUSY));
            kernel.error = 0;
            family.disconnect(1);
        }
    }

    @Test
    void aKernelWithoutTheFamilyIsAskedNoMore() {
        kernel.isLoaded = false;
        assertThatThrownBy(() -> new NbdFamily(new GenericNetlink(kernel)))
                .isInstanceOfSatisfying(
                        PosixException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT));
        assertThat(kernel.isClosed).isTrue();
    }

    @Test
    void whatBelongsToAnEarlierQuestionIsLeftOut() throws Exception {
        kernel.stale = true;
        kernel.answer = FakeKernel.index(6);
        try (NbdFamily family = new NbdFamily(new GenericNetlink(kernel))) {
            assertThat(family.connect(null, new NbdFamily.Setup(512, 512, 1, 0, 1, ""), new int[] {3}))
                    .isEqualTo(6);
        }
    }

    @Test
    void aConnectionThatIsNotNamedIsAnError() throws Exception {
        try (NbdFamily family = new NbdFamily(new GenericNetlink(kernel))) {
            var setup = new NbdFamily.Setup(512, 512, 1, 0, 1, "");
            assertThatThrownBy(() -> family.connect(null, setup, new int[] {3}))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("does not say which");
        }
    }

    /** An attribute as it may be: a number, a text, or a list of others. */
    sealed interface Value {
        record Number(int type, long value, boolean isLong) implements Value {}

        record Text(int type, String value) implements Value {}

        record Nested(int type, List<Value> values) implements Value {}
    }

    @Property(tries = 500)
    void whatIsWrittenIsRead(@ForAll("values") List<Value> values) throws Exception {
        NetlinkMessage message = new NetlinkMessage(1, 1, 1, 1);
        values.forEach(value -> write(message, value));
        byte[] bytes = message.toBytes();
        assertThat(bytes.length % 4).isZero();
        assertThat(ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder()).getInt(0))
                .isEqualTo(bytes.length);
        check(NetlinkAttribute.all(ByteBuffer.wrap(bytes, 20, bytes.length - 20)), values);
    }

    @Property(tries = 1000)
    void noBytesAreReadBeyondTheEnd(@ForAll byte[] bytes) {
        try {
            for (NetlinkAttribute attribute : NetlinkAttribute.all(ByteBuffer.wrap(bytes))) {
                assertThat(attribute.value().remaining()).isLessThan(bytes.length);
            }
        } catch (IOException e) {
            assertThat(e).hasMessageContaining("the kernel's answer has");
        }
    }

    @Property(tries = 1000)
    void anyAnswerIsUnderstoodOrRefused(@ForAll byte[] bytes) {
        GenericNetlink netlink = new GenericNetlink(new FakeKernel() {
            @Override
            public byte[] receive() throws IOException {
                if (isAnswered) {
                    throw new IOException("the kernel's answer has an end");
                }
                isAnswered = true;
                return bytes;
            }
        });
        assertThatThrownBy(() -> netlink.family("x"))
                .isInstanceOf(IOException.class)
                .hasMessageMatching("(?s).*(the kernel|netlink).*");
    }

    @Provide
    Arbitrary<List<Value>> values() {
        Arbitrary<Integer> types = Arbitraries.integers().between(1, 0x3FFF);
        Arbitrary<Value> numbers = Combinators.combine(types, Arbitraries.longs(), Arbitraries.of(true, false))
                .as(Value.Number::new);
        Arbitrary<Value> texts = Combinators.combine(
                        types, Arbitraries.strings().excludeChars('\0').ofMaxLength(40))
                .as(Value.Text::new);
        Arbitrary<Value> flat = Arbitraries.oneOf(numbers, texts);
        Arbitrary<Value> nested =
                Combinators.combine(types, flat.list().ofMaxSize(4)).as(Value.Nested::new);
        return Arbitraries.oneOf(flat, nested).list().ofMaxSize(6);
    }

    private static void write(NetlinkMessage message, Value value) {
        switch (value) {
            case Value.Number(int type, long number, boolean isLong) -> {
                if (isLong) {
                    message.u64(type, number);
                } else {
                    message.u32(type, (int) number);
                }
            }
            case Value.Text(int type, String text) -> message.text(type, text);
            case Value.Nested(int type, List<Value> values) -> {
                int begun = message.begin(type);
                values.forEach(inner -> write(message, inner));
                message.end(begun);
            }
        }
    }

    private static void check(List<NetlinkAttribute> read, List<Value> written) throws IOException {
        assertThat(read).hasSameSizeAs(written);
        for (int i = 0; i < read.size(); i++) {
            NetlinkAttribute attribute = read.get(i);
            switch (written.get(i)) {
                case Value.Number(int type, long number, boolean isLong) -> {
                    assertThat(attribute.type()).isEqualTo(type);
                    assertThat(attribute.u32()).isEqualTo((int) number);
                    assertThat(attribute.value().remaining()).isEqualTo(isLong ? 8 : 4);
                }
                case Value.Text(int type, String text) -> {
                    assertThat(attribute.type()).isEqualTo(type);
                    byte[] value = new byte[attribute.value().remaining()];
                    attribute.value().get(0, value);
                    assertThat(value).isEqualTo((text + '\0').getBytes(UTF_8));
                }
                case Value.Nested(int type, List<Value> values) -> {
                    assertThat(attribute.type()).isEqualTo(type);
                    check(attribute.nested(), values);
                }
            }
        }
    }

    /** Bytes in hexadecimal, with blanks as it pleases. */
    private static byte[] hex(String... parts) {
        return HexFormat.of().parseHex(String.join("", parts).replace(" ", ""));
    }
}
