/**
 * The protocol of chunks as an executable specification: an explicit-state model of loading, storing, zeroing and
 * write-behind without a journal, of a kill and the attach of the next process, explored over all interleavings of small cases. Enter at {@link
 * ramback.model.LoadingModel}; {@link ramback.model.Client}, {@link ramback.model.Loader}, {@link ramback.model.Sealer},
 * {@link ramback.model.Applier} and {@link ramback.model.Attach} are the protocol, step by step as the code has it; {@link ramback.model.Checks} says
 * what must hold. Depends on the JDK and {@code ramback.device.Mode} alone: it must not share code with what it
 * specifies.
 */
@NullMarked
package ramback.model;

import org.jspecify.annotations.NullMarked;
