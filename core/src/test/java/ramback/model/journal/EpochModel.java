package ramback.model.journal;

import static ramback.model.journal.Request.BOTH;
import static ramback.model.journal.Request.FIRST;
import static ramback.model.journal.Request.SECOND;
import static ramback.model.journal.Request.flush;
import static ramback.model.journal.Request.mode;
import static ramback.model.journal.Request.write;
import static ramback.model.journal.Request.writeForced;
import static ramback.model.journal.Request.zero;
import static ramback.model.journal.Scenario.scenario;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.device.Mode;
import ramback.model.Bits;
import ramback.model.Explorer;
import ramback.model.Process;

/**
 * The protocol between clients, sealer, the journal's agent, applier and operator, and the small cases in which all of its
 * interleavings are explored. {@link Report} prints the figures, and how a mutant goes wrong, step by step.
 */
final class EpochModel implements Explorer.Model {

    /** A scenario with more states than this is too large to be explored in a test. */
    static final int STATE_COUNT_MAX = 1_000_000;

    /** All cases. */
    static List<Scenario> scenarios() {
        return List.of(
                scenario("overwrite", Mode.CHECKPOINT, List.of(write(FIRST), write(FIRST)), List.of(write(FIRST))),
                scenario("two chunks", Mode.CHECKPOINT, List.of(write(FIRST), write(SECOND)), List.of(write(FIRST))),
                scenario("runs", Mode.WRITEBACK, List.of(write(BOTH), flush()), List.of(write(BOTH))),
                scenario("flush", Mode.WRITEBACK, List.of(write(FIRST), flush()), List.of(write(SECOND), flush())),
                scenario("full ring", Mode.CHECKPOINT, List.of(write(FIRST), write(BOTH)), List.of(write(BOTH)))
                        .withSlots(1, 0),
                scenario("ring for writers", Mode.CHECKPOINT, List.of(write(BOTH)), List.of(write(BOTH)))
                        .withSlots(2, 1),
                scenario("zeroes", Mode.CHECKPOINT, List.of(write(FIRST), zero(BOTH)), List.of(write(FIRST))),
                scenario(
                        "writethrough", Mode.WRITETHROUGH, List.of(write(FIRST), write(SECOND)), List.of(write(FIRST))),
                scenario(
                        "three clients",
                        Mode.CHECKPOINT,
                        List.of(write(FIRST)),
                        List.of(write(FIRST)),
                        List.of(write(BOTH))),
                scenario("full journal", Mode.CHECKPOINT, List.of(write(FIRST), write(FIRST)), List.of(write(BOTH)))
                        .withJournal(6),
                scenario("failures", Mode.WRITEBACK, List.of(write(FIRST), flush()), List.of(write(BOTH)))
                        .withFailures(1, 1),
                scenario("kill", Mode.WRITEBACK, List.of(write(FIRST)), List.of(write(BOTH), flush()))
                        .withKill(),
                scenario(
                        "into unsafe",
                        Mode.WRITEBACK,
                        List.of(write(FIRST)),
                        List.of(write(FIRST), flush()),
                        List.of(mode(Mode.UNSAFE))),
                scenario(
                        "out of unsafe",
                        Mode.UNSAFE,
                        List.of(write(FIRST)),
                        List.of(writeForced(SECOND)),
                        List.of(mode(Mode.WRITEBACK))),
                scenario(
                                "small journal",
                                Mode.UNSAFE,
                                List.of(write(FIRST), write(SECOND)),
                                List.of(mode(Mode.WRITEBACK), mode(Mode.UNSAFE)))
                        .withJournal(4),
                scenario(
                        "there and back",
                        Mode.WRITEBACK,
                        List.of(write(FIRST), write(FIRST)),
                        List.of(mode(Mode.UNSAFE), mode(Mode.WRITEBACK))),
                scenario(
                                "killed, into unsafe",
                                Mode.WRITEBACK,
                                List.of(write(FIRST), write(FIRST)),
                                List.of(mode(Mode.UNSAFE)))
                        .withKill(),
                scenario(
                                "killed, out of unsafe",
                                Mode.UNSAFE,
                                List.of(write(FIRST), write(FIRST)),
                                List.of(mode(Mode.WRITETHROUGH)))
                        .withKill(),
                scenario(
                        "stricter",
                        Mode.CHECKPOINT,
                        List.of(write(FIRST), write(SECOND)),
                        List.of(mode(Mode.WRITETHROUGH))));
    }

    /** The scenario of this name. */
    static Scenario scenarioNamed(String name) {
        return scenarios().stream()
                .filter(scenario -> scenario.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no such scenario: " + name));
    }

    private final World world;
    private final Checks checks;
    private final List<Process> processes = new ArrayList<>();
    private final Bits bits = new Bits();
    private final Process[] actors;
    private final int[] choices;
    private final long[] beginning;

    EpochModel(Scenario scenario, Mutant mutant) {
        world = new World(scenario, mutant);
        Sealer sealer = new Sealer(world);
        List<Writer> writers = new ArrayList<>();
        List<Mode> modes = new ArrayList<>();
        for (int i = 0; i < scenario.scripts().size(); i++) {
            List<Request> script = scenario.scripts().get(i);
            if (script.getFirst().kind() == Request.Kind.MODE) {
                script.forEach(request -> modes.add(request.mode()));
            } else {
                writers.add(new Writer(world, i));
            }
        }
        world.writers = writers.toArray(Writer[]::new);
        processes.addAll(writers);
        processes.add(sealer);
        processes.add(new JournalAgent(world, sealer));
        Applier applier = new Applier(world);
        processes.add(applier);
        Operator operator = new Operator(world, modes);
        processes.add(operator);
        processes.add(new Kill(world, sealer, applier, operator));
        checks = new Checks(world, operator);
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
        return actors[action].act(choices[action]);
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
        return Explorer.explore(new EpochModel(scenario, mutant), STATE_COUNT_MAX);
    }
}
