package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.engine.Refusal;
import ramback.power.UpsCredentials;

final class UpsFilesTest {

    /** Somebody's, good for a hundred years. */
    private static final String CERTIFICATE = """
            -----BEGIN CERTIFICATE-----
            MIIBhDCCASugAwIBAgIUA3lro4rSCJBNv09jB0K4daAISMwwCgYIKoZIzj0EAwIw
            FzEVMBMGA1UEAwwMYSBOVVQgc2VydmVyMCAXDTI2MTEyNjE5MDcxMloYDzIxMjYx
            MTAyMTkwNzEyWjAXMRUwEwYDVQQDDAxhIE5VVCBzZXJ2ZXIwWTATBgcqhkjOPQIB
            BggqhkjOPQMBBwNCAAT1t8DA65Z9CCfmxp2pJDkpJ4P3ePv/Em20XzUsdUG1oNrw
            xBwcx854ZIIaGwGMNBLrvq56L7txmZNo2sST1/XVo1MwUTAdBgNVHQ4EFgQUssud
            c8O6/dWdmkBrtRXj+vqRrk0wHwYDVR0jBBgwFoAUssudc8O6/dWdmkBrtRXj+vqR
            rk0wDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiAi2D+MCgCBpN1J
            sllIxagmU3Q0iJlnQBOngg+OaBytYQIgME46vy+BcCBSddyPYkAoMNTUNGMT2mVS
            XKuTuQ9CpiM=
            -----END CERTIFICATE-----
            """;

    @TempDir
    Path directory;

    private Path file(String text, String permissions) throws IOException {
        Path file = directory.resolve("auth");
        Files.writeString(file, text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
        return file;
    }

    @Test
    void aFileSaysWhoWeAreAndHowTheServerProvesWhoItIs() throws Exception {
        Files.writeString(directory.resolve("ca.pem"), CERTIFICATE);
        UpsCredentials read = UpsFiles.read(
                file("# of upsd.users\n\nuser  monitor\npassword\tof two words \nca ca.pem\n", "rw-r-----"));
        assertThat(read).isEqualTo(new UpsCredentials("monitor", "of two words", directory.resolve("ca.pem")));
        assertThat(read.toString()).doesNotContain("of two words");
    }

    @Test
    void withoutAPasswordAnybodyMayReadIt() throws Exception {
        Path authority = directory.resolve("authority.pem");
        Files.writeString(authority, CERTIFICATE + CERTIFICATE);
        assertThat(UpsFiles.read(file("ca " + authority, "rw-r--r--")))
                .isEqualTo(new UpsCredentials(null, null, authority));
        assertThat(UpsFiles.read(file("", "rw-r--r--"))).isEqualTo(UpsCredentials.NONE);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "user a|rw-------|has only one of user and password",
                "password a|rw-------|has only one of user and password",
                "user a;user b|rw-------|line 2 says user a second time",
                "user|rw-------|line 1 is none of user NAME, password WORD, ca FILE",
                "users a|rw-------|line 1 is none of",
                "user a;password b|rw-r--r--|holds a password and may be read by everybody; chmod o-r"
            })
    void anythingElseIsRefused(String text, String permissions, String why) throws IOException {
        Path file = file(text.replace(';', '\n'), permissions);
        assertThatThrownBy(() -> UpsFiles.read(file))
                .isInstanceOf(Refusal.class)
                .hasMessageStartingWith("bad --ups-auth " + file + ": it ")
                .hasMessageContaining(why);
    }

    @ParameterizedTest
    @ValueSource(strings = {"none.pem", "empty.pem", "words.pem", "."})
    void anAuthorityThatIsNoneIsRefusedBeforeItIsNeeded(String name) throws IOException {
        Files.writeString(directory.resolve("empty.pem"), "");
        Files.writeString(directory.resolve("words.pem"), "-----BEGIN CERTIFICATE-----\nthese are words\n");
        Path file = file("ca " + name, "rw-------");
        assertThatThrownBy(() -> UpsFiles.read(file))
                .isInstanceOf(Refusal.class)
                .hasMessageStartingWith("cannot use ca " + directory.resolve(name) + " of --ups-auth " + file + ": ");
    }

    @Test
    void aFileThatIsMissingOrMuchTooLongIsRefused() throws IOException {
        assertThatThrownBy(() -> UpsFiles.read(directory.resolve("none")))
                .isInstanceOf(Refusal.class)
                .hasMessageContaining("cannot read --ups-auth ");
        Path file = file("#".repeat((64 << 10) + 1), "rw-------");
        assertThatThrownBy(() -> UpsFiles.read(file)).hasMessageContaining("is longer than 65536 bytes");
    }
}
