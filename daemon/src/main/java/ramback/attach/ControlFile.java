package ramback.attach;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import ramback.engine.Refusal;

/**
 * A file beside the device in its FUSE directory, as the driver of 2008 had one in {@code /proc}: reading it shows
 * something, writing a word to it does something. Both are called on threads of the directory, several at once.
 *
 * @param name its name
 * @param text what reading it gives, made anew at each open
 * @param writing what a written word does, or null for a file that is only read
 */
public record ControlFile(
        String name, Supplier<String> text, @Nullable Writing writing) {

    /** What a written word does. */
    @FunctionalInterface
    public interface Writing {
        /**
         * Does it, and returns when that is done.
         *
         * @param word without blanks around it
         * @throws Refusal of kind USAGE when the word is none of the file's; of another kind when it can't be done
         */
        void accept(String word) throws Refusal, InterruptedException;
    }
}
