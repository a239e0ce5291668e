package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import ramback.kernelnbd.KernelNbd;

/**
 * Serves the bytes of a file from memory and makes a block device of it, for the guest of
 * {@code verify.d/guest-nbd.sh}; what was written outlives a kill, because the file is on tmpfs and mapped:
 *
 * <pre>
 *   AttachRam serve SOCKET FILE BYTES ro|rw connect CONNECTIONS BLOCK_BYTES
 *   AttachRam serve SOCKET FILE BYTES ro|rw reconnect INDEX
 *   AttachRam serve SOCKET FILE BYTES ro|rw none
 *   AttachRam disconnect INDEX SOCKET
 *   AttachRam list
 *   AttachRam unavailable
 * </pre>
 *
 * {@code serve} says what it has done for each line of its standard input, and goes on when that ends.
 */
final class AttachRam {

    private static final String EXPORT = "ram";

    private AttachRam() {}

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "serve" -> serve(arguments);
            case "disconnect" ->
                say("free " + KernelNbd.disconnect(Integer.parseInt(arguments[1]), Path.of(arguments[2])));
            case "list" -> KernelNbd.attached().forEach(a -> say(KernelNbd.path(a.index()) + " " + a.uri()));
            case "unavailable" -> say(KernelNbd.unavailable().orElse("available"));
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    private static void serve(String[] arguments) throws Exception {
        Path socket = Path.of(arguments[1]);
        MemorySegment memory = map(Path.of(arguments[2]), Long.parseLong(arguments[3]));
        RamDevice device = new RamDevice(EXPORT, memory, 4096, arguments[4].equals("ro"), 64, 256);
        device.logging = false;
        NbdServer server = new NbdServer(List.of(new Export(EXPORT, "memory", device)), ServerLimits.DEFAULT);
        server.listenUnix(socket);
        switch (arguments[5]) {
            case "connect" -> {
                int index = KernelNbd.connect(
                        socket,
                        EXPORT,
                        new KernelNbd.Options(Integer.parseInt(arguments[6]), Integer.parseInt(arguments[7]), false));
                say("attached " + KernelNbd.path(index));
            }
            case "reconnect" -> {
                KernelNbd.reconnect(Integer.parseInt(arguments[6]), socket, EXPORT);
                say("attached " + KernelNbd.path(Integer.parseInt(arguments[6])));
            }
            default -> say("serving");
        }
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        while (questions.readLine() != null) {
            say(server.traffic().counts().toString());
        }
        Thread.currentThread().join();
    }

    private static MemorySegment map(Path file, long sizeBytes) throws Exception {
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE)) {
            return channel.map(FileChannel.MapMode.READ_WRITE, 0, sizeBytes, Arena.global());
        }
    }

    private static void say(String line) {
        System.out.println(line);
    }
}
