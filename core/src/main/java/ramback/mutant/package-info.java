/**
 * Faults that a test plants in the running code, to prove that the proofs find them. Depends on nothing; every other package
 * of the core may ask {@link ramback.mutant.Mutant#isOn()}. And the moments at which a test ends a simulated process:
 * {@link ramback.mutant.KillPoint}.
 */
@NullMarked
package ramback.mutant;

import org.jspecify.annotations.NullMarked;
