package ramback.control;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import ramback.engine.VerifyReport;

/** What a comparison found, as JSON. The reader takes what it knows and defaults what is missing, as {@link StatusJson}. */
final class VerifyJson {

    private VerifyJson() {}

    static String write(VerifyReport report) {
        return Json.write(json -> {
            json.writeStartObject();
            json.writeNumberField("comparedBytes", report.comparedBytes());
            json.writeNumberField("unloadedBytes", report.unloadedBytes());
            json.writeNumberField("busyBytes", report.busyBytes());
            json.writeNumberField("unreadableBytes", report.unreadableBytes());
            json.writeStringField("lastError", report.lastError());
            json.writeNumberField("differingBytes", report.differingBytes());
            json.writeNumberField("repairedBytes", report.repairedBytes());
            json.writeNumberField("differenceCount", report.differenceCount());
            json.writeArrayFieldStart("differences");
            for (VerifyReport.Range range : report.differences()) {
                json.writeStartObject();
                json.writeNumberField("offsetBytes", range.offsetBytes());
                json.writeNumberField("lengthBytes", range.lengthBytes());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeEndObject();
        });
    }

    /**
     * Reads what {@link #write} wrote.
     *
     * @throws IOException when it is not JSON
     */
    static VerifyReport read(String text) throws IOException {
        Map<String, @Nullable Object> top = Json.readObject(text);
        List<VerifyReport.Range> ranges = new ArrayList<>();
        if (top.get("differences") instanceof List<?> list) {
            for (Object item : list) {
                if (item instanceof Map<?, ?> range) {
                    ranges.add(
                            new VerifyReport.Range(count(range.get("offsetBytes")), count(range.get("lengthBytes"))));
                }
            }
        }
        return new VerifyReport(
                count(top.get("comparedBytes")),
                count(top.get("unloadedBytes")),
                count(top.get("busyBytes")),
                count(top.get("unreadableBytes")),
                top.get("lastError") instanceof String error ? error : null,
                count(top.get("differingBytes")),
                count(top.get("repairedBytes")),
                List.copyOf(ranges),
                count(top.get("differenceCount")));
    }

    private static long count(@Nullable Object value) {
        return value instanceof Number number ? number.longValue() : 0;
    }
}
