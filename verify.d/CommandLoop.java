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
 * is the same code as the program's, without the start of a process. Nobody can be asked anything here.
 */
public final class CommandLoop {

    private CommandLoop() {}

    /** Runs what standard input says until it ends. */
    public static void main(String[] arguments) throws Exception {
        Class<?> shellClass = Class.forName("ramback.cli.Shell");
        Constructor<?> newShell = shellClass.getDeclaredConstructors()[0];
        newShell.setAccessible(true);
        Class<?> mainClass = Class.forName("ramback.cli.Main");
        Constructor<?> newMain = mainClass.getDeclaredConstructor(shellClass);
        newMain.setAccessible(true);
        Method run = mainClass.getDeclaredMethod("run", String[].class);
        run.setAccessible(true);

        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = System.out;
        String line;
        while ((line = commands.readLine()) != null) {
            ByteArrayOutputStream said = new ByteArrayOutputStream();
            int exitCode;
            try (PrintStream stream = new PrintStream(said, true, StandardCharsets.UTF_8)) {
                Object shell = newShell.newInstance(parts(newShell.getParameterTypes(), stream));
                exitCode = (int) run.invoke(newMain.newInstance(shell), (Object) line.split("\t"));
            }
            String text = said.toString(StandardCharsets.UTF_8).strip().replaceAll("\\s*\\R\\s*", " | ");
            answers.println(exitCode + "\t" + text);
            answers.flush();
        }
    }

    /** What a command is started in: its output goes to STREAM, its environment is ours, and all else does nothing. */
    private static Object[] parts(Class<?>[] types, PrintStream stream) {
        Object[] parts = new Object[types.length];
        for (int i = 0; i < types.length; i++) {
            if (types[i] == PrintStream.class) {
                parts[i] = stream;
            } else if (types[i] == Map.class) {
                parts[i] = System.getenv();
            } else {
                parts[i] = Proxy.newProxyInstance(
                        types[i].getClassLoader(),
                        new Class<?>[] {types[i]},
                        (proxy, method, parameters) -> method.getReturnType() == boolean.class ? false : null);
            }
        }
        return parts;
    }
}
