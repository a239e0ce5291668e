package ramback.remote;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The rules by which {@link Exchange} loses a server and finds it again, as a model of which every state is visited: one chunk that write-behind
 * carries to the server version by version, a server with a volatile cache that takes what is on a connection when it likes, carries out what it
 * took in any order, is killed and started again, and closes its end of a connection only when all is done; replies that are
 * read late; connections that are given up at any moment. What must hold: while write-behind takes a version for durable, and has nothing newer
 * under way, cache and disk hold it.
 */
class ReconnectModelTest {

    private static final int VERSIONS = 4;
    private static final int LOSSES = 3;
    private static final int KILLS = 2;
    private static final int LINKS = 2;
    private static final int FLUSH = 0;

    /** Rules left out, each of which must be missed. */
    enum Mutant {
        /** A new connection is made before the server has closed the old one. */
        CONNECT_AT_ONCE,
        /** A sync in another life than its writes succeeds. */
        FLUSH_IN_A_LATER_LIFE,
        /** A connection that is lost does not take the others of its life with it. */
        LINKS_END_ALONE
    }

    private enum Phase {
        DIRTY,
        WRITING,
        WRITTEN,
        FLUSHING,
        CLEAN
    }

    /** A connection: requests are versions to write, or FLUSH. */
    private static final class Connection {
        /** Sent, and not taken by the server. */
        final List<Integer> sent = new ArrayList<>();
        /** Taken, and not carried out. */
        final List<Integer> taken = new ArrayList<>();
        /** Answered, and not read by the client: all are good. */
        final List<Integer> answered = new ArrayList<>();

        boolean serverOpen = true;
        /** Whether the client still speaks on it and listens to it. */
        boolean used = true;

        boolean has(int request) {
            return sent.contains(request) || taken.contains(request) || answered.contains(request);
        }

        Connection copy() {
            Connection copy = new Connection();
            copy.sent.addAll(sent);
            copy.taken.addAll(taken);
            copy.answered.addAll(answered);
            copy.serverOpen = serverOpen;
            copy.used = used;
            return copy;
        }

        @Override
        public String toString() {
            List<Integer> inAnyOrder = new ArrayList<>(taken);
            Collections.sort(inAnyOrder);
            return sent + "" + inAnyOrder + answered + (serverOpen ? "o" : "x") + (used ? "u" : "-");
        }
    }

    private static final class World {
        final Set<Mutant> mutants;
        List<Connection> connections = new ArrayList<>();
        int ram = 1;
        int writing;
        Phase phase = Phase.DIRTY;
        int life;
        int unsyncedLife = -1;
        int cache;
        int disk;
        int losses;
        int kills;
        boolean alive = true;

        World(Set<Mutant> mutants) {
            this.mutants = mutants;
        }

        World copy() {
            World copy = new World(mutants);
            copy.connections =
                    connections.stream().map(Connection::copy).collect(Collectors.toCollection(ArrayList::new));
            copy.ram = ram;
            copy.writing = writing;
            copy.phase = phase;
            copy.life = life;
            copy.unsyncedLife = unsyncedLife;
            copy.cache = cache;
            copy.disk = disk;
            copy.losses = losses;
            copy.kills = kills;
            copy.alive = alive;
            return copy;
        }

        @Override
        public String toString() {
            List<String> all =
                    connections.stream().map(Connection::toString).sorted().toList();
            return all + " ram " + ram + " " + phase + " " + writing + " life "
                    + (unsyncedLife < 0 ? "-" : life - unsyncedLife) + " cache " + cache + " disk " + disk + " "
                    + losses + kills + alive;
        }

        boolean isTalking() {
            return connections.stream().filter(connection -> connection.used).count() == LINKS;
        }

        void check() {
            if (phase == Phase.CLEAN && (cache != ram || disk != ram)) {
                throw new AssertionError("taken for durable: " + ram + "; " + this);
            }
        }

        // ------------------------------------------------------------------------------------------ the client

        List<World> steps() {
            List<World> next = new ArrayList<>();
            if (ram < VERSIONS) {
                World world = copy();
                world.ram++;
                world.phase = phase == Phase.CLEAN ? Phase.DIRTY : phase;
                next.add(world);
            }
            for (int i = 0; i < connections.size(); i++) {
                Connection connection = connections.get(i);
                if (connection.used) {
                    send(next, i);
                    receive(next, i);
                }
                if (connection.used && losses < LOSSES) {
                    World world = copy();
                    world.losses++;
                    world.lose(i);
                    next.add(world);
                }
                serve(next, i);
            }
            connect(next);
            if (alive && kills < KILLS) {
                World world = copy();
                world.kills++;
                world.kill();
                next.add(world);
            }
            if (!alive) {
                World world = copy();
                world.alive = true;
                next.add(world);
            }
            return next;
        }

        private void send(List<World> next, int index) {
            if (!isTalking()) {
                return;
            }
            if (phase == Phase.DIRTY) {
                World world = copy();
                world.phase = Phase.WRITING;
                world.writing = ram;
                world.connections.get(index).sent.add(ram);
                next.add(world);
            } else if (phase == Phase.WRITTEN) {
                World world = copy();
                boolean isLost = unsyncedLife != life && !mutants.contains(Mutant.FLUSH_IN_A_LATER_LIFE);
                world.unsyncedLife = -1;
                if (isLost) {
                    world.phase = Phase.DIRTY;
                } else {
                    world.phase = Phase.FLUSHING;
                    world.connections.get(index).sent.add(FLUSH);
                }
                next.add(world);
            }
        }

        private void receive(List<World> next, int index) {
            Connection connection = connections.get(index);
            if (connection.answered.isEmpty()) {
                return;
            }
            World world = copy();
            int answer = world.connections.get(index).answered.removeFirst();
            if (answer == FLUSH && phase == Phase.FLUSHING) {
                world.phase = writing == ram ? Phase.CLEAN : Phase.DIRTY;
            } else if (answer == writing && phase == Phase.WRITING) {
                world.phase = Phase.WRITTEN;
                world.unsyncedLife = life;
            }
            next.add(world);
        }

        /** A connection is seen to be lost, or given up. */
        private void lose(int index) {
            boolean isUnanswered = phase == Phase.WRITING || phase == Phase.FLUSHING;
            if (mutants.contains(Mutant.LINKS_END_ALONE)) {
                // A request is given up with its own connection alone.
                Connection connection = connections.get(index);
                int request = phase == Phase.FLUSHING ? FLUSH : writing;
                boolean isElsewhere = connections.stream()
                        .filter(other -> other != connection && other.used)
                        .anyMatch(other -> other.has(request));
                phase = isUnanswered && !isElsewhere ? Phase.DIRTY : phase;
                connection.used = false;
            } else {
                connections.forEach(connection -> connection.used = false);
                phase = isUnanswered ? Phase.DIRTY : phase;
            }
            life++;
        }

        private void connect(List<World> next) {
            if (!alive || isTalking()) {
                return;
            }
            boolean isClosed = connections.stream().noneMatch(connection -> !connection.used && connection.serverOpen);
            if (isClosed || mutants.contains(Mutant.CONNECT_AT_ONCE)) {
                World world = copy();
                world.connections.removeIf(connection -> !connection.used && !connection.serverOpen);
                while (!world.isTalking()) {
                    world.connections.add(new Connection());
                }
                next.add(world);
            }
        }

        // ------------------------------------------------------------------------------------------ the server

        private void serve(List<World> next, int index) {
            Connection connection = connections.get(index);
            if (!connection.serverOpen) {
                return;
            }
            if (!connection.sent.isEmpty()) {
                World world = copy();
                Connection there = world.connections.get(index);
                there.taken.add(there.sent.removeFirst());
                next.add(world);
            }
            for (int i = 0; i < connection.taken.size(); i++) {
                World world = copy();
                Connection there = world.connections.get(index);
                int request = there.taken.remove(/* index */ i);
                if (request == FLUSH) {
                    world.disk = world.cache;
                } else {
                    world.cache = request;
                }
                there.answered.add(request);
                next.add(world);
            }
            if (!connection.used && connection.sent.isEmpty() && connection.taken.isEmpty()) {
                World world = copy();
                world.connections.get(index).serverOpen = false;
                next.add(world);
            }
        }

        private void kill() {
            alive = false;
            cache = disk;
            for (Connection connection : connections) {
                connection.serverOpen = false;
                connection.sent.clear();
                connection.taken.clear();
            }
        }
    }

    /** Visits every state; returns how many there are. */
    private static int explore(Set<Mutant> mutants) {
        Set<String> seen = new HashSet<>();
        ArrayDeque<World> open = new ArrayDeque<>();
        open.add(new World(mutants));
        int cleanCount = 0;
        while (!open.isEmpty()) {
            World world = open.removeLast();
            if (!seen.add(world.toString())) {
                continue;
            }
            world.check();
            cleanCount += world.phase == Phase.CLEAN && world.ram == VERSIONS ? 1 : 0;
            open.addAll(world.steps());
        }
        assertThat(cleanCount).as("states in which the last version is durable").isPositive();
        return seen.size();
    }

    @Test
    void whatIsTakenForDurableIs() {
        assertThat(explore(EnumSet.noneOf(Mutant.class))).isGreaterThan(10_000);
    }

    @ParameterizedTest
    @EnumSource(Mutant.class)
    void noRuleCanBeLeftOut(Mutant mutant) {
        assertThatThrownBy(() -> explore(EnumSet.of(mutant)))
                .isInstanceOf(AssertionError.class)
                .hasMessageStartingWith("taken for durable");
    }
}
