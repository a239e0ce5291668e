package ramback.fuse;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** Mount tables as the kernel writes them, and worse ones. */
final class MountTableTest {

    private static final String OURS =
            "31 29 0:52 / /run/ramback/disk/fuse rw,nosuid shared:7 master:1 - fuse.ramback disk rw,user_id=0\n";

    private static MountTable parse(String bytes) {
        return MountTable.parse(bytes.getBytes(ISO_8859_1));
    }

    @Test
    void aNameThatIsNoUtf8IsAMountLikeAnyOther() {
        MountTable table = parse("30 29 0:51 / /media/lat\u00e9 rw - tmpfs tmpfs rw\n" + OURS);
        assertThat(table.mounts()).hasSize(2);
        assertThat(table.top(Path.of("/run/ramback/disk/fuse")))
                .isEqualTo(new MountTable.Mount("0:52", "/run/ramback/disk/fuse", "fuse.ramback"));
        assertThat(table.top(Path.of("/media/lat\ufffd"))).isNull();
    }

    @Test
    void namesAreComparedByteByByte() {
        String utf8 = new String("/mnt/Pl\u00e4tze \\040".getBytes(UTF_8), ISO_8859_1);
        MountTable table =
                parse("30 29 8:1 / " + utf8.replace("\\", "\\134").replace(" ", "\\040") + " rw - ext4 /dev/a rw\n");
        assertThat(table.at(Path.of("/mnt/Pl\u00e4tze \\040"))).hasSize(1);
        assertThat(parse("1 2 0:3 / /a\\011b\\012c rw - x y z\n").at(Path.of("/a\tb\nc")))
                .hasSize(1);
    }

    @Test
    void whatWasMountedLastIsOnTop() {
        MountTable table =
                parse(OURS + "40 31 0:60 / /run/ramback/disk/fuse rw - tmpfs t rw\n" + OURS.replace("/fuse", "/fuse2"));
        MountTable.Mount top = table.top(Path.of("/run/ramback/disk/fuse"));
        assertThat(top).isNotNull().extracting(MountTable.Mount::type).isEqualTo("tmpfs");
        assertThat(table.at(Path.of("/run/ramback/disk/fuse"))).hasSize(2);
        assertThat(table.top(Path.of("/run/ramback/disk"))).isNull();
    }

    @Test
    void whatIsNoLineOfATableIsPassedOver() {
        for (String line :
                new String[] {"", "\n", "30", "30 29 0:51 / /mnt rw", "30 29 0:51 / /mnt rw -", "- - - - - - a b"}) {
            assertThat(parse(line + "\n" + OURS).mounts()).as(line).hasSize(1);
            assertThat(parse(OURS + line).mounts()).as(line).hasSize(1);
        }
    }
}
