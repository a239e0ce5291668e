package ramback.nbd;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import ramback.protocol.Protocol;
import ramback.traffic.ClientKind;
import ramback.traffic.SessionTraffic;
import ramback.traffic.Traffic;

/**
 * What the protocol costs, in nanoseconds a request, without a socket and without a device: requests parsed and checked, counted, given
 * to a device that copies bytes and nothing else, and answered, in batches as a receive brings them.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"-XX:+UseSerialGC", "-Xmx128m", "--enable-native-access=ALL-UNNAMED"})
public class CodecBenchmark {

    private static final int REQUEST_COUNT = 1 << 12;
    private static final int PAYLOAD_BYTES = 4096;
    private static final int REPLY_BUFFER_BYTES = 384 << 10;

    /** How many requests a receive brings. */
    @Param({"1", "16"})
    public int batch;

    /** What they ask for. */
    @Param({"read", "write", "flush"})
    public String kind = "";

    /** The messages that were agreed on. */
    @Param({"SIMPLE", "STRUCTURED", "EXTENDED"})
    public String messages = "";

    private Arena arena;
    private CopyingDevice device;
    private Export export;
    private ScriptedChannel channel;
    private ReplyForm form = ReplyForm.SIMPLE;
    private Dialect dialect;
    private Wire wire;
    private DeferredSlots slots;
    private Replies replies;
    private SessionTraffic traffic;

    /** A connection whose other side has said everything already. */
    @Setup(Level.Trial)
    public void open() throws IOException {
        arena = Arena.ofShared();
        form = ReplyForm.valueOf(messages);
        device = new CopyingDevice(arena);
        export = new Export("disk", "", device);
        dialect = new Dialect(form, Set.of());
        channel = new ScriptedChannel(requests());
        wire = new Wire(channel, null, new Polling(new PollingLimits(0, 1, 1)), _ -> true, System::nanoTime);
        slots = new DeferredSlots(device.deferredCountMax());
        traffic = new Traffic().join(ClientKind.NBD, 1).getFirst();
        replies = new Replies(device, form, wire, slots, traffic.answers(), REPLY_BUFFER_BYTES, arena);
    }

    /** Gives the memory back. */
    @TearDown(Level.Trial)
    public void close() {
        arena.close();
    }

    private ByteBuffer requests() {
        int command = switch (kind) {
            case "read" -> Protocol.CMD_READ;
            case "write" -> Protocol.CMD_WRITE;
            default -> Protocol.CMD_FLUSH;
        };
        int lengthBytes = command == Protocol.CMD_FLUSH ? 0 : PAYLOAD_BYTES;
        int payloadBytes = command == Protocol.CMD_WRITE ? PAYLOAD_BYTES : 0;
        ByteBuffer bytes = ByteBuffer.allocateDirect(batch * (form.requestBytes() + payloadBytes));
        for (int i = 0; i < batch; i++) {
            bytes.putInt(form.requestMagic()).putShort((short) 0).putShort((short) command);
            bytes.putLong(i).putLong(command == Protocol.CMD_FLUSH ? 0 : (long) i * PAYLOAD_BYTES);
            if (form == ReplyForm.EXTENDED) {
                bytes.putLong(lengthBytes);
            } else {
                bytes.putInt(lengthBytes);
            }
            bytes.position(bytes.position() + payloadBytes);
        }
        return bytes.flip();
    }

    /** So many requests, all answered. */
    @Benchmark
    @OperationsPerInvocation(REQUEST_COUNT)
    public long serve() throws IOException {
        channel.begin(REQUEST_COUNT / batch);
        new Transmission(export, device, dialect, wire, slots, replies, traffic).run();
        return channel.sentBytes();
    }
}
