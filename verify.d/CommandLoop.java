import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * Runs commands of ramback one after the other in one JVM, for checks that need thousands of them. Each line of standard
 * input is a command, its words separated by tabs; each line of standard output its exit code, a tab, and what it said.
 *
 * <p>Started on the class path of the distribution, where the command line's own classes can be reached by reflection: it
 * is the same code as the program's, without the start of a process.
 */
public final class CommandLoop {

    private CommandLoop() {}

    /** Runs what standard input says until it ends. */
    public static void main(String[] arguments) throws Exception {
        Class<?> mainClass = Class.forName("ramback.cli.Main");
        Class<?> shellClass = Class.forName("ramback.cli.Shell");
        Constructor<?> newMain = mainClass.getDeclaredConstructor(shellClass);
        newMain.setAccessible(true);
        Method run = mainClass.getDeclaredMethod("run", String[].class);
        run.setAccessible(true);
        Constructor<?> newShell = shellClass.getDeclaredConstructors()[0];
        newShell.setAccessible(true);
        Class<?> signalsClass = newShell.getParameterTypes()[3];
        Object noSignals = Proxy.newProxyInstance(
                signalsClass.getClassLoader(), new Class<?>[] {signalsClass}, (proxy, method, parameters) -> null);

        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = System.out;
        Map<String, String> environment = System.getenv();
        String line;
        while ((line = commands.readLine()) != null) {
            ByteArrayOutputStream said = new ByteArrayOutputStream();
            int exitCode;
            try (PrintStream stream = new PrintStream(said, true, StandardCharsets.UTF_8)) {
                Object shell = newShell.newInstance(stream, stream, environment, noSignals);
                exitCode = (int) run.invoke(newMain.newInstance(shell), (Object) line.split("\t"));
            }
            answers.println(exitCode + "\t" + said.toString(StandardCharsets.UTF_8).strip().replaceAll("\\s*\\R\\s*", " | "));
            answers.flush();
        }
    }
}
