package ramback.fuse;

import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import ramback.nbd.RamDevice;
import ramback.traffic.Traffic;

/**
 * Serves memory as a directory until it is killed, to try programs by hand and to measure the server alone:
 * {@code ServeFuse DIRECTORY MIB [THREADS]}, with the memory in a file in {@code -Dram=DIR}.
 */
final class ServeFuse {

    private ServeFuse() {}

    public static void main(String[] arguments) throws Exception {
        Path directory = Path.of(arguments[0]);
        long sizeBytes = Long.parseLong(arguments[1]) << 20;
        int threadCount = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 2;
        Path file = Files.createTempFile(Path.of(System.getProperty("ram", "/dev/shm")), "serve-fuse", null);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            Files.delete(file);
            channel.write(java.nio.ByteBuffer.allocate(1), sizeBytes - 1);
            var memory = channel.map(FileChannel.MapMode.READ_WRITE, 0, sizeBytes, Arena.global());
            memory.fill((byte) 7);
            RamDevice device = new RamDevice("ram", memory, 4096, false, 256, 256);
            device.logging = false;
            String[] word = {"none"};
            FuseFile mode = new FuseFile("mode", () -> word[0] + "\n", given -> {
                word[0] = given;
                return !given.equals("no");
            });
            FuseFile status = new FuseFile("status", () -> "time " + System.nanoTime() + "\n", null);
            FuseFile wait = new FuseFile("wait", () -> "", given -> {
                Thread.sleep(Long.parseLong(given));
                return true;
            });
            try (FuseDirectory mounted =
                    FuseDirectory.mount(device, directory, List.of(status, mode, wait), new Traffic(), threadCount)) {
                System.out.println("ready " + ProcessHandle.current().pid() + " " + mounted.disk());
                while (mounted.isAlive()) {
                    Thread.sleep(200);
                }
                System.out.println("unmounted");
            }
        }
    }
}
