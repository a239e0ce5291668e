package ramback.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;

/** Reads the numbers of fio's JSON report, by their paths: {@code jobs/read/iops}. */
final class FioReport {

    private static final JsonFactory FACTORY = new JsonFactory();

    private final Map<String, Double> numbers = new HashMap<>();

    /**
     * Reads a report.
     *
     * @param text what fio wrote with {@code --output-format=json}; lines before the report are skipped
     * @throws IOException when there is no whole report in it
     */
    FioReport(String text) throws IOException {
        int begin = text.indexOf('{');
        if (begin < 0) {
            throw new IOException("no report");
        }
        try (JsonParser json = FACTORY.createParser(text.substring(begin))) {
            json.nextToken();
            readObject(json, "");
        }
    }

    private void readObject(JsonParser json, String path) throws IOException {
        for (String name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
            json.nextToken();
            readValue(json, path.isEmpty() ? name : path + "/" + name);
        }
        if (json.currentToken() != JsonToken.END_OBJECT) {
            throw new IOException("the report is cut short");
        }
    }

    /** A list's elements share its path; the report has one job, and the last one counts. */
    private void readValue(JsonParser json, String path) throws IOException {
        switch (json.currentToken()) {
            case START_OBJECT -> readObject(json, path);
            case START_ARRAY -> {
                while (json.nextToken() != JsonToken.END_ARRAY) {
                    if (json.currentToken() == null) {
                        throw new IOException("the report is cut short");
                    }
                    readValue(json, path);
                }
            }
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> numbers.put(path, json.getDoubleValue());
            default -> {
                // Words and truths: not measured.
            }
        }
    }

    /**
     * What was measured of reads or of writes.
     *
     * @throws IOException when fio reports an error, or no request was finished
     */
    Measurement measurement(boolean ofWrites) throws IOException {
        double error = number("jobs/error");
        if (error != 0) {
            throw new IOException("error " + (int) error);
        }
        String side = ofWrites ? "jobs/write/" : "jobs/read/";
        if (number(side + "total_ios") == 0) {
            throw new IOException("no request was finished");
        }
        String percentile = side + "clat_ns/percentile/";
        return new Measurement(
                number(side + "iops"),
                number(side + "bw_bytes"),
                (long) number(percentile + "50.000000"),
                (long) number(percentile + "99.000000"),
                (long) number(percentile + "99.900000"));
    }

    private double number(String path) throws IOException {
        Double number = numbers.get(path);
        if (number == null) {
            throw new IOException("the report has no " + path);
        }
        return number;
    }
}
