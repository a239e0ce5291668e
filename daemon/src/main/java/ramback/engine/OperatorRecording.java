package ramback.engine;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Whether the operator started the JVM with a recording of the flight recorder, as in
 * {@code RAMBACK_JAVA_OPTS=-XX:StartFlightRecording=...}: then our events belong into it. Found by the command line, because to ask the
 * flight recorder would load it.
 */
final class OperatorRecording {

    private static final String FLAG = "-XX:StartFlightRecording";

    private static final boolean RUNNING = look();

    private OperatorRecording() {}

    static boolean isRunning() {
        return RUNNING;
    }

    private static boolean look() {
        for (String variable : new String[] {"JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS"}) {
            String options = System.getenv(variable);
            if (options != null && options.contains(FLAG)) {
                return true;
            }
        }
        try {
            return Files.readString(Path.of("/proc/self/cmdline"), StandardCharsets.ISO_8859_1)
                    .contains(FLAG);
        } catch (IOException e) {
            return false;
        }
    }
}
