package ramback.posix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * An io_uring: operations are prepared in memory shared with the kernel, submitted together by one system call, which also
 * waits, and their completions are read from memory. For one thread at a time; with {@link #SINGLE_ISSUER} for the one that
 * made it. Preparing, submitting and reading completions allocate nothing on the heap once compiled.
 *
 * <pre>
 *   entry (64 bytes, or 128)    0 opcode u8   4 fd s32   8 offset u64, or command u32   16 address u64   24 length u32
 *                              32 user data u64                      48 the command's own bytes: 16, or 80 in a long entry
 *   completion (16 bytes)       0 user data u64   8 result s32   12 flags u32
 * </pre>
 *
 * <p>Source: Linux {@code include/uapi/linux/io_uring.h}, io_uring_setup(2), io_uring_enter(2).
 */
public final class IoUring implements AutoCloseable {

    /** Entries of 128 bytes, with room for a command of 80 bytes instead of 16. */
    public static final int LONG_ENTRIES = 1 << 10;

    /** Only the thread that made the ring submits (Linux 6.0). */
    public static final int SINGLE_ISSUER = 1 << 12;

    /** Completions come about only while that thread waits for them, together and without interrupting it (Linux 6.1). */
    public static final int DEFERRED_WORK = 1 << 13;

    /** Where an entry's command has its own bytes, from the offset that {@link #prepareCommand} returns. */
    public static final int COMMAND_OFFSET = 48;

    /** No limit to the time that {@link #submitAndWait} takes. */
    public static final long FOREVER = -1;

    private static final int LONG_ENTRY_BYTES = 128;
    private static final int ENTRY_BYTES = 64;
    private static final int COMPLETION_BYTES = 16;
    private static final int COMPLETION_RESULT = 8;

    private static final byte OP_READ = 22;
    private static final byte OP_URING_CMD = 46;

    private static final long MAP_OFFSET_RINGS = 0;
    private static final long MAP_OFFSET_ENTRIES = 0x1000_0000L;

    private static final int ENTER_GETEVENTS = 1;
    private static final int ENTER_EXT_ARG = 8;
    private static final int WAIT_ARGUMENT_BYTES = 24;
    private static final int TIMESPEC_BYTES = 16;
    private static final long NANOS_PER_SECOND = 1_000_000_000L;

    /*
     * struct io_uring_params, 120 bytes:
     *    0 submission entries u32    4 completion entries u32    8 flags u32    20 features u32
     *   40 submission ring: head, tail, mask, entries, flags, dropped, array (u32 each)
     *   80 completion ring: head, tail, mask, entries, overflow, completions (u32 each)
     */
    private static final int PARAMETERS_BYTES = 120;
    private static final int SUBMISSION = 40;
    private static final int COMPLETION = 80;

    /** The C library has no functions for these; the numbers are the same on every processor. */
    private static final long CALL_SETUP = 425;

    private static final long CALL_ENTER = 426;

    private static final VarHandle INT = JAVA_INT.varHandle();

    private final int fd;
    private final MemorySegment rings;
    private final MemorySegment entries;
    private final int entryBytes;
    private final int entryMask;
    private final long headAt;
    private final long tailAt;
    private final int completionMask;
    private final long completionHeadAt;
    private final long completionTailAt;
    private final long completionsAt;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment waitArgument = arena.allocate(WAIT_ARGUMENT_BYTES + TIMESPEC_BYTES, Long.BYTES);

    private int tail;
    private int completionHead;

    /**
     * Makes a ring. Not inherited by child processes.
     *
     * @param entryCount how many operations may be prepared at once, 1 to 32768; rounded up to a power of two. Twice as many
     *     completions have room
     * @param flags {@link #LONG_ENTRIES}, {@link #SINGLE_ISSUER}, {@link #DEFERRED_WORK}, or-ed
     * @throws PosixException ENOSYS where the kernel has no io_uring, EPERM where the machine forbids it
     *     (sysctl kernel.io_uring_disabled), EINVAL where it does not know a flag
     */
    public IoUring(int entryCount, int flags) throws PosixException {
        MemorySegment parameters = arena.allocate(PARAMETERS_BYTES, Long.BYTES);
        parameters.set(JAVA_INT, 8, flags);
        int newFd = setup(entryCount, parameters);
        if (newFd < 0) {
            arena.close();
            throw new PosixException("io_uring_setup", -newFd, null);
        }
        fd = newFd;
        entryBytes = (flags & LONG_ENTRIES) != 0 ? LONG_ENTRY_BYTES : ENTRY_BYTES;
        int entriesGiven = parameters.get(JAVA_INT, 0);
        int completionsGiven = parameters.get(JAVA_INT, 4);
        int arrayAt = parameters.get(JAVA_INT, SUBMISSION + 24);
        completionsAt = parameters.get(JAVA_INT, COMPLETION + 20);
        // Both rings lie in one mapping since Linux 5.4.
        long ringsBytes = Math.max(
                arrayAt + (long) entriesGiven * Integer.BYTES,
                completionsAt + (long) completionsGiven * COMPLETION_BYTES);
        rings = mapOrClose(ringsBytes, MAP_OFFSET_RINGS, null);
        entries = mapOrClose((long) entriesGiven * entryBytes, MAP_OFFSET_ENTRIES, rings);
        headAt = parameters.get(JAVA_INT, SUBMISSION);
        tailAt = parameters.get(JAVA_INT, SUBMISSION + 4);
        entryMask = rings.get(JAVA_INT, parameters.get(JAVA_INT, SUBMISSION + 8));
        completionHeadAt = parameters.get(JAVA_INT, COMPLETION);
        completionTailAt = parameters.get(JAVA_INT, COMPLETION + 4);
        completionMask = rings.get(JAVA_INT, parameters.get(JAVA_INT, COMPLETION + 8));
        for (int i = 0; i < entriesGiven; i++) {
            rings.set(JAVA_INT, arrayAt + (long) i * Integer.BYTES, i);
        }
    }

    private MemorySegment mapOrClose(
            long lengthBytes, long offsetBytes, @Nullable MemorySegment before)
            throws PosixException {
        try {
            return Posix.mmapShared(fd, offsetBytes, lengthBytes);
        } catch (PosixException e) {
            if (before != null) {
                Posix.munmap(before);
            }
            Posix.close(fd);
            arena.close();
            throw e;
        }
    }

    // ------------------------------------------------------------------------------------------------- submission

    /**
     * Prepares a command to a device's driver.
     *
     * @param userData comes back with the completion
     * @return where the entry lies in {@link #entries()}; its command's own bytes, at {@link #COMMAND_OFFSET}, are zeroes
     */
    public long prepareCommand(int deviceFd, int command, long userData) {
        long at = prepare(OP_URING_CMD, deviceFd, userData);
        entries.set(JAVA_INT, at + 8, command);
        return at;
    }

    /** Prepares a read from where the file stands, as of an {@link EventCounter}, into memory that stays until it is done. */
    public void prepareRead(int fileFd, MemorySegment into, long userData) {
        long at = prepare(OP_READ, fileFd, userData);
        entries.set(JAVA_LONG, at + 8, -1);
        entries.set(JAVA_LONG, at + 16, into.address());
        entries.set(JAVA_INT, at + 24, (int) into.byteSize());
    }

    private long prepare(byte operation, int operationFd, long userData) {
        if (unsubmittedCount() > entryMask) {
            throw new IllegalStateException("all " + (entryMask + 1) + " entries of the ring are in use");
        }
        long at = (long) (tail & entryMask) * entryBytes;
        for (int offset = 0; offset < entryBytes; offset += Long.BYTES) {
            entries.set(JAVA_LONG, at + offset, 0);
        }
        entries.set(JAVA_BYTE, at, operation);
        entries.set(JAVA_INT, at + 4, operationFd);
        entries.set(JAVA_LONG, at + 32, userData);
        tail++;
        return at;
    }

    /** The memory of the entries. */
    public MemorySegment entries() {
        return entries;
    }

    /** The kernel moves the head past what it has taken. */
    private int unsubmittedCount() {
        return tail - (int) INT.getAcquire(rings, headAt);
    }

    /**
     * Submits what was prepared and waits, in one call. Returns when a completion is there, when the time is up, and now and
     * then for no reason.
     *
     * @param timeoutNanos how long to wait at most, 0 or more, or {@link #FOREVER}
     */
    public void submitAndWait(long timeoutNanos) throws PosixException {
        INT.setRelease(rings, tailAt, tail); // the kernel sees whole entries
        int flags = ENTER_GETEVENTS;
        MemorySegment argument = MemorySegment.NULL;
        long argumentBytes = 0;
        if (timeoutNanos != FOREVER) {
            // struct io_uring_getevents_arg: 0 signal mask u64, 8 its size u32, 16 timespec's address u64
            flags |= ENTER_EXT_ARG;
            waitArgument.set(JAVA_LONG, 16, waitArgument.address() + WAIT_ARGUMENT_BYTES);
            waitArgument.set(JAVA_LONG, WAIT_ARGUMENT_BYTES, timeoutNanos / NANOS_PER_SECOND);
            waitArgument.set(JAVA_LONG, WAIT_ARGUMENT_BYTES + Long.BYTES, timeoutNanos % NANOS_PER_SECOND);
            argument = waitArgument;
            argumentBytes = WAIT_ARGUMENT_BYTES;
        }
        int result = enter(unsubmittedCount(), flags, argument, argumentBytes);
        if (result < 0 && result != -Errno.ETIME) {
            throw new PosixException("io_uring_enter", -result, null);
        }
    }

    // ------------------------------------------------------------------------------------------------- completion

    /** Whether a completion is there: then its data may be looked at, until {@link #take}. */
    public boolean hasCompletion() {
        return completionHead != (int) INT.getAcquire(rings, completionTailAt); // behind it, the completion is whole
    }

    /** The user data of the completion that is there. */
    public long userData() {
        return rings.get(JAVA_LONG, completionAt());
    }

    /** The result of the completion that is there: what the operation returns, or a negated errno. */
    public int result() {
        return rings.get(JAVA_INT, completionAt() + COMPLETION_RESULT);
    }

    /** Gives the completion's room back to the kernel. */
    public void take() {
        completionHead++;
        INT.setRelease(rings, completionHeadAt, completionHead); // it was read before
    }

    private long completionAt() {
        return completionsAt + (long) (completionHead & completionMask) * COMPLETION_BYTES;
    }

    /** Ends the ring: the kernel cancels what has not completed, some of it after this has returned. To be called once. */
    @Override
    public void close() throws PosixException {
        try {
            Posix.munmap(entries);
            Posix.munmap(rings);
        } finally {
            arena.close();
            Posix.close(fd);
        }
    }

    // ------------------------------------------------------------------------------------------------------- calls

    private static int setup(int entryCount, MemorySegment parameters) {
        MemorySegment state = Native.state();
        try {
            long result = (long) Setup.CALL.invokeExact(state, CALL_SETUP, (long) entryCount, parameters);
            return (int) Native.resultOrErrno(result, state);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /** Waits for one completion. */
    private int enter(int submitCount, int flags, MemorySegment argument, long argumentBytes) {
        MemorySegment state = Native.state();
        try {
            long result;
            do {
                result = (long) Enter.CALL.invokeExact(
                        state,
                        CALL_ENTER,
                        (long) fd,
                        (long) submitCount,
                        1L,
                        (long) flags,
                        argument,
                        argumentBytes);
            } while (Native.interrupted(result, state));
            return (int) Native.resultOrErrno(result, state);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    private static final class Setup {
        static final MethodHandle CALL = Native.link("syscall", JAVA_LONG, 1, JAVA_LONG, JAVA_LONG, ADDRESS);
    }

    private static final class Enter {
        static final MethodHandle CALL = Native.link(
                "syscall", JAVA_LONG, 1, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG);
    }
}
