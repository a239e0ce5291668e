package ramback.control;

import io.helidon.http.HeaderNames;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import ramback.engine.Refusal;

/**
 * {@code GET /metrics}: everything the status has that is a number, and how long requests took, for Prometheus; as OpenMetrics for
 * who asks for that. It is put together when it is asked for and costs nothing between. Safe for use by many threads.
 */
final class MetricsPage implements Handler {

    private static final Logger LOG = System.getLogger(MetricsPage.class.getName());

    private final DeviceControl device;

    MetricsPage(DeviceControl device) {
        this.device = device;
    }

    @Override
    public void handle(ServerRequest request, ServerResponse response) {
        String accept = request.headers().value(HeaderNames.ACCEPT).orElse("");
        Exposition page = new Exposition(accept.contains("application/openmetrics-text"));
        try {
            DeviceMetrics.write(page, device.status(), device.latencies(), ProcessMetrics.read());
        } catch (Refusal refusal) {
            response.status(Problem.httpStatus(refusal.kind()));
            response.header("Content-Type", "application/json");
            response.send(Problem.write(refusal));
            return;
        } catch (RuntimeException | Error e) {
            LOG.log(Level.WARNING, "control: " + request.path().path() + " ended by an internal error", e);
            throw e;
        }
        response.header("Content-Type", page.contentType());
        response.header("Cache-Control", "no-store");
        response.send(page.toBytes());
    }
}
