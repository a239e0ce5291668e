/**
 * The daemon and its commands.
 */
module ramback.daemon {
    requires static org.jspecify;
    requires ramback.core;
    requires ramback.nbd;
    requires info.picocli;
    requires com.fasterxml.jackson.databind;

// picocli fills the fields of commands, Jackson those of the control messages.
// opens ramback.cli to info.picocli;
// opens ramback.control to com.fasterxml.jackson.databind;
}
