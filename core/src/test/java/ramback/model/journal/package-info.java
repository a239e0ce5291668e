/**
 * The pipeline with a journal as an executable specification: an explicit-state model of epochs, their capture, commit,
 * application and retirement, and of the ways into and out of {@code unsafe}, explored over all interleavings of small
 * cases; and a second model, {@link ramback.model.journal.DiskModel}, of what the journal's file holds at every instant
 * at which the power may fail. Enter at {@link ramback.model.journal.EpochModel}; {@link ramback.model.journal.Checks}
 * says what must hold. Depends on the JDK, {@code ramback.model} and {@code ramback.device.Mode} alone: it must not share
 * code with what it specifies.
 */
@NullMarked
package ramback.model.journal;

import org.jspecify.annotations.NullMarked;
