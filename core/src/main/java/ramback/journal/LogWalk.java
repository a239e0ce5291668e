package ramback.journal;

import static ramback.journal.JournalFormat.BLOCK_BYTES;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import ramback.mutant.Mutant;

/**
 * Follows a log from its tail, epoch by epoch, to where no further epoch can be believed, and then says whether that is where it
 * ended or where it is damaged. One pass over the ring, in order.
 */
final class LogWalk implements AutoCloseable {

    /** Where and what is wrong. */
    record Fault(long position, String what) {}

    private final RingReader reader;
    private final Superblock superblock;
    private final boolean withPayload;
    private final VersionIndex index = new VersionIndex();
    private final EpochTable epochs = new EpochTable();
    private final CRC32C crc = new CRC32C();

    /** One lap behind the tail: nothing live lies behind it. */
    private final long limit;

    private long lastEpoch;
    private long lastEnd;
    private long chunkCount;
    private long dataBytes;
    private long appliedEpoch;

    private @Nullable Fault fault;
    private long highestEpoch;
    private long laterApplyEpoch;

    // The epoch that is being followed.
    private long position;
    private long openEpoch;
    private int descriptorCount;
    private long descriptorHash;
    private long openDataChunks;
    private long openZeroChunks;
    private @Nullable Fault badPayload;

    /** @param withPayload whether payload is read and held against its checksums, and the rest of the ring searched */
    LogWalk(RingReader reader, Superblock superblock, boolean withPayload) {
        this.reader = reader;
        this.superblock = superblock;
        this.withPayload = withPayload;
        this.limit = superblock.tailPosition() + superblock.ringBytes();
        this.lastEpoch = superblock.tailEpoch();
        this.lastEnd = superblock.tailPosition();
        this.highestEpoch = Math.max(superblock.headEpoch(), superblock.applyEpoch());
    }

    /** The epochs that were found; whoever runs the walk closes them. */
    EpochTable epochs() {
        return epochs;
    }

    /** How many versions of chunks they hold. */
    long chunkCount() {
        return chunkCount;
    }

    /** How many bytes of data. */
    long dataBytes() {
        return dataBytes;
    }

    /** The newest of them that the image may hold parts of, as its commit record says; 0 if there is none. */
    long appliedEpoch() {
        return appliedEpoch;
    }

    /** Their extents; whoever runs the walk closes it. */
    VersionIndex index() {
        return index;
    }

    /** What is wrong; null if nothing is. */
    @Nullable
    Fault fault() {
        return fault;
    }

    /** The newest epoch that there is any sign of. */
    long highestEpoch() {
        return Math.max(highestEpoch, lastEpoch);
    }

    /** The newest epoch behind the last good one that the image may hold parts of; 0 if there is none. */
    long laterApplyEpoch() {
        // What nobody looked for, or what is known only by its number, may have been applied.
        return fault == null ? 0 : laterApplyEpoch;
    }

    /** Follows the log to its end. */
    void run() throws IOException {
        if (superblock.salts().isEmpty()) {
            return;
        }
        while (readEpoch()) {
            // Goes on to the next one.
        }
        index.truncate(epochs.count() == 0 ? 0 : epochs.extentCount(epochs.count() - 1));
        if (fault == null && lastEnd < superblock.headPosition() && !Mutant.EARLY_STOP_ON_ROT.isOn()) {
            fault = new Fault(
                    position,
                    "epoch " + superblock.headEpoch() + " was committed, as the superblock says, and cannot be read");
        }
        if (fault == null && lastEpoch < superblock.applyEpoch() && !Mutant.EARLY_STOP_ON_ROT.isOn()) {
            // Only what is committed is brought into the image.
            fault = new Fault(
                    position,
                    "epoch " + superblock.applyEpoch()
                            + " was committed, since the image may hold parts of it, and cannot be read");
        }
        if (withPayload && !Mutant.EARLY_STOP_ON_ROT.isOn()) {
            judgeRest();
        }
    }

    // ---------------------------------------------------------------------------------------------- an epoch

    /** Follows one epoch; false when it was not committed, or is damaged. */
    private boolean readEpoch() throws IOException {
        position = lastEnd;
        openEpoch = -1;
        descriptorCount = 0;
        descriptorHash = 0;
        openDataChunks = 0;
        openZeroChunks = 0;
        badPayload = null;
        while (position < limit) {
            MemorySegment block = reader.block(position);
            Descriptor descriptor = new Descriptor(block);
            if (isNext(descriptor)) {
                follow(descriptor);
            } else {
                Commit commit = nextCommit(block);
                return commit != null ? end(commit) : skipGap();
            }
        }
        return false;
    }

    private boolean isNext(Descriptor descriptor) {
        if (!descriptor.claims(saltAt(position)) || !descriptor.isValid(superblock.identity())) {
            return false;
        }
        if (position + 2 * BLOCK_BYTES + descriptor.payloadBytes() > limit) {
            return false;
        }
        return Mutant.NO_EPOCH_TAG.isOn()
                || (descriptor.position() == position
                        && descriptor.sequence() == descriptorCount
                        && descriptor.epochBefore() == lastEpoch
                        && (openEpoch == -1 || descriptor.epoch() == openEpoch));
    }

    /** Takes a descriptor's extents, and reads the payload behind it. */
    private void follow(Descriptor descriptor) throws IOException {
        openEpoch = descriptor.epoch();
        descriptorCount++;
        descriptorHash = JournalFormat.extendHash(descriptorHash, descriptor.checksum());
        long end = position + BLOCK_BYTES + descriptor.payloadBytes();
        long payloadPosition = position + BLOCK_BYTES;
        int firstExtent = index.count();
        for (int i = 0; i < descriptor.extentCount(); i++) {
            if (descriptor.isZero(i)) {
                index.addZeroes(descriptor.firstChunk(i), descriptor.chunkCount(i));
                openZeroChunks += descriptor.chunkCount(i);
            } else {
                index.addData(
                        descriptor.firstChunk(i), descriptor.chunkCount(i), payloadPosition, descriptor.checksum(i));
                openDataChunks += descriptor.chunkCount(i);
                payloadPosition +=
                        descriptor.chunkCount(i) * superblock.identity().chunkBytes();
            }
        }
        if (withPayload) {
            // The descriptor is gone with the window: only the index is used from here on.
            checkPayload(firstExtent);
        }
        position = end;
    }

    private void checkPayload(int firstExtent) throws IOException {
        for (int extent = firstExtent; extent < index.count(); extent++) {
            if (index.isZero(extent)) {
                continue;
            }
            crc.reset();
            long at = index.position(extent);
            long end = at + index.chunkCount(extent) * superblock.identity().chunkBytes();
            while (at < end) {
                MemorySegment bytes = reader.view(at, end - at);
                crc.update(bytes.asByteBuffer());
                at += bytes.byteSize();
            }
            if ((int) crc.getValue() != index.checksum(extent) && badPayload == null && !Mutant.NO_PAYLOAD_CRC.isOn()) {
                badPayload = new Fault(
                        index.position(extent),
                        "the bytes of chunks " + index.firstChunk(extent) + " to "
                                + (index.firstChunk(extent) + index.chunkCount(extent) - 1)
                                + " do not match their checksum");
            }
        }
    }

    /** The commit record of the epoch that is being followed, if the block is one. */
    private @Nullable Commit nextCommit(MemorySegment block) {
        for (int copy = 0; copy < Commit.COPY_COUNT; copy++) {
            Commit commit = Commit.decode(block, copy);
            if (commit != null
                    && commit.device().equals(superblock.identity().device())
                    && commit.salt() == saltAt(position)
                    && (Mutant.NO_EPOCH_TAG.isOn()
                            || (commit.position() == position
                                    && commit.epochBefore() == lastEpoch
                                    && commit.epoch() > lastEpoch
                                    && (openEpoch == -1 || commit.epoch() == openEpoch)))) {
                return commit;
            }
        }
        return null;
    }

    /** Believes the epoch if all of it is there. */
    private boolean end(Commit commit) {
        long end = position + BLOCK_BYTES;
        if (badPayload != null) {
            fault = badPayload;
        } else if (!Mutant.NO_EPOCH_TAG.isOn()
                && (commit.firstPosition() != lastEnd
                        || commit.descriptorCount() != descriptorCount
                        || commit.descriptorHash() != descriptorHash
                        || commit.dataChunkCount() != openDataChunks
                        || commit.zeroChunkCount() != openZeroChunks)) {
            fault = new Fault(position, "the commit record does not match the epoch's descriptors");
        } else if (crossesSalt(end)) {
            fault = new Fault(position, "the epoch goes on where another start of the device began");
        }
        if (fault != null) {
            fault = new Fault(fault.position(), "epoch " + commit.epoch() + ": " + fault.what());
            highestEpoch = Math.max(highestEpoch, commit.epoch());
            return false;
        }
        lastEpoch = commit.epoch();
        lastEnd = end;
        chunkCount += openDataChunks + openZeroChunks;
        dataBytes += openDataChunks * superblock.identity().chunkBytes();
        appliedEpoch = commit.mayBeApplied() ? Math.max(appliedEpoch, commit.epoch()) : appliedEpoch;
        epochs.add(commit, end, index.count());
        return true;
    }

    /** Whether another salt begins within the epoch that is being followed. */
    private boolean crossesSalt(long end) {
        for (Superblock.Salt salt : superblock.salts()) {
            if (salt.position() > lastEnd && salt.position() < end) {
                return true;
            }
        }
        return false;
    }

    private long saltAt(long at) {
        long value = superblock.salts().getFirst().value();
        for (Superblock.Salt salt : superblock.salts()) {
            if (salt.position() <= at) {
                value = salt.value();
            }
        }
        return value;
    }

    // ---------------------------------------------------------------------------------------------- the rest

    /** Says whether anything behind the end was committed. */
    private void judgeRest() throws IOException {
        if (position >= limit) {
            laterApplyEpoch = highestEpoch;
            return;
        }
        reader.block(position);
        if (fault == null && reader.isUnreadable(position)) {
            fault = new Fault(position, "cannot be read, so that nobody knows whether the log ends there");
        }
        LaterRecords later = new LaterRecords(reader, superblock, lastEpoch);
        later.search(position, limit);
        laterApplyEpoch = later.highestEpoch() < highestEpoch ? highestEpoch : later.applyEpoch();
        highestEpoch = Math.max(highestEpoch, later.highestEpoch());
        if (fault == null && later.highestEpoch() > lastEpoch) {
            fault = new Fault(
                    position,
                    "the log breaks off after epoch " + lastEpoch + ", but epoch " + later.highestEpoch()
                            + " was committed");
        }
    }

    /** With the mutant, goes on behind what can't be read. */
    private boolean skipGap() throws IOException {
        if (!Mutant.SKIP_GAP.isOn()) {
            return false;
        }
        LaterRecords later = new LaterRecords(reader, superblock, lastEpoch);
        Commit next = later.firstCommit(position, limit);
        if (next == null || next.firstPosition() < lastEnd) {
            return false;
        }
        if (next.firstPosition() == lastEnd) {
            lastEpoch = next.epoch();
            lastEnd = next.position() + BLOCK_BYTES;
        } else {
            lastEpoch = next.epochBefore();
            lastEnd = next.firstPosition();
        }
        return true;
    }

    /** Gives the memory back that epochs and index take. */
    @Override
    public void close() {
        epochs.close();
        index.close();
    }
}
