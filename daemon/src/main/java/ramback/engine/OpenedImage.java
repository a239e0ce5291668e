package ramback.engine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.locks.LockSupport;
import ramback.backing.BackingOpenException;
import ramback.backing.FileBacking;
import ramback.memory.SegmentLayout;

/**
 * The image as {@code up} found or made it.
 *
 * @param image open, and locked where it can be
 * @param created whether it was created just now, so that a failed start removes it again
 */
record OpenedImage(Image image, boolean created) {

    private static final int DYING_ATTEMPT_COUNT = 10;
    private static final long DYING_WAIT_NANOS = 30_000_000L;

    static OpenedImage open(DeviceOptions options) throws Refusal {
        Path missing = options.image() instanceof ImageName.Local(Path path) && !Files.exists(path) ? path : null;
        if (missing != null && options.sizeBytes().isEmpty()) {
            throw new Refusal(
                    Refusal.Kind.USAGE, "image " + missing + " does not exist; give --size SIZE to create it");
        }
        if (missing != null && options.readOnly()) {
            throw new Refusal(
                    Refusal.Kind.USAGE, "image " + missing + " does not exist, and --read-only does not create one");
        }
        Image image;
        try {
            image = missing != null
                    ? new Image.Local(
                            FileBacking.create(missing, options.sizeBytes().getAsLong()))
                    : openSoon(options.image(), options.readOnly());
        } catch (BackingOpenException e) {
            throw refusal(e);
        }
        OpenedImage opened = new OpenedImage(image, missing != null);
        try {
            opened.checkSize(options);
        } catch (Refusal e) {
            opened.undo();
            throw e;
        }
        return opened;
    }

    /** A daemon that was killed gives its locks up one after the other: whoever starts the next one at once waits for that. */
    private static Image openSoon(ImageName image, boolean readOnly) throws BackingOpenException {
        for (int attempt = 1; ; attempt++) {
            try {
                return Image.open(image, readOnly);
            } catch (BackingOpenException e) {
                if (e.reason() != BackingOpenException.Reason.IN_USE || attempt == DYING_ATTEMPT_COUNT) {
                    throw e;
                }
                LockSupport.parkNanos(DYING_WAIT_NANOS);
            }
        }
    }

    static Refusal refusal(BackingOpenException e) {
        Refusal.Kind kind = switch (e.reason()) {
            case MISSING, NOT_AN_IMAGE, EMPTY, TOO_LARGE -> Refusal.Kind.USAGE;
            case EXISTS, NOT_PERMITTED, IN_USE, NO_SPACE, FAILED -> Refusal.Kind.FAILED;
        };
        return new Refusal(kind, String.valueOf(e.getMessage()), e);
    }

    private void checkSize(DeviceOptions options) throws Refusal {
        long sizeBytes = image.sizeBytes();
        if (options.sizeBytes().isPresent() && options.sizeBytes().getAsLong() != sizeBytes) {
            throw new Refusal(
                    Refusal.Kind.USAGE,
                    "image " + options.image() + " has " + sizeBytes + " bytes, not the "
                            + options.sizeBytes().getAsLong()
                            + " of --size; leave --size out, or give the image's size");
        }
        if (sizeBytes > SegmentLayout.SIZE_BYTES_MAX) {
            throw new Refusal(
                    Refusal.Kind.USAGE,
                    "image " + options.image() + " has " + sizeBytes + " bytes, the limit is "
                            + SegmentLayout.SIZE_BYTES_MAX + "; serve a smaller image");
        }
    }

    /** Closes the image, and removes it if it was created just now. */
    void undo() {
        try {
            Path path = image.path();
            if (created && path != null) {
                Files.deleteIfExists(path);
            }
            image.backing().close();
        } catch (IOException e) {
            System.getLogger(OpenedImage.class.getName())
                    .log(System.Logger.Level.WARNING, "could not tidy up {0}: {1}", image.place(), e.getMessage());
        }
    }
}
