/**
 * Commands, messages and exit codes: what a person or a script sees. Enter at {@link ramback.cli.Main}; one class a
 * command. Every complaint is a {@link ramback.engine.Refusal} and becomes one line on standard error. What follows
 * devices on a terminal begins at {@link ramback.cli.View}. May import device, engine, nbd and control.
 */
@NullMarked
package ramback.cli;

import org.jspecify.annotations.NullMarked;
