package ramback.image;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;
import ramback.device.Device;
import ramback.device.DeviceSession;
import ramback.device.Mode;
import ramback.device.TooManySessionsException;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.posix.PosixException;
import ramback.trace.Trace;
import ramback.trace.TraceEvent;

/** The device that RAM is. Requests are its sessions' business; here is what they share. Safe for use by many threads. */
public final class ImageDevice implements Device {

    /** Workers of a session: its request thread and its reply thread. */
    static final int WORKERS_PER_SESSION = SegmentLayout.REDO_SLOTS_PER_SESSION;

    private final String name;
    private final boolean readOnly;
    private final SharedSegment segment;
    private final ReentrantLock opening = new ReentrantLock();
    private final @Nullable ImageSession[] sessions;

    final ChunkStore store;
    final Epochs epochs;
    final DirtyCount dirty;
    final Clock clock;
    final Trace trace;
    final AtomicInteger waitingCount = new AtomicInteger();
    private volatile Mode mode;
    private volatile boolean stopping;
    private boolean detectsZeroes;
    private @Nullable Loading loading;
    private @Nullable Promises promises;
    private @Nullable Admission admission;

    /** A device over this store; {@link #connect} completes it. */
    public ImageDevice(
            String name,
            boolean readOnly,
            Mode mode,
            SharedSegment segment,
            ChunkStore store,
            Epochs epochs,
            DirtyCount dirty,
            Clock clock,
            Trace trace) {
        this.name = name;
        this.readOnly = readOnly;
        this.mode = mode;
        this.segment = segment;
        this.store = store;
        this.epochs = epochs;
        this.dirty = dirty;
        this.clock = clock;
        this.trace = trace;
        this.sessions = new ImageSession[segment.layout().sessionCountMax()];
    }

    /** How many workers a device needs in its {@link Epochs}: its sessions', and one that mends. */
    public static int workerCount(int sessionCountMax) {
        return mendingWorker(sessionCountMax) + 1;
    }

    /** The number of the worker that belongs to no session, for {@link ChunkStore#mend}. */
    public static int mendingWorker(int sessionCountMax) {
        return sessionCountMax * WORKERS_PER_SESSION;
    }

    /** Gives the device those it waits for; once, before the first session. */
    public void connect(Loading newLoading, Promises newPromises, Admission newAdmission) {
        loading = newLoading;
        promises = newPromises;
        admission = newAdmission;
    }

    /**
     * Looks at what is written from now on: whole chunks of zeroes are stored as a client's write of zeroes would be that may punch, and
     * take neither memory nor room in the journal. Before the first session.
     */
    public void detectZeroes() {
        detectsZeroes = true;
    }

    /** Whether what is written is looked at for zeroes. */
    public boolean detectsZeroes() {
        return detectsZeroes;
    }

    private static <T> T connected(@Nullable T part) {
        if (part == null) {
            throw new IllegalStateException("the device has not been connected");
        }
        return part;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public long sizeBytes() {
        return store.layout().sizeBytes();
    }

    @Override
    public int chunkBytes() {
        return store.layout().chunkBytes();
    }

    @Override
    public boolean readOnly() {
        return readOnly;
    }

    @Override
    public int sessionCountMax() {
        return sessions.length;
    }

    @Override
    public DeviceSession openSession() throws TooManySessionsException {
        opening.lock();
        try {
            if (stopping) {
                throw new IllegalStateException("device " + name + " is stopping");
            }
            for (int i = 0; i < sessions.length; i++) {
                if (sessions[i] == null) {
                    ImageSession session = new ImageSession(
                            this, i, segment, connected(loading), connected(promises), connected(admission));
                    sessions[i] = session;
                    return session;
                }
            }
            throw new TooManySessionsException(sessions.length);
        } catch (PosixException e) {
            throw new IllegalStateException("no memory for another client's buffers: " + e.getMessage(), e);
        } finally {
            opening.unlock();
        }
    }

    /** Takes a session back whose threads are gone. */
    void sessionReleased(int index) {
        opening.lock();
        try {
            segment.releaseStaging(index);
            sessions[index] = null;
        } finally {
            opening.unlock();
        }
    }

    /** How many sessions are open or not yet released by their threads. */
    public int sessionCount() {
        opening.lock();
        try {
            int count = 0;
            for (ImageSession session : sessions) {
                count += session == null ? 0 : 1;
            }
            return count;
        } finally {
            opening.unlock();
        }
    }

    /** Wakes the sessions that wait for a commit, for room or for a mode: something of that has changed. */
    public void wakeSessions() {
        // Without the lock: a session opened in this moment looks for itself before it waits.
        for (ImageSession session : sessions) {
            if (session != null) {
                session.wake();
            }
        }
    }

    /** The mode in force. */
    public Mode mode() {
        return mode;
    }

    /** Changes the mode; requests that wait are released at once where the new mode promises less. */
    public void setMode(Mode newMode) {
        Mode before = mode;
        mode = newMode;
        trace.record(TraceEvent.MODE, before.ordinal(), newMode.ordinal());
        wakeSessions();
    }

    /** Refuses new requests and sessions from now on. */
    public void refuseRequests() {
        opening.lock();
        try {
            stopping = true;
        } finally {
            opening.unlock();
        }
    }

    boolean isStopping() {
        return stopping;
    }

    /** Requests that wait for a load, for room or for a commit. */
    public int waitingCount() {
        return waitingCount.get();
    }
}
