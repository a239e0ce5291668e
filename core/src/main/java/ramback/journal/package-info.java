/**
 * The order in which epochs become durable: {@link ramback.journal.EpochLog}. It knows order but no RAM, so that crash
 * consistency can be tested alone. May use {@code backing}. Today's only log is {@link ramback.journal.NoJournal}.
 */
@NullMarked
package ramback.journal;

import org.jspecify.annotations.NullMarked;
