package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.jline.terminal.KeyParser;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.cli.Keyboard.Action;
import ramback.cli.Keyboard.Question;

class KeyboardTest {

    private static final Action NOTHING = new Action.Nothing();

    private final Keyboard keyboard = new Keyboard();

    /** What the last of these keys asks for, with the device "disk" chosen. */
    private Action press(String... keys) {
        Action action = NOTHING;
        for (String key : keys) {
            action = keyboard.press(KeyParser.parse(key), "disk");
        }
        return action;
    }

    @Test
    void everyKeyOfTheBottomLineDoesWhatItSays() {
        assertThat(press("f")).isEqualTo(new Action.Flush("disk"));
        assertThat(press("F")).isEqualTo(new Action.Flush("disk"));
        assertThat(press("q")).isEqualTo(new Action.Quit());
        assertThat(press("\033[A")).isEqualTo(new Action.Choose(-1));
        assertThat(press("\033[B")).isEqualTo(new Action.Choose(1));
        assertThat(press("?")).isEqualTo(NOTHING);
        assertThat(keyboard.question()).isEqualTo(Question.HELP);
    }

    @ParameterizedTest
    @CsvSource({"1,writethrough", "2,writeback", "3,checkpoint", "5,auto"})
    void aNumberSwitchesTheMode(String number, String word) {
        assertThat(press("m")).isEqualTo(NOTHING);
        assertThat(keyboard.words())
                .isEqualTo("mode of disk?  1 writethrough  2 writeback  3 checkpoint  4 unsafe  5 auto"
                        + "  (Esc leaves it as it is)");
        assertThat(press(number)).isEqualTo(new Action.Switch("disk", word));
        assertThat(keyboard.question()).isEqualTo(Question.NONE);
    }

    @Test
    void unsafeIsSwitchedToOnlyAfterASecondWord() {
        assertThat(press("m", "4")).isEqualTo(NOTHING);
        assertThat(keyboard.words()).contains("unsafe", "disk", "y switches");
        assertThat(press("y")).isEqualTo(new Action.Switch("disk", "unsafe"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"n", "q", "4", "\r", "\033", "\033y", "f"})
    void anythingButYLeavesUnsafeAlone(String key) {
        assertThat(press("m", "4", key)).isEqualTo(NOTHING);
        assertThat(keyboard.question()).isEqualTo(Question.NONE);
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "6", "9", "q", "f", "\033", "m", "\033[A"})
    void noOtherKeyAnswersWhichMode(String key) {
        assertThat(press("m", key)).isEqualTo(NOTHING);
        assertThat(keyboard.question()).isEqualTo(Question.NONE);
    }

    @Test
    void theQuestionStaysAboutTheDeviceThatWasChosenWhenItWasAsked() {
        keyboard.press(KeyParser.parse("m"), "first");
        assertThat(keyboard.press(KeyParser.parse("1"), "second"))
                .isEqualTo(new Action.Switch("first", "writethrough"));
    }

    @Test
    void withoutADeviceThereIsNothingToAskOf() {
        assertThat(keyboard.press(KeyParser.parse("f"), null)).isEqualTo(NOTHING);
        assertThat(keyboard.press(KeyParser.parse("m"), null)).isEqualTo(NOTHING);
        assertThat(keyboard.question()).isEqualTo(Question.NONE);
        assertThat(keyboard.press(KeyParser.parse("q"), null)).isEqualTo(new Action.Quit());
    }

    @Test
    void ctrlCQuitsWhateverIsAsked() {
        assertThat(press("m", "4", "\003")).isEqualTo(new Action.Quit());
        assertThat(press("?", "\003")).isEqualTo(new Action.Quit());
    }

    @Test
    void anyKeyClosesTheHelpAndDoesNothingElse() {
        assertThat(press("?", "q")).isEqualTo(NOTHING);
        assertThat(keyboard.question()).isEqualTo(Question.NONE);
    }

    @ParameterizedTest
    @ValueSource(strings = {"x", "\033", "\033f", "\033[C", "\033[99~", "\t", "\r", "ä"})
    void otherKeysDoNothing(String key) {
        assertThat(press(key)).isEqualTo(NOTHING);
        assertThat(keyboard.question()).isEqualTo(Question.NONE);
    }
}
