package ramback.engine;

import java.util.UUID;

/**
 * Which device this is, and how far it has come: what was told to whoever uses it holds only for the same device, from
 * which nothing has been lost since. A name says neither: another image can be served under it.
 *
 * @param device of the image, from its state file
 * @param generation of the start that is told of: drawn anew at each one that does not go on from what is in memory
 * @param exportGeneration how often a start had to go on without acknowledged writes by then
 */
public record DeviceLife(UUID device, long generation, long exportGeneration) {

    /**
     * Whether nothing that was told of in an earlier life is wrong in this one.
     *
     * @param told that life
     * @param generationBefore the generation that the image was left in before this life began
     */
    public boolean goesOnFrom(DeviceLife told, long generationBefore) {
        return device.equals(told.device)
                && exportGeneration == told.exportGeneration
                && (generation == told.generation || generationBefore == told.generation);
    }
}
