package ramback.fuse;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import ramback.device.DeviceSession;
import ramback.device.Extent;
import ramback.device.Outcome;
import ramback.posix.Errno;
import ramback.posix.Posix;
import ramback.traffic.RequestKind;
import ramback.traffic.RequestSpan;
import ramback.traffic.SessionTraffic;

/**
 * The request thread's dealings with the device: carries a request for {@code disk} out and answers it, or leaves it
 * to the reply thread. Ranges are cut off at the device's end, as a block device does it. Allocates nothing.
 */
final class DiskRequests {

    private final DeviceSession session;
    private final long sizeBytes;
    private final WaitingRequests waiting;
    private final Replies replies;
    private final DiskReplies disk;
    private final SessionTraffic traffic;

    /**
     * @param replies the request thread's
     * @param disk the same for what concerns the device
     */
    DiskRequests(
            DeviceSession session,
            long sizeBytes,
            WaitingRequests waiting,
            Replies replies,
            DiskReplies disk,
            SessionTraffic traffic) {
        this.session = session;
        this.sizeBytes = sizeBytes;
        this.waiting = waiting;
        this.replies = replies;
        this.disk = disk;
        this.traffic = traffic;
    }

    private boolean isNegative(long unique, long offsetBytes, long lengthBytes) {
        if (offsetBytes < 0 || lengthBytes < 0) {
            disk.refuse(unique, Errno.EINVAL);
            return true;
        }
        return false;
    }

    /** How much of a range lies within the device. */
    private long inside(long offsetBytes, long lengthBytes) {
        return Math.max(0, Math.min(lengthBytes, sizeBytes - offsetBytes));
    }

    /** The request was understood: it is counted, and its slot filled. */
    private void begin(RequestKind kind, long unique, long offsetBytes, long lengthBytes, boolean forceUnitAccess) {
        long receivedNanos = System.nanoTime(); // but for a look at its header just that
        RequestSpan span = traffic.begin(kind, offsetBytes, lengthBytes, forceUnitAccess);
        waiting.fill(kind, unique, offsetBytes, (int) lengthBytes, receivedNanos, span);
    }

    void read(long unique, long offsetBytes, int wantedBytes) {
        if (isNegative(unique, offsetBytes, wantedBytes)) {
            return;
        }
        int lengthBytes = (int) inside(offsetBytes, Math.min(wantedBytes, FuseServer.READ_BYTES_MAX));
        if (lengthBytes == 0) {
            replies.done(unique);
            return;
        }
        begin(RequestKind.READ, unique, offsetBytes, lengthBytes, false);
        answer(session.prepareRead(offsetBytes, lengthBytes, waiting.open()));
    }

    /** Carries out a WRITE whose payload is at the beginning of the session's staging area. */
    void write(long unique, long offsetBytes, int payloadBytes, boolean forceUnitAccess) {
        if (isNegative(unique, offsetBytes, payloadBytes)) {
            return;
        }
        int lengthBytes = (int) inside(offsetBytes, payloadBytes);
        if (lengthBytes == 0) {
            disk.refuse(unique, Errno.ENOSPC);
            return;
        }
        begin(RequestKind.WRITE, unique, offsetBytes, lengthBytes, forceUnitAccess);
        Outcome outcome = session.beginWrite(offsetBytes, lengthBytes, forceUnitAccess, waiting.open());
        if (outcome == Outcome.DONE) {
            for (int at = 0; at < lengthBytes; ) {
                at += session.store(at, lengthBytes - at);
            }
            outcome = session.endWrite();
        }
        answer(outcome);
    }

    void flush(long unique) {
        begin(RequestKind.FLUSH, unique, 0, 0, false);
        answer(session.flush(waiting.open()));
    }

    /** Punches a hole, or zeroes; both read as zeroes to the byte, as a loop device's discard promises. */
    void allocate(long unique, long offsetBytes, long wantedBytes, int mode) {
        boolean punches = mode == (Posix.FALLOC_FL_PUNCH_HOLE | Posix.FALLOC_FL_KEEP_SIZE);
        boolean zeroes = (mode & ~Posix.FALLOC_FL_KEEP_SIZE) == Posix.FALLOC_FL_ZERO_RANGE;
        if (!punches && !zeroes) {
            disk.refuse(unique, Errno.EOPNOTSUPP);
            return;
        }
        if (isNegative(unique, offsetBytes, wantedBytes)) {
            return;
        }
        long lengthBytes = inside(offsetBytes, wantedBytes);
        if (lengthBytes < wantedBytes && (mode & Posix.FALLOC_FL_KEEP_SIZE) == 0) {
            disk.refuse(unique, Errno.ENOSPC);
            return;
        }
        if (lengthBytes == 0) {
            replies.done(unique);
            return;
        }
        begin(punches ? RequestKind.TRIM : RequestKind.ZERO, unique, offsetBytes, lengthBytes, false);
        answer(session.zero(offsetBytes, lengthBytes, punches, false, waiting.open()));
    }

    /** Finds the next data, or the next hole; the device's end counts as one. */
    void seek(long unique, long offsetBytes, int whence) {
        if (whence != FuseProtocol.SEEK_DATA && whence != FuseProtocol.SEEK_HOLE) {
            replies.error(unique, Errno.EINVAL);
            return;
        }
        if (offsetBytes < 0 || offsetBytes >= sizeBytes) {
            replies.error(unique, Errno.ENXIO);
            return;
        }
        long foundBytes = offsetBytes;
        long extent = session.extent(offsetBytes, sizeBytes, Extent.ZERO);
        boolean isHole = Extent.states(extent) == Extent.ZERO;
        if (isHole != (whence == FuseProtocol.SEEK_HOLE)) {
            foundBytes = Extent.endBytes(extent);
            // Extents may end early: between two states, the one that was looked for need not lie there.
            while (foundBytes < sizeBytes) {
                extent = session.extent(foundBytes, sizeBytes, Extent.ZERO);
                if ((Extent.states(extent) == Extent.ZERO) != isHole) {
                    break;
                }
                foundBytes = Extent.endBytes(extent);
            }
        }
        if (foundBytes == sizeBytes && whence == FuseProtocol.SEEK_DATA) {
            replies.error(unique, Errno.ENXIO);
            return;
        }
        replies.body().set(JAVA_LONG, 0, foundBytes);
        replies.body(unique, Long.BYTES);
    }

    /** Answers the request in the open slot, unless it waits. */
    private void answer(Outcome outcome) {
        if (outcome == Outcome.DEFERRED) {
            waiting.defer();
        } else {
            disk.answer(waiting.open(), outcome);
        }
    }
}
