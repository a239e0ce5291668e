package ramback.kernelnbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import ramback.posix.Errno;
import ramback.posix.Posix;
import ramback.posix.PosixException;
import ramback.posix.RawSockets;

/**
 * A conversation with the kernel over generic netlink: one question at a time, each until the kernel says that it is done. A command is
 * carried out while it is sent, so that its answer is there then. For one thread.
 */
final class GenericNetlink implements AutoCloseable {

    /** Where messages go; whole ones. */
    interface Link extends AutoCloseable {
        void send(byte[] message) throws IOException;

        /** The next message, or several in one. */
        byte[] receive() throws IOException;

        @Override
        void close() throws IOException;
    }

    private static final int TYPE_ERROR = 2;
    /** The family that knows the others, and its command and attributes. */
    private static final int CONTROL_FAMILY = 16;

    private static final int CONTROL_GET_FAMILY = 3;
    private static final int CONTROL_ATTRIBUTE_ID = 1;
    private static final int CONTROL_ATTRIBUTE_NAME = 2;
    private static final int CONTROL_VERSION = 2;

    /** The kernel's answers are shorter: an attribute has 64 KiB at most. */
    private static final int ANSWER_BYTES_MAX = 128 << 10;

    private static final int ANSWER_MILLIS = 10_000;

    private final Link link;
    private int number;

    GenericNetlink(Link link) {
        this.link = link;
    }

    /** @throws PosixException EPROTONOSUPPORT or EAFNOSUPPORT where there is no generic netlink */
    static GenericNetlink open() throws PosixException {
        int fd = RawSockets.openNetlink(RawSockets.NETLINK_GENERIC);
        return new GenericNetlink(new Link() {
            @Override
            public void send(byte[] message) throws IOException {
                RawSockets.send(fd, message, 0, message.length);
            }

            @Override
            public byte[] receive() throws IOException {
                if (!RawSockets.awaitReadable(fd, ANSWER_MILLIS)) {
                    throw new IOException("the kernel does not answer over netlink");
                }
                return RawSockets.receiveMessage(fd, ANSWER_BYTES_MAX);
            }

            @Override
            public void close() throws IOException {
                Posix.close(fd);
            }
        });
    }

    /**
     * The number of a family.
     *
     * @throws PosixException ENOENT where the kernel has no such family, because no module with it is loaded
     */
    int family(String name) throws IOException {
        for (NetlinkAttribute attribute :
                call(CONTROL_FAMILY, CONTROL_GET_FAMILY, CONTROL_VERSION, m -> m.text(CONTROL_ATTRIBUTE_NAME, name))) {
            if (attribute.type() == CONTROL_ATTRIBUTE_ID) {
                return attribute.u16();
            }
        }
        throw new IOException("the kernel names netlink family " + name + " without a number");
    }

    /**
     * Has a command carried out.
     *
     * @param attributes writes what belongs to it
     * @return the attributes of what was answered, none where it was only done
     * @throws PosixException the errno with which the kernel refused it
     */
    List<NetlinkAttribute> call(int family, int command, int version, Consumer<NetlinkMessage> attributes)
            throws IOException {
        number++;
        NetlinkMessage message = new NetlinkMessage(family, number, command, version);
        attributes.accept(message);
        link.send(message.toBytes());
        List<NetlinkAttribute> answered = new ArrayList<>();
        boolean isDone = false;
        while (!isDone) {
            ByteBuffer received = ByteBuffer.wrap(link.receive()).order(ByteOrder.nativeOrder());
            while (received.hasRemaining() && !isDone) {
                isDone = take(next(received), answered);
            }
        }
        return answered;
    }

    /** Cuts the next message off. */
    private static ByteBuffer next(ByteBuffer received) throws IOException {
        int at = received.position();
        int lengthBytes = received.remaining() < NetlinkMessage.HEADER_BYTES ? 0 : received.getInt(at);
        if (lengthBytes < NetlinkMessage.HEADER_BYTES || lengthBytes > received.remaining()) {
            throw new IOException("the kernel's answer has a message of " + lengthBytes + " bytes where "
                    + received.remaining() + " are left");
        }
        received.position(Math.min(received.limit(), at + NetlinkMessage.padded(lengthBytes)));
        return received.slice(at, lengthBytes).order(ByteOrder.nativeOrder());
    }

    /** Returns whether it was the last one. */
    private boolean take(ByteBuffer message, List<NetlinkAttribute> answered) throws IOException {
        if (message.getInt(8) != number) {
            return false; // of a question that was given up
        }
        int headers = NetlinkMessage.HEADER_BYTES + NetlinkMessage.GENERIC_HEADER_BYTES;
        if (message.remaining() < headers) {
            throw new IOException("the kernel's answer has " + message.remaining() + " bytes, not " + headers);
        }
        if (message.getShort(4) == TYPE_ERROR) {
            int error = message.getInt(NetlinkMessage.HEADER_BYTES);
            if (error != 0) {
                throw new PosixException("netlink", error == Integer.MIN_VALUE ? Errno.EIO : Math.abs(error), null);
            }
            return true;
        }
        answered.addAll(NetlinkAttribute.all(message.position(headers)));
        return false;
    }

    @Override
    public void close() throws IOException {
        link.close();
    }
}
