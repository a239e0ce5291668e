package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import ramback.control.Light;
import ramback.engine.Refusal;

class BoardTest {

    private static final long SECOND = 1_000_000_000L;

    private final Board board = new Board("/run/ramback", true);

    @Test
    void whatStopsDisappearsAndWhatComesAppears() {
        board.found(List.of("a", "c"), 0);
        assertThat(names()).containsExactly("a", "c");
        assertThat(board.chosen()).isEqualTo("a");
        board.found(List.of("a", "b", "c"), 0);
        assertThat(names()).containsExactly("a", "b", "c");
        board.found(List.of("c"), 0);
        assertThat(names()).containsExactly("c");
        assertThat(board.news(0)).contains("has stopped");
        board.found(List.of(), 0);
        assertThat(board.chosen()).isNull();
        assertThat(board.isLookedFor()).isTrue();
    }

    private List<String> names() {
        return board.devices().stream().map(Watched::name).toList();
    }

    @Test
    void theChosenOneStaysChosenAndItsNeighbourTakesItsPlace() {
        board.found(List.of("b", "c", "d"), 0);
        board.choose(1);
        board.found(List.of("a", "b", "c", "d"), 0);
        assertThat(board.chosen()).isEqualTo("c");
        assertThat(board.chosenIndex()).isEqualTo(2);
        board.found(List.of("a", "b", "d"), 0);
        assertThat(board.chosen()).isEqualTo("d");
        board.found(List.of("a"), 0);
        assertThat(board.chosen()).isEqualTo("a");
    }

    @Test
    void choosingEndsAtTheEnds() {
        board.found(List.of("a", "b", "c"), 0);
        board.choose(-1);
        assertThat(board.chosen()).isEqualTo("a");
        board.choose(Integer.MAX_VALUE);
        assertThat(board.chosen()).isEqualTo("c");
        board.choose(-Integer.MAX_VALUE);
        assertThat(board.chosen()).isEqualTo("a");
        board.found(List.of(), 0);
        board.choose(1);
        assertThat(board.chosen()).isNull();
    }

    @Test
    void whatIsAskedIsUnderWayUntilItIsDoneOrRefused() {
        board.found(List.of("a"), 0);
        assertThat(board.request("a", "flush of a", 0)).isTrue();
        assertThat(board.news(2 * SECOND)).isEqualTo("flush of a is under way, 2 s");
        board.done("a", null, 3 * SECOND);
        assertThat(board.news(3 * SECOND)).isEqualTo("flush of a: done in 3.00 s");
        assertThat(board.news(60 * SECOND)).as("good news is old after a while").isEmpty();

        board.request("a", "mode checkpoint of a", 60 * SECOND);
        board.done("a", "no\033[2J journal", 61 * SECOND);
        assertThat(board.news(600 * SECOND)).isEqualTo("mode checkpoint of a failed: no?[2J journal");
        assertThat(board.isNoticeBad()).isTrue();
        board.forgetNotice();
        assertThat(board.news(600 * SECOND)).isEmpty();
    }

    @Test
    void nothingPilesUpBehindADeviceThatDoesNotGetDone() {
        assertThat(board.request("a", "flush of a", 0)).isTrue();
        assertThat(board.request("a", "flush of a", SECOND)).isFalse();
        assertThat(board.news(SECOND)).isEqualTo("flush of a is under way; wait for it");
        assertThat(board.request("b", "flush of b", SECOND)).isTrue();
    }

    @Test
    void anOldAnswerIsShownAsOldAndItsLightNotAtAll() throws Exception {
        Watched device = new Watched("a");
        assertThat(device.state(0)).isEqualTo("asked");
        device.answer(Answer.status("a", ""), 0);
        assertThat(device.light(SECOND)).isEqualTo(Light.GREEN);
        assertThat(device.state(SECOND)).isEqualTo("ready");
        device.ask();
        assertThat(device.light(12 * SECOND)).isNull();
        assertThat(device.state(12 * SECOND)).isEqualTo("12 s old");
        device.refuse(new Refusal(Refusal.Kind.FAILED, "does not answer"), false);
        assertThat(device.isAsked()).isFalse();
        assertThat(device.state(12 * SECOND)).isEqualTo("12 s old");
        device.refuse(new Refusal(Refusal.Kind.FAILED, "starting"), true);
        assertThat(device.state(12 * SECOND)).isEqualTo("starting");
        device.refuse(new Refusal(Refusal.Kind.NO_DEVICE, "gone"), false);
        assertThat(device.state(12 * SECOND)).isEqualTo("gone");
        device.answer(Answer.status("a", ""), 12 * SECOND);
        assertThat(device.light(12 * SECOND)).isEqualTo(Light.GREEN);
    }

    @Test
    void ratesAreOfOneDaemonAndItsOwnClock() throws Exception {
        Watched device = new Watched("a");
        device.answer(Answer.status("a", "\"uptimeSeconds\":10,\"requests\":{\"reads\":1000}"), 0);
        assertThat(device.rate(status -> status.readCount())).isNegative();
        device.answer(Answer.status("a", "\"uptimeSeconds\":12,\"requests\":{\"reads\":3000}"), 9 * SECOND);
        assertThat(device.rate(status -> status.readCount())).isEqualTo(1000);
        device.answer(Answer.status("a", "\"pid\":4712,\"uptimeSeconds\":13,\"requests\":{\"reads\":5}"), 10 * SECOND);
        assertThat(device.rate(status -> status.readCount())).isNegative();
    }

    @Test
    void aFlushIsHeldAgainstWhatThereWasWhenItBegan() throws Exception {
        Watched device = new Watched("a");
        device.answer(Answer.status("a", "\"state\":\"flushing\",\"dirtyBytes\":300"), 0);
        device.answer(Answer.status("a", "\"state\":\"flushing\",\"dirtyBytes\":100"), 0);
        assertThat(device.peakDirtyBytes()).isEqualTo(300);
        device.answer(Answer.status("a", "\"dirtyBytes\":50"), 0);
        assertThat(device.peakDirtyBytes()).isEqualTo(50);
    }
}
