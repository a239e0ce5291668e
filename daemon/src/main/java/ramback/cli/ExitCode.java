package ramback.cli;

import ramback.engine.Refusal;

/** What a command's exit code says. Part of the contract with scripts. */
final class ExitCode {

    static final int OK = 0;
    static final int FAILED = 1;
    static final int USAGE = 2;
    static final int NO_DEVICE = 3;
    static final int PROTECTED = 4;

    private ExitCode() {}

    static int of(Refusal.Kind kind) {
        return switch (kind) {
            case FAILED -> FAILED;
            case USAGE -> USAGE;
            case NO_DEVICE -> NO_DEVICE;
            case PROTECTED -> PROTECTED;
        };
    }
}
