package ramback.control;

import java.util.List;
import java.util.function.Function;
import ramback.attach.ControlFile;
import ramback.device.Mode;
import ramback.engine.Refusal;

/**
 * The files beside a device in its FUSE directory, as the driver of 2008 had one in {@code /proc}: what it took,
 * {@code echo 1}, {@code echo 0} and {@code echo 256}, is taken here, each by the file it is about.
 */
final class ControlFiles {

    private final DeviceControl device;
    private final Function<StatusReport, List<String>> screen;

    private ControlFiles(DeviceControl device, Function<StatusReport, List<String>> screen) {
        this.device = device;
        this.screen = screen;
    }

    /**
     * The files of a device.
     *
     * @param screen its status for people, a line each
     */
    static List<ControlFile> of(DeviceControl device, Function<StatusReport, List<String>> screen) {
        ControlFiles files = new ControlFiles(device, screen);
        return List.of(
                new ControlFile("status", files::status, null),
                new ControlFile("mode", files::mode, files::switchMode),
                new ControlFile("trace", files::trace, files::switchTrace),
                new ControlFile("flush", files::progress, files::flush));
    }

    /** What one of the files shows of a status. */
    private interface Text {
        String of(StatusReport status);
    }

    private String show(Text text) {
        try {
            return text.of(device.status()) + "\n";
        } catch (Refusal e) {
            return e.getMessage() + "\n";
        }
    }

    private String status() {
        return show(status -> String.join("\n", screen.apply(status)));
    }

    private String mode() {
        return show(StatusReport::mode);
    }

    private void switchMode(String word) throws Refusal, InterruptedException {
        switch (word) {
            case "1" -> device.switchMode(Mode.WRITETHROUGH);
            case "0", ModeWords.AUTO -> device.switchModeToAuto();
            default -> device.switchMode(ModeWords.parse(word, true));
        }
    }

    private String trace() {
        return show(status -> status.trace() ? "on" : "off");
    }

    private void switchTrace(String word) throws Refusal {
        switch (word) {
            case "on", "256" -> device.trace(true);
            case "off", "0" -> device.trace(false);
            default -> throw unknown(word, "on, off, 256, 0");
        }
    }

    private String progress() {
        return show(status ->
                status.dirtyBytes() + " bytes to write" + (status.state().equals("flushing") ? ", flushing" : ""));
    }

    private void flush(String word) throws Refusal, InterruptedException {
        if (!word.equals("1")) {
            throw unknown(word, "1");
        }
        device.flush();
    }

    private static Refusal unknown(String word, String known) {
        return new Refusal(Refusal.Kind.USAGE, "bad word '" + word + "'; use one of " + known);
    }
}
