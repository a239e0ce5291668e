package ramback.attach;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.NotEmpty;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MountTest {

    /** As the kernel writes a field: {@code mangle} in fs/proc_namespace.c, "\t\n\\ #". */
    private static String escaped(String text) {
        StringBuilder field = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (" \t\n\\#".indexOf(c) >= 0) {
                field.append(String.format("\\%03o", (int) c));
            } else {
                field.append(c);
            }
        }
        return field.toString();
    }

    @Property
    void everyTextComesBackFromTheWayTheKernelWritesIt(@ForAll @NotEmpty String text) {
        assertThat(Mount.unescaped(escaped(text))).isEqualTo(text);
    }

    @Property
    void everyFieldIsReadWhateverStandsInItAndHoweverManyAreBetween(
            @ForAll @IntRange(min = 0, max = 1 << 20) int id,
            @ForAll @IntRange(min = 0, max = 4095) int major,
            @ForAll @IntRange(min = 0, max = 1 << 20) int minor,
            @ForAll @IntRange(min = 0, max = 3) int optionalCount,
            @ForAll @NotEmpty String directory,
            @ForAll @NotEmpty String source) {
        String line = id + " 1 " + major + ":" + minor + " / " + escaped("/" + directory) + " rw,noatime"
                + " shared:7".repeat(optionalCount) + " - fuse " + escaped("/dev/" + source) + " rw";
        assertThat(Mount.parse(line))
                .isEqualTo(new Mount(id, major, minor, "/", "/" + directory, "fuse", "/dev/" + source));
    }

    @Test
    void theLineOfTheManualIsRead() {
        assertThat(Mount.parse("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue"))
                .isEqualTo(new Mount(36, 98, 0, "/mnt1", "/mnt2", "ext3", "/dev/root"));
    }

    @Test
    void whatIsNoEscapeStandsForItself() {
        assertThat(List.of("a\\", "a\\04", "a\\0408", "\\999", "\\377"))
                .extracting(Mount::unescaped)
                .containsExactly("a\\", "a\\04", "a 8", "\\999", "\\377");
        assertThat(Mount.unescaped(new String("ä\\040ö".getBytes(UTF_8), UTF_8)))
                .isEqualTo("ä ö");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "1 2 3", "36 35 98:0 / /mnt rw ext3 /dev/root rw", "36 35 98 / /mnt rw - ext3 /dev/root rw"})
    void whatIsNoLineOfMountinfoIsRefused(String line) {
        assertThatThrownBy(() -> Mount.parse(line)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void whatLiesDeeperOrWasMountedLaterIsUnmountedFirst() {
        List<Mount> mounts = List.of(at(1, "/a"), at(2, "/a/b"), at(3, "/c"), at(4, "/a"));
        assertThat(MountTable.unmountable(mounts)).extracting(Mount::id).containsExactly(2, 4, 3, 1);
    }

    private static Mount at(int id, String directory) {
        return new Mount(id, 7, 0, "/", directory, "ext4", "/dev/loop0");
    }

    @Test
    void whatWasMountedLaterThereOrAboveLiesOverAMount() {
        MountTable table = new MountTable(
                List.of(at(1, "/"), at(2, "/a/b"), at(3, "/a/bc"), at(4, "/a/b/c"), at(5, "/a/b"), at(6, "/a")));
        assertThat(table.coverOf(at(2, "/a/b"))).contains(at(5, "/a/b"));
        assertThat(table.coverOf(at(3, "/a/bc"))).contains(at(6, "/a"));
        assertThat(table.coverOf(at(6, "/a"))).isEmpty();
        assertThat(table.coverOf(at(7, "/a"))).isEmpty();
    }
}
