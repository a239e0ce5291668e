package ramback.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import ramback.journal.StartSituation.Bond;
import ramback.journal.StartSituation.Journal;
import ramback.journal.StartSituation.Memory;
import ramback.journal.StartSituation.State;

/** Every combination of what can be found and asked. */
class StartDecisionTest {

    private static final Set<Journal> UNREADABLE =
            EnumSet.of(Journal.NOT_A_JOURNAL, Journal.NEWER_FORMAT, Journal.DAMAGED);
    private static final Set<Journal> NOTHING_TO_APPLY = EnumSet.of(Journal.CLEAN, Journal.EMPTY);
    private static final Set<Journal> SOMETHING = EnumSet.of(Journal.EPOCHS, Journal.SUSPENDED, Journal.MEDIA_FAULT);

    /** What an image that is not there may need. */
    private static final Set<Journal> UNDONE =
            EnumSet.of(Journal.EPOCHS, Journal.SUSPENDED, Journal.MEDIA_FAULT, Journal.DAMAGED, Journal.NEWER_FORMAT);

    /** What only memory holds, or may hold. */
    private static final Set<Memory> NEEDED = EnumSet.of(Memory.CHANGES, Memory.FOREIGN, Memory.UNREADABLE);

    private static List<StartSituation> all() {
        List<StartSituation> all = new ArrayList<>();
        for (State state : State.values()) {
            for (Journal journal : Journal.values()) {
                for (Bond bond : Bond.values()) {
                    for (Memory memory : Memory.values()) {
                        for (int flags = 0; flags < 128; flags++) {
                            all.add(new StartSituation(
                                    state,
                                    journal,
                                    bond,
                                    memory,
                                    (flags & 64) != 0,
                                    (flags & 16) != 0,
                                    (flags & 1) != 0,
                                    (flags & 2) != 0,
                                    (flags & 4) != 0,
                                    (flags & 32) != 0,
                                    (flags & 8) != 0));
                        }
                    }
                }
            }
        }
        return all;
    }

    private static void forAll(Predicate<StartSituation> where, Predicate<StartDecision> claim) {
        long count = 0;
        for (StartSituation found : all()) {
            if (where.test(found)) {
                assertThat(StartDecision.of(found)).as("%s", found).matches(claim);
                count++;
            }
        }
        assertThat(count).isPositive();
    }

    /** The table of the Javadoc, row for row: the first that fits. */
    private record Row(Predicate<StartSituation> when, StartDecision decision) {}

    private static Row row(Predicate<StartSituation> when, StartDecision decision) {
        return new Row(when, decision);
    }

    private static final List<Row> ROWS = List.of(
            row(s -> s.memory() == Memory.IN_USE, StartDecision.IMAGE_IN_USE),
            row(s -> s.imageMade() && NEEDED.contains(s.memory()) && !s.discardMemory(), StartDecision.IMAGE_MISSING),
            row(
                    s -> s.imageMade() && !absent(s) && s.state() != State.CLEAN && s.state() != State.CHANGED,
                    StartDecision.IMAGE_MISSING),
            row(s -> s.imageMade() && UNDONE.contains(s.journal()), StartDecision.IMAGE_MISSING),
            row(
                    s -> (s.memory() == Memory.FOREIGN || s.memory() == Memory.UNREADABLE) && !s.discardMemory(),
                    StartDecision.LIVE_MEMORY),
            row(s -> s.memory() == Memory.CHANGES && !served(s) && !s.discardMemory(), StartDecision.LIVE_MEMORY),
            row(s -> s.memory() == Memory.CHANGES && !s.takesMemory() && !s.discardMemory(), StartDecision.LIVE_MEMORY),
            row(s -> takenOver(s) && !s.journalWanted() && journalled(s), StartDecision.JOURNAL_NEEDED),
            row(s -> takenOver(s) && !s.journalWanted(), StartDecision.TAKE_OVER),
            row(s -> takenOver(s) && !journalled(s), StartDecision.MEMORY_WITHOUT_JOURNAL),
            row(s -> takenOver(s) && s.journal() == Journal.ABSENT, StartDecision.TAKE_OVER_ANEW),
            row(s -> takenOver(s) && s.journal() == Journal.NOT_A_JOURNAL, StartDecision.NOT_A_JOURNAL),
            row(s -> takenOver(s) && s.journal() == Journal.NEWER_FORMAT, StartDecision.JOURNAL_NEWER),
            row(s -> takenOver(s) && s.journal() == Journal.DAMAGED, StartDecision.JOURNAL_DAMAGED),
            row(s -> takenOver(s) && s.bond() == Bond.OTHER_IMAGE, StartDecision.JOURNAL_OF_ANOTHER_IMAGE),
            row(s -> takenOver(s) && s.bond() == Bond.OTHER_TIME, StartDecision.JOURNAL_OF_ANOTHER_TIME),
            row(
                    s -> takenOver(s) && s.bond() == Bond.BEFORE && s.journal() == Journal.EPOCHS,
                    StartDecision.JOURNAL_OF_ANOTHER_TIME),
            row(s -> takenOver(s) && s.journal() == Journal.MEDIA_FAULT, StartDecision.TAKE_OVER_ANEW),
            row(s -> takenOver(s), StartDecision.TAKE_OVER),
            row(s -> s.state() == State.NEWER, StartDecision.STATE_NEWER),
            row(s -> s.state() == State.DAMAGED, StartDecision.STATE_DAMAGED),
            row(s -> s.state() == State.CHANGED && !s.adoptImage() && !s.imageMade(), StartDecision.IMAGE_CHANGED),
            row(
                    s -> !wanted(s)
                            && s.state() == State.ABSENT
                            && SOMETHING.contains(s.journal())
                            && s.bond() != Bond.OTHER_IMAGE,
                    StartDecision.JOURNAL_NEEDED),
            row(s -> !wanted(s) && absent(s) && s.journal() == Journal.NEWER_FORMAT, StartDecision.JOURNAL_NEWER),
            row(s -> !wanted(s) && absent(s) && s.journal() == Journal.DAMAGED, StartDecision.JOURNAL_DAMAGED),
            row(s -> !wanted(s) && s.state() == State.DIRTY_JOURNALLED, StartDecision.JOURNAL_NEEDED),
            row(s -> !wanted(s) && s.state() == State.DIRTY_UNSAFE && !s.acceptTorn(), StartDecision.TORN),
            row(s -> !wanted(s), StartDecision.START_ORDINARY),
            row(
                    s -> s.journal() == Journal.ABSENT && s.state() == State.DIRTY_JOURNALLED,
                    StartDecision.JOURNAL_MISSING),
            row(
                    s -> s.journal() == Journal.ABSENT && s.state() == State.DIRTY_UNSAFE && !s.acceptTorn(),
                    StartDecision.TORN),
            row(s -> s.journal() == Journal.ABSENT, StartDecision.START_FRESH),
            row(s -> s.journal() == Journal.NOT_A_JOURNAL, StartDecision.NOT_A_JOURNAL),
            row(s -> s.journal() == Journal.NEWER_FORMAT, StartDecision.JOURNAL_NEWER),
            row(s -> s.journal() == Journal.DAMAGED, StartDecision.JOURNAL_DAMAGED),
            row(s -> s.bond() == Bond.OTHER_IMAGE, StartDecision.JOURNAL_OF_ANOTHER_IMAGE),
            row(s -> absent(s) && NOTHING_TO_APPLY.contains(s.journal()), StartDecision.START_CLEAN),
            row(s -> absent(s) && s.journal() == Journal.EPOCHS, StartDecision.RECOVER),
            row(s -> absent(s) && s.journal() == Journal.SUSPENDED && !s.acceptTorn(), StartDecision.TORN),
            row(s -> absent(s) && s.journal() == Journal.SUSPENDED, StartDecision.START_CLEAN),
            row(s -> absent(s), StartDecision.MEDIA_FAULT),
            row(s -> journalled(s) && s.bond() == Bond.OTHER_TIME, StartDecision.JOURNAL_OF_ANOTHER_TIME),
            row(s -> journalled(s) && NOTHING_TO_APPLY.contains(s.journal()), StartDecision.START_CLEAN),
            row(s -> journalled(s) && s.journal() == Journal.EPOCHS && s.bond() == Bond.CURRENT, StartDecision.RECOVER),
            row(s -> journalled(s) && s.journal() == Journal.EPOCHS, StartDecision.JOURNAL_OF_ANOTHER_TIME),
            row(s -> journalled(s) && s.journal() == Journal.SUSPENDED && !s.acceptTorn(), StartDecision.TORN),
            row(s -> journalled(s) && s.journal() == Journal.SUSPENDED, StartDecision.START_CLEAN),
            row(s -> journalled(s), StartDecision.MEDIA_FAULT),
            row(s -> SOMETHING.contains(s.journal()), StartDecision.JOURNAL_OF_ANOTHER_TIME),
            row(s -> s.state() == State.DIRTY_UNSAFE && !s.acceptTorn(), StartDecision.TORN),
            row(s -> true, StartDecision.START_CLEAN));

    private static boolean absent(StartSituation found) {
        return found.state() == State.ABSENT;
    }

    private static boolean journalled(StartSituation found) {
        return found.state() == State.DIRTY_JOURNALLED;
    }

    private static boolean served(StartSituation found) {
        return journalled(found) || found.state() == State.DIRTY_ORDINARY || found.state() == State.DIRTY_UNSAFE;
    }

    private static boolean takenOver(StartSituation found) {
        return (found.memory() == Memory.CHANGES || found.memory() == Memory.LOADED)
                && found.takesMemory()
                && !found.discardMemory()
                && served(found);
    }

    /** Read-only it is the state that decides whether the journal is looked at. */
    private static boolean wanted(StartSituation found) {
        return found.readOnly() ? absent(found) || journalled(found) : found.journalWanted();
    }

    private static StartDecision byTheTable(StartSituation found) {
        StartDecision decision = ROWS.stream()
                .filter(row -> row.when().test(found))
                .findFirst()
                .orElseThrow()
                .decision();
        if (!found.readOnly()) {
            return decision;
        }
        return switch (decision) {
            case START_FRESH, START_CLEAN -> StartDecision.START_ORDINARY;
            case RECOVER -> StartDecision.READ_ONLY;
            default -> decision;
        };
    }

    @Test
    void everyCombinationIsDecidedAsTheTableSays() {
        for (StartSituation found : all()) {
            assertThat(StartDecision.of(found)).as("%s", found).isEqualTo(byTheTable(found));
        }
        assertThat(all()).hasSize(8 * 9 * 4 * 6 * 128);
    }

    @Test
    void everyDecisionAndEveryRowIsReached() {
        Set<StartDecision> seen = EnumSet.noneOf(StartDecision.class);
        Set<Row> used = new java.util.HashSet<>();
        for (StartSituation found : all()) {
            seen.add(StartDecision.of(found));
            ROWS.stream().filter(row -> row.when().test(found)).findFirst().ifPresent(used::add);
        }
        assertThat(seen).isEqualTo(EnumSet.allOf(StartDecision.class));
        assertThat(used).containsExactlyInAnyOrderElementsOf(ROWS);
    }

    @Test
    void anImageThatNeedsItsJournalIsNeverServedWithoutItUnlessItsMemoryIsThere() {
        forAll(
                s -> !takenOver(s)
                        && journalled(s)
                        && (s.journal() == Journal.ABSENT || UNREADABLE.contains(s.journal())),
                StartDecision::isRefusal);
        forAll(
                s -> s.journal() == Journal.EPOCHS && s.bond() == Bond.CURRENT && journalled(s),
                decision -> decision.isRefusal()
                        || decision == StartDecision.RECOVER
                        || decision == StartDecision.TAKE_OVER);
    }

    @Test
    void aJournalThatMayBeNeededIsNeverPassedOver() {
        forAll(
                s -> absent(s) && UNDONE.contains(s.journal()) && s.bond() != Bond.OTHER_IMAGE && !s.acceptTorn(),
                decision -> decision.isRefusal() || decision == StartDecision.RECOVER);
        forAll(
                s -> absent(s) && (s.journal() == Journal.DAMAGED || s.journal() == Journal.NEWER_FORMAT),
                StartDecision::isRefusal);
    }

    @Test
    void aJournalIsAppliedOnlyToItsImageAndOnlyWhenItIsWhole() {
        forAll(
                s -> s.bond() == Bond.OTHER_IMAGE
                        || s.journal() != Journal.EPOCHS
                        || s.state() == State.CLEAN
                        || s.state() == State.CHANGED,
                decision -> decision != StartDecision.RECOVER);
        forAll(s -> !absent(s) && s.bond() != Bond.CURRENT, decision -> decision != StartDecision.RECOVER);
    }

    @Test
    void anImageThatWasMadeJustNowIsNeverGivenWhatAnotherLacks() {
        forAll(StartSituation::imageMade, decision -> decision != StartDecision.RECOVER);
        forAll(s -> s.imageMade() && UNDONE.contains(s.journal()), StartDecision::isRefusal);
        forAll(s -> s.imageMade() && s.state() == State.DIRTY_UNSAFE && s.acceptTorn(), StartDecision::isRefusal);
        forAll(s -> !s.imageMade(), decision -> decision != StartDecision.IMAGE_MISSING);
    }

    @Test
    void aTornImageIsServedOnlyWhenThatIsAccepted() {
        forAll(s -> !takenOver(s) && s.state() == State.DIRTY_UNSAFE && !s.acceptTorn(), StartDecision::isRefusal);
        forAll(
                s -> !takenOver(s) && journalled(s) && s.journal() == Journal.SUSPENDED && !s.acceptTorn(),
                StartDecision::isRefusal);
    }

    @Test
    void anImageThatSomebodyElseChangedIsServedOnlyWhenItIsAdopted() {
        forAll(
                s -> s.state() == State.CHANGED && !s.adoptImage() && !s.imageMade(),
                decision -> decision.isRefusal() && decision != StartDecision.TORN);
        forAll(s -> s.adoptImage(), decision -> decision != StartDecision.IMAGE_CHANGED);
    }

    @Test
    void adoptingAnImageChangesNothingElse() {
        for (StartSituation s : all()) {
            StartSituation asClean = new StartSituation(
                    s.state() == State.CHANGED ? State.CLEAN : s.state(),
                    s.journal(),
                    s.bond(),
                    s.memory(),
                    s.takesMemory(),
                    s.imageMade(),
                    s.journalWanted(),
                    s.readOnly(),
                    s.acceptTorn(),
                    false,
                    s.discardMemory());
            if (s.adoptImage()) {
                assertThat(StartDecision.of(s)).as("%s", s).isEqualTo(StartDecision.of(asClean));
            }
        }
    }

    @Test
    void memoryThatHoldsChangesIsNeverPassedOverUnasked() {
        forAll(
                s -> NEEDED.contains(s.memory()) && !s.discardMemory(),
                d -> d.isRefusal() || d == StartDecision.TAKE_OVER || d == StartDecision.TAKE_OVER_ANEW);
        forAll(
                s -> s.memory() != Memory.CHANGES && s.memory() != Memory.LOADED,
                d -> d != StartDecision.TAKE_OVER && d != StartDecision.TAKE_OVER_ANEW);
        forAll(
                s -> !s.takesMemory() || s.imageMade() || !served(s),
                d -> d != StartDecision.TAKE_OVER && d != StartDecision.TAKE_OVER_ANEW);
        forAll(s -> s.memory() == Memory.IN_USE, d -> d == StartDecision.IMAGE_IN_USE);
    }

    @Test
    void readOnlyWritesNothing() {
        forAll(s -> s.readOnly() && !s.takesMemory(), d -> d.isRefusal() || d == StartDecision.START_ORDINARY);
    }

    @Test
    void anUnreadableJournalIsNeverOverwritten() {
        forAll(s -> s.journal() != Journal.ABSENT, decision -> decision != StartDecision.START_FRESH);
        forAll(s -> s.journalWanted() && !s.readOnly() && UNREADABLE.contains(s.journal()), StartDecision::isRefusal);
    }

    @Test
    void noFlagMakesARefusalOfAStart() {
        for (StartSituation s : all()) {
            if (!StartDecision.of(s).isRefusal()) {
                StartSituation bolder = new StartSituation(
                        s.state(),
                        s.journal(),
                        s.bond(),
                        s.memory(),
                        s.takesMemory(),
                        s.imageMade(),
                        s.journalWanted(),
                        s.readOnly(),
                        true,
                        true,
                        // Memory that is given up may have been all that made up for a journal.
                        !takenOver(s));
                assertThat(StartDecision.of(bolder).isRefusal()).as("%s", s).isFalse();
            }
        }
    }
}
