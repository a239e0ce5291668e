package ramback.backing;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import ramback.posix.Errno;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * Makes ranges of an open image read as zeroes by the cheapest means that the medium has: a hole, a command of the kernel to
 * a block device, written zeroes. What it was found not to have is not asked for again. For many threads.
 */
final class FileZeroing {
    private static final int ZEROES_BYTES = BouncePool.BUFFER_BYTES;

    private final OpenImage image;
    private final FileTransfer transfer;
    private volatile boolean holesMissing;
    private volatile boolean zeroCommandMissing;

    FileZeroing(OpenImage image, FileTransfer transfer) {
        this.image = image;
        this.transfer = transfer;
    }

    /** Zeroes a range of at least one byte. */
    void zero(long offsetBytes, long lengthBytes) throws PosixException, BackingIoException {
        if (image.blockDevice()) {
            zeroOnDevice(offsetBytes, lengthBytes);
        } else {
            zeroInFile(offsetBytes, lengthBytes);
        }
    }

    /** A filesystem zeroes the ends of a hole itself where they are not whole blocks. */
    private void zeroInFile(long offsetBytes, long lengthBytes) throws PosixException, BackingIoException {
        if (!punch(offsetBytes, lengthBytes)) {
            writeZeroes(offsetBytes, lengthBytes);
        }
    }

    private void zeroOnDevice(long offsetBytes, long lengthBytes) throws PosixException, BackingIoException {
        long sectorMask = image.alignmentBytes() - 1L;
        long wholeFrom = Math.min((offsetBytes + sectorMask) & ~sectorMask, offsetBytes + lengthBytes);
        long wholeTo = Math.max((offsetBytes + lengthBytes) & ~sectorMask, wholeFrom);
        writeZeroes(offsetBytes, wholeFrom - offsetBytes);
        if (wholeTo > wholeFrom
                && !punch(wholeFrom, wholeTo - wholeFrom)
                && !commandZeroes(wholeFrom, wholeTo - wholeFrom)) {
            writeZeroes(wholeFrom, wholeTo - wholeFrom);
        }
        writeZeroes(wholeTo, offsetBytes + lengthBytes - wholeTo);
    }

    /** Makes a hole; false where the medium has none. */
    private boolean punch(long offsetBytes, long lengthBytes) throws PosixException {
        if (holesMissing) {
            return false;
        }
        try {
            transfer.changeSectors(() -> Posix.fallocate(
                    image.bufferedFd(),
                    Posix.FALLOC_FL_PUNCH_HOLE | Posix.FALLOC_FL_KEEP_SIZE,
                    offsetBytes,
                    lengthBytes));
            return true;
        } catch (PosixException e) {
            if (!isUnsupported(e)) {
                throw e;
            }
            holesMissing = true;
            return false;
        }
    }

    /** Has the kernel zero sectors of a block device; false where it does not do that. */
    private boolean commandZeroes(long offsetBytes, long lengthBytes) throws PosixException {
        if (zeroCommandMissing) {
            return false;
        }
        try {
            transfer.changeSectors(() -> Posix.blockDeviceZero(image.bufferedFd(), offsetBytes, lengthBytes));
            return true;
        } catch (PosixException e) {
            if (!isUnsupported(e)) {
                throw e;
            }
            zeroCommandMissing = true;
            return false;
        }
    }

    /** EINVAL: a device whose sectors are larger than those it tells, or none at all of what was asked. */
    static boolean isUnsupported(PosixException e) {
        return switch (e.errno()) {
            case Errno.EOPNOTSUPP, Errno.ENOSYS, Errno.ENOTTY, Errno.EINVAL, Errno.ENODEV -> true;
            default -> false;
        };
    }

    private void writeZeroes(long offsetBytes, long lengthBytes) throws PosixException, BackingIoException {
        for (long done = 0; done < lengthBytes; ) {
            long at = offsetBytes + done;
            long untilSector = image.alignmentBytes() - (at & (image.alignmentBytes() - 1));
            // A first piece up to the next sector keeps the others, and the memory they come from, aligned.
            long pieceBytes = untilSector < image.alignmentBytes() ? untilSector : ZEROES_BYTES;
            pieceBytes = Math.min(pieceBytes, lengthBytes - done);
            transfer.write(at, Zeroes.MEMORY.asSlice(0, pieceBytes));
            done += pieceBytes;
        }
    }

    /** Zeroes to write from, made when a medium is first met that cannot zero by itself. */
    private static final class Zeroes {
        static final MemorySegment MEMORY = Arena.global()
                .allocate(ZEROES_BYTES, OpenImage.BUFFERED_END_UNIT_BYTES)
                .asReadOnly();
    }
}
