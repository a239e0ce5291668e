package ramback.control;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The last ten minutes of a device, a sample a second, so that whoever comes sees the past too: a ring of {@link #SAMPLE_COUNT_MAX}
 * numbers a series, 120 KiB in all. Safe for use by many threads.
 */
final class History {

    /** As many samples are kept. */
    static final int SAMPLE_COUNT_MAX = 600;

    /** So many digits are told: a picture has no use for more. */
    private static final MathContext DIGITS = new MathContext(4);

    /** A number of one moment. NaN where there is none. */
    private record Series(String name, Reading reading) {}

    private interface Reading {
        double of(StatusReport before, StatusReport now, double seconds);
    }

    private static final List<Series> SERIES = List.of(
            // A second's work: bytes and requests a second.
            new Series("readBytes", (a, b, s) -> (b.readBytes() - a.readBytes()) / s),
            new Series("writeBytes", (a, b, s) -> (b.writeBytes() - a.writeBytes()) / s),
            new Series("reads", (a, b, s) -> (b.readCount() - a.readCount()) / s),
            new Series("writes", (a, b, s) -> (b.writeCount() - a.writeCount()) / s),
            new Series("flushes", (a, b, s) -> (b.flushCount() - a.flushCount()) / s),
            new Series("others", (a, b, s) -> (b.trimCount() - a.trimCount() + b.zeroCount() - a.zeroCount()) / s),
            new Series("imageBytes", (a, b, s) -> b.backingWriteBytesPerSecond()),
            new Series("loadBytes", (a, b, s) -> b.fullyLoaded() ? 0 : b.loadBytesPerSecond()),
            // Seconds.
            new Series("readP50", (a, b, s) -> latency(b, "read", false)),
            new Series("readP99", (a, b, s) -> latency(b, "read", true)),
            new Series("writeP50", (a, b, s) -> latency(b, "write", false)),
            new Series("writeP99", (a, b, s) -> latency(b, "write", true)),
            new Series("flushP50", (a, b, s) -> latency(b, "flush", false)),
            new Series("flushP99", (a, b, s) -> latency(b, "flush", true)),
            // What stands at that moment.
            new Series("lossBytes", (a, b, s) -> b.lossBytes()),
            new Series("lossSeconds", (a, b, s) -> b.lossSeconds()),
            new Series("dirtyBytes", (a, b, s) -> b.dirtyBytes()),
            new Series("journalBytes", (a, b, s) -> b.journalPath() == null ? Double.NaN : b.journalUsedBytes()),
            new Series("power", (a, b, s) -> power(b.power())),
            new Series("batterySeconds", (a, b, s) -> orNaN(b.power().batteryRuntimeSeconds())),
            new Series("batteryPercent", (a, b, s) -> orNaN(b.power().batteryChargePercent())),
            new Series("light", (a, b, s) -> b.lightColour().ordinal()));

    private final long[] times = new long[SAMPLE_COUNT_MAX];
    private final double[][] values = new double[SERIES.size()][SAMPLE_COUNT_MAX];
    private long sampleCount;

    /** Adds a sample, what happened between two statuses. */
    synchronized void add(StatusReport before, StatusReport now, long timeMillis) {
        double seconds = Math.max(0.001, now.uptimeSeconds() - before.uptimeSeconds());
        int slot = (int) (sampleCount % SAMPLE_COUNT_MAX);
        times[slot] = timeMillis;
        for (int i = 0; i < values.length; i++) {
            values[i][slot] = SERIES.get(i).reading().of(before, now, seconds);
        }
        sampleCount++;
    }

    /** Writes all samples, oldest first: {@code {"t":[…],"v":{NAME:[…],…}}}, times in milliseconds since 1970. */
    synchronized void writeAll(JsonGenerator json) throws IOException {
        writeFrom(json, Math.max(0, sampleCount - SAMPLE_COUNT_MAX));
    }

    /** Writes the newest sample, likewise. */
    synchronized void writeNewest(JsonGenerator json) throws IOException {
        writeFrom(json, Math.max(0, sampleCount - 1));
    }

    private void writeFrom(JsonGenerator json, long first) throws IOException {
        json.writeStartObject();
        json.writeArrayFieldStart("t");
        for (long sample = first; sample < sampleCount; sample++) {
            json.writeNumber(times[(int) (sample % SAMPLE_COUNT_MAX)]);
        }
        json.writeEndArray();
        json.writeObjectFieldStart("v");
        for (int i = 0; i < values.length; i++) {
            json.writeArrayFieldStart(SERIES.get(i).name());
            for (long sample = first; sample < sampleCount; sample++) {
                writeNumber(json, values[i][(int) (sample % SAMPLE_COUNT_MAX)]);
            }
            json.writeEndArray();
        }
        json.writeEndObject();
        json.writeEndObject();
    }

    private static void writeNumber(JsonGenerator json, double value) throws IOException {
        if (!Double.isFinite(value)) {
            json.writeNull();
        } else if (value == Math.rint(value) && Math.abs(value) < 10_000) {
            json.writeNumber((long) value);
        } else {
            json.writeNumber(
                    new BigDecimal(value).round(DIGITS).stripTrailingZeros().toString());
        }
    }

    private static double latency(StatusReport now, String kind, boolean isP99) {
        for (LatencyReport latency : now.latencies()) {
            if (latency.kind().equals(kind) && latency.count() > 0) {
                return isP99 ? latency.p99Seconds() : latency.p50Seconds();
            }
        }
        return Double.NaN;
    }

    /** 0 nobody says, 1 online, 2 on battery, 3 low, 4 not heard. */
    private static double power(PowerReport power) {
        return switch (power.state()) {
            case "online" -> 1;
            case "on-battery" -> 2;
            case "low-battery" -> 3;
            case "unknown" -> 4;
            default -> 0;
        };
    }

    private static double orNaN(@Nullable Double value) {
        return value == null ? Double.NaN : value;
    }
}
