package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import ramback.cli.StatusScreen.Style;
import ramback.control.SampleStatus;

class StatusScreenTest {

    private static final Style PLAIN = new Style(false, false);

    @Test
    void everythingIsOnOneScreen() {
        var lines = StatusScreen.lines(SampleStatus.loading(), PLAIN);
        assertThat(lines).hasSizeLessThanOrEqualTo(23);
        assertThat(String.join("\n", lines))
                .contains(
                        "disk  * amber  loading",
                        "100 MiB, 100 chunks of 1 MiB",
                        "unsafe (configured: writeback), chosen by hand",
                        "[######------------------]  25 %, 75.0 MiB left, 50.0 MiB/s, 1.50 s to go",
                        "12.0 KiB of at most 25.0 MiB, 3 chunks, 200 MiB/s, writers throttled",
                        "the whole device, if the power failed now (unsafe); last clean 1.50 s ago",
                        "epoch 9 at 2026-01-02T03:04:05Z",
                        "[######------------------]  25 % 16.0 MiB of 64 MiB, /x/disk.img.journal",
                        "file:///x/disk.img, direct I/O",
                        "1 since the start, the last: no space left",
                        "[############------------]  50 % /x/snapshot.img",
                        "  clients    3 (1 by fuse, 2 by nbd), 2 requests wait",
                        "1,000 reads (3.91 MiB), 500 writes (1.95 MiB), 7 flushes, 5 failed",
                        "nbd+unix:///disk?socket=/run/disk/nbd.sock",
                        "nbd://127.0.0.1:10809/disk",
                        "pid 4711, up 13 s, trace on",
                        "  power      on-battery for 3.50 s, battery 92 %, says ups@localhost: self-test",
                        "             power gone now: 312 MiB to save, 2.1 s of 840 s battery",
                        "  latency    read  p50 10.0 us, p99 200 us, p99.9 3.00 ms, max 40.0 ms",
                        "  attached   /dev/loop7 on /mnt/a b, /srv, left by a daemon that is gone: 'ramback detach' takes it apart",
                        "  warning    swap is on",
                        "  warning    the tmpfs is small");
    }

    @Test
    void eachUriSaysWhatItsClientsMayAndMustDoAboutTls() throws Exception {
        assertThat(uris("off", "nbd://192.168.100.100:10809/disk"))
                .containsExactly(
                        "  NBD        nbd+unix:///disk?socket=/run/ramback/disk/nbd.sock",
                        "             nbd://192.168.100.100:10809/disk");
        assertThat(uris("allow", "nbd://192.168.100.100:10809/disk"))
                .containsExactly(
                        "  NBD        nbd+unix:///disk?socket=/run/ramback/disk/nbd.sock (TLS allowed)",
                        "             nbd://192.168.100.100:10809/disk (TLS allowed)");
        assertThat(uris("require", "nbds://192.168.100.100:10809/disk"))
                .containsExactly(
                        "  NBD        nbd+unix:///disk?socket=/run/ramback/disk/nbd.sock (TLS allowed)",
                        "             nbds://192.168.100.100:10809/disk (TLS required)")
                .allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80));
    }

    private static List<String> uris(String tls, String tcpUri) throws IOException {
        var status = Answer.status("disk", "\"tls\":\"" + tls + "\",\"tcpUri\":\"" + tcpUri + "\"");
        return StatusScreen.lines(status, PLAIN).stream()
                .filter(line -> line.contains("nbd"))
                .toList();
    }

    @Test
    void clientsAreToldApartOnlyWhereTheyAreNotOfNbdAlone() throws Exception {
        assertThat(clients("\"clients\":3")).as("of an older daemon").isEqualTo("  clients    3, 0 requests wait");
        assertThat(clients("\"clients\":3,\"clientsVia\":{\"fuse\":0,\"nbd\":3,\"ublk\":0}"))
                .isEqualTo("  clients    3, 0 requests wait");
        assertThat(clients("\"clients\":1,\"clientsVia\":{\"fuse\":0,\"nbd\":0,\"ublk\":1}"))
                .isEqualTo("  clients    1 (1 by ublk), 0 requests wait");
    }

    private static String clients(String more) throws IOException {
        return StatusScreen.lines(Answer.status("disk", more), PLAIN).stream()
                .filter(line -> line.startsWith("  clients"))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void theLightIsAWordEvenWhereItIsAColour() {
        Style coloured = new Style(true, true);
        assertThat(StatusScreen.light(SampleStatus.of("ready", 100, 0, 0), coloured))
                .isEqualTo("\033[32m●\033[0m green");
        assertThat(StatusScreen.light(SampleStatus.of("loading", 1, 0, 0), coloured))
                .contains("33m", "amber");
        assertThat(StatusScreen.light(SampleStatus.of("degraded", 1, 0, 0), coloured))
                .contains("31m", "red");
        assertThat(StatusScreen.light(SampleStatus.of("ready", 100, 0, 0), PLAIN))
                .isEqualTo("* green");
    }

    @Test
    void noColorIsHonoured() {
        assertThat(Terminal.wantsColour(Map.of())).isTrue();
        assertThat(Terminal.wantsColour(Map.of("NO_COLOR", ""))).isTrue();
        assertThat(Terminal.wantsColour(Map.of("NO_COLOR", "1"))).isFalse();
        assertThat(Terminal.wantsColour(Map.of("TERM", "dumb"))).isFalse();
    }

    @Test
    void aFlushIsDrawnAgainstWhatItBeganWith() {
        var lines = StatusScreen.lines(SampleStatus.of("flushing", 100, 256 << 20, 64 << 20), null, 1024L << 20, PLAIN);
        assertThat(String.join("\n", lines))
                .contains("[##################------]  75 % flushed, 256 MiB left, 64.0 MiB/s, 4.00 s to go");
    }

    @Test
    void aBarIsFullOnlyWhenItIs() {
        assertThat(StatusScreen.bar(999, 1000, 24)).endsWith("-]  99 %");
        assertThat(StatusScreen.bar(1000, 1000, 24)).endsWith("#] 100 %");
        assertThat(StatusScreen.bar(0, 1000, 24)).contains("[------------------------]   0 %");
        assertThat(StatusScreen.bar(5, 0, 24)).endsWith("100 %");
        assertThat(StatusScreen.bar(1, 2, 6)).isEqualTo("[###---]  50 %");
    }

    @Test
    void progressSaysWhatIsLeftAndForHowLong() {
        assertThat(Progress.line(SampleStatus.of("stopping", 100, 256 << 20, 64 << 20), 1024L << 20))
                .isEqualTo("ramback: disk flushing, 256 MiB of 1.00 GiB left (75 % done), 64.0 MiB/s, 4.00 s to go");
        assertThat(Progress.line(SampleStatus.of("degraded", 100, 256 << 20, 0), 256 << 20))
                .endsWith("(0 % done); waits for the disk: cannot write: no space left");
        // What failed once, and does not now, is not what it waits for.
        assertThat(Progress.line(SampleStatus.of("stopping", 100, 256 << 20, 0), 256 << 20))
                .endsWith("(0 % done)");
        // Nothing is left to write, and the disk does not answer: that is why it does not end.
        assertThat(Progress.line(SampleStatus.of("degraded", 100, 0, 0), 256 << 20))
                .isEqualTo("ramback: disk has flushed everything; waits for the disk: cannot write: no space left");
        assertThat(Progress.line(SampleStatus.of("stopping", 100, 0, 0), 256 << 20))
                .isNull();
    }

    @Test
    void whatFailsNowIsToldBesideWhatFailedLast() {
        assertThat(String.join("\n", StatusScreen.lines(SampleStatus.of("degraded", 100, 0, 0), PLAIN)))
                .contains("failing    cannot write: no space left", "errors     1 since the start");
        assertThat(String.join("\n", StatusScreen.lines(SampleStatus.of("ready", 100, 0, 0), PLAIN)))
                .doesNotContain("failing");
    }

    @Test
    void whereAnAmountIsGoingIsSaidWhileItIsFollowed() throws Exception {
        String limits = "\"dirtyMaxBytes\":104857600,\"chunks\":1,\"loadedChunks\":1,";
        var before = Answer.status(
                "disk",
                limits + "\"uptimeSeconds\":10,\"dirtyBytes\":10485760,"
                        + "\"journal\":{\"path\":\"/j\",\"sizeBytes\":104857600,\"usedBytes\":52428800}");
        var after = Answer.status(
                "disk",
                limits + "\"uptimeSeconds\":11,\"dirtyBytes\":20971520,"
                        + "\"journal\":{\"path\":\"/j\",\"sizeBytes\":104857600,\"usedBytes\":41943040}");
        assertThat(String.join("\n", StatusScreen.lines(after, before, 0, PLAIN)))
                .contains("20.0 MiB of at most 100 MiB, full in 8.00 s")
                .contains("40.0 MiB of 100 MiB, -10.0 MiB/s, empty in 4.00 s, /j");
        assertThat(String.join("\n", StatusScreen.lines(after, null, 0, PLAIN))).doesNotContain("full in", "empty in");
    }

    @Test
    void aDaemonsWordsCannotDriveTheTerminal() throws Exception {
        var hostile = Answer.status(
                "di\\u001b[2Jsk",
                "\"state\":\"ready\\u0007\",\"backing\":{\"uri\":\"file:///a\\u009b31m\",\"failing\":\"x\\r\\ny\"},"
                        + "\"power\":{\"state\":\"online\\u001b]0;t\\u0007\"},"
                        + "\"process\":{\"warnings\":[\"\\u202egnp\"]},\"latency\":{\"re\\tad\":{\"count\":1}}");
        String text = String.join("", StatusScreen.lines(hostile, PLAIN));
        assertThat(text)
                .contains("di?[2Jsk")
                .contains("ready?")
                .contains("file:///a?31m")
                .contains("x??y");
        assertThat(text.chars()
                        .filter(c -> c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0x202e)
                        .count())
                .isZero();
    }

    @Test
    void withoutAnybodyToSaySoNothingIsSaidOfThePower() throws Exception {
        assertThat(PowerWords.lines(Answer.status("disk", "").power())).isEmpty();
        assertThat(PowerWords.lines(
                        Answer.status("disk", "\"power\":{\"state\":\"none\"}").power()))
                .isEmpty();
        assertThat(PowerWords.lines(Answer.status("disk", "\"power\":{\"state\":\"unknown\",\"toSaveBytes\":1024}")
                        .power()))
                .containsExactly("unknown for 0.00 s", "power gone now: 1.00 KiB to save, ? s, battery unknown");
    }
}
