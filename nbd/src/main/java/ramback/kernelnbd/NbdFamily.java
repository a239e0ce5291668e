package ramback.kernelnbd;

import java.io.IOException;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import ramback.posix.PosixException;

/**
 * The commands of the kernel's NBD driver. Each but {@link #status} needs CAP_SYS_ADMIN in the machine's own user namespace, and fails with
 * EPERM without. For one thread.
 *
 * <p>Source: {@code include/uapi/linux/nbd-netlink.h}.
 */
final class NbdFamily implements AutoCloseable {

    /**
     * What a block device is connected with.
     *
     * @param sizeBytes a multiple of the block size; the kernel cuts it to 512
     * @param blockBytes the logical and the physical block size, 512 to a page, a power of two
     * @param serverFlags "Transmission flags" of NBD
     * @param timeoutSeconds how long an answer may take before the connection is given up and the request is sent on another one; 0: for
     *     ever where there is only one
     * @param deadSeconds how long requests wait for a new connection when there is none any more, before they fail
     * @param identifier whose it is: told in {@code /sys/block/nbdN/backend}, and the same must be given to {@link #reconfigure}; from
     *     Linux 5.14 on
     */
    record Setup(
            long sizeBytes, int blockBytes, int serverFlags, int timeoutSeconds, int deadSeconds, String identifier) {}

    private static final String NAME = "nbd";
    private static final int VERSION = 1;

    private static final int CMD_CONNECT = 1;
    private static final int CMD_DISCONNECT = 2;
    private static final int CMD_RECONFIGURE = 3;
    private static final int CMD_STATUS = 5;

    private static final int ATTR_INDEX = 1;
    private static final int ATTR_SIZE_BYTES = 2;
    private static final int ATTR_BLOCK_SIZE_BYTES = 3;
    private static final int ATTR_TIMEOUT = 4;
    private static final int ATTR_SERVER_FLAGS = 5;
    private static final int ATTR_CLIENT_FLAGS = 6;
    private static final int ATTR_SOCKETS = 7;
    private static final int ATTR_DEAD_CONN_TIMEOUT = 8;
    private static final int ATTR_DEVICE_LIST = 9;
    private static final int ATTR_BACKEND_IDENTIFIER = 10;

    private static final int SOCK_ITEM = 1;
    private static final int SOCK_FD = 1;
    private static final int DEVICE_ITEM = 1;
    private static final int DEVICE_INDEX = 1;
    private static final int DEVICE_CONNECTED = 2;

    /** Neither DESTROY_ON_DISCONNECT nor DISCONNECT_ON_CLOSE: the device stays until somebody takes it apart. */
    private static final long CLIENT_FLAGS = 0;

    private final GenericNetlink netlink;
    private final int family;

    /** Takes over the conversation. */
    NbdFamily(GenericNetlink netlink) throws IOException {
        this.netlink = netlink;
        boolean isKnown = false;
        try {
            family = netlink.family(NAME);
            isKnown = true;
        } finally {
            if (!isKnown) {
                netlink.close();
            }
        }
    }

    /**
     * Opens a conversation.
     *
     * @throws PosixException ENOENT where the driver is not loaded; EPROTONOSUPPORT or EAFNOSUPPORT where there is no generic netlink
     */
    static NbdFamily open() throws IOException {
        return new NbdFamily(GenericNetlink.open());
    }

    /**
     * Makes a block device of connected sockets, of which the kernel keeps a reference of its own.
     *
     * @param index which one; null: the first that is free, or a new one
     * @return which one
     * @throws PosixException EBUSY when it is in use, EINVAL when the kernel does not like the setup
     */
    int connect(@Nullable Integer index, Setup setup, int[] sockets) throws IOException {
        List<NetlinkAttribute> answered = netlink.call(family, CMD_CONNECT, VERSION, message -> {
            if (index != null) {
                message.u32(ATTR_INDEX, index);
            }
            message.u64(ATTR_SIZE_BYTES, setup.sizeBytes());
            message.u64(ATTR_BLOCK_SIZE_BYTES, setup.blockBytes());
            message.u64(ATTR_TIMEOUT, setup.timeoutSeconds());
            message.u64(ATTR_SERVER_FLAGS, setup.serverFlags());
            message.u64(ATTR_CLIENT_FLAGS, CLIENT_FLAGS);
            putSockets(message, sockets);
            message.u64(ATTR_DEAD_CONN_TIMEOUT, setup.deadSeconds());
            message.text(ATTR_BACKEND_IDENTIFIER, setup.identifier());
        });
        for (NetlinkAttribute attribute : answered) {
            if (attribute.type() == ATTR_INDEX) {
                return attribute.u32();
            }
        }
        throw new IOException("the kernel connected a block device and does not say which");
    }

    /**
     * Puts new sockets into the place of dead ones. Those for which there is no dead one are left alone, without an error.
     *
     * @param sizeBytes what it has from now on, or null when that stays
     * @throws PosixException EINVAL when it is not connected, or is not the identifier's
     */
    void reconfigure(int index, @Nullable Long sizeBytes, String identifier, int[] sockets) throws IOException {
        netlink.call(family, CMD_RECONFIGURE, VERSION, message -> {
            message.u32(ATTR_INDEX, index);
            if (sizeBytes != null) {
                message.u64(ATTR_SIZE_BYTES, sizeBytes);
            }
            putSockets(message, sockets);
            message.text(ATTR_BACKEND_IDENTIFIER, identifier);
        });
    }

    /** Ends all connections; what is under way, waits or comes fails with EIO. Nothing happens where there are none. */
    void disconnect(int index) throws IOException {
        netlink.call(family, CMD_DISCONNECT, VERSION, message -> message.u32(ATTR_INDEX, index));
    }

    /** Every block device that there is by its index, and whether it is in use: connected, or open. */
    SortedMap<Integer, Boolean> status() throws IOException {
        SortedMap<Integer, Boolean> devices = new TreeMap<>();
        for (NetlinkAttribute list : netlink.call(family, CMD_STATUS, VERSION, message -> {})) {
            if (list.type() == ATTR_DEVICE_LIST) {
                for (NetlinkAttribute item : list.nested()) {
                    if (item.type() == DEVICE_ITEM) {
                        addDevice(item.nested(), devices);
                    }
                }
            }
        }
        return devices;
    }

    private static void addDevice(List<NetlinkAttribute> item, SortedMap<Integer, Boolean> devices) throws IOException {
        int index = -1;
        boolean isConnected = false;
        for (NetlinkAttribute attribute : item) {
            if (attribute.type() == DEVICE_INDEX) {
                index = attribute.u32();
            } else if (attribute.type() == DEVICE_CONNECTED) {
                isConnected = attribute.u8() != 0;
            }
        }
        if (index >= 0) {
            devices.put(index, isConnected);
        }
    }

    private static void putSockets(NetlinkMessage message, int[] sockets) {
        int list = message.begin(ATTR_SOCKETS);
        for (int socket : sockets) {
            int item = message.begin(SOCK_ITEM);
            message.u32(SOCK_FD, socket);
            message.end(item);
        }
        message.end(list);
    }

    @Override
    public void close() throws IOException {
        netlink.close();
    }
}
