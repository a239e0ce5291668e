package ramback.posix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The other end of {@link Posix#sendDatagram}, for tests: a Unix socket that datagrams are received from. */
@SuppressWarnings("restricted") // foreign calls, as in Native
final class DatagramReceiver implements AutoCloseable {

    private static final int MESSAGE_BYTES_MAX = 8192;
    private static final int MSG_DONTWAIT = 0x40;

    private final int fd;

    /** @param name as {@link Posix#sendDatagram} has it */
    DatagramReceiver(String name) throws Throwable {
        fd = Posix.datagramSocket();
        byte[] bytes = name.getBytes(UTF_8);
        boolean isAbstract = name.startsWith("@");
        int length = Short.BYTES + bytes.length + (isAbstract ? 0 : 1);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = arena.allocate(length, Short.BYTES);
            address.set(JAVA_SHORT, 0, (short) 1);
            MemorySegment.copy(bytes, 0, address, JAVA_BYTE, Short.BYTES, bytes.length);
            if (isAbstract) {
                address.set(JAVA_BYTE, Short.BYTES, (byte) 0);
            }
            int result =
                    (int) link("bind", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT).invokeExact(fd, address, length);
            if (result != 0) {
                throw new IllegalStateException("bind " + name);
            }
        }
    }

    /** What was sent and not yet received, or null if there is nothing. */
    String receive() throws Throwable {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(MESSAGE_BYTES_MAX);
            long length = (long) link("recv", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT)
                    .invokeExact(fd, buffer, (long) MESSAGE_BYTES_MAX, MSG_DONTWAIT);
            return length < 0 ? null : new String(buffer.asSlice(0, length).toArray(JAVA_BYTE), UTF_8);
        }
    }

    private static MethodHandle link(String name, MemoryLayout result, MemoryLayout... arguments) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().findOrThrow(name), FunctionDescriptor.of(result, arguments));
    }

    @Override
    public void close() throws PosixException {
        Posix.close(fd);
    }
}
