package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

/** Holds ramback(1) to the command line: every command and option is in it, and nothing that there is not. */
class ManualPageTest {

    private static final Pattern OPTION = Pattern.compile("(?<![\\w-])--[a-z][a-z-]*");
    /** Lines that speak of other programs' options. */
    private static final Pattern OTHER_PROGRAM = Pattern.compile("\\b(curl|nbd-client|qemu|upssched|systemctl)\\b");
    /** Those that every command has, which is said once. */
    private static final Set<String> COMMON = Set.of("--run-dir", "--help");

    private static final Pattern ROUTE = Pattern.compile("\\.(get|post)\\(\"(/[a-z]*)\",");
    private static final Pattern VARIABLE =
            Pattern.compile("\"(RAMBACK_[A-Z_]+|NO_COLOR|NOTIFY_SOCKET|WATCHDOG_[A-Z]+|XDG_[A-Z_]+)\"");
    private static final Path SOURCES =
            Path.of(System.getProperty("ramback.root"), "daemon", "src", "main", "java", "ramback");

    @TempDir
    static Path directory;

    private static List<String> page;
    private static CommandLine program;

    @BeforeAll
    static void readPage() throws IOException {
        page = Files.readAllLines(Path.of(System.getProperty("ramback.root"), "docs", "man", "ramback.1")).stream()
                .map(line -> line.replaceAll("\\\\f.", "").replace("\\-", "-"))
                .toList();
        program = new Main(new ShellOnPaper(directory).shell()).whole();
    }

    @Test
    void everyCommandIsInTheSynopsisAndDescribedAndNothingElseIs() {
        assertThat(synopsis().keySet()).isEqualTo(commands());
        Set<String> described = new TreeSet<>(descriptions().keySet());
        described.add("help"); // which needs no more words than the synopsis has
        assertThat(described).isEqualTo(commands());
    }

    @Test
    void everyOptionOfEveryCommandIsInItsPlace() {
        List<String> missing = new ArrayList<>();
        program.getSubcommands().forEach((name, command) -> {
            Set<String> found = optionsIn(textOf(name));
            for (String option : optionsOf(command)) {
                if (!COMMON.contains(option) && !found.contains(option)) {
                    missing.add(name + " " + option);
                }
            }
        });
        assertThat(missing).isEmpty();
        assertThat(optionsIn(section("DESCRIPTION"))).containsAll(COMMON);
    }

    @Test
    void everyOptionOfASynopsisOrAHeadingIsOneOfThatCommand() {
        List<String> unknown = new ArrayList<>();
        program.getSubcommands().forEach((name, command) -> {
            List<String> claims = new ArrayList<>(List.of(synopsis().get(name)));
            List<String> text = textOf(name);
            for (int i = 1; i < text.size(); i++) {
                if (text.get(i - 1).equals(".TP")) {
                    claims.add(text.get(i));
                }
            }
            optionsIn(claims).stream()
                    .filter(option -> !optionsOf(command).contains(option))
                    .forEach(option -> unknown.add(name + " " + option));
        });
        assertThat(unknown).isEmpty();
    }

    @Test
    void everyOptionAnywhereOnThePageIsOneOfSomeCommand() {
        Set<String> known = new TreeSet<>();
        program.getSubcommands().values().forEach(command -> known.addAll(optionsOf(command)));
        List<String> ours = page.stream()
                .filter(line -> !OTHER_PROGRAM.matcher(line).find())
                .toList();
        assertThat(optionsIn(ours)).hasSizeGreaterThan(20).isSubsetOf(known);
    }

    @Test
    void everyRequestToTheControlSocketIsThere() throws IOException {
        Set<String> routes = new TreeSet<>();
        for (String source : List.of("ControlServer.java", "Dashboard.java")) {
            ROUTE.matcher(Files.readString(SOURCES.resolve("control").resolve(source)))
                    .results()
                    .forEach(route -> routes.add(route.group(1).toUpperCase(Locale.ROOT) + " " + route.group(2)));
        }
        Set<String> described = section("FILES").stream()
                .filter(line -> line.startsWith("GET ") || line.startsWith("POST "))
                .map(line -> line.replaceFirst("^([A-Z]+) +(\\S+).*", "$1 $2"))
                .collect(Collectors.toCollection(TreeSet::new));
        assertThat(described).hasSizeGreaterThan(10).isEqualTo(routes);
    }

    @Test
    void everyVariableOfTheEnvironmentThatIsReadIsThere() throws IOException {
        Set<String> variables = new TreeSet<>(Set.of("RAMBACK_JAVA_OPTS")); // which the launcher reads
        try (Stream<Path> sources = Files.walk(SOURCES)) {
            for (Path source : sources.filter(Files::isRegularFile).toList()) {
                VARIABLE.matcher(Files.readString(source)).results().forEach(found -> variables.add(found.group(1)));
            }
        }
        String text = String.join("\n", section("ENVIRONMENT"));
        assertThat(variables)
                .hasSizeGreaterThan(5)
                .allSatisfy(name -> assertThat(text).contains(name));
    }

    private static Set<String> commands() {
        return new TreeSet<>(program.getSubcommands().keySet());
    }

    private static Set<String> optionsOf(CommandLine command) {
        return command.getCommandSpec().options().stream()
                .flatMap((OptionSpec option) -> Stream.of(option.names()))
                .filter(name -> name.startsWith("--"))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static Set<String> optionsIn(List<String> lines) {
        return OPTION.matcher(String.join("\n", lines))
                .results()
                .map(MatchResult::group)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    /** The lines of a section. */
    private static List<String> section(String heading) {
        int begin = page.indexOf(".SH " + heading);
        assertThat(begin).as("section " + heading).isNotNegative();
        List<String> lines = new ArrayList<>();
        for (int i = begin + 1; i < page.size() && !page.get(i).startsWith(".SH "); i++) {
            lines.add(page.get(i));
        }
        return lines;
    }

    /** Command to its line of the synopsis. */
    private static Map<String, String> synopsis() {
        return section("SYNOPSIS").stream()
                .filter(line -> line.startsWith("ramback "))
                .collect(Collectors.toMap(
                        line -> line.split("[ \\[]+", -1)[1],
                        line -> line,
                        (a, b) -> a + "\n" + b,
                        java.util.TreeMap::new));
    }

    /** Command to what is said of it under COMMANDS, its heading first. */
    private static Map<String, List<String>> descriptions() {
        Map<String, List<String>> descriptions = new LinkedHashMap<>();
        List<String> current = new ArrayList<>();
        int depth = 0;
        boolean isHeading = false;
        for (String line : section("COMMANDS")) {
            if (line.equals(".RS")) {
                depth++;
            } else if (line.equals(".RE")) {
                depth--;
            } else if (line.equals(".TP") && depth == 0) {
                isHeading = true;
            } else if (isHeading) {
                isHeading = false;
                String command = line.replaceFirst("^\\.[BI]R? +", "").split("[^a-z]", 2)[0];
                current = descriptions.computeIfAbsent(command, key -> new ArrayList<>());
            }
            current.add(line);
        }
        return descriptions;
    }

    private static List<String> textOf(String command) {
        List<String> lines = new ArrayList<>(List.of(synopsis().getOrDefault(command, "")));
        lines.addAll(descriptions().getOrDefault(command, List.of()));
        if (command.equals("up")) {
            lines.addAll(section("OPTIONS OF UP"));
        }
        return lines;
    }
}
