package ramback.kernelnbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A request of generic netlink as it is written: two headers, then attributes, each padded to four bytes. All in the processor's own
 * byte order.
 *
 * <pre>
 *   0 length u32            of all of it
 *   4 type u16              the family
 *   6 flags u16
 *   8 number u32            comes back in the answer
 *  12 port u32              0: the kernel knows who asks
 *  16 command u8
 *  17 version u8
 *  18 reserved u16
 *  20 attributes: { length u16, without the padding; type u16; value; padding }
 * </pre>
 */
final class NetlinkMessage {
    static final int HEADER_BYTES = 16;
    static final int GENERIC_HEADER_BYTES = 4;
    static final int ATTRIBUTE_HEADER_BYTES = 4;

    static final int FLAG_REQUEST = 1;
    /** The kernel says in a message of its own that it is done. */
    static final int FLAG_ACK = 4;

    /** Room for the longest request: sockets, numbers, and a name. */
    private static final int BYTES_MAX = 16 << 10;

    private final ByteBuffer bytes = ByteBuffer.allocate(BYTES_MAX).order(ByteOrder.nativeOrder());

    NetlinkMessage(int family, int number, int command, int version) {
        bytes.putInt(0)
                .putShort((short) family)
                .putShort((short) (FLAG_REQUEST | FLAG_ACK))
                .putInt(number)
                .putInt(0);
        bytes.put((byte) command).put((byte) version).putShort((short) 0);
    }

    /** Where a value of {@code lengthBytes} ends with its padding. */
    static int padded(int lengthBytes) {
        return (lengthBytes + 3) & ~3;
    }

    NetlinkMessage u32(int type, int value) {
        header(type, Integer.BYTES).putInt(value);
        return this;
    }

    NetlinkMessage u64(int type, long value) {
        header(type, Long.BYTES).putLong(value);
        return this;
    }

    /** A text with the zero byte that ends it. */
    NetlinkMessage text(int type, String value) {
        byte[] encoded = value.getBytes(UTF_8);
        header(type, encoded.length + 1).put(encoded);
        bytes.position(bytes.position() + padded(encoded.length + 1) - encoded.length);
        return this;
    }

    /** Begins an attribute that holds others; returns what ends it. */
    int begin(int type) {
        int at = bytes.position();
        header(type, 0);
        return at;
    }

    void end(int begun) {
        bytes.putShort(begun, (short) (bytes.position() - begun));
    }

    private ByteBuffer header(int type, int valueBytes) {
        return bytes.putShort((short) (ATTRIBUTE_HEADER_BYTES + valueBytes)).putShort((short) type);
    }

    /** All of it, as it is sent. */
    byte[] toBytes() {
        bytes.putInt(0, bytes.position());
        byte[] message = new byte[bytes.position()];
        bytes.get(0, message);
        return message;
    }
}
