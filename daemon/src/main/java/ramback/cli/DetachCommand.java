package ramback.cli;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import ramback.attach.AttachLock;
import ramback.attach.Parts;
import ramback.attach.Teardown;
import ramback.attach.Tools;
import ramback.attach.Via;
import ramback.control.ControlClient;
import ramback.control.RunDirectory;
import ramback.engine.Refusal;

/**
 * {@code ramback detach}: takes apart what attach has made, and what is left of it, whoever of those who served it
 * still lives.
 */
@Command(
        name = "detach",
        description = {
            "Unmount what is mounted of an attached device, and take it from this machine again.",
            "Cleans as well what a daemon that was killed, or an interrupted attach, has left."
        })
final class DetachCommand extends DeviceCommand {

    /** How often a daemon that says nothing is asked again, each time for as long as an answer may take. */
    private static final int MORE_QUESTIONS = 5;

    private static final String RUNNING = "RS";

    /** Somebody has stopped it on purpose. */
    private static final char STOPPED = 'T';

    private static final Duration STOPPED_TIMEOUT = Duration.ofSeconds(2);

    /** Killed, and yet not gone: some thread of it waits in the kernel, perhaps for the block device it served. */
    private static final char ZOMBIE = 'Z';

    @Parameters(index = "0", arity = "0..1", paramLabel = "NAME", description = NAME_HELP)
    private @Nullable String name;

    DetachCommand(Shell shell) {
        super(shell);
    }

    @Override
    public Integer call() throws Refusal, InterruptedException {
        ControlClient client = client(name);
        RunDirectory runDirectory = runDirectory();
        Path directory = runDirectory.of(client.name());
        if (Files.notExists(directory, LinkOption.NOFOLLOW_LINKS)) {
            throw new Refusal(
                    Refusal.Kind.NO_DEVICE,
                    "no device named " + client.name() + " (looked in " + runDirectory.path()
                            + "); 'ramback ls' shows what runs");
        }
        try (AttachLock lock = AttachLock.take(directory)) {
            detach(client, directory, new Tools(shell.environment()).holding(lock));
        }
        return ExitCode.OK;
    }

    private void detach(ControlClient client, Path directory, Tools tools) throws Refusal, InterruptedException {
        ControlClient.State daemon = stateOf(client);
        if (daemon == ControlClient.State.PASSING) {
            throw new Refusal(Refusal.Kind.FAILED, client.name() + " is starting or stopping; try again in a moment");
        }
        boolean isServed = daemon == ControlClient.State.ANSWERS;
        boolean isAttached = isServed && client.status().attached() != null;
        Parts parts = find(directory);
        Teardown teardown = new Teardown(directory, client.name(), tools);
        Optional<String> gone = teardown.forgetGone();
        gone.ifPresent(
                what -> shell.note("only the record of " + client.name() + " as a block device is removed: " + what));
        if (parts.isNone() && !isAttached && (isServed || isNothingUnrecorded(client, directory))) {
            // Waits for what an attach, whose command was killed, still has it make; and takes that away.
            boolean wasMade = isServed && client.detach();
            if (wasMade || gone.isPresent()) {
                shell.say(client.name() + " is detached");
                return;
            }
            throw new Refusal(Refusal.Kind.FAILED, client.name() + " is not attached, and nothing is left of it");
        }
        if (daemon == ControlClient.State.SILENT) {
            cutOff(client, parts, teardown);
        }
        if (!isServed) {
            teardown.removeWaiting(shell.ways(), runDirectory().nbdSocket(client.name()));
        }
        teardown.unmount();
        teardown.release(isServed);
        if (isServed) {
            teardown.checkFile();
            client.detach();
            parts.record().ifPresent(record -> teardown.add("removed /dev/" + record.diskName()));
        }
        teardown.removeDead(shell.ways(), runDirectory().nbdSocket(client.name()));
        teardown.removeLink();
        shell.say(client.name() + " is detached" + (teardown.taken().isEmpty() ? "" : ": " + teardown.summary()));
    }

    /**
     * As it is when it has had time: one that only was swapped out, or suspended with its machine, is not cut off. For
     * one that cannot run there is no use in that.
     */
    private ControlClient.State stateOf(ControlClient client) throws Refusal {
        if (processState(client) == STOPPED) {
            return new ControlClient(runDirectory(), client.name(), STOPPED_TIMEOUT).state();
        }
        ControlClient.State state = client.state();
        for (int more = 0; more < MORE_QUESTIONS && state == ControlClient.State.SILENT && canRun(client); more++) {
            state = client.state();
        }
        return state;
    }

    /** Whether the daemon's process is neither stopped, nor dead, nor waiting for what no signal ends. */
    private boolean canRun(ControlClient client) {
        return RUNNING.indexOf(processState(client)) >= 0;
    }

    /** The state of the daemon's process as proc_pid_stat(5) has it, or '?'. */
    private char processState(ControlClient client) {
        try {
            String stat = Files.readString(
                    Path.of("/proc", String.valueOf(runDirectory().pid(client.name())), "stat"), ISO_8859_1);
            return stat.charAt(stat.lastIndexOf(')') + 2);
        } catch (IOException | Refusal | IndexOutOfBoundsException e) {
            return '?';
        }
    }

    private static Parts find(Path directory) throws Refusal {
        try {
            return Parts.find(directory);
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot see what is attached: " + e.getMessage(), e);
        }
    }

    private boolean isNothingUnrecorded(ControlClient client, Path directory) throws Refusal {
        try {
            return shell.ways()
                    .find(directory, runDirectory().nbdSocket(client.name()))
                    .isEmpty();
        } catch (IOException e) {
            return true; // who may not even ask has made none
        }
    }

    /** Nothing can be unmounted as long as a daemon that says nothing is waited for. */
    private void cutOff(ControlClient client, Parts parts, Teardown teardown) throws Refusal, InterruptedException {
        if (!parts.via().equals(Optional.of(Via.FUSE)) && processState(client) != ZOMBIE) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "the daemon of " + client.name()
                            + " does not answer, so nothing can be unmounted; kill it ('kill -9 "
                            + runDirectory().pid(client.name()) + "'), start it again with 'ramback up', which goes on"
                            + " serving, and detach then");
        }
        shell.warn("the daemon of " + client.name()
                + " does not answer: it is cut off, and what filesystems had not given it yet is lost");
        teardown.abort();
    }
}
