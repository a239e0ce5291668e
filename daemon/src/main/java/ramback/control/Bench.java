package ramback.control;

import java.util.List;

/**
 * What {@code ramback bench} runs. The benchmarks live in a module of their own that the daemon does not need; it
 * offers them as a service of this type ({@code provides ramback.control.Bench with …}, and the same in
 * {@code META-INF/services} for the class path).
 */
public interface Bench {

    /**
     * Measures an export and prints what it found to standard output.
     *
     * @param uri {@code nbd+unix:///EXPORT?socket=PATH} or {@code nbd://HOST[:PORT]/EXPORT}
     * @param arguments what the user wrote after {@code --}, for the benchmark itself
     * @return the exit code of the command: 0 when everything was measured
     * @throws Exception with a message for the user when it can't be measured
     */
    int run(String uri, List<String> arguments) throws Exception;
}
