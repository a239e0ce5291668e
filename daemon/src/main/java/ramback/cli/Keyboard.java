package ramback.cli;

import org.jline.terminal.KeyEvent;
import org.jspecify.annotations.Nullable;
import ramback.control.ModeWords;
import ramback.device.Mode;

/** What keys mean, which depends on the question that is open. For one thread. */
final class Keyboard {

    /** What a key asks for. */
    sealed interface Action {

        /** Nothing, or only that another question is open now. */
        record Nothing() implements Action {}

        record Quit() implements Action {}

        /** Another device is to be chosen, so many places further down. */
        record Choose(int places) implements Action {}

        record Flush(String device) implements Action {}

        /** A device's mode is to be another: the word of a mode, or auto. */
        record Switch(String device, String word) implements Action {}
    }

    /** What is being asked of whoever presses keys. */
    enum Question {
        NONE,
        HELP,
        MODE,
        UNSAFE
    }

    private static final char CTRL_C = 3;
    private static final int PAGE = 10;
    private static final Action NOTHING = new Action.Nothing();

    private Question question = Question.NONE;
    /** Whom the open question is about: it stays so when another is chosen or the device goes meanwhile. */
    private String device = "";

    Question question() {
        return question;
    }

    /** The open question in words; empty when none is, or it takes a whole screen. */
    String words() {
        return switch (question) {
            case NONE, HELP -> "";
            case MODE -> "mode of " + device + "?  " + modes() + "  (Esc leaves it as it is)";
            case UNSAFE ->
                "unsafe: from now on a power failure or a crash may cost all of " + device
                        + ". y switches, any other key does not";
        };
    }

    private static String modes() {
        StringBuilder modes = new StringBuilder();
        int number = 1;
        for (Mode mode : Mode.values()) {
            modes.append(number++).append(' ').append(mode.word()).append("  ");
        }
        return modes.append(number).append(' ').append(ModeWords.AUTO).toString();
    }

    /**
     * Returns what a key asks for.
     *
     * @param chosen the device that is chosen at this moment, or null when there is none
     */
    Action press(KeyEvent key, @Nullable String chosen) {
        if (isCtrlC(key)) {
            return new Action.Quit();
        }
        Question asked = question;
        question = Question.NONE;
        return switch (asked) {
            case NONE -> plain(key, chosen);
            case HELP -> NOTHING;
            case MODE -> mode(character(key));
            case UNSAFE -> character(key) == 'y' ? new Action.Switch(device, Mode.UNSAFE.word()) : NOTHING;
        };
    }

    private Action plain(KeyEvent key, @Nullable String chosen) {
        return switch (key.getType()) {
            case Arrow ->
                switch (key.getArrow()) {
                    case Up -> new Action.Choose(-1);
                    case Down -> new Action.Choose(1);
                    case Left, Right -> NOTHING;
                };
            case Special ->
                switch (key.getSpecial()) {
                    case PageUp -> new Action.Choose(-PAGE);
                    case PageDown -> new Action.Choose(PAGE);
                    case Home -> new Action.Choose(-Integer.MAX_VALUE);
                    case End -> new Action.Choose(Integer.MAX_VALUE);
                    default -> NOTHING;
                };
            default -> letter(character(key), chosen);
        };
    }

    private Action letter(char letter, @Nullable String chosen) {
        switch (letter) {
            case 'q' -> {
                return new Action.Quit();
            }
            case '?' -> question = Question.HELP;
            case 'f' -> {
                if (chosen != null) {
                    return new Action.Flush(chosen);
                }
            }
            case 'm' -> {
                if (chosen != null) {
                    device = chosen;
                    question = Question.MODE;
                }
            }
            default -> {
                // no such key
            }
        }
        return NOTHING;
    }

    private Action mode(char digit) {
        Mode[] modes = Mode.values();
        int index = digit - '1';
        if (index < 0 || index > modes.length) {
            return NOTHING;
        }
        if (index == modes.length) {
            return new Action.Switch(device, ModeWords.AUTO);
        }
        if (modes[index] == Mode.UNSAFE) {
            question = Question.UNSAFE;
            return NOTHING;
        }
        return new Action.Switch(device, modes[index].word());
    }

    /** The key's character in lower case, or 0 when it has none or something was pressed besides. */
    private static char character(KeyEvent key) {
        boolean isPlain =
                key.getType() == KeyEvent.Type.Character && key.getModifiers().isEmpty();
        return isPlain ? Character.toLowerCase(key.getCharacter()) : 0;
    }

    private static boolean isCtrlC(KeyEvent key) {
        return String.valueOf(CTRL_C).equals(key.getRawSequence());
    }
}
