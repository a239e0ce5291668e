package ramback.traffic;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * All that is asked of a device: its clients, and the sums over them, also over those that have gone. Safe for use by
 * many threads; a request on its way never takes the lock.
 */
public final class Traffic {

    private final RequestRecording recording = new RequestRecording();
    private final Set<SessionTraffic> sessions = new LinkedHashSet<>(); // guarded by this
    private final Tallies gone = new Tallies(); // guarded by this; of the sessions that have ended
    private final Latencies goneLatencies = new Latencies(); // guarded by this; likewise
    private @Nullable RequestLatencies goneSnapshot; // guarded by this: of those, or null when it is to be made anew
    private long clientNumber; // guarded by this

    /** Nobody yet. */
    public Traffic() {}

    /**
     * A client has come. It counts as one until the last of its sessions is {@linkplain SessionTraffic#close closed}.
     *
     * @param sessionCount through how many sessions of the device it is served, 1 or more
     * @return what is counted of each
     */
    public synchronized List<SessionTraffic> join(ClientKind kind, int sessionCount) {
        clientNumber++;
        List<SessionTraffic> joined = new ArrayList<>();
        for (int i = 0; i < sessionCount; i++) {
            joined.add(new SessionTraffic(this, kind, clientNumber));
        }
        sessions.addAll(joined);
        return List.copyOf(joined);
    }

    /** A session has ended. */
    synchronized void leave(SessionTraffic session) {
        if (sessions.remove(session)) {
            session.addTo(gone);
            session.addTo(goneLatencies);
            goneSnapshot = null;
        }
    }

    RequestRecording recording() {
        return recording;
    }

    /** Returns what was asked so far, and how many clients there are. */
    public synchronized TrafficCounts counts() {
        Tallies sum = new Tallies();
        sum.add(gone);
        sessions.forEach(session -> session.addTo(sum));
        return sum.toCounts(clients());
    }

    private Map<ClientKind, Integer> clients() {
        Map<ClientKind, Integer> clients = new EnumMap<>(ClientKind.class);
        for (ClientKind kind : ClientKind.values()) {
            clients.put(kind, 0);
        }
        Set<Long> seen = new HashSet<>();
        for (SessionTraffic session : sessions) {
            if (seen.add(session.clientNumber())) {
                clients.merge(session.kind(), 1, Integer::sum);
            }
        }
        return clients;
    }

    /** Returns how long requests have taken so far. */
    public RequestLatencies latencies() {
        Latencies sum = new Latencies();
        synchronized (this) {
            if (sessions.isEmpty()) {
                // An idle device is looked at once a second, and shall cost nothing.
                RequestLatencies same = goneSnapshot;
                if (same == null) {
                    same = RequestLatencies.of(goneLatencies);
                    goneSnapshot = same;
                }
                return same;
            }
            sum.add(goneLatencies);
            sessions.forEach(session -> session.addTo(sum));
        }
        return RequestLatencies.of(sum);
    }

    /**
     * Makes every request an event of the JDK's flight recorder, {@code ramback.Request}, or stops that. Whether anything is
     * recorded is then the flight recorder's matter.
     */
    public void recordRequests(boolean wanted) {
        recording.set(wanted);
    }
}
