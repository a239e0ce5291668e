package ramback.posix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;

/**
 * The C functions themselves. Each returns what the kernel would, a non-negative result or the negated errno, unless it
 * says otherwise. A call
 * that a signal interrupted is made again, but for close, which Linux has done by then. No call allocates: errno is
 * captured in a segment that each thread keeps.
 *
 * <p>Each handle sits in a holder of its own, so that a short-lived command links only the calls that it makes.
 */
@SuppressWarnings("restricted") // foreign calls are what this class is for
final class Native {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout STATE_LAYOUT = Linker.Option.captureStateLayout();
    private static final long ERRNO_OFFSET = STATE_LAYOUT.byteOffset(PathElement.groupElement("errno"));
    private static final ThreadLocal<MemorySegment> STATE =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(STATE_LAYOUT));
    static final int NOT_VARIADIC = -1;
    private static final int STRERROR_BYTES_MAX = 1024;

    private Native() {}

    static int open(MemorySegment path, int flags, int mode) {
        MemorySegment state = STATE.get();
        try {
            int result;
            do {
                result = (int) Open.CALL.invokeExact(state, path, flags, mode);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int close(int fd) {
        MemorySegment state = STATE.get();
        try {
            return resultOrErrno((int) Close.CALL.invokeExact(state, fd), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long pread(int fd, MemorySegment buffer, long lengthBytes, long offsetBytes) {
        MemorySegment state = STATE.get();
        try {
            long result;
            do {
                result = (long) Pread.CALL.invokeExact(state, fd, buffer, lengthBytes, offsetBytes);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long pwrite(int fd, MemorySegment buffer, long lengthBytes, long offsetBytes) {
        MemorySegment state = STATE.get();
        try {
            long result;
            do {
                result = (long) Pwrite.CALL.invokeExact(state, fd, buffer, lengthBytes, offsetBytes);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int fsync(int fd) {
        return callOnDescriptor(Fsync.CALL, fd);
    }

    static int fdatasync(int fd) {
        return callOnDescriptor(Fdatasync.CALL, fd);
    }

    static int flock(int fd, int operation) {
        return callOnDescriptor(Flock.CALL, fd, operation);
    }

    static int fchmod(int fd, int mode) {
        return callOnDescriptor(Fchmod.CALL, fd, mode);
    }

    static int ftruncate(int fd, long lengthBytes) {
        MemorySegment state = STATE.get();
        try {
            int result;
            do {
                result = (int) Ftruncate.CALL.invokeExact(state, fd, lengthBytes);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int fallocate(int fd, int mode, long offsetBytes, long lengthBytes) {
        MemorySegment state = STATE.get();
        try {
            int result;
            do {
                result = (int) Fallocate.CALL.invokeExact(state, fd, mode, offsetBytes, lengthBytes);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long lseek(int fd, long offsetBytes, int whence) {
        MemorySegment state = STATE.get();
        try {
            long result;
            do {
                result = (long) Lseek.CALL.invokeExact(state, fd, offsetBytes, whence);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /** Returns 0 or a positive errno, as POSIX has it for this call. */
    static int posixFadvise(int fd, long offsetBytes, long lengthBytes, int advice) {
        MemorySegment state = STATE.get();
        try {
            return (int) PosixFadvise.CALL.invokeExact(state, fd, offsetBytes, lengthBytes, advice);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int statx(int directoryFd, MemorySegment path, int flags, int mask, MemorySegment into) {
        MemorySegment state = STATE.get();
        try {
            int result;
            do {
                result = (int) Statx.CALL.invokeExact(state, directoryFd, path, flags, mask, into);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int fstatfs(int fd, MemorySegment into) {
        MemorySegment state = STATE.get();
        try {
            int result;
            do {
                result = (int) Fstatfs.CALL.invokeExact(state, fd, into);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int ioctl(int fd, long request, MemorySegment argument) {
        MemorySegment state = STATE.get();
        try {
            int result;
            do {
                result = (int) Ioctl.CALL.invokeExact(state, fd, request, argument);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /** Returns the address, or a negated errno: no user-space address of ours is negative. */
    static long mmap(long lengthBytes, int protection, int flags, int fd, long offsetBytes) {
        MemorySegment state = STATE.get();
        try {
            MemorySegment address = (MemorySegment)
                    Mmap.CALL.invokeExact(state, MemorySegment.NULL, lengthBytes, protection, flags, fd, offsetBytes);
            return resultOrErrno(address.address(), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int munmap(MemorySegment mapping, long lengthBytes) {
        MemorySegment state = STATE.get();
        try {
            return resultOrErrno((int) Munmap.CALL.invokeExact(state, mapping, lengthBytes), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int madvise(MemorySegment memory, long lengthBytes, int advice) {
        MemorySegment state = STATE.get();
        try {
            int result;
            do {
                result = (int) Madvise.CALL.invokeExact(state, memory, lengthBytes, advice);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int unlink(MemorySegment path) {
        MemorySegment state = STATE.get();
        try {
            return resultOrErrno((int) Unlink.CALL.invokeExact(state, path), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int geteuid() {
        MemorySegment state = STATE.get();
        try {
            return (int) Geteuid.CALL.invokeExact(state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int getegid() {
        MemorySegment state = STATE.get();
        try {
            return (int) Getegid.CALL.invokeExact(state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int getpagesize() {
        MemorySegment state = STATE.get();
        try {
            return (int) Getpagesize.CALL.invokeExact(state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int execv(MemorySegment program, MemorySegment arguments) {
        MemorySegment state = STATE.get();
        try {
            return resultOrErrno((int) Execv.CALL.invokeExact(state, program, arguments), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int fcntl(int fd, int command, int argument) {
        MemorySegment state = STATE.get();
        try {
            return resultOrErrno((int) Fcntl.CALL.invokeExact(state, fd, command, argument), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int mlock2(MemorySegment memory, long lengthBytes, int flags) {
        MemorySegment state = STATE.get();
        try {
            return resultOrErrno((int) Mlock2.CALL.invokeExact(state, memory, lengthBytes, flags), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int munlock(MemorySegment memory, long lengthBytes) {
        MemorySegment state = STATE.get();
        try {
            return resultOrErrno((int) Munlock.CALL.invokeExact(state, memory, lengthBytes), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int mlockall(int flags) {
        MemorySegment state = STATE.get();
        try {
            return resultOrErrno((int) Mlockall.CALL.invokeExact(state, flags), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int prlimit(int pid, int resource, MemorySegment newLimits, MemorySegment oldLimits) {
        MemorySegment state = STATE.get();
        try {
            return resultOrErrno((int) Prlimit.CALL.invokeExact(state, pid, resource, newLimits, oldLimits), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int prctl(int option, long second, long third, long fourth, long fifth) {
        MemorySegment state = STATE.get();
        try {
            return resultOrErrno((int) Prctl.CALL.invokeExact(state, option, second, third, fourth, fifth), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /** Takes addresses: a segment of a shared arena would be counted as used and not used, for all threads together. */
    static void memcpy(long to, long from, long lengthBytes) {
        try {
            long _ = (long) Memcpy.CALL.invokeExact(to, from, lengthBytes);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int schedSetscheduler(int thread, int policy, MemorySegment parameters) {
        MemorySegment state = STATE.get();
        try {
            return resultOrErrno((int) SchedSetscheduler.CALL.invokeExact(state, thread, policy, parameters), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int socket(int family, int type, int protocol) {
        MemorySegment state = STATE.get();
        try {
            return resultOrErrno((int) Socket.CALL.invokeExact(state, family, type, protocol), state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long sendto(
            int fd, MemorySegment message, long lengthBytes, int flags, MemorySegment address, int addressBytes) {
        MemorySegment state = STATE.get();
        try {
            long result;
            do {
                result = (long) Sendto.CALL.invokeExact(state, fd, message, lengthBytes, flags, address, addressBytes);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static int connect(int fd, MemorySegment address, int addressBytes) {
        MemorySegment state = STATE.get();
        try {
            int result;
            do {
                result = (int) Connect.CALL.invokeExact(state, fd, address, addressBytes);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static long recv(int fd, MemorySegment into, long lengthBytes, int flags) {
        MemorySegment state = STATE.get();
        try {
            long result;
            do {
                result = (long) Recv.CALL.invokeExact(state, fd, into, lengthBytes, flags);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /** Waits anew, as long as before, after a signal. */
    static int poll(MemorySegment descriptors, long count, int timeoutMillis) {
        MemorySegment state = STATE.get();
        try {
            int result;
            do {
                result = (int) Poll.CALL.invokeExact(state, descriptors, count, timeoutMillis);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    static String strerror(int errno) {
        MemorySegment state = STATE.get();
        try {
            MemorySegment text = (MemorySegment) Strerror.CALL.invokeExact(state, errno);
            return text.reinterpret(STRERROR_BYTES_MAX).getString(0);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    private static int callOnDescriptor(MethodHandle call, int fd) {
        MemorySegment state = STATE.get();
        try {
            int result;
            do {
                result = (int) call.invokeExact(state, fd);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    private static int callOnDescriptor(MethodHandle call, int fd, int argument) {
        MemorySegment state = STATE.get();
        try {
            int result;
            do {
                result = (int) call.invokeExact(state, fd, argument);
            } while (interrupted(result, state));
            return resultOrErrno(result, state);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /** Where the calling thread's calls leave errno. */
    static MemorySegment state() {
        return STATE.get();
    }

    static boolean interrupted(long result, MemorySegment state) {
        return result == -1 && state.get(JAVA_INT, ERRNO_OFFSET) == Errno.EINTR;
    }

    static int resultOrErrno(int result, MemorySegment state) {
        return result == -1 ? -state.get(JAVA_INT, ERRNO_OFFSET) : result;
    }

    static long resultOrErrno(long result, MemorySegment state) {
        return result == -1 ? -state.get(JAVA_INT, ERRNO_OFFSET) : result;
    }

    /** A downcall itself throws only for wrong arguments (a closed or heap segment): a programmer's error. */
    static RuntimeException unexpected(Throwable thrown) {
        if (thrown instanceof RuntimeException runtime) {
            return runtime;
        }
        if (thrown instanceof Error error) {
            throw error;
        }
        return new IllegalStateException(thrown);
    }

    /**
     * @param firstVariadicArgument index of the first argument that C passes as a variadic one, or {@link #NOT_VARIADIC}
     */
    static MethodHandle link(String name, MemoryLayout result, int firstVariadicArgument, MemoryLayout... arguments) {
        MemorySegment function = LINKER.defaultLookup()
                .find(name)
                .orElseThrow(() -> new UnsupportedOperationException(
                        "the C library has no " + name + ": ramback needs glibc 2.28 or newer"));
        List<Linker.Option> options = new ArrayList<>();
        options.add(Linker.Option.captureCallState("errno"));
        if (firstVariadicArgument != NOT_VARIADIC) {
            options.add(Linker.Option.firstVariadicArg(firstVariadicArgument));
        }
        return LINKER.downcallHandle(
                function, FunctionDescriptor.of(result, arguments), options.toArray(Linker.Option[]::new));
    }

    private static final class Open {
        static final MethodHandle CALL = link("open", JAVA_INT, 2, ADDRESS, JAVA_INT, JAVA_INT);
    }

    private static final class Close {
        static final MethodHandle CALL = link("close", JAVA_INT, NOT_VARIADIC, JAVA_INT);
    }

    private static final class Pread {
        static final MethodHandle CALL =
                link("pread", JAVA_LONG, NOT_VARIADIC, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG);
    }

    private static final class Pwrite {
        static final MethodHandle CALL =
                link("pwrite", JAVA_LONG, NOT_VARIADIC, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG);
    }

    private static final class Fsync {
        static final MethodHandle CALL = link("fsync", JAVA_INT, NOT_VARIADIC, JAVA_INT);
    }

    private static final class Fdatasync {
        static final MethodHandle CALL = link("fdatasync", JAVA_INT, NOT_VARIADIC, JAVA_INT);
    }

    private static final class Flock {
        static final MethodHandle CALL = link("flock", JAVA_INT, NOT_VARIADIC, JAVA_INT, JAVA_INT);
    }

    private static final class Fchmod {
        static final MethodHandle CALL = link("fchmod", JAVA_INT, NOT_VARIADIC, JAVA_INT, JAVA_INT);
    }

    private static final class Ftruncate {
        static final MethodHandle CALL = link("ftruncate", JAVA_INT, NOT_VARIADIC, JAVA_INT, JAVA_LONG);
    }

    private static final class Fallocate {
        static final MethodHandle CALL =
                link("fallocate", JAVA_INT, NOT_VARIADIC, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG);
    }

    private static final class Lseek {
        static final MethodHandle CALL = link("lseek", JAVA_LONG, NOT_VARIADIC, JAVA_INT, JAVA_LONG, JAVA_INT);
    }

    private static final class PosixFadvise {
        static final MethodHandle CALL =
                link("posix_fadvise", JAVA_INT, NOT_VARIADIC, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);
    }

    private static final class Statx {
        static final MethodHandle CALL =
                link("statx", JAVA_INT, NOT_VARIADIC, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT, ADDRESS);
    }

    private static final class Fstatfs {
        static final MethodHandle CALL = link("fstatfs", JAVA_INT, NOT_VARIADIC, JAVA_INT, ADDRESS);
    }

    private static final class Ioctl {
        static final MethodHandle CALL = link("ioctl", JAVA_INT, 2, JAVA_INT, JAVA_LONG, ADDRESS);
    }

    private static final class Mmap {
        static final MethodHandle CALL =
                link("mmap", ADDRESS, NOT_VARIADIC, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
    }

    private static final class Munmap {
        static final MethodHandle CALL = link("munmap", JAVA_INT, NOT_VARIADIC, ADDRESS, JAVA_LONG);
    }

    private static final class Madvise {
        static final MethodHandle CALL = link("madvise", JAVA_INT, NOT_VARIADIC, ADDRESS, JAVA_LONG, JAVA_INT);
    }

    private static final class Unlink {
        static final MethodHandle CALL = link("unlink", JAVA_INT, NOT_VARIADIC, ADDRESS);
    }

    private static final class Geteuid {
        static final MethodHandle CALL = link("geteuid", JAVA_INT, NOT_VARIADIC);
    }

    private static final class Getegid {
        static final MethodHandle CALL = link("getegid", JAVA_INT, NOT_VARIADIC);
    }

    private static final class Getpagesize {
        static final MethodHandle CALL = link("getpagesize", JAVA_INT, NOT_VARIADIC);
    }

    private static final class Execv {
        static final MethodHandle CALL = link("execv", JAVA_INT, NOT_VARIADIC, ADDRESS, ADDRESS);
    }

    private static final class Fcntl {
        static final MethodHandle CALL = link("fcntl", JAVA_INT, 2, JAVA_INT, JAVA_INT, JAVA_INT);
    }

    private static final class Mlock2 {
        static final MethodHandle CALL = link("mlock2", JAVA_INT, NOT_VARIADIC, ADDRESS, JAVA_LONG, JAVA_INT);
    }

    private static final class Munlock {
        static final MethodHandle CALL = link("munlock", JAVA_INT, NOT_VARIADIC, ADDRESS, JAVA_LONG);
    }

    private static final class Mlockall {
        static final MethodHandle CALL = link("mlockall", JAVA_INT, NOT_VARIADIC, JAVA_INT);
    }

    private static final class Prlimit {
        static final MethodHandle CALL = link("prlimit", JAVA_INT, NOT_VARIADIC, JAVA_INT, JAVA_INT, ADDRESS, ADDRESS);
    }

    private static final class Prctl {
        static final MethodHandle CALL =
                link("prctl", JAVA_INT, 1, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    }

    private static final class Memcpy {
        /** Without the thread's change of state, which would cost as much as a short copy. */
        static final MethodHandle CALL = LINKER.downcallHandle(
                LINKER.defaultLookup().findOrThrow("memcpy"),
                FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
                Linker.Option.critical(false));
    }

    private static final class SchedSetscheduler {
        static final MethodHandle CALL =
                link("sched_setscheduler", JAVA_INT, NOT_VARIADIC, JAVA_INT, JAVA_INT, ADDRESS);
    }

    private static final class Socket {
        static final MethodHandle CALL = link("socket", JAVA_INT, NOT_VARIADIC, JAVA_INT, JAVA_INT, JAVA_INT);
    }

    private static final class Sendto {
        static final MethodHandle CALL =
                link("sendto", JAVA_LONG, NOT_VARIADIC, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT);
    }

    private static final class Connect {
        static final MethodHandle CALL = link("connect", JAVA_INT, NOT_VARIADIC, JAVA_INT, ADDRESS, JAVA_INT);
    }

    private static final class Recv {
        static final MethodHandle CALL =
                link("recv", JAVA_LONG, NOT_VARIADIC, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT);
    }

    private static final class Poll {
        static final MethodHandle CALL = link("poll", JAVA_INT, NOT_VARIADIC, ADDRESS, JAVA_LONG, JAVA_INT);
    }

    private static final class Strerror {
        static final MethodHandle CALL = link("strerror", ADDRESS, NOT_VARIADIC, JAVA_INT);
    }
}
