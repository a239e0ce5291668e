package ramback.model.journal;

import java.util.List;
import ramback.device.Mode;
import ramback.model.Bits;
import ramback.model.Process;

/** Changes the mode: {@code ImageDevice.setMode}. */
final class Operator implements Process {

    private enum Step {
        BEGIN,
        OPEN,
        WAIT_SUSPENDED,
        WAIT_VERSIONS,
        WAIT_COMMIT,
        REPORT,
        // After an attach: status says unsafe until an epoch takes the suspension back.
        ATTACHED
    }

    private static final Step[] STEPS = Step.values();

    private final World world;
    private final Mutant mutant;
    private final List<Mode> script;

    private int at;
    private Step step = Step.BEGIN;
    private int target;
    /** What had been acknowledged when the switch began; the observer's. */
    private int covered;

    Operator(World world, List<Mode> script) {
        this.world = world;
        this.mutant = world.mutant;
        this.script = script;
    }

    @Override
    public void layout(Bits bits) {
        at = bits.field(at, 2);
        step = STEPS[bits.field(step.ordinal(), 3)];
        target = bits.field(target, 4);
        covered = bits.field(covered, Ledger.ID_MAX + 1);
    }

    @Override
    public int choiceCount() {
        return script.isEmpty() ? 0 : 1;
    }

    @Override
    public String describe(int choice) {
        return "operator: "
                + (at == script.size() ? "" : "mode " + script.get(at).word() + ", ") + step;
    }

    boolean isDone() {
        return at == script.size() && step != Step.ATTACHED;
    }

    @Override
    public boolean act(int choice) {
        if (isDone()) {
            return false;
        }
        return switch (step) {
            case BEGIN -> begin(script.get(at));
            case OPEN -> readOpen();
            case WAIT_SUSPENDED -> !world.wantsSuspended && done();
            case WAIT_VERSIONS -> isInUse() && file();
            case WAIT_COMMIT -> world.committed >= target && file();
            case REPORT -> report(script.get(at));
            case ATTACHED -> isInUse() && report(world.filed);
        };
    }

    private boolean go(Step next) {
        step = next;
        return true;
    }

    private boolean begin(Mode mode) {
        covered = world.ledger.acknowledged;
        Mode from = world.reported;
        if (mode == Mode.UNSAFE) {
            if (mutant != Mutant.UNSAFE_REPORTED_LATE) {
                reportUnsafe();
            }
            world.wantsSuspended = true;
            return go(Step.WAIT_SUSPENDED);
        }
        if (mode.compareTo(from) > 0) {
            world.reported = mode;
            world.promising = mode;
            world.filed = mode;
            return done();
        }
        if (mutant == Mutant.TARGET_READ_BEFORE_PROMISING) {
            target = world.open;
            return go(Step.OPEN);
        }
        // From here on acknowledgements follow the new mode, status speaks of the old one.
        world.promising = mode;
        return go(Step.OPEN);
    }

    private void reportUnsafe() {
        world.promising = Mode.UNSAFE;
        world.reported = Mode.UNSAFE;
        world.ledger.promised = 0;
    }

    private boolean readOpen() {
        world.promising = script.get(at);
        if (mutant == Mutant.MODE_REPORTED_EARLY) {
            world.wantsVersions = world.suspended;
            return report(script.get(at));
        }
        if (world.reported == Mode.UNSAFE) {
            world.wantsVersions = true;
            return go(Step.WAIT_VERSIONS);
        }
        target = target == 0 ? world.open : target;
        world.demanded = Math.max(world.demanded, target);
        return go(Step.WAIT_COMMIT);
    }

    /** The journal is in use, and says so. */
    private boolean isInUse() {
        return world.keepsVersions && !world.wantsVersions && !world.suspended;
    }

    private boolean file() {
        world.filed = script.get(at);
        return go(Step.REPORT);
    }

    /** The new mode is reported: all that was acknowledged before the switch is durable, in writethrough all there is. */
    private boolean report(Mode mode) {
        world.reported = mode;
        world.ledger.promise(mode.writesWait() ? world.ledger.acknowledged : covered);
        return step == Step.ATTACHED ? go(Step.BEGIN) : done();
    }

    /** The process is killed: a change under way is never answered; the next process does what the state file says. */
    void kill() {
        at += step == Step.BEGIN || step == Step.ATTACHED ? 0 : 1;
        covered = 0;
        target = 0;
        go(world.wantsVersions ? Step.ATTACHED : Step.BEGIN);
    }

    private boolean done() {
        if (script.get(at) == Mode.UNSAFE && world.reported != Mode.UNSAFE) {
            reportUnsafe();
        }
        at++;
        covered = 0;
        target = 0;
        return go(Step.BEGIN);
    }
}
