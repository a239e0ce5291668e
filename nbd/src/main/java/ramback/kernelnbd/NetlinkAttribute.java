package ramback.kernelnbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * An attribute of an answer.
 *
 * @param type without the bits that say that it holds others, or numbers in network order
 * @param value without padding, in the processor's own byte order
 */
record NetlinkAttribute(int type, ByteBuffer value) {
    private static final int TYPE_MASK = 0x3FFF;

    /**
     * Reads attributes to the end.
     *
     * @throws IOException when their lengths cannot be right
     */
    static List<NetlinkAttribute> all(ByteBuffer bytes) throws IOException {
        List<NetlinkAttribute> attributes = new ArrayList<>();
        ByteBuffer left = bytes.slice().order(ByteOrder.nativeOrder());
        while (left.remaining() >= NetlinkMessage.ATTRIBUTE_HEADER_BYTES) {
            int at = left.position();
            int lengthBytes = Short.toUnsignedInt(left.getShort(at));
            int type = Short.toUnsignedInt(left.getShort(at + 2)) & TYPE_MASK;
            if (lengthBytes < NetlinkMessage.ATTRIBUTE_HEADER_BYTES || lengthBytes > left.remaining()) {
                throw new IOException("the kernel's answer has an attribute of " + lengthBytes + " bytes where "
                        + left.remaining() + " are left");
            }
            ByteBuffer value = left.slice(
                    at + NetlinkMessage.ATTRIBUTE_HEADER_BYTES, lengthBytes - NetlinkMessage.ATTRIBUTE_HEADER_BYTES);
            attributes.add(new NetlinkAttribute(type, value.order(ByteOrder.nativeOrder())));
            left.position(Math.min(left.limit(), at + NetlinkMessage.padded(lengthBytes)));
        }
        return attributes;
    }

    /** What it holds. */
    List<NetlinkAttribute> nested() throws IOException {
        return all(value);
    }

    int u8() throws IOException {
        return Byte.toUnsignedInt(sized(Byte.BYTES).get(0));
    }

    int u16() throws IOException {
        return Short.toUnsignedInt(sized(Short.BYTES).getShort(0));
    }

    int u32() throws IOException {
        return sized(Integer.BYTES).getInt(0);
    }

    private ByteBuffer sized(int bytes) throws IOException {
        if (value.remaining() < bytes) {
            throw new IOException(
                    "the kernel's answer has " + value.remaining() + " bytes in attribute " + type + ", not " + bytes);
        }
        return value;
    }
}
