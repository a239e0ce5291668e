package ramback.fuse;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A small text file of a {@link FuseDirectory}. Text and words are dealt with on threads of their own: they may wait, and
 * hold up no request of the device. May be called by several threads at once.
 *
 * @param name 1 to 255 bytes without a slash, not {@code .}, {@code ..} or {@code disk}
 * @param text what a program reads: asked for once each time that one opens the file and reads
 * @param words what is done with a written word, or null: the file is read-only
 */
public record FuseFile(
        String name, Supplier<String> text, @Nullable Words words) {

    /** The longest word, in bytes. */
    public static final int WORD_BYTES_MAX = 4096;

    /** What a written word does. */
    @FunctionalInterface
    public interface Words {

        /**
         * Does it; the program that writes waits for that.
         *
         * @param word what was written at once, without white space around it
         * @return false: there is no such word, or it is refused; the program gets EINVAL
         * @throws InterruptedException when the program that waits was interrupted (it gets EINTR)
         */
        boolean accept(String word) throws InterruptedException;
    }

    public FuseFile {
        if (name.isEmpty()
                || name.equals(".")
                || name.equals("..")
                || name.equals(Tree.DISK_NAME)
                || name.indexOf('/') >= 0) {
            throw new IllegalArgumentException("a file named '" + name + "'");
        }
    }
}
