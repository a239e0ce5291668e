package ramback.cli;

import java.io.PrintWriter;
import java.lang.module.ModuleDescriptor;
import java.nio.file.InvalidPathException;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import ramback.engine.Refusal;

/** The program {@code ramback}. One word says which command; its class does the rest. */
public final class Main {

    private static final List<String> COMMANDS = List.of(
            "up",
            "ls",
            "status",
            "top",
            "mode",
            "power",
            "flush",
            "trace",
            "snapshot",
            "verify",
            "attach",
            "detach",
            "upgrade",
            "down",
            "recover",
            "check",
            "bench");

    private final Shell shell;

    Main(Shell shell) {
        this.shell = shell;
    }

    /** Runs one command and ends the process with its exit code. */
    public static void main(String[] arguments) {
        if (arguments.length > 0 && arguments[0].equals("up")) {
            StandardErrorQueue.install();
        }
        int exitCode = new Main(Shell.ofProcess()).run(arguments);
        System.out.flush();
        StandardErrorQueue.settle();
        System.exit(exitCode);
    }

    /** Runs one command and returns its exit code. */
    int run(String... arguments) {
        CommandLine program;
        // A command's class is looked at only when it is the one that is asked for: picocli reads it by reflection.
        String first = arguments.length == 0 ? "" : arguments[0];
        if (COMMANDS.contains(first)) {
            program = new CommandLine(new Root()).addSubcommand(first, make(first, arguments));
        } else if (first.equals("completion")) {
            program = new CommandLine(new Root()).addSubcommand(first, new CompletionCommand(shell, this::whole));
        } else {
            program = whole(arguments);
        }
        program.setOut(new PrintWriter(shell.out(), true, shell.out().charset()));
        program.setErr(new PrintWriter(shell.err(), true, shell.err().charset()));
        Complaints complaints = new Complaints();
        program.setParameterExceptionHandler(complaints);
        program.setExecutionExceptionHandler(complaints);
        return program.execute(arguments);
    }

    /** The program with all of its commands, for its help and its completion. */
    CommandLine whole(String... arguments) {
        CommandLine program = new CommandLine(new Root());
        COMMANDS.forEach(name -> program.addSubcommand(name, make(name, arguments)));
        return program.addSubcommand(new CommandLine.HelpCommand());
    }

    private Object make(String command, String... arguments) {
        return switch (command) {
            case "up" -> new UpCommand(shell, List.of(arguments));
            case "ls" -> new LsCommand(shell);
            case "status" -> new StatusCommand(shell);
            case "top" -> new TopCommand(shell);
            case "mode" -> new ModeCommand(shell);
            case "power" -> new PowerCommand(shell);
            case "flush" -> new FlushCommand(shell);
            case "trace" -> new TraceCommand(shell);
            case "snapshot" -> new SnapshotCommand(shell);
            case "verify" -> new VerifyCommand(shell);
            case "attach" -> new AttachCommand(shell);
            case "detach" -> new DetachCommand(shell);
            case "upgrade" -> new UpgradeCommand(shell);
            case "down" -> new DownCommand(shell);
            case "recover" -> new RecoverCommand(shell);
            case "check" -> new CheckCommand(shell);
            case "bench" -> new BenchCommand(shell);
            default -> throw new IllegalArgumentException(command);
        };
    }

    /**
     * Makes one line of whatever went wrong. A class and not two lambdas: picocli's types are too old for the JVM's
     * start-up cache, and a lambda of such a type is spun anew at each start.
     */
    private final class Complaints
            implements CommandLine.IParameterExceptionHandler, CommandLine.IExecutionExceptionHandler {

        @Override
        public int handleParseException(ParameterException e, String[] arguments) {
            CommandSpec spec = e.getCommandLine().getCommandSpec();
            String message = String.valueOf(e.getMessage());
            if (spec.parent() == null) {
                if (e instanceof CommandLine.UnmatchedArgumentException unmatched) {
                    message = "no command '" + unmatched.getUnmatched().getFirst() + "'";
                }
                message += "; commands: " + String.join(", ", COMMANDS) + " ('ramback help COMMAND' explains one)";
            } else {
                message = lowerCased(message) + "; see 'ramback help " + spec.name() + "'";
            }
            shell.complain(message);
            return ExitCode.USAGE;
        }

        @Override
        public int handleExecutionException(Exception e, CommandLine command, CommandLine.ParseResult parsed) {
            if (e instanceof Refusal refusal) {
                return shell.complain(refusal);
            }
            if (e instanceof InvalidPathException bad) {
                shell.complain("bad path '" + bad.getInput() + "': " + lowerCased(String.valueOf(bad.getReason()))
                        + "; names beyond ASCII need a UTF-8 locale, such as LC_ALL=C.UTF-8");
                return ExitCode.USAGE;
            }
            if (e instanceof InterruptedException) {
                Thread.currentThread().interrupt();
            }
            // Nobody's input explains this one: whoever mends it needs to know where it happened.
            shell.complain("internal error: " + e);
            e.printStackTrace(shell.err());
            return ExitCode.FAILED;
        }

        private static String lowerCased(String message) {
            return message.isEmpty() ? message : Character.toLowerCase(message.charAt(0)) + message.substring(1);
        }
    }

    /** The program without a command. */
    @Command(
            name = "ramback",
            mixinStandardHelpOptions = true,
            versionProvider = Version.class,
            description = "A disk at RAM speed that keeps its data.",
            synopsisSubcommandLabel = "COMMAND")
    static final class Root implements Callable<Integer> {

        @Spec
        private @Nullable CommandSpec spec;

        @Override
        public Integer call() {
            CommandSpec own = Objects.requireNonNull(spec, "set by picocli");
            throw new ParameterException(own.commandLine(), "no command given");
        }
    }

    /** The version this was built as. */
    static final class Version implements IVersionProvider {

        @Override
        public String[] getVersion() {
            ModuleDescriptor module = Main.class.getModule().getDescriptor();
            String version =
                    module == null ? "(not packaged)" : module.rawVersion().orElse("(not packaged)");
            return new String[] {"ramback " + version};
        }
    }
}
