package ramback.journal;

import static ramback.journal.JournalFormat.BLOCK_BYTES;
import static ramback.journal.JournalFormat.SECTOR_BYTES;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import ramback.backing.Backing;
import ramback.backing.BackingIoException;

/**
 * Reads a ring through a window, in long sequential reads. A sector that the disk cannot read is taken for zeroes, and its block is
 * known to be unreadable unless a record in it is whole all the same: one bad sector must not hide the rest.
 */
final class RingReader implements AutoCloseable {
    private final Backing backing;
    private final JournalFile file;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment window;

    private long windowPosition;
    private int windowBytes;

    /** Blocks of the window that could not be read. */
    private final BitSet unreadable = new BitSet();

    /** @param windowBytes a multiple of 4 KiB */
    RingReader(Backing backing, long ringBytes, int windowBytes) {
        this.backing = backing;
        this.file = new JournalFile(backing, ringBytes);
        this.window = arena.allocate(windowBytes, BLOCK_BYTES);
    }

    /** The block at a position; overwritten by the next call. */
    MemorySegment block(long position) throws IOException {
        return view(position, BLOCK_BYTES);
    }

    /** Some bytes from a position on, at least a block and at most as many as asked for; overwritten by the next call. */
    MemorySegment view(long position, long bytesMax) throws IOException {
        if (position < windowPosition || position >= windowPosition + windowBytes) {
            fill(position);
        }
        long at = position - windowPosition;
        return window.asSlice(at, Math.min(bytesMax, windowBytes - at));
    }

    /** Whether the block at a position, which was just viewed, could not be read, nor a record in it. */
    boolean isUnreadable(long position) {
        return unreadable.get((int) ((position - windowPosition) / BLOCK_BYTES));
    }

    private void fill(long position) throws IOException {
        long toEnd = file.ringBytes() - position % file.ringBytes();
        int lengthBytes = (int) Math.min(window.byteSize(), toEnd);
        // Nothing is in the window as long as a read may fail.
        windowBytes = 0;
        unreadable.clear();
        MemorySegment into = window.asSlice(0, lengthBytes);
        try {
            backing.read(file.offset(position), into);
        } catch (BackingIoException e) {
            if (!e.isBadMedium()) {
                throw e;
            }
            readBlocks(position, into, e);
        }
        windowPosition = position;
        windowBytes = lengthBytes;
    }

    /** Reads block by block, and sector by sector, what could not be read as a whole. */
    private void readBlocks(long position, MemorySegment into, BackingIoException failure) throws IOException {
        int blockCount = (int) (into.byteSize() / BLOCK_BYTES);
        for (int i = 0; i < blockCount; i++) {
            MemorySegment block = into.asSlice((long) i * BLOCK_BYTES, BLOCK_BYTES);
            try {
                backing.read(file.offset(position) + (long) i * BLOCK_BYTES, block);
            } catch (BackingIoException e) {
                if (!e.isBadMedium()) {
                    throw e;
                }
                if (!readSectors(file.offset(position) + (long) i * BLOCK_BYTES, block)) {
                    unreadable.set(i);
                    block.fill((byte) 0);
                }
            }
        }
        // A bad area may be larger than a window; what was readable a moment ago tells it from a disk that went away.
        if (unreadable.cardinality() == blockCount && !isReadableAnywhere(backing)) {
            throw failure;
        }
    }

    /**
     * Reads what can be read of a block, the rest as zeroes; false unless a record in it is whole. A commit record is in each of its
     * sectors, and a descriptor may have its bytes in the first ones.
     */
    private boolean readSectors(long offsetBytes, MemorySegment block) throws IOException {
        // A disk that reads only larger units would fail again and again on the same one.
        int unitBytes = Math.max(SECTOR_BYTES, backing.alignmentBytes());
        if (unitBytes >= BLOCK_BYTES) {
            return false;
        }
        for (int at = 0; at < BLOCK_BYTES; at += unitBytes) {
            MemorySegment unit = block.asSlice(at, unitBytes);
            try {
                backing.read(offsetBytes + at, unit);
            } catch (BackingIoException e) {
                if (!e.isBadMedium()) {
                    throw e;
                }
                unit.fill((byte) 0);
            }
        }
        for (int copy = 0; copy < Commit.COPY_COUNT; copy++) {
            if (Commit.decode(block, copy) != null) {
                return true;
            }
        }
        return JournalFormat.isOurs(block, JournalFormat.MAGIC_DESCRIPTOR);
    }

    /** Whether a disk gives any of a journal: of its slots, or the ring's first or last block. */
    static boolean isReadableAnywhere(Backing backing) throws IOException {
        for (int slot = 0; slot < JournalFormat.SLOT_COUNT; slot++) {
            for (int at = 0; at < BLOCK_BYTES; at += SECTOR_BYTES) {
                if (isReadable(backing, JournalFormat.slotOffset(slot) + at, SECTOR_BYTES)) {
                    return true;
                }
            }
        }
        long lastBlock = (backing.sizeBytes() - BLOCK_BYTES) / BLOCK_BYTES * BLOCK_BYTES;
        return isReadable(backing, JournalFormat.HEADER_BYTES, BLOCK_BYTES)
                || isReadable(backing, lastBlock, BLOCK_BYTES);
    }

    private static boolean isReadable(Backing backing, long offsetBytes, int lengthBytes) throws IOException {
        if (offsetBytes < 0 || offsetBytes + lengthBytes > backing.sizeBytes()) {
            return false;
        }
        try (Arena probe = Arena.ofConfined()) {
            backing.read(offsetBytes, probe.allocate(lengthBytes, BLOCK_BYTES));
            return true;
        } catch (BackingIoException e) {
            if (!e.isBadMedium()) {
                throw e;
            }
            return false;
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
