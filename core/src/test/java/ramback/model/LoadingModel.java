package ramback.model;

import static ramback.model.Request.BOTH;
import static ramback.model.Request.FIRST;
import static ramback.model.Request.ONE_AND_A_HALF;
import static ramback.model.Request.PART;
import static ramback.model.Request.SECOND;
import static ramback.model.Request.SECOND_PART;
import static ramback.model.Request.flush;
import static ramback.model.Request.mode;
import static ramback.model.Request.read;
import static ramback.model.Request.write;
import static ramback.model.Request.writeForced;
import static ramback.model.Request.zero;
import static ramback.model.Scenario.scenario;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.device.Mode;

/**
 * The protocol between clients, loader, sealer and applier, and of an attach, without a journal, and the small cases in which all of its
 * interleavings are explored. {@link ModelReport} prints the figures, and how a mutant goes wrong, step by step.
 */
final class LoadingModel implements Explorer.Model {

    /** A scenario with more states than this is too large to be explored in a test. */
    static final int STATE_COUNT_MAX = 2_000_000;

    private static final int FIRST_CHUNK = 1;
    private static final int SECOND_CHUNK = 2;

    /** All cases. */
    static List<Scenario> scenarios() {
        return List.of(
                scenario("populate", Mode.WRITEBACK, List.of(write(FIRST), write(SECOND_PART)), List.of(read(BOTH))),
                scenario("populate run", Mode.WRITEBACK, List.of(write(ONE_AND_A_HALF)), List.of(write(SECOND)))
                        .split(),
                scenario("populate sparse", Mode.WRITEBACK, List.of(zero(FIRST)), List.of(write(PART)))
                        .sparse()
                        .withHoles(SECOND_CHUNK),
                scenario("holes", Mode.WRITEBACK, List.of(write(SECOND_PART)), List.of(read(SECOND)))
                        .sparse()
                        .withHoles(SECOND_CHUNK),
                scenario(
                                "flush",
                                Mode.WRITEBACK,
                                List.of(write(FIRST), flush()),
                                List.of(write(SECOND), write(PART), flush()))
                        .inRam(),
                scenario(
                                "flush runs",
                                Mode.WRITEBACK,
                                List.of(write(BOTH), flush()),
                                List.of(write(PART), write(SECOND)))
                        .inRam()
                        .split(),
                scenario(
                                "flush alone",
                                Mode.WRITEBACK,
                                List.of(write(FIRST)),
                                List.of(write(PART)),
                                List.of(flush(), flush()))
                        .inRam(),
                scenario("failures", Mode.WRITEBACK, List.of(write(FIRST), flush()), List.of(write(SECOND)))
                        .inRam()
                        .withFailures(2),
                scenario("parts", Mode.WRITEBACK, List.of(write(BOTH), flush()), List.of(write(SECOND)))
                        .inRam()
                        .inParts()
                        .withFailures(1),
                scenario(
                                "modes",
                                Mode.WRITETHROUGH,
                                List.of(write(FIRST), flush()),
                                List.of(writeForced(PART)),
                                List.of(mode(Mode.UNSAFE), mode(Mode.WRITEBACK)))
                        .inRam(),
                scenario(
                                "zeroes",
                                Mode.WRITETHROUGH,
                                List.of(zero(FIRST), write(PART)),
                                List.of(zero(PART)),
                                List.of(read(FIRST)))
                        .inRam(),
                scenario("sparse", Mode.WRITEBACK, List.of(zero(BOTH), write(FIRST), zero(FIRST)), List.of(read(BOTH)))
                        .inRam()
                        .sparse(),
                scenario("sparse writes", Mode.WRITEBACK, List.of(zero(BOTH)), List.of(write(SECOND_PART)))
                        .inRam()
                        .sparse()
                        .split(),
                scenario("killed, populate", Mode.WRITEBACK, List.of(write(ONE_AND_A_HALF)), List.of(zero(FIRST)))
                        .withKills(1),
                scenario("killed, runs", Mode.WRITEBACK, List.of(write(BOTH)), List.of(write(SECOND)))
                        .split()
                        .withKills(1),
                scenario("killed, holes", Mode.WRITEBACK, List.of(write(SECOND_PART)), List.of(zero(SECOND)))
                        .withLoaded(FIRST_CHUNK)
                        .withHoles(SECOND_CHUNK)
                        .withKills(1),
                scenario(
                                "killed, overwrite",
                                Mode.WRITEBACK,
                                List.of(write(FIRST), write(FIRST)),
                                List.of(write(FIRST)))
                        .inRam()
                        .withKills(1),
                scenario("killed, reads", Mode.WRITEBACK, List.of(write(FIRST)), List.of(read(FIRST), write(FIRST)))
                        .inRam()
                        .withKills(1),
                scenario(
                                "killed, reads of zeroes",
                                Mode.WRITEBACK,
                                List.of(zero(FIRST), write(FIRST)),
                                List.of(read(FIRST)))
                        .inRam()
                        .withKills(1),
                scenario("killed, flush", Mode.WRITEBACK, List.of(write(FIRST), flush()), List.of(write(PART)))
                        .inRam()
                        .withKills(1),
                scenario("killed, parts", Mode.WRITEBACK, List.of(write(BOTH), flush()))
                        .inRam()
                        .inParts()
                        .withFailures(1)
                        .withKills(1),
                scenario("killed, zeroes", Mode.WRITETHROUGH, List.of(zero(FIRST), write(PART)), List.of(zero(PART)))
                        .inRam()
                        .withKills(1),
                scenario("killed, sparse", Mode.WRITEBACK, List.of(zero(BOTH)), List.of(write(SECOND_PART)))
                        .inRam()
                        .sparse()
                        .withKills(1),
                scenario("killed, sparse load", Mode.WRITEBACK, List.of(write(PART)))
                        .sparse()
                        .withHoles(SECOND_CHUNK)
                        .withKills(1),
                scenario("killed twice", Mode.WRITEBACK, List.of(write(FIRST)), List.of(write(FIRST)))
                        .inRam()
                        .withKills(2));
    }

    /** The scenario of this name. */
    static Scenario scenarioNamed(String name) {
        return scenarios().stream()
                .filter(scenario -> scenario.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no such scenario: " + name));
    }

    /** What is not promised: two reads, one after the other, while zeroes are overwritten. */
    static Scenario atomicReads() {
        return scenario(
                        "atomic reads",
                        Mode.WRITEBACK,
                        List.of(zero(FIRST), write(FIRST)),
                        List.of(read(FIRST)),
                        List.of(read(FIRST)))
                .inRam()
                .withAtomicReads();
    }

    private final World world;
    private final Checks checks;
    private final Attach attach;
    private final Kill kill;
    private final List<Process> processes = new ArrayList<>();
    private final Bits bits = new Bits();
    private final Process[] actors;
    private final int[] choices;
    private final long[] beginning;

    LoadingModel(Scenario scenario, Mutant mutant) {
        world = new World(scenario, mutant);
        Sealer sealer = new Sealer(world);
        List<Client> clients = new ArrayList<>();
        for (int i = 0; i < scenario.scripts().size(); i++) {
            clients.add(new Client(world, sealer, i));
        }
        world.clients = clients;
        processes.addAll(clients);
        Loader loader = new Loader(world);
        processes.add(loader);
        processes.add(sealer);
        Applier applier = new Applier(world);
        processes.add(applier);
        attach = new Attach(world);
        kill = new Kill(world, clients, loader, sealer, applier, attach);
        processes.add(attach);
        processes.add(kill);
        checks = new Checks(world, applier, attach);
        List<Process> all = new ArrayList<>();
        List<Integer> which = new ArrayList<>();
        for (Process process : processes) {
            for (int choice = 0; choice < process.choiceCount(); choice++) {
                all.add(process);
                which.add(choice);
            }
        }
        actors = all.toArray(Process[]::new);
        choices = which.stream().mapToInt(Integer::intValue).toArray();
        save();
        beginning = new long[bits.wordCount()];
        for (int i = 0; i < beginning.length; i++) {
            beginning[i] = bits.word(i);
        }
    }

    private void layout() {
        world.layout(bits);
        for (Process process : processes) {
            process.layout(bits);
        }
    }

    @Override
    public void begin() {
        load(beginning, 0);
    }

    @Override
    public void load(long[] from, int offset) {
        bits.read(from, offset, beginning.length);
        layout();
        world.misdeed = null;
    }

    @Override
    public Bits save() {
        bits.write();
        layout();
        return bits;
    }

    @Override
    public int actionCount() {
        return actors.length;
    }

    @Override
    public boolean act(int action) {
        Process actor = actors[action];
        // A process that attaches does nothing else meanwhile.
        boolean canAct = attach.isOver() || actor == attach || actor == kill;
        return canAct && actor.act(choices[action]);
    }

    @Override
    public String describe(int action) {
        return actors[action].describe(choices[action]);
    }

    @Override
    public @Nullable String actionViolation() {
        return world.misdeed;
    }

    @Override
    public @Nullable String stateViolation() {
        return checks.violation();
    }

    @Override
    public @Nullable String unfinished() {
        return checks.unfinished();
    }

    static Explorer.Result explore(Scenario scenario, Mutant mutant) {
        return Explorer.explore(new LoadingModel(scenario, mutant), STATE_COUNT_MAX);
    }
}
