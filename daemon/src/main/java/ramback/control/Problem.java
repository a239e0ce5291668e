package ramback.control;

import java.io.IOException;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import ramback.engine.Refusal;

/**
 * A {@link Refusal} on its way over the control socket: {@code {"error":{"kind":"failed|usage|no-device|protected",
 * "message":"…"}}}, under an HTTP status that means about the same.
 */
final class Problem {

    private Problem() {}

    static int httpStatus(Refusal.Kind kind) {
        return switch (kind) {
            case FAILED -> 500;
            case USAGE -> 400;
            case NO_DEVICE -> 404;
            case PROTECTED -> 409;
        };
    }

    static String write(Refusal refusal) {
        return Json.write(json -> {
            json.writeStartObject();
            json.writeObjectFieldStart("error");
            json.writeStringField("kind", word(refusal.kind()));
            json.writeStringField("message", refusal.getMessage());
            json.writeEndObject();
            json.writeEndObject();
        });
    }

    /** Reads what {@link #write} wrote; anything else becomes a failure with the HTTP status in it. */
    static Refusal read(int httpStatus, String body) {
        try {
            Map<String, @Nullable Object> top = Json.readObject(body);
            if (top.get("error") instanceof Map<?, ?> error
                    && error.get("message") instanceof String message
                    && error.get("kind") instanceof String word) {
                for (Refusal.Kind kind : Refusal.Kind.values()) {
                    if (word(kind).equals(word)) {
                        return new Refusal(kind, message);
                    }
                }
                return new Refusal(Refusal.Kind.FAILED, message);
            }
        } catch (IOException e) {
            // Not our JSON: the HTTP server's own page.
        }
        return new Refusal(
                Refusal.Kind.FAILED,
                "the daemon answered with HTTP status " + httpStatus + "; is it of the same version as this command?");
    }

    private static String word(Refusal.Kind kind) {
        return kind.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
