package ramback.cli;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import ramback.control.ControlClient;
import ramback.engine.Refusal;

/** {@code ramback trace}: switches the trace, or has its newest events written to a file. */
@Command(
        name = "trace",
        customSynopsis = "ramback trace [NAME] on|off|dump FILE",
        description =
                "Trace every request and chunk transition; dump writes the newest events to a new FILE, as text, or as a"
                        + " recording of the JDK's flight recorder if FILE ends with .jfr.")
final class TraceCommand extends DeviceCommand {

    private static final String USAGE = "write 'ramback trace [NAME] on', 'off' or 'dump FILE'";

    @Parameters(arity = "1..3", paramLabel = "[NAME] on|off|dump FILE", description = "What to do, with which device.")
    private List<String> words = List.of();

    TraceCommand(Shell shell) {
        super(shell);
    }

    /** What the words say: they are told apart by how many there are. */
    record Request(@Nullable String name, boolean isDump, String argument) {

        static Request of(List<String> words) throws Refusal {
            int dump = words.size() - 2;
            if ((dump == 0 || dump == 1) && words.get(dump).equals("dump")) {
                return new Request(dump == 0 ? null : words.getFirst(), true, words.getLast());
            }
            String last = words.getLast();
            if (words.size() < 3 && (last.equals("on") || last.equals("off"))) {
                return new Request(words.size() == 1 ? null : words.getFirst(), false, last);
            }
            throw new Refusal(Refusal.Kind.USAGE, "bad trace request '" + String.join(" ", words) + "'; " + USAGE);
        }
    }

    @Override
    public Integer call() throws Refusal {
        Request request = Request.of(words);
        if (request.isDump()
                && (request.argument().isEmpty() || request.argument().indexOf('\0') >= 0)) {
            throw usage("bad FILE '': not a path; " + USAGE);
        }
        ControlClient client = client(request.name());
        if (request.isDump()) {
            Path file = Path.of(request.argument()).toAbsolutePath().normalize();
            long written = client.dumpTrace(file);
            boolean isRecording = file.toString().endsWith(".jfr");
            shell.say("wrote "
                    + (isRecording
                            ? Quantities.ofBytes(written) + " of flight recording"
                            : Quantities.ofCount(written) + " trace events")
                    + " to " + file);
        } else {
            client.trace(request.argument().equals("on"));
            shell.say("trace of " + client.name() + " is " + request.argument());
        }
        return ExitCode.OK;
    }
}
