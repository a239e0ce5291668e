package ramback.model.journal;

import ramback.model.Bits;
import ramback.model.Process;

/**
 * A kill of the process at any moment, and the attach of the next one to the same RAM. The kernel keeps what was written to
 * the image and to the journal; everything else that was not in the segment is gone.
 */
final class Kill implements Process {

    private final World world;
    private final Mutant mutant;
    private final Sealer sealer;
    private final Applier applier;
    private final Operator operator;
    private int killsLeft;

    Kill(World world, Sealer sealer, Applier applier, Operator operator) {
        this.world = world;
        this.mutant = world.mutant;
        this.sealer = sealer;
        this.applier = applier;
        this.operator = operator;
        killsLeft = world.scenario.killCount();
    }

    @Override
    public void layout(Bits bits) {
        killsLeft = bits.field(killsLeft, 1);
    }

    @Override
    public int choiceCount() {
        return world.scenario.killCount() == 0 ? 0 : 1;
    }

    @Override
    public String describe(int choice) {
        return "the process is killed, the next one attaches";
    }

    @Override
    public boolean act(int choice) {
        if (killsLeft == 0) {
            return false;
        }
        killsLeft--;
        sealer.kill();
        applier.kill();
        world.loseProcess();
        operator.kill();
        for (Writer writer : world.writers) {
            int redo = writer.kill();
            if (redo != 0 && mutant != Mutant.ATTACH_WITHOUT_REDO) {
                world.redo(redo, writer.chunksOf(redo));
            }
        }
        return true;
    }
}
