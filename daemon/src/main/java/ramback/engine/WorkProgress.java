package ramback.engine;

/** Hears how far a long piece of work is, often; must return at once. Called by the thread that works. */
public interface WorkProgress {

    /** Nobody listens. */
    WorkProgress NONE = new WorkProgress() {
        @Override
        public void at(String what, long doneBytes, long totalBytes) {
            // Nobody listens.
        }

        @Override
        public void note(String line) {
            // Nobody listens.
        }
    };

    /**
     * So much is done.
     *
     * @param what the work, as in "making the journal"
     * @param totalBytes of how much; 0 while that is not known
     */
    void at(String what, long doneBytes, long totalBytes);

    /** Something the operator should know, in one line. */
    void note(String line);
}
