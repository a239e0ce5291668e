package ramback.sim;

import java.util.logging.Level;
import java.util.logging.Logger;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Keeps the log quiet while a class of tests runs: what devices say about disks that fail is not what is looked for there. */
final class QuietLog implements BeforeAllCallback, AfterAllCallback {

    /** Held, since a logger that nobody holds may lose its level. */
    private static final Logger LOG = Logger.getLogger("ramback");

    @Override
    public void beforeAll(ExtensionContext context) {
        LOG.setLevel(Level.OFF);
    }

    @Override
    public void afterAll(ExtensionContext context) {
        LOG.setLevel(null);
    }
}
