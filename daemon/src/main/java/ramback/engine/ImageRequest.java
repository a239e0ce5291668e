package ramback.engine;

import java.nio.file.Path;

/**
 * What is to be done with an image that nobody serves, or is about to be served.
 *
 * @param image as it was named
 * @param journal whether it is to be served with a journal, and which; for {@code recover} and {@code check} which one is looked at
 * @param journalNamed whether the journal must have been named of an image with nothing beside it
 * @param readOnly whether nothing may be written, anywhere
 * @param servedReadOnly whether it is to be served so, which needs less to be in order
 * @param takesMemory whether it is to be served, and the memory of a daemon that is gone can be gone on with
 * @param acceptTorn whether an image that may be a mixture of old and new is taken as it is
 * @param adoptImage whether an image that somebody else changed since its clean stop is taken as it is
 * @param discardMemory whether the memory of a killed daemon is given up
 * @param ramDirectory where memory segments lie; what the state file says is looked at as well
 * @param stateDirectory where the states of images lie that can't have them beside them
 */
public record ImageRequest(
        ImageName image,
        JournalOption journal,
        boolean journalNamed,
        boolean readOnly,
        boolean servedReadOnly,
        boolean takesMemory,
        boolean acceptTorn,
        boolean adoptImage,
        boolean discardMemory,
        Path ramDirectory,
        Path stateDirectory) {

    static ImageRequest toServe(DeviceOptions options) {
        return new ImageRequest(
                options.image(),
                options.journal(),
                !options.readOnly(),
                options.readOnly(),
                options.readOnly(),
                !options.readOnly(),
                options.acceptTorn(),
                options.adoptImage(),
                options.discardMemory(),
                options.ramDirectory(),
                options.stateDirectory());
    }
}
