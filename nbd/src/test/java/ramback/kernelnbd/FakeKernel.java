package ramback.kernelnbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import ramback.posix.Errno;

/** The other end of a netlink socket, for tests: answers what it is told to, and keeps what it was sent. */
class FakeKernel implements GenericNetlink.Link {

    static final int FAMILY = 0x1c;

    private static final int CONTROL = 16;

    final List<byte[]> sent = new ArrayList<>();
    private final Deque<byte[]> answers = new ArrayDeque<>();

    /** The attributes of what the driver's commands answer. */
    byte[] answer = {};

    /** The errno with which the driver refuses, or 0. */
    int error;

    boolean isLoaded = true;

    /** Whether each answer comes behind that to another question. */
    boolean stale;

    boolean isAnswered;
    boolean isClosed;

    @Override
    public void send(byte[] message) throws IOException {
        sent.add(message);
        ByteBuffer request = ByteBuffer.wrap(message).order(ByteOrder.nativeOrder());
        int number = request.getInt(8);
        if (stale) {
            answers.add(message(FAMILY, number - 1, index(77)));
            answers.add(acknowledgement(number - 1, Errno.EINVAL));
        }
        if (request.getShort(4) == CONTROL) {
            boolean isKnown = isLoaded && new String(message, 24, 4, UTF_8).equals("nbd\0");
            if (isKnown) {
                // As the kernel does: its name, then its number, in one datagram with the acknowledgement.
                byte[] described = {8, 0, 2, 0, 'n', 'b', 'd', 0, 6, 0, 1, 0, FAMILY, 0, 0, 0};
                answers.add(concat(message(CONTROL, number, described), acknowledgement(number, 0)));
            } else {
                answers.add(acknowledgement(number, Errno.ENOENT));
            }
            return;
        }
        carryOut(request);
        if (error == 0 && answer.length > 0) {
            answers.add(message(FAMILY, number, answer));
        }
        answers.add(acknowledgement(number, error));
    }

    /** What a command does besides being answered. */
    void carryOut(ByteBuffer request) throws IOException {}

    @Override
    public byte[] receive() throws IOException {
        return answers.remove();
    }

    @Override
    public void close() {
        isClosed = true;
    }

    /** An INDEX. */
    static byte[] index(int index) {
        return new byte[] {8, 0, 1, 0, (byte) index, 0, 0, 0};
    }

    /** A DEVICE_LIST, with the flag that the kernel sets on what holds others, on some. */
    static byte[] devices(boolean... connected) {
        byte[] list = {};
        for (int i = 0; i < connected.length; i++) {
            String nested = i % 2 == 0 ? "80" : "00";
            byte[] item = HexFormat.of().parseHex("140001" + nested + "0800010000000000" + "0500020000000000");
            item[8] = (byte) i;
            item[16] = (byte) (connected[i] ? 1 : 0);
            list = concat(list, item);
        }
        return concat(new byte[] {(byte) (list.length + 4), 0, 9, 0}, list);
    }

    private static byte[] message(int type, int number, byte[] attributes) {
        return ByteBuffer.allocate(20 + attributes.length)
                .order(ByteOrder.nativeOrder())
                .putInt(20 + attributes.length)
                .putShort((short) type)
                .putShort((short) 0)
                .putInt(number)
                .putInt(4711)
                .putInt(1)
                .put(attributes)
                .array();
    }

    private static byte[] acknowledgement(int number, int errno) {
        return ByteBuffer.allocate(36)
                .order(ByteOrder.nativeOrder())
                .putInt(36)
                .putShort((short) 2)
                .putShort((short) 0x100)
                .putInt(number)
                .putInt(4711)
                .putInt(-errno)
                .array();
    }

    private static byte[] concat(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }
}
