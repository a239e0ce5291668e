package ramback.nbd;

import ramback.posix.Posix;
import ramback.posix.PosixException;

/** How the system schedules a thread; for that thread itself. */
@FunctionalInterface
interface Scheduling {

    /** The system's own: SCHED_OTHER and SCHED_BATCH of sched(7). */
    Scheduling SYSTEM = interrupts -> {
        try {
            Posix.setOwnScheduler(interrupts ? Posix.SCHED_OTHER : Posix.SCHED_BATCH);
            return true;
        } catch (PosixException e) {
            return false;
        }
    };

    /**
     * Sets whether the calling thread, when it wakes up, may interrupt who runs on its CPU, as threads do unless somebody says otherwise.
     *
     * @return whether that can be done here
     */
    boolean interrupts(boolean interrupts);
}
