package ramback.model;

/** One thread of the protocol. It is a state machine; a step of it is what others see happen at once. */
public interface Process {

    /** Names the fields of its state. */
    void layout(Bits bits);

    /** How many things it could do next, at most. */
    int choiceCount();

    /** Makes its next step, or returns false, with nothing changed, when it can't now. */
    boolean act(int choice);

    /** What its next step is. */
    String describe(int choice);
}
