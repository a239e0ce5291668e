package ramback.journal;

import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import ramback.backing.Backing;
import ramback.mutant.Mutant;

/**
 * Brings an image to the state of a committed epoch, and empties the journal. Idempotent: whenever it is broken off, it can be
 * begun again. The image is written first and made durable; only then the journal's tail moves.
 */
public final class Recovery {

    /** Told how far it is; called by the thread that recovers. */
    public interface Progress {
        /** Says how far it is; the total is the same in each call. */
        void at(long doneBytes, long totalBytes);
    }

    /**
     * What was done.
     *
     * @param epoch that the image now has
     * @param committedAt when it was committed; empty if that is not known
     * @param writtenBytes of data
     * @param zeroedBytes of zeroes
     */
    public record Outcome(long epoch, Optional<Instant> committedAt, long writtenBytes, long zeroedBytes) {}

    private static final int STAGE_BYTES_MAX = 64 << 20;
    private static final long ZERO_BYTES_MAX = 1L << 30;

    private final JournalFile file;
    private final Slots slots;
    private final JournalScan scan;
    private final Superblock superblock;
    private final Backing image;
    private final Progress progress;

    private long totalBytes;
    private long writtenBytes;
    private long zeroedBytes;

    private Recovery(Backing journal, JournalScan scan, Superblock superblock, Backing image, Progress progress) {
        this.file = new JournalFile(journal, superblock.ringBytes());
        this.slots = new Slots(file, superblock, scan.slot());
        this.scan = scan;
        this.superblock = superblock;
        this.image = image;
        this.progress = progress;
    }

    /**
     * Applies the newest versions up to an epoch.
     *
     * @param journal as it was when it was scanned, payload included
     * @param image of the size that the journal says
     * @param toEpoch from {@link JournalScan#retiredEpoch} to {@link JournalScan#lastEpoch}; newer epochs are dropped
     * @param acceptTorn must be true if the epoch is before {@link JournalScan#exactFromEpoch}: the image may then keep parts of
     *     newer epochs
     * @throws IllegalArgumentException if that is not so, before anything was changed
     */
    public static Outcome run(
            Backing journal, JournalScan scan, Backing image, long toEpoch, boolean acceptTorn, Progress progress)
            throws IOException {
        Superblock superblock = scan.superblock();
        if (superblock == null || !scan.verdict().mayBeRecovered() || !scan.payloadRead()) {
            throw new IllegalArgumentException("a journal that is " + scan.verdict() + " can't be recovered");
        }
        if (image.sizeBytes() != superblock.identity().imageBytes()) {
            throw new IllegalArgumentException(
                    "the image has " + image.sizeBytes() + " bytes, the journal is for one of "
                            + superblock.identity().imageBytes());
        }
        if (toEpoch < scan.retiredEpoch() || toEpoch > scan.lastEpoch()) {
            throw new IllegalArgumentException(
                    "epoch " + toEpoch + " is not within " + scan.retiredEpoch() + " to " + scan.lastEpoch());
        }
        if (toEpoch < scan.exactFromEpoch() && !acceptTorn) {
            throw new IllegalArgumentException("the image may hold parts of epochs up to " + scan.exactFromEpoch()
                    + ", so that epoch " + toEpoch + " can't be restored exactly");
        }
        return new Recovery(journal, scan, superblock, image, progress).run(toEpoch);
    }

    /**
     * Forgets all epochs and any suspension, for an image that is accepted as it is: after {@link JournalScan.Verdict#SUSPENDED} or
     * {@link JournalScan.Verdict#MEDIA_FAULT}.
     */
    public static void discard(Backing journal, JournalScan scan) throws IOException {
        Superblock superblock = scan.superblock();
        if (superblock == null
                || !(scan.verdict().mayBeRecovered() || scan.verdict().mayBeContinued())) {
            throw new IllegalArgumentException("a journal that is " + scan.verdict() + " has nothing to discard");
        }
        JournalFile file = new JournalFile(journal, superblock.ringBytes());
        new Slots(file, superblock, scan.slot())
                .putTwice(emptied(superblock, superblock.headPosition(), scan.highestEpoch(), Instant.EPOCH));
    }

    private Outcome run(long toEpoch) throws IOException {
        long epoch = superblock.tailEpoch();
        long position = superblock.tailPosition();
        Instant time = superblock.headEpoch() == epoch ? superblock.headTime() : Instant.EPOCH;
        int extentCount = 0;
        for (LogWalk.Epoch candidate : scan.epochs()) {
            if (candidate.commit().epoch() <= toEpoch) {
                epoch = candidate.commit().epoch();
                position = candidate.endPosition();
                time = candidate.commit().time();
                extentCount = candidate.extentCount();
            }
        }
        if (extentCount > 0) {
            if (epoch > slots.durable().applyEpoch()) {
                slots.put(slots.durable().withApplyEpoch(epoch));
            }
            apply(new NewestVersions(scan.index(), extentCount));
        }
        if (!Mutant.RECOVER_NO_IMAGE_FSYNC.isOn()) {
            image.sync();
        }
        slots.putTwice(emptied(superblock, position, epoch, time));
        return new Outcome(
                epoch, time.equals(Instant.EPOCH) ? Optional.empty() : Optional.of(time), writtenBytes, zeroedBytes);
    }

    /** An empty log after an epoch. Without a salt, no record that is still in the ring belongs to it. */
    private static Superblock emptied(Superblock superblock, long position, long epoch, Instant time) {
        List<Superblock.Salt> salts = List.of();
        if (Mutant.SALT_KEPT.isOn() && !superblock.salts().isEmpty()) {
            salts = List.of(superblock.salts().getLast());
        }
        return new Superblock(
                0,
                superblock.identity(),
                superblock.generation(),
                superblock.ringBytes(),
                true,
                false,
                position,
                epoch,
                position,
                epoch,
                time,
                epoch,
                salts);
    }

    // ---------------------------------------------------------------------------------------------- apply

    private void apply(NewestVersions versions) throws IOException {
        int chunkBytes = superblock.identity().chunkBytes();
        VersionIndex index = scan.index();
        long dataBytes = 0;
        while (versions.advance()) {
            long bytes = bytesOf(versions);
            totalBytes += bytes;
            dataBytes += index.isZero(versions.extent()) ? 0 : versions.chunkCount() * chunkBytes;
        }
        versions.rewind();
        progress.at(0, totalBytes);
        int stageBytes = (int) Math.min(STAGE_BYTES_MAX, Math.max(dataBytes, chunkBytes));
        try (RecoveryStage stage =
                new RecoveryStage(file, index, image, chunkBytes, superblock.tailPosition(), stageBytes)) {
            while (versions.advance()) {
                if (index.isZero(versions.extent())) {
                    zero(versions.firstChunk() * chunkBytes, bytesOf(versions));
                } else if (!stage.add(versions.firstChunk(), versions.chunkCount(), versions.extent())) {
                    carry(stage);
                    stage.add(versions.firstChunk(), versions.chunkCount(), versions.extent());
                }
            }
            carry(stage);
        }
    }

    /** The length of the present run in the image, whose last chunk may be shorter than the others. */
    private long bytesOf(NewestVersions versions) {
        int chunkBytes = superblock.identity().chunkBytes();
        long offset = versions.firstChunk() * chunkBytes;
        return Math.min(versions.chunkCount() * chunkBytes, image.sizeBytes() - offset);
    }

    private void carry(RecoveryStage stage) throws IOException {
        stage.read();
        writtenBytes += stage.write();
        stage.clear();
        progress.at(writtenBytes + zeroedBytes, totalBytes);
    }

    private void zero(long offset, long lengthBytes) throws IOException {
        for (long at = 0; at < lengthBytes; at += ZERO_BYTES_MAX) {
            long part = Math.min(ZERO_BYTES_MAX, lengthBytes - at);
            image.zero(offset + at, part);
            zeroedBytes += part;
            progress.at(writtenBytes + zeroedBytes, totalBytes);
        }
    }
}
