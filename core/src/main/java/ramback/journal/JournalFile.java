package ramback.journal;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import ramback.backing.Backing;
import ramback.mutant.Mutant;

/**
 * The journal's file: the ring, addressed by positions that only grow, and the two superblock slots. One thread at a time.
 */
final class JournalFile {
    private final Backing backing;
    private final long ringBytes;

    /** @param ringBytes a multiple of 4 KiB; the file has as many behind its header, or more */
    JournalFile(Backing backing, long ringBytes) {
        this.backing = backing;
        this.ringBytes = ringBytes;
    }

    long ringBytes() {
        return ringBytes;
    }

    /** Where a position lies in the file. */
    long offset(long position) {
        return JournalFormat.HEADER_BYTES + position % ringBytes;
    }

    /** Writes at a position; in two parts where the ring ends in between. */
    void write(long position, MemorySegment from) throws IOException {
        long fitting = Math.min(from.byteSize(), ringBytes - position % ringBytes);
        backing.write(offset(position), from.asSlice(0, fitting));
        if (fitting < from.byteSize()) {
            backing.write(offset(position + fitting), from.asSlice(fitting));
        }
    }

    /** Reads from a position on; in two parts where the ring ends in between. */
    void read(long position, MemorySegment into) throws IOException {
        long fitting = Math.min(into.byteSize(), ringBytes - position % ringBytes);
        backing.read(offset(position), into.asSlice(0, fitting));
        if (fitting < into.byteSize()) {
            backing.read(offset(position + fitting), into.asSlice(fitting));
        }
    }

    /** Makes everything durable that was written. */
    void sync() throws IOException {
        if (Mutant.NO_JOURNAL_FSYNC.isOn()) {
            return;
        }
        try {
            backing.sync();
        } catch (IOException e) {
            if (Mutant.RETRY_FSYNC.isOn()) {
                backing.sync();
            } else if (!Mutant.SWALLOWED_FSYNC_ERROR.isOn()) {
                throw e;
            }
        }
    }

    /** Writes a superblock into a slot; not durable before {@link #sync}. */
    void writeSlot(int slot, Superblock superblock) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment block = arena.allocate(JournalFormat.BLOCK_BYTES, JournalFormat.BLOCK_BYTES);
            superblock.encode(block);
            backing.write(JournalFormat.slotOffset(slot), block);
        }
    }
}
