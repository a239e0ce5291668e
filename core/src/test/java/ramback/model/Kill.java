package ramback.model;

import java.util.List;

/**
 * A kill of the process at any moment: also while it attaches to what the one before has left. The segment stays, and what
 * was written to the image, synced or not, is the kernel's; everything else is gone.
 */
final class Kill implements Process {

    private final World world;
    private final List<Client> clients;
    private final Loader loader;
    private final Sealer sealer;
    private final Applier applier;
    private final Attach attach;

    private int killsLeft;
    /** Kills of a process that attaches. */
    private int earlyKillsLeft;

    Kill(World world, List<Client> clients, Loader loader, Sealer sealer, Applier applier, Attach attach) {
        this.world = world;
        this.clients = clients;
        this.loader = loader;
        this.sealer = sealer;
        this.applier = applier;
        this.attach = attach;
        killsLeft = world.scenario.killCount();
        earlyKillsLeft = world.scenario.hasKill() ? 1 : 0;
    }

    @Override
    public void layout(Bits bits) {
        killsLeft = bits.field(killsLeft, 2);
        earlyKillsLeft = bits.field(earlyKillsLeft, 1);
    }

    @Override
    public int choiceCount() {
        return world.scenario.hasKill() ? 1 : 0;
    }

    @Override
    public String describe(int choice) {
        return "the process is killed";
    }

    @Override
    public boolean act(int choice) {
        return attach.isOver() ? kill() : killEarly();
    }

    private boolean kill() {
        if (killsLeft == 0) {
            return false;
        }
        killsLeft--;
        int lost = 0;
        for (Client client : clients) {
            lost |= client.kill();
        }
        loader.kill();
        sealer.kill();
        applier.kill();
        world.loseProcess();
        world.ledger.lose(lost);
        attach.begin();
        return true;
    }

    /** Only once it has done something; otherwise nothing is different from one process later. */
    private boolean killEarly() {
        if (earlyKillsLeft == 0 || !attach.hasBegun()) {
            return false;
        }
        earlyKillsLeft--;
        attach.begin();
        return true;
    }
}
