package ramback.engine;

import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.journal.ImageChecksums;
import ramback.journal.StateFile;
import ramback.journal.StateFile.CleanImage;
import ramback.journal.StateFileStore;

/**
 * How an image compares with what its clean stop left. Another size, or another time of its last change, means that somebody else changed
 * it. When only its attributes changed, it was moved, copied, or given other permissions; or it was changed and its time was put back. Then
 * its checksums tell, if there is one of every MiB, while it is loaded.
 *
 * @param differences what is not as it was left, in words; empty if all is, or if nothing was left
 * @param isChanged whether that can't be served without being asked for
 * @param checksums what it held, or null if that is not known, or not wanted
 * @param checksumFault why the checksums that should be there are of no use, or null
 */
record LeftImage(
        List<String> differences,
        boolean isChanged,
        @Nullable ImageChecksums checksums,
        @Nullable String checksumFault) {

    /** Nothing is known of what it was left as. */
    private static final LeftImage UNKNOWN = new LeftImage(List.of(), false, null, null);

    /**
     * Compares; changes nothing.
     *
     * @param isTaken whether the image is taken as it is: its checksums are of no use then
     */
    static LeftImage look(@Nullable StateFile state, StateFileStore store, Image image, boolean isTaken)
            throws IOException {
        CleanImage left = state == null ? null : state.cleanImage();
        if (state == null || left == null) {
            return UNKNOWN;
        }
        CleanImage now = image.cleanImage();
        List<String> differences = new ArrayList<>();
        if (now.sizeBytes() != left.sizeBytes()) {
            differences.add("it has " + now.sizeBytes() + " bytes, and had " + left.sizeBytes());
        }
        if (now.modifiedNanos() != left.modifiedNanos()) {
            differences.add("it was last modified at " + time(now.modifiedNanos()) + ", and then had been at "
                    + time(left.modifiedNanos()));
        }
        boolean isChanged = !differences.isEmpty();
        if (now.changedNanos() != left.changedNanos()) {
            differences.add("its attributes were last changed at " + time(now.changedNanos())
                    + ", and then had been at " + time(left.changedNanos()));
        }
        if (isTaken) {
            return new LeftImage(differences, !differences.isEmpty(), null, null);
        }
        ImageChecksums checksums = null;
        String fault = null;
        switch (checksums(state, store, image)) {
            case ImageChecksums.Reading.Whole(ImageChecksums whole) -> checksums = whole;
            case ImageChecksums.Reading.Useless(String reason) -> fault = reason;
        }
        boolean isCovered = checksums != null && checksums.unknownCount() == 0;
        return new LeftImage(differences, isChanged || (!differences.isEmpty() && !isCovered), checksums, fault);
    }

    private static ImageChecksums.Reading checksums(StateFile state, StateFileStore store, Image image) {
        try {
            byte[] content = store.readChecksums(ImageChecksums.lengthBytesMax(image.sizeBytes()));
            return content == null
                    ? new ImageChecksums.Reading.Useless("there are none")
                    : ImageChecksums.decode(content, state.deviceId(), state.generation(), image.sizeBytes());
        } catch (IOException e) {
            return new ImageChecksums.Reading.Useless(String.valueOf(e.getMessage()));
        }
    }

    private static Instant time(long nanos) {
        return Instant.ofEpochSecond(Math.floorDiv(nanos, 1_000_000_000L), Math.floorMod(nanos, 1_000_000_000L));
    }

    /** Whether only its attributes are others, and its content is checked while it is loaded. */
    boolean isToBeChecked() {
        return !isChanged && !differences.isEmpty();
    }
}
