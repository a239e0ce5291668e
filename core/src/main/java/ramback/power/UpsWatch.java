package ramback.power;

import java.io.IOException;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;

/**
 * Asks a NUT server once a second how a UPS is, and tells a {@link PowerJudge}. A connection that fails is made anew, at once
 * and then every two seconds, for ever. Runs on a thread of its own, until {@link #close}.
 *
 * <p>With credentials it logs in, which tells the server that this machine depends on the UPS: its primary then waits a while for us
 * before it cuts the power. When the shutdown is announced and nothing is unsaved any more, we log out, so that it need not. A login
 * that is refused is tried again once a minute: somebody may be putting {@code upsd.users} right.
 */
public final class UpsWatch implements AutoCloseable {

    private static final long PERIOD_NANOS = 1_000_000_000L;
    private static final long RETRY_NANOS = 2_000_000_000L;
    private static final long LOGIN_RETRY_NANOS = 60_000_000_000L;
    /** Less than the silence after which nothing is known: a server that hangs is given up before. */
    private static final Duration TIMEOUT = Duration.ofSeconds(4);

    private final UpsAddress address;
    private final UpsCredentials credentials;
    private final PowerJudge judge;
    private final Clock clock;
    private final Runnable onNews;
    private final Thread thread;
    private volatile boolean isClosed;
    private volatile @Nullable NutConnection connection;
    private boolean isLoggedIn;
    private long loginDueNanos;
    /** Whether we have logged out for an announced shutdown, and stay so until it is called off. */
    private boolean isReleased;
    /** Whether the newest reading announces a shutdown. Guarded by this, as the next two. */
    private boolean isAnnounced;

    private boolean isNotedSince;
    private boolean isEverythingSaved;

    private UpsWatch(UpsAddress address, UpsCredentials credentials, PowerJudge judge, Clock clock, Runnable onNews) {
        this.address = address;
        this.credentials = credentials;
        this.judge = judge;
        this.clock = clock;
        this.onNews = onNews;
        this.thread = Thread.ofVirtual().name("control-ups").unstarted(this::run);
    }

    /**
     * Begins.
     *
     * @param onNews called, on the watch's thread, when something was heard or could not be; must not block
     */
    public static UpsWatch start(
            UpsAddress address, UpsCredentials credentials, PowerJudge judge, Clock clock, Runnable onNews) {
        UpsWatch watch = new UpsWatch(address, credentials, judge, clock, onNews);
        watch.thread.start();
        return watch;
    }

    /**
     * Says whether everything is saved, again and again, by one thread. What is said first after a shutdown was announced may have been
     * found before that, and so before the mode in which it stays true: it does not count.
     */
    public synchronized void noteSaved(boolean isEverything) {
        isEverythingSaved = isEverything && isNotedSince;
        isNotedSince = isAnnounced;
    }

    /** Says whether a reading announced a shutdown; returns whether nothing is unsaved since. */
    private synchronized boolean isSavedSince(boolean isAnnouncedNow) {
        if (isAnnouncedNow != isAnnounced) {
            isAnnounced = isAnnouncedNow;
            isNotedSince = false;
            isEverythingSaved = false;
        }
        return isAnnounced && isEverythingSaved;
    }

    private void run() {
        long dueNanos = clock.nanoTime();
        while (!isClosed) {
            long began = clock.nanoTime();
            boolean isHeard = poll();
            onNews.run();
            // A poll that took long is not made up for.
            dueNanos = isHeard ? Math.max(dueNanos + PERIOD_NANOS, clock.nanoTime()) : began + RETRY_NANOS;
            while (!isClosed && clock.nanoTime() < dueNanos) {
                clock.park(this, dueNanos);
            }
        }
        disconnect();
    }

    private boolean poll() {
        // What has failed may only have been cut off a moment ago: the second try is a new connection.
        boolean wasConnected = connection != null;
        try {
            read();
            return true;
        } catch (NutException e) {
            if (e.code().equals(NutException.DATA_STALE)) {
                // The server has waited for the UPS as long as is reasonable; it is well, and will know more in a
                // second.
                judge.stale(words(e));
                return true;
            }
            judge.unheard(words(e));
            disconnect();
            return false;
        } catch (IOException e) {
            disconnect();
            judge.unheard(words(e));
            return wasConnected && !isClosed && poll();
        }
    }

    private void read() throws IOException {
        NutConnection open = connection;
        if (open == null) {
            open = connect();
        }
        UpsReading reading = UpsReading.of(open.variables(address.ups()));
        if (!reading.hasStatus()) {
            // So it is while a driver comes or goes: that the UPS was on battery a moment ago still is the last word.
            judge.unheard(address + ": the server has no status of the UPS");
            return;
        }
        judge.heard(reading, clock.nanoTime());
        boolean isShutdown = reading.says("FSD");
        boolean isSaved = isSavedSince(isShutdown);
        if (!isShutdown) {
            isReleased = false;
        } else if (isLoggedIn && isSaved) {
            // The primary waits for those who are logged in.
            isReleased = true;
            disconnect();
            return;
        }
        logIn(open);
    }

    private NutConnection connect() throws IOException {
        NutConnection open = NutConnection.open(address, TIMEOUT);
        connection = open;
        isLoggedIn = false;
        loginDueNanos = clock.nanoTime();
        boolean isEncrypted = open.startTls(NutTls.of(address, credentials));
        if (!isEncrypted && credentials.authority() != null) {
            throw new NutException(
                    NutException.FEATURE_NOT_CONFIGURED,
                    "the server offers no encryption, and its certificate is to be checked");
        }
        logIn(open);
        return open;
    }

    /**
     * Logs in, if that is due. Who is refused reads all the same: to know of an outage matters more than to be waited for.
     */
    private void logIn(NutConnection open) throws IOException {
        String user = credentials.user();
        String password = credentials.password();
        long nowNanos = clock.nanoTime();
        if (user == null || password == null || isLoggedIn || isReleased || nowNanos < loginDueNanos) {
            return;
        }
        loginDueNanos = nowNanos + LOGIN_RETRY_NANOS;
        try {
            open.logIn(user, password, address.ups());
            isLoggedIn = true;
            judge.loginRefused(null);
        } catch (NutException e) {
            if (e.code().isEmpty()) {
                throw e;
            }
            if (e.code().equals(NutException.DATA_STALE) || e.code().equals(NutException.DRIVER_NOT_CONNECTED)) {
                loginDueNanos = nowNanos; // that is no word about us: with the next reading
            }
            judge.loginRefused(words(e));
        }
    }

    private void disconnect() {
        NutConnection open = connection;
        connection = null;
        if (open != null) {
            try {
                open.close();
            } catch (IOException e) {
                // It is of no use any more either way.
            }
        }
    }

    private String words(IOException e) {
        if (e instanceof NutException nut) {
            return switch (nut.code()) {
                case NutException.DATA_STALE -> address + ": the server has not heard of the UPS for too long";
                case NutException.DRIVER_NOT_CONNECTED ->
                    address + ": the server has no connection to the UPS's driver";
                case "UNKNOWN-UPS" -> address + ": the server has no UPS named " + address.ups();
                case NutException.ACCESS_DENIED ->
                    address + ": the server refuses user " + credentials.user() + "; check upsd.users and the password";
                default -> address + ": " + e.getMessage();
            };
        }
        // A certificate's names are the server's words too, and may be in what the JDK says of it.
        return e instanceof UnknownHostException
                ? address + ": unknown host"
                : address + ": " + ForeignText.printable(String.valueOf(e.getMessage()));
    }

    /** Waits until the watch has ended. */
    void join() throws InterruptedException {
        thread.join();
    }

    /** Ends the watch; returns at once. */
    @Override
    public void close() {
        isClosed = true;
        LockSupport.unpark(thread);
        NutConnection open = connection;
        if (open != null) {
            try {
                open.close();
            } catch (IOException e) {
                // The thread ends all the same, when its time-out is over.
            }
        }
    }
}
