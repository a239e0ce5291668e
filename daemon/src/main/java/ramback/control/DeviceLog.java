package ramback.control;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Tells the log what becomes of a device: one line for each change of its state, light, mode or power, with the reason, and one for
 * each thing that was done with it. It compares the status with the one it told of last: whoever changes something has it look at
 * once, and says why; a look each second finds what nobody could know of. Safe for use by many threads.
 */
final class DeviceLog {

    /**
     * A change of nothing but the light between green and amber is told so long after the last one at the earliest: under load writers are
     * slowed down and let go all the time, and a line each second would hide the others.
     */
    static final long LIGHT_REST_NANOS = 10_000_000_000L;

    /** Why something changed: a word for programs, a clause for people. */
    record Reason(String word, String text) {

        static final Reason COMMAND = new Reason("command", "somebody asked for it");
        static final Reason STOP = new Reason("stop", "it stops, and carries everything dirty to the image first");
        static final Reason HANDOVER = new Reason("handover", "another program goes on with its memory");
        static final Reason CONFIGURED = new Reason("policy", "as configured");
        static final Reason NOT_CONFIGURED = new Reason("policy", "not as configured");
    }

    private final Logger log;
    private final EventLog events;
    private StatusReport told;
    private long lightNanos;
    private @Nullable Reason ending;

    /**
     * Begins with a device that has just been served; of that only the event log hears, since {@code up} says it itself.
     *
     * @param events gets every line as well
     */
    DeviceLog(Logger log, EventLog events, StatusReport first, long nowNanos) {
        this.log = log;
        this.events = events;
        this.told = first;
        this.lightNanos = nowNanos - LIGHT_REST_NANOS;
        events.note(EventLog.Level.INFO, "serving", "in " + first.mode() + ", pid " + first.pid());
        for (String warning : first.process().warnings()) {
            events.note(EventLog.Level.WARNING, "serving", warning);
        }
        events.note(colour(first), "light", first.light() + ": " + LightReason.of(first));
    }

    /** The device comes to its end, which is why what changes from now on does, unless something graver is. */
    synchronized void ends(Reason reason) {
        ending = reason;
    }

    /**
     * Tells what has changed since the last look.
     *
     * @param reason why, or null for what can be seen of it
     */
    synchronized void look(StatusReport now, long nowNanos, @Nullable Reason reason) {
        List<String> changes = new ArrayList<>();
        boolean isLightChanged = !now.light().equals(told.light());
        add(changes, "state", told.state(), now.state());
        add(changes, "mode", told.mode(), now.mode());
        add(changes, "power", told.power().state(), now.power().state());
        boolean isOnlyLight = changes.isEmpty();
        if (isOnlyLight && (!isLightChanged || (mayWait(now) && nowNanos - lightNanos < LIGHT_REST_NANOS))) {
            return;
        }
        add(changes, "light", told.light(), now.light());
        Reason why = reason == null ? seen(told, now) : reason;
        String sentence = String.join(", ", changes) + ": " + why.text();
        LogLine line = new LogLine(now.name(), "change", sentence)
                .with("state", now.state())
                .with("light", now.light())
                .with("mode", now.mode())
                .with("power", now.power().state())
                .with("reason", why.word());
        Level level = level(told, now);
        log.log(level, line.toString());
        EventLog.Level plain = level == Level.WARNING ? EventLog.Level.WARNING : EventLog.Level.INFO;
        events.note(isLightChanged ? colour(now) : plain, why.word(), sentence);
        if (isLightChanged) {
            lightNanos = nowNanos;
        }
        told = now;
    }

    private static EventLog.Level colour(StatusReport status) {
        return switch (status.lightColour()) {
            case GREEN -> EventLog.Level.GOOD;
            case AMBER -> EventLog.Level.WARNING;
            case RED -> EventLog.Level.BAD;
        };
    }

    private static void add(List<String> changes, String what, String before, String now) {
        if (!before.equals(now)) {
            changes.add(what + " " + now + " (was " + before + ")");
        }
    }

    private boolean mayWait(StatusReport now) {
        return now.lightColour() != Light.RED && told.lightColour() != Light.RED;
    }

    /** What gets worse for the data is a warning. */
    private static Level level(StatusReport before, StatusReport now) {
        boolean isRedNow = now.lightColour() == Light.RED && before.lightColour() != Light.RED;
        boolean isPowerWorse = !now.power().state().equals(before.power().state()) && !isPowerGood(now);
        return isRedNow || isPowerWorse ? Level.WARNING : Level.INFO;
    }

    private static boolean isPowerGood(StatusReport status) {
        return status.power().state().equals("online") || status.power().state().equals("none");
    }

    /** The reason that the status itself shows: the gravest change first. */
    private Reason seen(StatusReport before, StatusReport now) {
        String failing = now.backingFailing();
        if (failing != null && !failing.equals(before.backingFailing())) {
            return new Reason("fault", failing);
        }
        if (before.backingFailing() != null && failing == null) {
            return new Reason("cured", "what failed works again");
        }
        if (!now.power().state().equals(before.power().state())) {
            return power(now.power());
        }
        if (ending != null) {
            return ending;
        }
        if (before.state().equals("loading") && now.state().equals("ready")) {
            return new Reason("loaded", "all of the image is loaded");
        }
        if (!now.mode().equals(before.mode())) {
            return now.modeByHand() ? Reason.COMMAND : policy(now);
        }
        if (now.state().equals("flushing")) {
            return new Reason("flush", "everything dirty is being carried to the image");
        }
        return light(now);
    }

    private static Reason power(PowerReport power) {
        return new Reason(
                "power", power.words().isEmpty() ? "nobody says anything of the power any more" : power.words());
    }

    /** Why a mode was taken that nobody chose: what the power makes of the configured one. */
    private static Reason policy(StatusReport now) {
        boolean isConfigured = now.mode().equals(now.configuredMode());
        if (now.power().state().equals("none")) {
            return isConfigured ? Reason.CONFIGURED : Reason.NOT_CONFIGURED;
        }
        String words = now.power().words();
        return new Reason(
                "power",
                isConfigured
                        ? "as configured, which the power allows"
                        : words.isEmpty() ? "the power is " + now.power().state() : words);
    }

    private static Reason light(StatusReport now) {
        return new Reason(lightWord(now), LightReason.of(now));
    }

    private static String lightWord(StatusReport now) {
        if (now.greenLight()) {
            return "well";
        }
        if (now.state().equals("loading")) {
            return "loading";
        }
        if (!now.mode().equals(now.configuredMode())) {
            return "mode";
        }
        if (now.throttling()) {
            return "throttled";
        }
        return now.mode().equals("checkpoint") && now.lossSeconds() > now.intervalSeconds() ? "loss" : now.state();
    }

    /** Tells of something that was done. */
    void done(String event, String sentence, Object... fields) {
        tell(Level.INFO, EventLog.Level.INFO, event, sentence, fields);
    }

    /** Tells of something that was to be done and was not, or not as one would wish. */
    void failed(String event, String sentence, Object... fields) {
        tell(Level.WARNING, EventLog.Level.BAD, event, sentence, fields);
    }

    private synchronized void tell(
            Level level, EventLog.Level eventLevel, String event, String sentence, Object... fields) {
        LogLine line = new LogLine(told.name(), event, sentence);
        StringBuilder details = new StringBuilder();
        for (int i = 0; i < fields.length; i += 2) {
            line.with(String.valueOf(fields[i]), fields[i + 1]);
            details.append(i == 0 ? " (" : ", ").append(fields[i]).append(' ').append(fields[i + 1]);
        }
        log.log(level, line.toString());
        events.note(eventLevel, event, sentence + details + (fields.length == 0 ? "" : ")"));
    }
}
