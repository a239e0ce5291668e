package ramback.control;

import java.util.List;
import java.util.Map;
import ramback.attach.AttachedDisk;

/** A status in which every field differs from its neighbours, for tests. */
public final class SampleStatus {

    private SampleStatus() {}

    /** A device that is loading, with some of everything. */
    public static StatusReport loading() {
        return of("loading", 25, 4096 * 3, 200 << 20);
    }

    /** A device in this state. */
    public static StatusReport of(String state, long loadedChunks, long dirtyBytes, long writeBytesPerSecond) {
        boolean isGreen = state.equals("ready");
        return new StatusReport(
                "disk",
                "nbd+unix:///disk?socket=/run/disk/nbd.sock",
                "nbd://127.0.0.1:10809/disk",
                "off",
                "http://localhost:8080/",
                4711,
                12.5,
                "unsafe",
                "writeback",
                state,
                isGreen,
                isGreen ? "green" : state.equals("degraded") ? "red" : "amber",
                100 << 20,
                1 << 20,
                100,
                loadedChunks,
                77,
                dirtyBytes / 4096,
                dirtyBytes,
                25 << 20,
                2,
                0.5,
                100 << 20,
                1.5,
                9,
                "2026-01-02T03:04:05Z",
                "/x/disk.img.journal",
                64 << 20,
                16 << 20,
                "file:///x/disk.img",
                1,
                "no space left",
                state.equals("degraded") ? "cannot write: no space left" : null,
                writeBytesPerSecond,
                50 << 20,
                (100 - loadedChunks) << 20,
                true,
                "/x/snapshot.img",
                50 << 20,
                List.of(1L, 2L, 3L),
                List.of(0L, 4L),
                true,
                2 << 20,
                4,
                true,
                30 << 20,
                8192,
                false,
                true,
                3,
                Map.of("nbd", 2, "ublk", 0, "fuse", 1),
                1_000,
                4_096_000,
                500,
                2_048_000,
                7,
                8,
                6,
                5,
                true,
                new PowerReport("on-battery", "ups@localhost", 3.5, 840.0, 92.0, 312 << 20, 2.1, "self-test"),
                List.of(new LatencyReport("read", 900, 1e-5, 2e-4, 3e-3, 4e-2)),
                new ProcessReport(true, "states", -999, List.of("swap is on", "the tmpfs is small")),
                new AttachedDisk("fuse", "/dev/loop7", List.of("/mnt/a b", "/srv"), true));
    }
}
