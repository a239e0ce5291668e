package ramback.cli;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import ramback.power.ForeignText;

/**
 * Everything a view shows at one moment: the devices, which of them is chosen, what was asked of them and what came of
 * it. For one thread; what others find out reaches it as a {@link ViewEvent}.
 */
final class Board {

    /** Good news is old news after this; a refusal stays until something else is done. */
    private static final long NEWS_NANOS = 15_000_000_000L;

    /** Something that was asked for and is not done: a flush, or another mode. */
    private record Request(String words, long sinceNanos) {}

    private final String place;
    private final boolean isTable;
    private final TreeMap<String, Watched> devices = new TreeMap<>();
    private final Map<String, Request> requests = new LinkedHashMap<>();
    private @Nullable String chosen;
    private @Nullable String notice;
    private boolean isNoticeBad;
    private long noticeNanos;
    private boolean isLookedFor;

    /**
     * An empty one.
     *
     * @param place where devices are looked for, for people
     * @param isTable whether it is of all devices, or of one
     */
    Board(String place, boolean isTable) {
        this.place = place;
        this.isTable = isTable;
    }

    String place() {
        return place;
    }

    boolean isTable() {
        return isTable;
    }

    /** Whether anybody has looked yet for what runs. */
    boolean isLookedFor() {
        return isLookedFor;
    }

    /** The devices, by name. */
    List<Watched> devices() {
        return new ArrayList<>(devices.values());
    }

    @Nullable
    Watched device(String name) {
        return devices.get(name);
    }

    /** Takes these for all that there are: new ones come, others go. */
    void found(Collection<String> names, long nowNanos) {
        isLookedFor = true;
        List<String> before = new ArrayList<>(devices.keySet());
        for (String name : before) {
            if (!names.contains(name)) {
                devices.remove(name);
                say(name + " has stopped", false, nowNanos);
            }
        }
        names.forEach(name -> devices.computeIfAbsent(name, Watched::new));
        if (chosen == null || !devices.containsKey(chosen)) {
            // The one that comes to stand in its place.
            int place = Math.max(0, before.indexOf(chosen));
            List<String> left = new ArrayList<>(devices.keySet());
            chosen = left.isEmpty() ? null : left.get(Math.min(place, left.size() - 1));
        }
    }

    /** The name of the chosen device; null when there is none at all. */
    @Nullable
    String chosen() {
        return chosen;
    }

    /** Its place among the devices, from 0. */
    int chosenIndex() {
        return chosen == null ? 0 : devices.headMap(chosen).size();
    }

    /** Chooses another device, so many places further down, at most as far as there are any. */
    void choose(int places) {
        List<String> names = new ArrayList<>(devices.keySet());
        if (!names.isEmpty()) {
            chosen = names.get(Math.clamp((long) chosenIndex() + places, 0, names.size() - 1));
        }
    }

    /**
     * Notes that something is being asked of a device.
     *
     * @return false, with a word to the operator, if something else is under way there: nothing piles up behind a disk
     *     that does not answer
     */
    boolean request(String name, String words, long nowNanos) {
        Request pending = requests.get(name);
        if (pending != null) {
            say(pending.words() + " is under way; wait for it", true, nowNanos);
            return false;
        }
        requests.put(name, new Request(words, nowNanos));
        notice = null;
        return true;
    }

    /** Notes what came of what was asked: null is what was hoped for. */
    void done(String name, @Nullable String refusal, long nowNanos) {
        Request request = requests.remove(name);
        if (request != null) {
            say(
                    request.words()
                            + (refusal == null
                                    ? ": done in " + Quantities.ofSeconds((nowNanos - request.sinceNanos()) / 1e9)
                                    : " failed: " + refusal),
                    refusal != null,
                    nowNanos);
        }
    }

    void say(String words, boolean isBad, long nowNanos) {
        notice = ForeignText.printable(words);
        isNoticeBad = isBad;
        noticeNanos = nowNanos;
    }

    /** Takes the notice away, because it has been read. */
    void forgetNotice() {
        notice = null;
    }

    boolean isNoticeBad() {
        return notice != null && isNoticeBad;
    }

    /** What the operator should read now: the newest notice, else what is under way, else nothing. */
    String news(long nowNanos) {
        if (notice != null && (isNoticeBad || nowNanos - noticeNanos < NEWS_NANOS)) {
            return notice;
        }
        for (Request request : requests.values()) {
            return request.words() + " is under way, "
                    + Quantities.ofCount((nowNanos - request.sinceNanos()) / 1_000_000_000L) + " s";
        }
        return "";
    }
}
