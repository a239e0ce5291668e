package ramback.journal;

import static ramback.journal.JournalFormat.BLOCK_BYTES;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;
import ramback.mutant.Mutant;

/**
 * The log in a file of fixed size that is used in a circle; {@code docs/journal-format.md} is its format.
 *
 * <p>A caller that appends again after a failure appends the same versions in the same order, with the same barriers: they are then written in place, byte for
 * byte, and a commit record of the failed attempt, should it have reached the disk, stays true. {@link #commit} whose commit record
 * (and not what comes before it) could not be made durable may also be called again alone. When {@link #truncate} fails, what was
 * appended since the last barrier may be lost with it: the next {@link #append}, {@link #barrier} or {@link #commit} then says so.
 *
 * <p>Space is the caller's to reserve, by {@link #costBytes}; an append that would overwrite live epochs is refused with
 * {@link IllegalStateException}.
 */
public final class LocalJournal implements EpochLog {

    /** What an epoch takes beside its chunks: its last descriptor and its commit record. */
    public static final int EPOCH_OVERHEAD_BYTES = 2 * BLOCK_BYTES;

    /**
     * What a barrier may take in addition: the descriptor that it ends before it is full. Barriers that are at least
     * {@link #BARRIER_DISTANCE_BYTES} of data apart are within {@link #costBytes} already.
     */
    public static final int BARRIER_OVERHEAD_BYTES = BLOCK_BYTES;

    /** How much data between two barriers pays for them. */
    public static final int BARRIER_DISTANCE_BYTES = 16 << 20;

    /** A descriptor and a run of chunks share it by 256; what is left of it for each chunk when runs are short. */
    private static final int CHUNK_OVERHEAD_BYTES = 64;

    private static final int ZERO_RUN_BYTES = 32;

    /** As much as write-behind appends at once. */
    private static final long REHEARSED_BYTES_MAX = 1 << 20;

    private final Backing backing;
    private final JournalFile file;
    private final Slots slots;
    private final JournalIdentity identity;
    private final long generation;
    private final LongSupplier saltSource;
    private final RecordWriter writer;
    private final LiveEpochs live = new LiveEpochs();

    private List<Superblock.Salt> salts;
    private boolean fenced;
    private boolean suspended;

    private final MemorySegment commitBlock = Arena.ofAuto().allocate(BLOCK_BYTES, BLOCK_BYTES);

    // The newest committed epoch.
    private long headEpoch;
    private Instant headTime;
    private long headPosition;

    // The oldest.
    private long retiredEpoch;
    private long tailPosition;

    /** Up to where the image may have epochs in part. */
    private long applyEpoch;

    /** Whether the caller says which epochs it applies; until then any committed one may be. */
    private boolean appliesAreTold;

    /** The epoch being appended; -1 when nothing has been. */
    private long openEpoch = -1;

    /** Where to go back to when something fails: all before it is durable. */
    private EpochProgress durable;

    /** How many chunks were dropped by going back; they must be appended again before the epoch may be committed. */
    private long owedChunks;

    /** Whether a commit failed after everything before its record was durable. */
    private boolean commitFailed;

    /** A failure that took with it what was appended, not yet told to whoever appends. */
    private @Nullable IOException untoldFailure;

    /** Whether a superblock that isn't true any more may be on the disk, so that a true one must follow. */
    private boolean mustRestate;

    private volatile long usedBytes;
    private volatile long tailEpoch;

    /** Told of each epoch that is durable. */
    private LongConsumer commits = epoch -> {};

    private LocalJournal(
            Backing backing, Superblock superblock, JournalScan scan, long generation, LongSupplier saltSource) {
        this.backing = backing;
        this.identity = superblock.identity();
        this.file = new JournalFile(backing, superblock.ringBytes());
        this.slots = new Slots(file, superblock, scan.slot());
        this.generation = generation;
        this.saltSource = saltSource;
        this.salts = superblock.salts();
        this.suspended = superblock.suspended();
        this.retiredEpoch = superblock.tailEpoch();
        this.tailPosition = superblock.tailPosition();
        scan.forEachEpoch((epoch, firstPosition, endPosition) -> live.add(epoch, endPosition));
        this.headEpoch = live.isEmpty() ? retiredEpoch : live.newestEpoch();
        this.headPosition = live.isEmpty() ? tailPosition : live.newestEndPosition();
        this.headTime = scan.headTime();
        this.applyEpoch = Math.max(retiredEpoch, scan.exactFromEpoch());
        this.durable = EpochProgress.at(headPosition);
        this.writer = new RecordWriter(file, identity, headPosition);
        publish();
    }

    // ---------------------------------------------------------------------------------------------- files

    /** The least size of a journal file: one that holds a single epoch of a few chunks. */
    public static long sizeBytesMin() {
        return (long) JournalFormat.HEADER_BYTES + JournalFormat.RING_BYTES_MIN;
    }

    /** How many bytes of epochs a journal file holds, {@link #capacityBytes} once it is open. */
    public static long capacityBytes(long fileBytes) {
        return JournalFormat.ringBytes(fileBytes);
    }

    /** How large a journal file must be to hold some bytes of epochs. */
    public static long sizeBytes(long capacityBytes) {
        long ringBytes = Math.max(JournalFormat.RING_BYTES_MIN, capacityBytes);
        return JournalFormat.HEADER_BYTES + (ringBytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    }

    /**
     * How much of a journal an epoch takes at most, without its {@link #EPOCH_OVERHEAD_BYTES}.
     *
     * @param dataChunks how many versions of chunks
     * @param zeroRuns how many runs of chunks of zeroes
     */
    public static long costBytes(int chunkBytes, long dataChunks, long zeroRuns) {
        return dataChunks * (chunkBytes + chunkBytes / 256 + CHUNK_OVERHEAD_BYTES) + zeroRuns * ZERO_RUN_BYTES;
    }

    /**
     * Fills a file with zeroes, so that its blocks are there when they are written: a new file's first use then changes no
     * metadata. Not durable before {@link #format}.
     *
     * @param progress told how many bytes have been written
     */
    public static void fill(Backing backing, LongConsumer progress) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            long sizeBytes = backing.sizeBytes();
            MemorySegment zeroes = arena.allocate(Math.min(4 << 20, sizeBytes), BLOCK_BYTES);
            for (long at = 0; at < sizeBytes; at += zeroes.byteSize()) {
                long lengthBytes = Math.min(zeroes.byteSize(), sizeBytes - at);
                backing.write(at, zeroes.asSlice(0, lengthBytes));
                progress.accept(at + lengthBytes);
            }
        }
    }

    /**
     * Makes an empty, clean journal of a file, whatever it holds; durable when this returns. All of its size is used.
     *
     * @param lastEpoch epochs in it will be greater than this
     * @throws IllegalArgumentException if the file is smaller than {@link #sizeBytesMin}
     */
    public static void format(Backing backing, JournalIdentity identity, long lastEpoch) throws IOException {
        long ringBytes = JournalFormat.ringBytes(backing.sizeBytes());
        if (ringBytes < JournalFormat.RING_BYTES_MIN) {
            throw new IllegalArgumentException(
                    "a journal of " + backing.sizeBytes() + " bytes; at least " + sizeBytesMin() + " are needed");
        }
        format(backing, identity, lastEpoch, ringBytes);
    }

    /** Makes a journal with a ring of any size: what a test goes round quickly. */
    static void format(Backing backing, JournalIdentity identity, long lastEpoch, long ringBytes) throws IOException {
        // No superblock that was replaced before must ever count again, whichever slot a power cut spares or spoils:
        // the newest one is the last to go, and both new ones are newer.
        Superblock empty = Superblock.empty(identity, ringBytes, lastEpoch);
        Slots.of(new JournalFile(backing, ringBytes), JournalScan.newestSuperblock(backing), empty)
                .putTwice(empty);
    }

    /**
     * Takes a journal over, with the epochs that are still in it. Writes nothing: {@link #fence} does.
     *
     * @param backing as it was when it was scanned
     * @param scan not closed; not needed any more afterwards
     * @param generation of this attach
     * @param saltSource random numbers; one is taken by each {@link #fence}
     * @throws IllegalArgumentException if the scan's verdict does not allow that
     */
    public static LocalJournal open(Backing backing, JournalScan scan, long generation, LongSupplier saltSource) {
        Superblock superblock = scan.superblock();
        if (!scan.verdict().mayBeContinued() || superblock == null) {
            throw new IllegalArgumentException("a journal that is " + scan.verdict() + " can't be continued");
        }
        return new LocalJournal(backing, superblock, scan, generation, saltSource);
    }

    /**
     * Makes durable what was read of a journal, before anything durable refers to it: a process that was killed while it fenced the
     * journal may have left what it wrote in the kernel's memory alone.
     */
    public static void settle(Backing backing) throws IOException {
        if (!Mutant.START_UNSYNCED.isOn()) {
            backing.sync();
        }
    }

    /** Tells somebody of each epoch that is committed, before {@link #commit} returns; before the first append. */
    public void tellCommits(LongConsumer listener) {
        commits = listener;
    }

    // ---------------------------------------------------------------------------------------------- append, commit

    @Override
    public boolean keepsVersions() {
        return true;
    }

    @Override
    public void append(long epoch, VersionBatch batch) throws IOException {
        checkEpoch(epoch);
        tellFailure();
        if (commitFailed) {
            // The caller appends again, from the last barrier on.
            owedChunks = Math.max(owedChunks, writer.appendedChunks() - durable.chunkCount());
            writer.rewindDurable(durable);
            commitFailed = false;
        }
        restate();
        boolean added = false;
        try {
            openEpoch = epoch;
            writer.epoch(salts.getLast().value(), epoch, headEpoch);
            // The commit record fits always.
            writer.add(batch, tailPosition + file.ringBytes() - BLOCK_BYTES);
            added = true;
        } finally {
            if (!added) {
                goBack();
            }
        }
    }

    /**
     * Zeroes in the ring's free part: whatever lies there is of epochs that were truncated, or were never committed, and of a start
     * before this one, whose salt is not ours.
     */
    @Override
    public long rehearse(long skipBytes, long lengthBytes) throws IOException {
        if (!fenced || suspended || openEpoch != -1) {
            return 0;
        }
        long free = Mutant.REHEARSAL_OVER_LIVE.isOn() ? tailPosition : headPosition;
        long begin = free + skipBytes / BLOCK_BYTES * BLOCK_BYTES;
        long roomBytes = tailPosition + file.ringBytes() - begin;
        long wholeBytes = Math.min(lengthBytes, roomBytes) / BLOCK_BYTES * BLOCK_BYTES;
        if (wholeBytes <= 0) {
            return 0;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment zeroes = arena.allocate(Math.min(REHEARSED_BYTES_MAX, wholeBytes), BLOCK_BYTES);
            for (long at = 0; at < wholeBytes; at += zeroes.byteSize()) {
                file.write(begin + at, zeroes.asSlice(0, Math.min(zeroes.byteSize(), wholeBytes - at)));
            }
        }
        file.sync();
        return wholeBytes;
    }

    @Override
    public void barrier() throws IOException {
        checkFenced();
        tellFailure();
        makeAppendedDurable();
        if (!commitFailed) {
            settle();
        }
    }

    @Override
    public void commit(long epoch, Instant time) throws IOException {
        checkEpoch(epoch);
        tellFailure();
        restate();
        makeAppendedDurable();
        if (!commitFailed) {
            long missing = owedChunks - (writer.progress().chunkCount() - durable.chunkCount());
            if (missing > 0) {
                throw new IllegalStateException("epoch " + epoch + " can't be committed: " + missing
                        + " chunks were lost by a failure and have not been appended again");
            }
        }
        // From here on everything but the record is durable.
        EpochProgress whole = writer.progress();
        if (whole.position() + BLOCK_BYTES > tailPosition + file.ringBytes()) {
            throw new IllegalStateException(
                    "journal full: no room for a commit record; space must be reserved before it is used");
        }
        openEpoch = epoch;
        commitFailed = true;
        // While the log is suspended, the image is changed by whatever this epoch holds.
        boolean mayBeApplied = suspended || !appliesAreTold || epoch <= applyEpoch;
        Commit commit = new Commit(
                identity.device(),
                salts.getLast().value(),
                whole.position(),
                epoch,
                headEpoch,
                headPosition,
                whole.descriptorCount(),
                whole.dataChunkCount(),
                whole.zeroChunkCount(),
                whole.descriptorHash(),
                mayBeApplied,
                time);
        writeCommit(commit);
        if (suspended) {
            takeSuspensionBack(commit);
        }
        committed(commit);
    }

    private void writeCommit(Commit commit) throws IOException {
        commit.encode(commitBlock);
        file.write(commit.position(), commitBlock);
        file.sync();
    }

    /** The commit point of the epoch that ends a suspension: only with this superblock the epoch counts. */
    private void takeSuspensionBack(Commit commit) throws IOException {
        slots.putTwice(superblock(
                false,
                false,
                commit.position() + BLOCK_BYTES,
                commit.epoch(),
                commit.time(),
                mayBeAppliedUpTo(commit)));
        suspended = false;
    }

    private void committed(Commit commit) {
        headPosition = commit.position() + BLOCK_BYTES;
        headEpoch = commit.epoch();
        headTime = commit.time();
        applyEpoch = mayBeAppliedUpTo(commit);
        live.add(headEpoch, headPosition);
        drop();
        publish();
        commits.accept(headEpoch);
    }

    private long mayBeAppliedUpTo(Commit commit) {
        return commit.mayBeApplied() ? Math.max(applyEpoch, commit.epoch()) : applyEpoch;
    }

    private void makeAppendedDurable() throws IOException {
        boolean done = false;
        try {
            writer.flush();
            if (!Mutant.NO_PAYLOAD_SYNC.isOn()) {
                writer.sync();
            }
            done = true;
        } finally {
            if (!done) {
                goBack();
            }
        }
    }

    /** Everything appended is durable: never go back behind this. */
    private void settle() {
        EpochProgress now = writer.progress();
        owedChunks = Math.max(0, owedChunks - (now.chunkCount() - durable.chunkCount()));
        durable = now;
        writer.settle();
    }

    /** Back to what is durable. What was appended since is owed. */
    private void goBack() {
        owedChunks = Math.max(owedChunks, writer.appendedChunks() - durable.chunkCount());
        writer.rewind(durable);
        commitFailed = false;
    }

    /** Forgets the epoch that is being appended. */
    private void drop() {
        openEpoch = -1;
        commitFailed = false;
        owedChunks = 0;
        untoldFailure = null;
        durable = EpochProgress.at(headPosition);
        writer.rewind(durable);
    }

    private void tellFailure() throws IOException {
        IOException failure = untoldFailure;
        if (failure != null) {
            untoldFailure = null;
            throw new IOException(
                    "what was appended is lost with an earlier failure: " + failure.getMessage(), failure);
        }
    }

    private void checkFenced() {
        if (!fenced) {
            throw new IllegalStateException("fence the journal before the first append");
        }
    }

    private void checkEpoch(long epoch) {
        checkFenced();
        if (epoch <= headEpoch || (openEpoch != -1 && epoch != openEpoch)) {
            throw new IllegalStateException("epoch " + epoch + " after epoch " + headEpoch
                    + (openEpoch == -1 ? "" : " and within epoch " + openEpoch));
        }
    }

    // ---------------------------------------------------------------------------------------------- superblock

    @Override
    public void fence() throws IOException {
        List<Superblock.Salt> next =
                new ArrayList<>(live.isEmpty() ? List.of() : Superblock.saltsFrom(salts, tailPosition));
        boolean kept = Mutant.SALT_KEPT.isOn() && !salts.isEmpty();
        if (kept) {
            next = new ArrayList<>(List.of(salts.getLast()));
        } else {
            if (!next.isEmpty() && next.getLast().position() == headPosition) {
                next.removeLast();
            }
            if (next.size() == Superblock.SALT_COUNT_MAX) {
                throw new IllegalStateException("the journal holds epochs of " + next.size()
                        + " starts; apply them with ramback recover before the next one");
            }
            next.add(new Superblock.Salt(headPosition, headEpoch, saltSource.getAsLong()));
        }
        if (!live.isEmpty() && !Mutant.FENCE_UNSYNCED.isOn()) {
            // A process that was killed may have written its last record and not synced it: what was read is then
            // in the kernel's memory alone, and is not to be stated before it is durable.
            file.sync();
        }
        List<Superblock.Salt> before = salts;
        salts = List.copyOf(next);
        boolean done = false;
        try {
            slots.putTwice(superblock(false, suspended, headPosition, headEpoch, headTime, applyEpoch));
            done = true;
        } finally {
            if (!done) {
                salts = before;
            }
        }
        drop();
        fenced = true;
    }

    @Override
    public void applying(long epoch) throws IOException {
        checkFenced();
        Superblock stated = slots.durable();
        // Of a committed epoch the superblock must know before the image has any of it: else a lost commit record, the
        // last one,
        // would look like one that was never written.
        boolean isUnstated = epoch <= headEpoch && stated.headEpoch() < epoch;
        if (epoch > applyEpoch || isUnstated) {
            if (epoch <= headEpoch) {
                try {
                    slots.put(superblock(
                            false, suspended, headPosition, headEpoch, headTime, Math.max(applyEpoch, epoch)));
                } catch (IOException e) {
                    lose(e);
                    throw e;
                }
            }
            applyEpoch = Math.max(applyEpoch, epoch);
        }
        appliesAreTold = true;
    }

    @Override
    public void truncate(long epoch) throws IOException {
        checkFenced();
        int retiredCount = live.countUpTo(epoch);
        if (retiredCount == 0) {
            return;
        }
        long retired = live.epoch(retiredCount - 1);
        long end = live.endPosition(retiredCount - 1);
        try {
            slots.putTail(new Superblock(
                    0,
                    identity,
                    generation,
                    file.ringBytes(),
                    false,
                    suspended,
                    end,
                    retired,
                    headPosition,
                    headEpoch,
                    headTime,
                    Math.max(committedApplyEpoch(), retired),
                    Superblock.saltsFrom(salts, end)));
        } catch (IOException e) {
            lose(e);
            throw e;
        }
        live.removeOldest(retiredCount);
        mustRestate = false;
        tailPosition = end;
        retiredEpoch = retired;
        salts = Superblock.saltsFrom(salts, tailPosition);
        publish();
    }

    @Override
    public void suspend() throws IOException {
        checkFenced();
        putEmpty(false, true);
        suspended = true;
    }

    @Override
    public void markClean() throws IOException {
        checkFenced();
        putEmpty(true, false);
        suspended = false;
    }

    /** Writes the superblock of an empty log and forgets all epochs, the one that is being appended as well. */
    private void putEmpty(boolean clean, boolean nowSuspended) throws IOException {
        mustRestate = true;
        slots.putTwice(new Superblock(
                0,
                identity,
                generation,
                file.ringBytes(),
                clean,
                nowSuspended,
                headPosition,
                headEpoch,
                headPosition,
                headEpoch,
                headTime,
                headEpoch,
                Superblock.saltsFrom(salts, headPosition)));
        mustRestate = false;
        live.clear();
        tailPosition = headPosition;
        retiredEpoch = headEpoch;
        applyEpoch = headEpoch;
        salts = Superblock.saltsFrom(salts, tailPosition);
        drop();
        publish();
    }

    /** Takes a superblock back that failed and may be on the disk all the same. */
    private void restate() throws IOException {
        if (mustRestate) {
            boolean done = false;
            try {
                slots.put(superblock(false, suspended, headPosition, headEpoch, headTime, committedApplyEpoch()));
                done = true;
            } finally {
                if (!done) {
                    goBack();
                }
            }
            mustRestate = false;
        }
    }

    /** A sync failed that was not for what was appended, but may have taken that with it. */
    private void lose(IOException failure) {
        if (writer.hasUnsynced()) {
            goBack();
            untoldFailure = failure;
        }
    }

    private long committedApplyEpoch() {
        return Math.min(applyEpoch, headEpoch);
    }

    private Superblock superblock(
            boolean clean, boolean nowSuspended, long position, long epoch, Instant time, long mayBeApplied) {
        return new Superblock(
                0,
                identity,
                generation,
                file.ringBytes(),
                clean,
                nowSuspended,
                tailPosition,
                retiredEpoch,
                position,
                epoch,
                time,
                Math.max(retiredEpoch, mayBeApplied),
                salts);
    }

    @Override
    public boolean isSuspended() {
        return suspended;
    }

    // ---------------------------------------------------------------------------------------------- status

    private void publish() {
        usedBytes = headPosition - tailPosition;
        tailEpoch = live.isEmpty() ? -1 : live.oldestEpoch();
    }

    @Override
    public long tail() {
        return tailEpoch;
    }

    /** The newest committed epoch, truncated or not; the next one must be greater. */
    public long headEpoch() {
        return headEpoch;
    }

    /** What it belongs to. */
    public JournalIdentity identity() {
        return identity;
    }

    @Override
    public long capacityBytes() {
        return file.ringBytes();
    }

    @Override
    public long usedBytes() {
        return usedBytes;
    }

    /** Gives the file back. What was not committed is forgotten. */
    @Override
    public void close() throws IOException {
        writer.close();
        backing.close();
    }
}
