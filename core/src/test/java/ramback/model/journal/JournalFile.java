package ramback.model.journal;

import java.util.ArrayList;
import java.util.List;

/** The journal's file as its one thread writes it: two superblock slots, then a ring of records; one record a block. */
final class JournalFile {

    static final int SLOT_COUNT = 2;
    static final int RING_BLOCKS = 18;
    static final int BLOCK_COUNT = SLOT_COUNT + RING_BLOCKS;

    /**
     * A superblock.
     *
     * @param number the newer of two has the greater one
     * @param salt what the records from an epoch on carry
     * @param saltFirst that epoch
     * @param saltBefore what the records before it carry
     * @param tail where the epoch after the retired ones begins
     * @param retired the newest epoch that is not needed any more
     * @param isSuspended the image may be torn, and nothing is to be recovered
     */
    record Superblock(int number, int salt, int saltFirst, int saltBefore, int tail, int retired, boolean isSuspended) {

        int saltOf(int epoch) {
            return epoch >= saltFirst ? salt : saltBefore;
        }
    }

    /** What is in a batch; the values stand for their checksums. The payload follows, a block a chunk, as it is. */
    record Descriptor(int salt, int epoch, int number, List<Integer> chunks, List<Integer> values) {}

    /** The end of an epoch, with a hash over its descriptors. */
    record Commit(int salt, int epoch, int batchCount, int hash) {}

    private record Written(int block, Object content) {}

    private final Power power;
    private final Disk disk;
    private final DiskMutant mutant;

    Superblock superblock = new Superblock(1, 1, 1, 0, 0, 0, false);

    /** Where the next record goes. */
    private int head;
    /** Where each epoch begins, and where the next one will. */
    private final List<Integer> begins = new ArrayList<>(List.of(0, 0));

    /** What was written since the last sync that did not fail, to be written again when the next one fails. */
    private final List<Written> unsynced = new ArrayList<>();

    private final List<Descriptor> batches = new ArrayList<>();
    /** Batches before this one are durable. */
    private int batchesSynced;

    private int usedTail;

    JournalFile(Power power, Disk disk) {
        this.power = power;
        this.disk = disk;
        this.mutant = power.mutant;
        disk.write(0, superblock);
        disk.write(1, new Superblock(0, 1, 1, 0, 0, 0, false));
        disk.sync();
    }

    /** How many blocks are free. */
    int free() {
        return RING_BLOCKS - (head - usedTail);
    }

    private void write(int block, Object content) {
        power.tick();
        disk.write(block, content);
        unsynced.add(new Written(block, content));
    }

    /** Syncs until one does not fail; after a failure everything since the last good one is written again, in place. */
    private void sync() {
        while (!trySync()) {
            rewrite();
        }
    }

    private boolean trySync() {
        if (mutant == DiskMutant.NO_JOURNAL_FSYNC) {
            return true;
        }
        if (!power.sync(disk) && mutant != DiskMutant.SWALLOWED_FSYNC_ERROR) {
            return false;
        }
        unsynced.clear();
        return true;
    }

    private void rewrite() {
        if (mutant != DiskMutant.RETRY_FSYNC) {
            for (Written written : unsynced) {
                power.tick();
                disk.write(written.block, written.content);
            }
        }
    }

    // ------------------------------------------------------------------------------------------------------ epochs

    private int epoch() {
        return begins.size() - 1;
    }

    /** Appends a batch to the epoch that is under way. */
    void append(List<Integer> chunks, List<Integer> values) {
        if (free() < chunks.size() + 2) {
            throw new IllegalStateException("the script does not fit");
        }
        Descriptor descriptor =
                new Descriptor(superblock.salt(), epoch(), batches.size(), List.copyOf(chunks), List.copyOf(values));
        writeRecord(descriptor);
        values.forEach(this::writeRecord);
        batches.add(descriptor);
    }

    private void writeRecord(Object content) {
        write(SLOT_COUNT + head % RING_BLOCKS, content);
        head++;
    }

    void barrier() {
        sync();
        batchesSynced = batches.size();
    }

    /** Two syncs: the commit record is not written before everything it speaks of is durable. */
    void commit() {
        if (mutant != DiskMutant.NO_PAYLOAD_SYNC && mutant != DiskMutant.SINGLE_SYNC_NO_CRC) {
            sync();
        }
        if (mutant == DiskMutant.RESUME_BEFORE_COMMIT && superblock.isSuspended()) {
            resume();
        }
        power.beginCommit(epoch());
        while (!tryCommit()) {
            if (mutant == DiskMutant.OTHER_BATCHES) {
                appendOtherwise();
            } else {
                rewrite();
                head--;
            }
        }
        if (superblock.isSuspended()) {
            resume();
        }
        batches.clear();
        batchesSynced = 0;
        power.endCommit(epoch());
        begins.add(head);
    }

    private boolean tryCommit() {
        writeRecord(new Commit(superblock.salt(), epoch(), batches.size(), batches.hashCode()));
        return trySync();
    }

    /** The mutant's: what is not behind a barrier goes out once more, a batch a chunk. */
    private void appendOtherwise() {
        List<Descriptor> again = List.copyOf(batches.subList(batchesSynced, batches.size()));
        batches.subList(batchesSynced, batches.size()).clear();
        head = begins.getLast();
        for (Descriptor descriptor : batches) {
            head += 1 + descriptor.chunks().size();
        }
        for (Descriptor descriptor : again) {
            for (int i = descriptor.chunks().size() - 1; i >= 0; i--) {
                append(
                        descriptor.chunks().subList(i, i + 1),
                        descriptor.values().subList(i, i + 1));
            }
        }
        sync();
    }

    // ------------------------------------------------------------------------------------------------- superblocks

    /** Writes a superblock to the older slot, durably. */
    private void write(Superblock next) {
        superblock = next;
        write(mutant == DiskMutant.SINGLE_SUPERBLOCK ? 0 : next.number() + 1 & 1, next);
        sync();
    }

    /** Writes a superblock to both slots: the one before must not come back when one of them can't be read. */
    private void writeTwice(Superblock next, DiskMutant unless) {
        write(next);
        if (mutant != unless) {
            Superblock s = next;
            write(new Superblock(
                    s.number() + 1, s.salt(), s.saltFirst(), s.saltBefore(), s.tail(), s.retired(), s.isSuspended()));
        }
    }

    /** Gives up an epoch and those before it; only then their space is free. */
    void truncate(int epoch) {
        if (superblock.isSuspended() || epoch <= superblock.retired()) {
            return;
        }
        Superblock s = superblock;
        int tail = begins.get(epoch + 1);
        if (mutant == DiskMutant.REUSE_EARLY) {
            superblock = new Superblock(s.number() + 1, s.salt(), s.saltFirst(), s.saltBefore(), tail, epoch, false);
            write(superblock.number() + 1 & 1, superblock);
        } else {
            write(new Superblock(s.number() + 1, s.salt(), s.saltFirst(), s.saltBefore(), tail, epoch, false));
        }
        usedTail = tail;
    }

    /** From now on the image is changed in place. */
    void suspend() {
        Superblock s = superblock;
        Superblock next =
                new Superblock(s.number() + 1, s.salt(), s.saltFirst(), s.saltBefore(), head, epoch() - 1, true);
        power.beginSuspend();
        if (mutant == DiskMutant.SUSPEND_WITHOUT_SYNC) {
            superblock = next;
            write(next.number() + 1 & 1, next);
        } else {
            writeTwice(next, DiskMutant.SUSPEND_ONE_SLOT);
        }
        usedTail = head;
        power.endSuspend();
    }

    /** The epoch just committed holds all that the image may lack. */
    private void resume() {
        Superblock s = superblock;
        int tail = begins.getLast();
        writeTwice(
                new Superblock(s.number() + 1, s.salt(), s.saltFirst(), s.saltBefore(), tail, epoch() - 1, false),
                DiskMutant.RESUME_ONE_SLOT);
    }

    /** A new process goes on behind the last committed epoch; what the old one appended after it never counts. */
    void attach() {
        batches.clear();
        batchesSynced = 0;
        unsynced.clear();
        head = begins.getLast();
        Superblock s = superblock;
        boolean hasOwn = s.saltFirst() < epoch();
        if (hasOwn && s.saltFirst() - 1 > s.retired() && mutant != DiskMutant.ATTACH_FORGETS_SALT) {
            // The first epoch of each salt holds all that the image may lack.
            truncate(s.saltFirst() - 1);
            s = superblock;
        }
        int before = hasOwn ? s.salt() : s.saltBefore();
        writeTwice(
                new Superblock(s.number() + 1, newSalt(), epoch(), before, s.tail(), s.retired(), s.isSuspended()),
                DiskMutant.ATTACH_ONE_SLOT);
    }

    private int newSalt() {
        return mutant == DiskMutant.SALT_KEPT ? superblock.salt() : superblock.number() + 10;
    }

    /** The image has been brought back to the epoch before the newest one, which never was. */
    void goBack() {
        begins.removeLast();
        head = begins.getLast();
        usedTail = head;
        writeTwice(
                new Superblock(superblock.number() + 1, newSalt(), epoch(), 0, head, epoch() - 1, false),
                DiskMutant.ATTACH_ONE_SLOT);
    }
}
