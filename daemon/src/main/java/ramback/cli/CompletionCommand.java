package ramback.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/**
 * {@code ramback completion}: prints what makes bash, and zsh by its bashcompinit, complete the program's command line. For
 * packages, which is why help does not name it.
 */
@Command(
        name = "completion",
        hidden = true,
        description = "Print a completion script for bash and zsh: source <(ramback completion)")
final class CompletionCommand implements Callable<Integer> {

    private static final String TAIL = "completion.bash";

    private final Shell shell;
    private final Supplier<CommandLine> program;

    /** @param program the program with all of its commands */
    CompletionCommand(Shell shell, Supplier<CommandLine> program) {
        this.shell = shell;
        this.program = program;
    }

    @Override
    public Integer call() throws IOException {
        shell.out().print(script(program.get()));
        shell.out().flush();
        return ExitCode.OK;
    }

    /** The library's script, with ours asked first. */
    static String script(CommandLine program) throws IOException {
        String script = AutoComplete.bash("ramback", program);
        int registration = script.lastIndexOf("\ncomplete -F _complete_ramback ");
        if (registration < 0) {
            throw new IllegalStateException("the script of the library does not end as it did");
        }
        Set<String> named = new TreeSet<>();
        Set<String> flags = new TreeSet<>();
        program.getSubcommands().forEach((name, command) -> addWords(name, command.getCommandSpec(), named, flags));
        return script.substring(0, registration + 1)
                + tail().replace("@NAMED@", String.join(" | ", named)).replace("@FLAGS@", String.join(" ", flags));
    }

    private static void addWords(String name, CommandSpec command, Set<String> named, Set<String> flags) {
        for (PositionalParamSpec parameter : command.positionalParameters()) {
            if (parameter.paramLabel().contains("NAME")) {
                named.add(name);
            }
        }
        for (OptionSpec option : command.options()) {
            if (option.arity().max() == 0) {
                flags.addAll(Set.of(option.names()));
            }
        }
    }

    private static String tail() throws IOException {
        try (InputStream stream = Objects.requireNonNull(CompletionCommand.class.getResourceAsStream(TAIL), TAIL)) {
            return new String(stream.readAllBytes(), UTF_8);
        }
    }
}
