package ramback.power;

import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;
import ramback.device.Mode;

/**
 * What a device does about its power. Decides, and does nothing: what it says follows from what it is told, now and before. (It lies
 * here and not in {@code engine}, which carries it out, so that the simulation decides as the daemon does.) For one thread at a time.
 *
 * <pre>
 *   no source, or line power      the configured mode; writes within the battery's budget
 *   the same, battery too weak    writethrough
 *   on battery, low battery       writethrough, the image left alone
 *   unknown                       writeback, or stricter if so configured; writethrough if a battery was at work
 *   somebody chose a mode         that one, whatever the power; the rest as above
 * </pre>
 */
public final class PowerPolicy {

    /** A budget below this is none: a batch of the journal. */
    public static final long BUDGET_BYTES_MIN = 1L << 20;

    /** A battery that was too weak is strong enough again when it lasts so much longer: runtimes go up and down a little. */
    private static final double RECOVERY_SECONDS = 5;

    private final Mode configured;
    private final long dirtyMaxBytes;
    private final long unsafeMaxBytes;
    private final long budgetMinBytes;
    private boolean isTooWeak;

    /**
     * For a device.
     *
     * @param configured the mode that {@code up} was given
     * @param dirtyMaxBytes the limit on what is not committed, whatever the power
     * @param unsafeMaxBytes the same in {@code unsafe}, where nothing is promised that a limit would bound
     */
    public PowerPolicy(Mode configured, long dirtyMaxBytes, long unsafeMaxBytes) {
        this(configured, dirtyMaxBytes, unsafeMaxBytes, BUDGET_BYTES_MIN);
    }

    /**
     * As above.
     *
     * @param budgetMinBytes a budget below this is none
     */
    public PowerPolicy(Mode configured, long dirtyMaxBytes, long unsafeMaxBytes, long budgetMinBytes) {
        this.configured = configured;
        this.dirtyMaxBytes = dirtyMaxBytes;
        this.unsafeMaxBytes = unsafeMaxBytes;
        this.budgetMinBytes = budgetMinBytes;
    }

    /**
     * What to do.
     *
     * @param mode the mode to be in
     * @param limitBytes how much may be uncommitted
     * @param holdsApplying whether the image is left alone
     * @param reason why it is not as configured, or null when it is
     */
    public record Decision(
            Mode mode,
            long limitBytes,
            boolean holdsApplying,
            @Nullable String reason) {}

    /**
     * Decides.
     *
     * @param chosen the mode that somebody chose, or null
     * @param floorBytesPerSecond at which is saved what is not, at the least
     */
    public Decision decide(PowerView view, @Nullable Mode chosen, double floorBytesPerSecond) {
        long budgetBytes = budgetBytes(view, 0, floorBytesPerSecond);
        isTooWeak = budgetBytes(view, isTooWeak ? RECOVERY_SECONDS : 0, floorBytesPerSecond) < budgetMinBytes;
        Mode mode = chosen == null ? mode(view) : chosen;
        long maxBytes = mode == Mode.UNSAFE ? unsafeMaxBytes : dirtyMaxBytes;
        long limitBytes = Math.min(maxBytes, Math.max(budgetMinBytes, budgetBytes));
        return new Decision(mode, limitBytes, view.isOnBattery(), reason(view));
    }

    private static long budgetBytes(PowerView view, double lessSeconds, double floorBytesPerSecond) {
        if (view.isBatteryWeak()) {
            return 0;
        }
        OptionalDouble runtime = view.runtimeSeconds();
        OptionalDouble counted = runtime.isEmpty() ? runtime : OptionalDouble.of(runtime.getAsDouble() - lessSeconds);
        return DrainBudget.limitBytes(counted, view.lowSeconds(), floorBytesPerSecond);
    }

    private Mode mode(PowerView view) {
        if (view.isOnBattery()) {
            return Mode.WRITETHROUGH;
        }
        return switch (view.state()) {
            case NONE, ONLINE -> isTooWeak ? Mode.WRITETHROUGH : configured;
            case UNKNOWN -> whenUnknown(configured);
            case ON_BATTERY, LOW_BATTERY -> Mode.WRITETHROUGH;
        };
    }

    /** The mode for as long as nothing is known of the power: no looser than writeback. */
    public static Mode whenUnknown(Mode configured) {
        return configured == Mode.WRITETHROUGH ? Mode.WRITETHROUGH : Mode.WRITEBACK;
    }

    private @Nullable String reason(PowerView view) {
        return switch (view.state()) {
            case NONE -> null;
            case ONLINE -> isTooWeak ? "the battery is too weak" : null;
            case ON_BATTERY -> "on battery";
            case LOW_BATTERY -> "the battery is low";
            case UNKNOWN ->
                view.wasOnBattery() ? "the UPS can't be heard, and was on battery" : "the UPS can't be heard";
        };
    }
}
