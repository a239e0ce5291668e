package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jline.terminal.KeyParser;
import org.jline.utils.AttributedString;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import ramback.cli.StatusScreen.Style;
import ramback.engine.Refusal;

class FrameTest {

    private static final long SECOND = 1_000_000_000L;
    private static final Style COLOURED = new Style(true, true);
    private static final Style PLAIN = new Style(false, false);

    private static final String BUSY = "\"light\":\"amber\",\"state\":\"loading\",\"loadedChunks\":65536,"
            + "\"loadRemainingBytes\":805306368,\"loadBytesPerSecond\":52428800,\"mode\":\"checkpoint\","
            + "\"configuredMode\":\"checkpoint\",\"intervalSeconds\":1,\"dirtyBytes\":12897484,"
            + "\"lossIfPowerFailedNow\":{\"bytes\":4404019,\"seconds\":0.5},"
            + "\"power\":{\"state\":\"on-battery\",\"source\":\"ups@localhost\",\"sinceSeconds\":12,"
            + "\"batteryRuntimeSeconds\":840,\"drainSeconds\":2.1,\"toSaveBytes\":327155712,\"batteryChargePercent\":92},"
            + "\"latency\":{\"read\":{\"count\":9,\"p50Seconds\":0.00001,\"p99Seconds\":0.0002,\"p999Seconds\":0.003,"
            + "\"maxSeconds\":0.04},\"write\":{\"count\":9,\"p50Seconds\":0.00002,\"p99Seconds\":0.0123,"
            + "\"p999Seconds\":0.02,\"maxSeconds\":0.05}},";

    private final Board board = new Board("/run/ramback", true);
    private final Keyboard keyboard = new Keyboard();

    @BeforeEach
    void twoDevices() throws Exception {
        board.found(List.of("build", "scratch"), 0);
        answer(
                "build",
                BUSY + "\"uptimeSeconds\":10,\"requests\":{\"reads\":0,\"readBytes\":0,\"writes\":0,\"writeBytes\":0}",
                0);
        answer(
                "build",
                BUSY + "\"uptimeSeconds\":11,\"requests\":{\"reads\":12345,\"readBytes\":50331648,\"writes\":678,"
                        + "\"writeBytes\":2777088}",
                SECOND);
        answer("scratch", "", SECOND);
    }

    private void answer(String name, String more, long nowNanos) throws Exception {
        Watched device = board.device(name);
        device.ask();
        device.answer(Answer.status(name, more), nowNanos);
    }

    private List<String> frame(int columnCount, int rowCount) {
        return frame(columnCount, rowCount, SECOND);
    }

    private List<String> frame(int columnCount, int rowCount, long nowNanos) {
        List<AttributedString> lines = Frame.of(board, keyboard, nowNanos, columnCount, rowCount, PLAIN);
        assertThat(lines).hasSizeLessThanOrEqualTo(rowCount);
        assertThat(lines).allSatisfy(line -> assertThat(line.columnLength()).isLessThanOrEqualTo(columnCount));
        return lines.stream().map(line -> line.toString().stripTrailing()).toList();
    }

    @Test
    void theUsualScreenShowsTheDevicesAndTheChosenOne() {
        assertThat(frame(80, 24))
                .containsExactly(
                        "  NAME         LIGHT   MODE         STATE    LOAD DIRTY  LOSS  RD/s  WR/s    P99",
                        "> build        * amber checkpoint   loading   25% 12.3M 4.20M 12.3k   678 12.3ms",
                        "  scratch      * green writeback    ready    100%     0  none     -     -      -",
                        "",
                        "build  * amber  loading",
                        "size      1 GiB, 262,144 chunks of 4 KiB",
                        "mode      checkpoint, at most 1.00 s behind",
                        "loaded    [##--------]  25 %, 768 MiB left, 50.0 MiB/s, 15 s to go",
                        "dirty     [----------]   4 % 12.3 MiB of at most 256 MiB",
                        "at risk   4.20 MiB, the oldest 0.50 s old (at most 1.00 s), if the power failed~",
                        "power     on-battery for 12 s, battery 92 %, says ups@localhost",
                        "          power gone now: 312 MiB to save, 2.1 s of 840 s battery",
                        "committed nothing since the start",
                        "journal   [##--------]  25 % 64.0 MiB of 256 MiB, /srv/build.img.journal",
                        "image     file:///srv/build.img, direct I/O",
                        "clients   0, 0 requests wait",
                        "requests  12,345 reads/s (48.0 MiB/s), 678 writes/s (2.65 MiB/s), 0 flushes/s",
                        "latency   read  p50 10.0 us, p99 200 us, p99.9 3.00 ms, max 40.0 ms",
                        "          write p50 20.0 us, p99 12.3 ms, p99.9 20.0 ms, max 50.0 ms",
                        "NBD       nbd+unix:///build?socket=/run/ramback/build/nbd.sock",
                        "daemon    pid 4711, up 11 s",
                        "",
                        "",
                        "up/down choose  f flush  m mode  ? help  q quit");
    }

    @Test
    void whatIsAttachedIsALineAndInTheTableIfThereIsRoom() throws Exception {
        answer(
                "scratch",
                "\"attached\":{\"via\":\"fuse\",\"device\":\"/dev/loop0\",\"mounts\":[\"/mnt\"],\"left\":false}",
                SECOND);
        board.choose(1);
        assertThat(frame(80, 24)).contains("attached  /dev/loop0 on /mnt, by fuse");
        assertThat(frame(120, 24).subList(0, 3))
                .satisfiesExactly(
                        titles -> assertThat(titles).endsWith(" ATTACHED"),
                        first -> assertThat(first).endsWith(" -"),
                        second -> assertThat(second).endsWith(" fuse"));
        assertThat(frame(40, 10)).noneMatch(line -> line.startsWith("attached"));
    }

    @Test
    void aWideScreenHasAllColumns() {
        assertThat(frame(120, 24).subList(0, 2))
                .satisfiesExactly(
                        titles -> assertThat(titles).contains("RD B/s WR B/s POWER"),
                        first -> assertThat(first).contains("48.0M  2.65M on-battery"));
    }

    @Test
    void aSmallScreenKeepsWhatMatters() {
        assertThat(frame(40, 10))
                .containsExactly(
                        "  NAME     LIGHT   MODE         STATE",
                        "> build    * amber checkpoint   loading",
                        "  scratch  * green writeback    ready",
                        "build  * amber  loading",
                        "loaded    [#-----]  25 %, 768 MiB left,~",
                        "dirty     [------]   4 % 12.3 MiB of at~",
                        "at risk   4.20 MiB, the oldest 0.50 s o~",
                        "journal   [#-----]  25 % 64.0 MiB of 25~",
                        "",
                        "up/down f flush m mode ? help q quit");
    }

    @Test
    void whateverTheSizeNothingIsWiderOrLonger() throws Exception {
        answer("scratch", "\"state\":\"\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\"", SECOND);
        board.request("build", "flush of build", SECOND);
        for (String keys : new String[] {"", "m", "4", "", "?"}) {
            if (!keys.isEmpty()) {
                keyboard.press(KeyParser.parse(keys), "build");
            }
            for (int columnCount = 1; columnCount < 130; columnCount += 3) {
                for (int rowCount = 1; rowCount < 40; rowCount++) {
                    frame(columnCount, rowCount);
                }
            }
        }
    }

    @Test
    void manyDevicesScrollWithTheChosenOne() {
        List<String> names = IntStream.range(0, 60)
                .mapToObj(i -> String.format("disk%02d", i))
                .collect(Collectors.toList());
        board.found(names, 0);
        board.choose(-Integer.MAX_VALUE);
        assertThat(frame(80, 24).subList(1, 3))
                .satisfiesExactly(
                        first -> assertThat(first).startsWith("> disk00"),
                        second -> assertThat(second).startsWith("  disk01"));
        board.choose(30);
        assertThat(frame(80, 24)).anySatisfy(line -> assertThat(line).startsWith("> disk30"));
        board.choose(Integer.MAX_VALUE);
        List<String> end = frame(80, 24);
        assertThat(end).anySatisfy(line -> assertThat(line).startsWith("> disk59"));
        assertThat(end).anySatisfy(line -> assertThat(line).startsWith("  disk58"));
    }

    @Test
    void oneDeviceAloneHasNoTable() throws Exception {
        Board one = new Board("/run/ramback", false);
        one.found(List.of("build"), 0);
        one.device("build").answer(Answer.status("build", BUSY + "\"pid\":1"), SECOND);
        List<AttributedString> lines = Frame.of(one, keyboard, SECOND, 80, 24, PLAIN);
        assertThat(lines).hasSize(24);
        assertThat(lines.getFirst().toString()).isEqualTo("build  * amber  loading");
        assertThat(lines.getLast().toString()).isEqualTo("f flush  m mode  ? help  q quit");
    }

    @Test
    void coloursOnlyRepeatWhatWordsSay() {
        List<AttributedString> coloured = Frame.of(board, keyboard, SECOND, 80, 24, COLOURED);
        assertThat(coloured.get(1).toAnsi()).contains("33m●");
        assertThat(coloured.get(1).toString()).contains("● amber");
        assertThat(coloured.get(2).toAnsi()).contains("32m●");
        assertThat(coloured.get(2).toString()).contains("● green");
        String plain = Frame.of(board, keyboard, SECOND, 80, 24, new Style(false, true)).stream()
                .map(AttributedString::toAnsi)
                .collect(Collectors.joining());
        assertThat(plain).contains("● amber").doesNotContain("31m", "32m", "33m");
        assertThat(coloured.get(1).toString())
                .as("chosen, for those who don't see it reversed")
                .startsWith("> ");
    }

    @Test
    void aDeviceThatDoesNotAnswerShowsItsAgeAndNoLight() {
        board.device("build").ask();
        List<String> lines = frame(80, 24, 13 * SECOND);
        assertThat(lines.get(1))
                .startsWith("> build        ? none  checkpoint   12 s old  25%")
                .endsWith("12.3ms");
        assertThat(lines.get(4)).isEqualTo("build  ? none  12 s old");
        assertThat(lines.get(5)).isEqualTo("does not answer; this is what it said last");
        assertThat(lines).anySatisfy(line -> assertThat(line).startsWith("loaded    [##---"));
    }

    @Test
    void aDeviceWhoseDaemonDiedSaysWhy() {
        board.device("build").refuse(new Refusal(Refusal.Kind.NO_DEVICE, "the daemon of build is gone"), false);
        List<String> lines = frame(80, 24);
        assertThat(lines.get(1)).startsWith("> build        ? none  checkpoint   gone");
        assertThat(lines.get(4)).isEqualTo("build  ? none  gone");
        assertThat(lines.get(5)).isEqualTo("the daemon of build is gone");
        assertThat(lines).noneSatisfy(line -> assertThat(line).startsWith("loaded"));
    }

    @Test
    void thatNoneRunsIsSaid() {
        assertThat(frame(80, 24).getFirst()).contains("NAME");
        board.found(List.of(), 0);
        assertThat(frame(80, 24).subList(0, 2))
                .containsExactly(
                        "no device is running (looked in /run/ramback)",
                        "start one with 'ramback up IMAGE': it appears here");
    }

    @Test
    void aRefusalIsShownInFullWhereItFits() {
        board.request("build", "mode checkpoint of build", SECOND);
        board.done(
                "build",
                "checkpoint needs a journal, and this device keeps none; start it with one, or use writeback",
                SECOND);
        List<String> lines = frame(80, 24);
        assertThat(lines.subList(21, 23))
                .containsExactly(
                        "mode checkpoint of build failed: checkpoint needs a journal, and this device",
                        "keeps none; start it with one, or use writeback");
        List<String> narrow = frame(40, 24);
        assertThat(narrow.subList(20, 23))
                .containsExactly(
                        "mode checkpoint of build failed:",
                        "checkpoint needs a journal, and this",
                        "device keeps none; start it with one, o~");
    }

    @Test
    void questionsStandAboveTheKeys() {
        keyboard.press(KeyParser.parse("m"), "build");
        List<String> lines = frame(80, 24);
        assertThat(lines.get(21)).startsWith("mode of build?  1 writethrough  2 writeback  3 checkpoint  4 unsafe");
        assertThat(lines.getLast()).startsWith("up/down choose");
        keyboard.press(KeyParser.parse("4"), "build");
        assertThat(String.join(" ", frame(80, 24).subList(20, 23))).contains("unsafe: from now on", "y switches");
    }

    @Test
    void helpFitsTheSmallestUsualScreen() {
        keyboard.press(KeyParser.parse("?"), "build");
        List<String> lines = frame(80, 24);
        assertThat(lines).anySatisfy(line -> assertThat(line).contains("f ", "flush"));
        assertThat(lines).anySatisfy(line -> assertThat(line).contains("* red"));
        assertThat(lines.getLast()).isEqualTo("any key goes back");
        assertThat(lines).noneSatisfy(line -> assertThat(line).endsWith("~"));
    }

    @Test
    void textIsBrokenAtSpaces() {
        assertThat(Frame.wrap("one two three", 7, 9)).containsExactly("one two", "three");
        assertThat(Frame.wrap("one two three", 7, 1)).containsExactly("one two three");
        assertThat(Frame.wrap("one", 1, 2)).containsExactly("one");
        assertThat(Frame.wrap("", 10, 2)).isEmpty();
        assertThat(Frame.wrap("one", 10, 0)).isEmpty();
    }
}
