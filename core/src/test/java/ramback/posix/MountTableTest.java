package ramback.posix;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.NotEmpty;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Mount tables as the kernel writes them, and worse ones. */
class MountTableTest {

    private static final String OURS =
            "31 29 0:52 / /run/ramback/disk/fuse rw,nosuid shared:7 master:1 - fuse.ramback disk rw,user_id=0\n";

    /** @param bytes a character a byte */
    private static MountTable table(String bytes) {
        return MountTable.parse(bytes.getBytes(ISO_8859_1));
    }

    private static Mount line(String text) {
        return Mount.parse(text).orElseThrow();
    }

    // -------------------------------------------------------------------------------------------------------- lines

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
    void everyNameComesBackFromTheWayTheKernelWritesIt(@ForAll byte[] name) {
        String text = new String(name, ISO_8859_1);
        assertThat(Mount.unescaped(escaped(text))).isEqualTo(text);
    }

    @Property
    void everyFieldIsReadWhateverStandsInItAndHoweverManyAreBetween(
            @ForAll @IntRange(min = 0, max = 1 << 20) int id,
            @ForAll @IntRange(min = 0, max = 4095) int major,
            @ForAll @IntRange(min = 0, max = 1 << 20) int minor,
            @ForAll @IntRange(min = 0, max = 3) int optionalCount,
            @ForAll @NotEmpty byte[] directory,
            @ForAll @NotEmpty byte[] source) {
        String where = "/" + new String(directory, ISO_8859_1);
        String what = "/dev/" + new String(source, ISO_8859_1);
        String line = id + " 1 " + major + ":" + minor + " / " + escaped(where) + " rw,noatime"
                + " shared:7".repeat(optionalCount) + " - fuse " + escaped(what) + " rw";
        assertThat(line(line)).isEqualTo(new Mount(id, major + ":" + minor, "/", where, "fuse", what));
        assertThat(table(OURS + line + "\n" + OURS).mounts()).hasSize(3).contains(line(line));
    }

    @Test
    void theLineOfTheManualIsRead() {
        assertThat(line("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue"))
                .isEqualTo(new Mount(36, "98:0", "/mnt1", "/mnt2", "ext3", "/dev/root"));
    }

    @Test
    void whatIsNoEscapeStandsForItself() {
        assertThat(List.of("a\\", "a\\04", "a\\0408", "\\999", "\\377"))
                .extracting(Mount::unescaped)
                .containsExactly("a\\", "a\\04", "a 8", "\\999", "\\377");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "\n",
                "30",
                "1 2 3",
                "30 29 0:51 / /mnt rw",
                "30 29 0:51 / /mnt rw -",
                "30 29 0:51 / /mnt rw - ext4",
                "36 35 98:0 / /mnt rw ext3 /dev/root rw",
                "36 35 98 / /mnt rw - ext3 /dev/root rw",
                "x 35 98:0 / /mnt rw - ext3 /dev/root rw",
                "- - - - - - a b"
            })
    void whatIsNoLineOfATableIsPassedOver(String line) {
        assertThat(Mount.parse(line)).isEmpty();
        assertThat(table(line + "\n" + OURS).mounts()).hasSize(1);
        assertThat(table(OURS + line).mounts()).hasSize(1);
    }

    // -------------------------------------------------------------------------------------------------------- names

    @Test
    void aNameThatIsNoUtf8IsAMountLikeAnyOther() {
        MountTable table = table("30 29 0:51 / /media/lat\u00e9 rw - tmpfs tmpfs rw\n" + OURS);
        assertThat(table.mounts()).hasSize(2);
        assertThat(table.top(Path.of("/run/ramback/disk/fuse"))).isEqualTo(line(OURS.strip()));
        assertThat(table.top(Path.of("/media/lat\ufffd"))).isNull();
    }

    @Test
    void namesAreComparedByteByByte() {
        String utf8 = new String("/mnt/Pl\u00e4tze \\040".getBytes(UTF_8), ISO_8859_1);
        MountTable table = table("30 29 8:1 / " + escaped(utf8) + " rw - ext4 /dev/a rw\n");
        assertThat(table.at(Path.of("/mnt/Pl\u00e4tze \\040")))
                .singleElement()
                .extracting(Mount::where)
                .isEqualTo("/mnt/Pl\u00e4tze \\040");
        assertThat(table("1 2 0:3 / /a\\011b\\012c rw - x y z\n").at(Path.of("/a\tb\nc")))
                .hasSize(1);
    }

    // -------------------------------------------------------------------------------------------------------- order

    @Test
    void whatWasMountedLastIsOnTop() {
        MountTable table =
                table(OURS + "40 31 0:60 / /run/ramback/disk/fuse rw - tmpfs t rw\n" + OURS.replace("/fuse", "/fuse2"));
        assertThat(table.top(Path.of("/run/ramback/disk/fuse")))
                .isNotNull()
                .extracting(Mount::type)
                .isEqualTo("tmpfs");
        assertThat(table.at(Path.of("/run/ramback/disk/fuse"))).hasSize(2);
        assertThat(table.top(Path.of("/run/ramback/disk"))).isNull();
    }

    private static Mount at(int id, String directory) {
        return new Mount(id, "7:0", "/", directory, "ext4", "/dev/loop0");
    }

    @Test
    void whatLiesDeeperOrWasMountedLaterIsUnmountedFirst() {
        List<Mount> mounts = List.of(at(1, "/a"), at(2, "/a/b"), at(3, "/c"), at(4, "/a"));
        assertThat(MountTable.unmountable(mounts)).extracting(Mount::id).containsExactly(2, 4, 3, 1);
    }

    @Test
    void whatWasMountedLaterThereOrAboveLiesOverAMount() {
        MountTable table = new MountTable(
                List.of(at(1, "/"), at(2, "/a/b"), at(3, "/a/bc"), at(4, "/a/b/c"), at(5, "/a/b"), at(6, "/a")));
        assertThat(table.coverOf(at(2, "/a/b"))).contains(at(5, "/a/b"));
        assertThat(table.coverOf(at(3, "/a/bc"))).contains(at(6, "/a"));
        assertThat(table.coverOf(at(6, "/a"))).isEmpty();
        assertThat(table.coverOf(at(7, "/a"))).isEmpty();
        MountTable similar = new MountTable(List.of(at(1, "/lat\u00e9"), at(2, "/lat\u00e8")));
        assertThat(similar.coverOf(at(1, "/lat\u00e9"))).isEmpty();
    }
}
