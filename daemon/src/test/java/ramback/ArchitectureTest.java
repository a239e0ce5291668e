package ramback;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.ArchConfiguration;
import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SlicesRuleDefinition;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Holds the code to the import table of ARCHITECTURE.md: the table is the rule, this test only reads it.
 *
 * <p>The modules already refuse the large breaches. This refuses those within a module, where javac sees no wall.
 */
final class ArchitectureTest {

    private static final String ROOT_PACKAGE = "ramback";
    private static final String TABLE_HEADING = "## Packages and what they may import";
    private static final Pattern BACKTICKED = Pattern.compile("`([a-z.]+)`");

    private static JavaClasses classes;

    /** Package to the packages it may import, names without {@code ramback.}, in the table's order. */
    private static Map<String, Set<String>> table;

    @BeforeAll
    static void readCodeAndTable() throws IOException {
        // Only our classes matter: without this the JDK's and the libraries' are read as well, for seconds.
        ArchConfiguration.get().setResolveMissingDependenciesFromClassPath(false);
        classes = new ClassFileImporter()
                .withImportOption(new ImportOption.DoNotIncludeTests())
                .importPackages(ROOT_PACKAGE);
        table = readTable(Files.readAllLines(architecturePage()));
    }

    @Test
    void everyImportIsInTheTable() {
        assertThat(importsOutside(table)).isEmpty();
    }

    @Test
    void withoutTheTableEveryImportIsForbidden() {
        assertThat(importsOutside(Map.of()))
                .as("imports seen: if there are none, everyImportIsInTheTable proves nothing")
                .anySatisfy(violation -> assertThat(violation).contains("cli may not import"))
                .anySatisfy(violation -> assertThat(violation).contains("image may not import"));
    }

    @Test
    void everyPackageHasARow() {
        assertThat(table.keySet()).containsAll(packages());
    }

    @Test
    void everyRowNamesAPackage() {
        assertThat(packages()).containsAll(table.keySet());
    }

    @Test
    void aRowImportsOnlyRowsAboveIt() {
        Set<String> above = new LinkedHashSet<>();
        table.forEach((importer, imported) -> {
            assertThat(above).as("rows above %s", importer).containsAll(imported);
            above.add(importer);
        });
    }

    @Test
    void noPackagesFormACycle() {
        SlicesRuleDefinition.slices()
                .matching(ROOT_PACKAGE + ".(*)..")
                .should()
                .beFreeOfCycles()
                .check(classes);
    }

    @Test
    void everyPackageIsNullMarked() {
        assertThat(packages())
                .allSatisfy(name -> assertThat(
                                classes.getPackage(ROOT_PACKAGE + "." + name).isAnnotatedWith(NullMarked.class))
                        .as("package-info.java of %s has @NullMarked", name)
                        .isTrue());
    }

    private static List<String> importsOutside(Map<String, Set<String>> allowed) {
        return classes.stream()
                .flatMap(type -> type.getDirectDependenciesFromSelf().stream())
                .filter(dependency -> isOurs(dependency.getTargetClass()))
                .filter(dependency -> {
                    String importer = shortName(dependency.getOriginClass());
                    String imported = shortName(dependency.getTargetClass());
                    return !importer.equals(imported)
                            && !allowed.getOrDefault(importer, Set.of()).contains(imported);
                })
                .map(ArchitectureTest::describe)
                .distinct()
                .sorted()
                .toList();
    }

    private static String describe(Dependency dependency) {
        return "%s may not import %s: %s"
                .formatted(
                        shortName(dependency.getOriginClass()),
                        shortName(dependency.getTargetClass()),
                        dependency.getDescription());
    }

    private static Set<String> packages() {
        return classes.stream()
                .map(ArchitectureTest::shortName)
                .filter(name -> !name.isEmpty())
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static boolean isOurs(JavaClass type) {
        return type.getBaseComponentType().getPackageName().startsWith(ROOT_PACKAGE + ".");
    }

    private static String shortName(JavaClass type) {
        String name = type.getBaseComponentType().getPackageName();
        return name.equals(ROOT_PACKAGE) ? "" : name.substring(ROOT_PACKAGE.length() + 1);
    }

    /** Rows look like {@code | `image` | the device in RAM | `device`, `memory` |}; a dash stands for nothing. */
    private static Map<String, Set<String>> readTable(List<String> lines) {
        int heading = lines.indexOf(TABLE_HEADING);
        assertThat(heading).as("line of '%s' in ARCHITECTURE.md", TABLE_HEADING).isNotNegative();
        Map<String, Set<String>> rows = new LinkedHashMap<>();
        lines.stream()
                .skip(heading + 1L)
                .takeWhile(line -> !line.startsWith("## "))
                .filter(line -> line.startsWith("| `"))
                .map(line -> line.split("\\|", -1))
                .forEach(
                        cells -> rows.put(backticked(cells[1]).iterator().next(), backticked(cells[cells.length - 2])));
        assertThat(rows).as("rows of the import table").isNotEmpty();
        return rows;
    }

    private static Set<String> backticked(String cell) {
        Set<String> names = new LinkedHashSet<>();
        Matcher matcher = BACKTICKED.matcher(cell);
        while (matcher.find()) {
            names.add(matcher.group(1));
        }
        return names;
    }

    private static Path architecturePage() {
        Path directory = Path.of("").toAbsolutePath();
        while (directory != null && !Files.exists(directory.resolve("ARCHITECTURE.md"))) {
            directory = directory.getParent();
        }
        assertThat(directory).as("a directory above that holds ARCHITECTURE.md").isNotNull();
        return directory.resolve("ARCHITECTURE.md");
    }
}
