/**
 * The order in which epochs become durable: {@link ramback.journal.EpochLog}. It knows order but no RAM, so that crash
 * consistency can be tested alone. {@link ramback.journal.LocalJournal} keeps epochs in a file ({@code docs/journal-format.md}),
 * {@link ramback.journal.JournalScan} says what such a file holds, {@link ramback.journal.Recovery} carries it to the image;
 * {@link ramback.journal.NoJournal} keeps nothing. May use {@code mutant}, {@code posix} and {@code backing}.
 */
@NullMarked
package ramback.journal;

import org.jspecify.annotations.NullMarked;
