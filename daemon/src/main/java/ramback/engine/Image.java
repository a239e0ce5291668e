package ramback.engine;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;
import ramback.backing.BackingOpenException;
import ramback.backing.FileBacking;
import ramback.journal.StateFile.CleanImage;
import ramback.journal.StateFileStore;
import ramback.journal.StateLocation;
import ramback.memory.ImageIdentity;
import ramback.posix.FileStatus;
import ramback.remote.NbdBacking;

/** An image that is open: its bytes, what tells it from every other image, and what lies beside it. */
sealed interface Image {

    /** Opens an image that is there. */
    static Image open(ImageName name, boolean readOnly) throws BackingOpenException {
        return switch (name) {
            case ImageName.Local(Path path) -> new Local(FileBacking.open(path, readOnly));
            case ImageName.Remote(var uri) -> new Remote(NbdBacking.open(uri, readOnly));
        };
    }

    /** Its bytes. */
    Backing backing();

    /** Where it is, for people: a path without symbolic links, or a URI. */
    String place();

    /** Its path; null if it has none. */
    @Nullable
    Path path();

    /** What it is, as one says of it that nothing lies beside it. */
    String kind();

    /** Whether transfers bypass the page cache. */
    boolean directIo();

    ImageIdentity identity() throws IOException;

    /** Whether what is remembered of it tells that it was changed behind our back. */
    boolean hasTimes();

    /** What is remembered of it when it is clean. */
    CleanImage cleanImage() throws IOException;

    /** Makes the times of its last change durable as well, where it has any. */
    void syncTimes() throws IOException;

    /**
     * Where its state lies.
     *
     * @param systemDirectory for what can't lie beside it
     */
    StateFileStore store(Path systemDirectory) throws IOException;

    /** Where its journal lies when nobody says otherwise; null if somebody must. */
    @Nullable
    Path journalBeside();

    default long sizeBytes() {
        return backing().sizeBytes();
    }

    /** Closes it after nothing was written that anybody counts on. */
    default void closeQuietly() {
        try {
            backing().close();
        } catch (IOException e) {
            // Nothing of it matters.
        }
    }

    /** A raw file or a block device, locked. */
    record Local(FileBacking backing) implements Image {

        @Override
        public String place() {
            return backing.path().toString();
        }

        @Override
        public Path path() {
            return backing.path();
        }

        @Override
        public String kind() {
            return backing.blockDevice() ? "block device" : "file";
        }

        @Override
        public boolean directIo() {
            return backing.directIo();
        }

        @Override
        public ImageIdentity identity() throws IOException {
            FileStatus status = backing.status();
            return backing.blockDevice()
                    ? new ImageIdentity(status.specialDevice(), 0)
                    : new ImageIdentity(status.device(), status.inode());
        }

        @Override
        public boolean hasTimes() {
            return !backing.blockDevice();
        }

        @Override
        public CleanImage cleanImage() throws IOException {
            FileStatus status = backing.status();
            // The times of a block device are its node's, which is made anew at each boot.
            return backing.blockDevice()
                    ? new CleanImage(backing.sizeBytes(), 0, 0)
                    : new CleanImage(backing.sizeBytes(), status.modifiedNanos(), status.changedNanos());
        }

        @Override
        public void syncTimes() throws IOException {
            backing.syncTimes();
        }

        @Override
        public StateFileStore store(Path systemDirectory) throws IOException {
            return StateLocation.store(backing.path(), backing.status(), backing.sizeBytes(), systemDirectory);
        }

        @Override
        public @Nullable Path journalBeside() {
            Path path = backing.path();
            return backing.blockDevice() ? null : path.resolveSibling(path.getFileName() + FoundJournal.SUFFIX);
        }
    }

    /**
     * An export of an NBD server. It is known by its URI: whoever else writes to it is neither locked out nor seen, and it has no
     * times.
     */
    record Remote(NbdBacking backing) implements Image {

        /** No device number of Linux has this bit. */
        private static final long REMOTE_BIT = 1L << 63;

        @Override
        public String place() {
            return backing.uri();
        }

        @Override
        public @Nullable Path path() {
            return null;
        }

        @Override
        public String kind() {
            return "remote image";
        }

        @Override
        public boolean directIo() {
            return true;
        }

        @Override
        public void syncTimes() {
            // It has none.
        }

        /** Half of the SHA-256 of the URI, in place of the numbers of a device and an inode. */
        @Override
        public ImageIdentity identity() {
            try {
                ByteBuffer hash = ByteBuffer.wrap(MessageDigest.getInstance("SHA-256")
                        .digest(backing.uri().getBytes(UTF_8)));
                return new ImageIdentity(hash.getLong() | REMOTE_BIT, hash.getLong());
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException(e); // every Java has it
            }
        }

        @Override
        public boolean hasTimes() {
            return false;
        }

        @Override
        public CleanImage cleanImage() {
            return new CleanImage(backing.sizeBytes(), 0, 0);
        }

        @Override
        public StateFileStore store(Path systemDirectory) {
            return StateLocation.store(backing.uri(), systemDirectory);
        }

        @Override
        public @Nullable Path journalBeside() {
            return null;
        }
    }
}
