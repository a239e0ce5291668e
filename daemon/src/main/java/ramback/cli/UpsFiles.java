package ramback.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import ramback.control.RunDirectory;
import ramback.engine.Refusal;
import ramback.power.UpsCredentials;

/**
 * The file of {@code --ups-auth}: who we are to a NUT server, a word and its value a line, and what begins with # is for people.
 *
 * <pre>
 *   user ramback
 *   password secret
 *   ca /etc/nut/ca.pem
 * </pre>
 */
final class UpsFiles {

    private static final List<String> WORDS = List.of("user", "password", "ca");
    private static final int FILE_BYTES_MAX = 64 << 10;

    private UpsFiles() {}

    /**
     * Reads the file.
     *
     * @throws Refusal when it can't be read, others than its owner may read a password in it, it says something else, or what it
     *     names as ca holds no certificate
     */
    static UpsCredentials read(Path file) throws Refusal {
        Map<String, String> said = new HashMap<>();
        try {
            if (Files.size(file) > FILE_BYTES_MAX) {
                throw bad(file, "is longer than " + FILE_BYTES_MAX + " bytes");
            }
            int number = 0;
            for (String line : Files.readAllLines(file)) {
                number++;
                String text = line.strip();
                if (text.isEmpty() || text.startsWith("#")) {
                    continue;
                }
                String[] parts = text.split("\\s+", 2);
                if (parts.length != 2 || !WORDS.contains(parts[0])) {
                    throw bad(file, "line " + number + " is none of user NAME, password WORD, ca FILE");
                }
                if (said.put(parts[0], parts[1]) != null) {
                    throw bad(file, "line " + number + " says " + parts[0] + " a second time");
                }
            }
            checkWhoMayRead(file, said.get("password"));
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot read --ups-auth " + file + ": " + RunDirectory.reason(e), e);
        }
        if ((said.get("user") == null) != (said.get("password") == null)) {
            throw bad(file, "has only one of user and password");
        }
        String authority = said.get("ca");
        UpsCredentials credentials = new UpsCredentials(
                said.get("user"), said.get("password"), authority == null ? null : file.resolveSibling(authority));
        try {
            credentials.checkAuthority();
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "cannot use ca " + credentials.authority() + " of --ups-auth " + file + ": "
                            + RunDirectory.reason(e),
                    e);
        }
        return credentials;
    }

    private static void checkWhoMayRead(Path file, @Nullable String password) throws IOException, Refusal {
        Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(file);
        if (password != null && permissions.contains(PosixFilePermission.OTHERS_READ)) {
            throw bad(file, "holds a password and may be read by everybody; chmod o-r " + file);
        }
    }

    private static Refusal bad(Path file, String why) {
        return new Refusal(Refusal.Kind.USAGE, "bad --ups-auth " + file + ": it " + why);
    }
}
