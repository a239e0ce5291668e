package ramback.control;

import java.util.Arrays;
import java.util.stream.Collectors;
import ramback.device.Mode;
import ramback.engine.Refusal;

/** The modes as words: on the command line and over the control socket. */
public final class ModeWords {

    /** Back to what {@code up} was given: a word of the command {@code mode}, not a mode. */
    public static final String AUTO = "auto";

    private ModeWords() {}

    /**
     * Returns the mode of a word.
     *
     * @param orAuto whether the refusal names {@code auto} among the words
     * @throws Refusal of kind USAGE when there is no such mode
     */
    public static Mode parse(String word, boolean orAuto) throws Refusal {
        return Mode.ofWord(word)
                .orElseThrow(() -> new Refusal(
                        Refusal.Kind.USAGE,
                        "bad mode '" + word + "'; use one of "
                                + Arrays.stream(Mode.values()).map(Mode::word).collect(Collectors.joining(", "))
                                + (orAuto ? ", " + AUTO : "")));
    }
}
