package ramback.control;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import ramback.attach.AttachedDisk;

/**
 * The status as JSON, with the names that programs rely on. They are stable: a later version adds names and takes none
 * away, so the reader takes what it knows and defaults what is missing. {@code journal} is null where none is kept.
 */
public final class StatusJson {

    private StatusJson() {}

    static String write(StatusReport report) {
        return Json.write(json -> {
            json.writeStartObject();
            writeDevice(json, report);
            writeDurability(json, report);
            writeService(json, report);
            writeProcess(json, report.process());
            writeAttached(json, report.attached());
            json.writeEndObject();
        });
    }

    private static void writeDevice(JsonGenerator json, StatusReport report) throws IOException {
        json.writeStringField("name", report.name());
        json.writeStringField("uri", report.uri());
        json.writeStringField("mode", report.mode());
        json.writeStringField("configuredMode", report.configuredMode());
        json.writeBooleanField("modeByHand", report.modeByHand());
        json.writeStringField("state", report.state());
        json.writeBooleanField("greenLight", report.greenLight());
        json.writeStringField("light", report.light());
        json.writeNumberField("sizeBytes", report.sizeBytes());
        json.writeNumberField("chunkBytes", report.chunkBytes());
        json.writeNumberField("chunks", report.chunks());
        json.writeNumberField("loadedChunks", report.loadedChunks());
        json.writeNumberField("savedChunks", report.savedChunks());
        json.writeNumberField("dirtyChunks", report.dirtyChunks());
        json.writeNumberField("dirtyBytes", report.dirtyBytes());
        json.writeNumberField("dirtyMaxBytes", report.dirtyMaxBytes());
        json.writeNumberField("inflight", report.inflight());
        json.writeNumberField("intervalSeconds", report.intervalSeconds());
        json.writeNumberField("loadBytesPerSecond", Math.round(report.loadBytesPerSecond()));
        json.writeNumberField("loadRemainingBytes", report.loadRemainingBytes());
        json.writeBooleanField("throttling", report.throttling());
        json.writeBooleanField("readOnly", report.readOnly());
    }

    private static void writeDurability(JsonGenerator json, StatusReport report) throws IOException {
        json.writeObjectFieldStart("lossIfPowerFailedNow");
        json.writeNumberField("bytes", report.lossBytes());
        json.writeNumberField("seconds", report.lossSeconds());
        json.writeEndObject();
        json.writeObjectFieldStart("lastCommit");
        json.writeNumberField("epoch", report.commitEpoch());
        json.writeStringField("time", report.commitTime());
        json.writeEndObject();
        if (report.journalPath() == null) {
            json.writeNullField("journal");
        } else {
            json.writeObjectFieldStart("journal");
            json.writeStringField("path", report.journalPath());
            json.writeNumberField("sizeBytes", report.journalSizeBytes());
            json.writeNumberField("usedBytes", report.journalUsedBytes());
            json.writeEndObject();
        }
        if (report.snapshotPath() == null) {
            json.writeNullField("snapshot");
        } else {
            json.writeObjectFieldStart("snapshot");
            json.writeStringField("path", report.snapshotPath());
            json.writeNumberField("doneBytes", report.snapshotDoneBytes());
            json.writeEndObject();
        }
        if (report.verifying()) {
            json.writeObjectFieldStart("verify");
            json.writeNumberField("doneBytes", report.verifyDoneBytes());
            json.writeNumberField("differingBytes", report.verifyDifferingBytes());
            json.writeEndObject();
        } else {
            json.writeNullField("verify");
        }
        json.writeObjectFieldStart("backing");
        json.writeStringField("uri", report.backingUri());
        json.writeNumberField("errors", report.backingErrors());
        json.writeNumberField("writeBytesPerSecond", Math.round(report.backingWriteBytesPerSecond()));
        json.writeStringField("lastError", report.backingLastError());
        json.writeStringField("failing", report.backingFailing());
        json.writeBooleanField("directIo", report.directIo());
        json.writeNumberField("changedBytes", report.backingChangedBytes());
        json.writeEndObject();
        json.writeObjectFieldStart("power");
        writePower(json, report.power());
        json.writeEndObject();
    }

    private static void writePower(JsonGenerator json, PowerReport power) throws IOException {
        json.writeStringField("state", power.state());
        writeNumber(json, "batteryRuntimeSeconds", power.batteryRuntimeSeconds());
        writeNumber(json, "drainSeconds", power.drainSeconds());
        json.writeNumberField("toSaveBytes", power.toSaveBytes());
        json.writeStringField("source", power.source());
        json.writeNumberField("sinceSeconds", power.sinceSeconds());
        writeNumber(json, "batteryChargePercent", power.batteryChargePercent());
        json.writeStringField("detail", power.detail());
    }

    private static void writeNumber(JsonGenerator json, String name, @Nullable Double number) throws IOException {
        if (number == null) {
            json.writeNullField(name);
        } else {
            json.writeNumberField(name, number);
        }
    }

    private static void writeLatencies(JsonGenerator json, List<LatencyReport> latencies) throws IOException {
        json.writeObjectFieldStart("latency");
        for (LatencyReport latency : latencies) {
            json.writeObjectFieldStart(latency.kind());
            json.writeNumberField("count", latency.count());
            json.writeNumberField("p50Seconds", latency.p50Seconds());
            json.writeNumberField("p99Seconds", latency.p99Seconds());
            json.writeNumberField("p999Seconds", latency.p999Seconds());
            json.writeNumberField("maxSeconds", latency.maxSeconds());
            json.writeEndObject();
        }
        json.writeEndObject();
    }

    private static void writeService(JsonGenerator json, StatusReport report) throws IOException {
        json.writeNumberField("exportGeneration", report.exportGeneration());
        json.writeNumberField("clients", report.clients());
        json.writeObjectFieldStart("clientsVia");
        for (var kind : report.clientsVia().entrySet()) {
            json.writeNumberField(kind.getKey(), kind.getValue());
        }
        json.writeEndObject();
        json.writeBooleanField("trace", report.trace());
        json.writeStringField("tcpUri", report.tcpUri());
        json.writeStringField("tls", report.tls());
        json.writeStringField("httpUri", report.httpUri());
        json.writeNumberField("pid", report.pid());
        json.writeNumberField("uptimeSeconds", report.uptimeSeconds());
        json.writeObjectFieldStart("waits");
        writeCounts(json, "lockMicros", report.lockWaits());
        writeCounts(json, "ringMicros", report.ringWaits());
        json.writeEndObject();
        json.writeObjectFieldStart("requests");
        json.writeNumberField("reads", report.readCount());
        json.writeNumberField("readBytes", report.readBytes());
        json.writeNumberField("writes", report.writeCount());
        json.writeNumberField("writeBytes", report.writeBytes());
        json.writeNumberField("flushes", report.flushCount());
        json.writeNumberField("trims", report.trimCount());
        json.writeNumberField("zeroes", report.zeroCount());
        json.writeNumberField("failed", report.failedCount());
        json.writeEndObject();
        writeLatencies(json, report.latencies());
    }

    private static void writeProcess(JsonGenerator json, ProcessReport process) throws IOException {
        json.writeObjectFieldStart("process");
        json.writeBooleanField("ioFlusher", process.ioFlusher());
        json.writeStringField("memoryLocked", process.memoryLocked());
        json.writeNumberField("oomScoreAdjust", process.oomScoreAdjust());
        json.writeArrayFieldStart("warnings");
        for (String warning : process.warnings()) {
            json.writeString(warning);
        }
        json.writeEndArray();
        json.writeEndObject();
    }

    private static void writeAttached(JsonGenerator json, @Nullable AttachedDisk attached) throws IOException {
        if (attached == null) {
            json.writeNullField("attached");
            return;
        }
        json.writeObjectFieldStart("attached");
        json.writeStringField("via", attached.via());
        json.writeStringField("device", attached.device());
        json.writeArrayFieldStart("mounts");
        for (String mount : attached.mounts()) {
            json.writeString(mount);
        }
        json.writeEndArray();
        json.writeBooleanField("left", attached.isLeft());
        json.writeEndObject();
    }

    /** A histogram: the i-th count is of what took less than 2^i µs, and not less than 2^(i-1). */
    private static void writeCounts(JsonGenerator json, String name, List<Long> counts) throws IOException {
        json.writeArrayFieldStart(name);
        for (long count : counts) {
            json.writeNumber(count);
        }
        json.writeEndArray();
    }

    /**
     * Reads what {@link #write} wrote, here or in another version.
     *
     * @throws IOException when it is not JSON
     */
    public static StatusReport read(String text) throws IOException {
        Fields top = new Fields(Json.readObject(text));
        Fields loss = top.object("lossIfPowerFailedNow");
        Fields commit = top.object("lastCommit");
        Fields journal = top.object("journal");
        Fields snapshot = top.object("snapshot");
        Fields verify = top.object("verify");
        Fields backing = top.object("backing");
        Fields waits = top.object("waits");
        Fields requests = top.object("requests");
        Fields power = top.object("power");
        Fields process = top.object("process");
        return new StatusReport(
                top.text("name"),
                top.text("uri"),
                top.textOrNull("tcpUri"),
                Objects.requireNonNullElse(top.textOrNull("tls"), "off"), // a daemon of before has none
                top.textOrNull("httpUri"),
                top.count("pid"),
                top.number("uptimeSeconds"),
                top.text("mode"),
                top.text("configuredMode"),
                top.text("state"),
                top.flag("greenLight"),
                top.text("light"),
                top.count("sizeBytes"),
                top.count("chunkBytes"),
                top.count("chunks"),
                top.count("loadedChunks"),
                top.count("savedChunks"),
                top.count("dirtyChunks"),
                top.count("dirtyBytes"),
                top.count("dirtyMaxBytes"),
                top.count("inflight"),
                top.number("intervalSeconds"),
                loss.count("bytes"),
                loss.number("seconds"),
                commit.count("epoch"),
                commit.textOrNull("time"),
                journal.textOrNull("path"),
                journal.count("sizeBytes"),
                journal.count("usedBytes"),
                backing.text("uri"),
                backing.count("errors"),
                backing.textOrNull("lastError"),
                backing.textOrNull("failing"),
                backing.number("writeBytesPerSecond"),
                top.number("loadBytesPerSecond"),
                top.count("loadRemainingBytes"),
                top.flag("throttling"),
                snapshot.textOrNull("path"),
                snapshot.count("doneBytes"),
                waits.counts("lockMicros"),
                waits.counts("ringMicros"),
                backing.flag("directIo"),
                backing.count("changedBytes"),
                top.count("exportGeneration"),
                top.has("verify"),
                verify.count("doneBytes"),
                verify.count("differingBytes"),
                top.flag("readOnly"),
                top.flag("trace"),
                Math.toIntExact(top.count("clients")),
                clients(top.object("clientsVia")),
                requests.count("reads"),
                requests.count("readBytes"),
                requests.count("writes"),
                requests.count("writeBytes"),
                requests.count("flushes"),
                requests.count("trims"),
                requests.count("zeroes"),
                requests.count("failed"),
                top.flag("modeByHand"),
                new PowerReport(
                        power.text("state"),
                        power.textOrNull("source"),
                        power.number("sinceSeconds"),
                        power.numberOrNull("batteryRuntimeSeconds"),
                        power.numberOrNull("batteryChargePercent"),
                        power.count("toSaveBytes"),
                        power.numberOrNull("drainSeconds"),
                        power.textOrNull("detail")),
                latencies(top.object("latency")),
                new ProcessReport(
                        process.flag("ioFlusher"),
                        process.text("memoryLocked"),
                        Math.toIntExact(process.count("oomScoreAdjust")),
                        process.texts("warnings")),
                top.has("attached") ? attached(top.object("attached")) : null);
    }

    private static Map<String, Integer> clients(Fields all) {
        Map<String, Integer> clients = new TreeMap<>();
        all.map().keySet().forEach(kind -> clients.put(kind, Math.toIntExact(all.count(kind))));
        return clients;
    }

    private static AttachedDisk attached(Fields all) {
        return new AttachedDisk(all.text("via"), all.text("device"), all.texts("mounts"), all.flag("left"));
    }

    private static List<LatencyReport> latencies(Fields all) {
        return all.map().keySet().stream()
                .map(kind -> {
                    Fields one = all.object(kind);
                    return new LatencyReport(
                            kind,
                            one.count("count"),
                            one.number("p50Seconds"),
                            one.number("p99Seconds"),
                            one.number("p999Seconds"),
                            one.number("maxSeconds"));
                })
                .toList();
    }

    /** An object's fields, each defaulted when it is missing or of another kind. */
    private record Fields(Map<String, @Nullable Object> map) {

        @SuppressWarnings("unchecked") // Json.readObject makes no other maps
        Fields object(String name) {
            return map.get(name) instanceof Map<?, ?> inner
                    ? new Fields((Map<String, @Nullable Object>) inner)
                    : new Fields(Map.of());
        }

        boolean has(String name) {
            return map.get(name) != null;
        }

        String text(String name) {
            return map.get(name) instanceof String text ? text : "";
        }

        @Nullable
        String textOrNull(String name) {
            return map.get(name) instanceof String text ? text : null;
        }

        long count(String name) {
            return map.get(name) instanceof Number number ? number.longValue() : 0;
        }

        List<Long> counts(String name) {
            return map.get(name) instanceof List<?> list
                    ? list.stream()
                            .map(count -> count instanceof Number number ? number.longValue() : 0L)
                            .toList()
                    : List.of();
        }

        List<String> texts(String name) {
            return map.get(name) instanceof List<?> list
                    ? list.stream().map(String::valueOf).toList()
                    : List.of();
        }

        double number(String name) {
            return map.get(name) instanceof Number number ? number.doubleValue() : 0;
        }

        @Nullable
        Double numberOrNull(String name) {
            return map.get(name) instanceof Number number ? number.doubleValue() : null;
        }

        boolean flag(String name) {
            return map.get(name) instanceof Boolean flag && flag;
        }
    }
}
