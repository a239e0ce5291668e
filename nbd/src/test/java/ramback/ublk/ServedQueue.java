package ramback.ublk;

import java.util.ArrayList;
import java.util.List;
import ramback.device.Device;
import ramback.traffic.ClientKind;
import ramback.traffic.SessionTraffic;
import ramback.traffic.Traffic;

/** Queues of a block device with their threads, on drivers that a test holds in its hands. */
final class ServedQueue {

    final QueueGroup group;
    final FakeQueue queue;
    final List<FakeQueue> queues;
    final Traffic traffic = new Traffic();
    private final List<QueueServer> servers = new ArrayList<>();
    private final List<Thread> queueThreads = new ArrayList<>();
    private final List<Thread> replyThreads = new ArrayList<>();

    private ServedQueue(Device device, List<FakeQueue> queues) throws Exception {
        this.queues = queues;
        this.queue = queues.get(0);
        this.group = new QueueGroup(queues.size());
        List<SessionTraffic> counted = traffic.join(ClientKind.UBLK, queues.size());
        for (int i = 0; i < queues.size(); i++) {
            servers.add(new QueueServer("queue", queues.get(i), device.openSession(), group, counted.get(i)));
        }
        group.set(List.copyOf(servers));
        for (int i = 0; i < servers.size(); i++) {
            QueueServer server = servers.get(i);
            replyThreads.add(start("ublk-reply-0-" + i, server::runReplies));
            queueThreads.add(start("ublk-0-" + i, server::run));
        }
    }

    /** Serves requests. */
    ServedQueue(Device device, int depth, int queueCount) throws Exception {
        this(device, fakes(depth, queueCount));
        group.awaitFetched();
        group.enter(QueueGroup.Phase.SERVING);
    }

    /** As while the block device is being made. */
    static ServedQueue starting(Device device, int depth) throws Exception {
        return starting(device, new FakeQueue(depth));
    }

    static ServedQueue starting(Device device, FakeQueue queue) throws Exception {
        return new ServedQueue(device, List.of(queue));
    }

    private static List<FakeQueue> fakes(int depth, int count) {
        List<FakeQueue> fakes = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            fakes.add(new FakeQueue(depth));
        }
        return fakes;
    }

    private static Thread start(String name, Runnable task) {
        return Thread.ofPlatform().daemon().name(name).start(task);
    }

    /** Waits for the queues' threads. */
    void joinQueue() throws InterruptedException {
        for (Thread thread : queueThreads) {
            thread.join();
        }
    }

    /** Waits for all threads, and gives the queues back. */
    void join() throws InterruptedException {
        joinQueue();
        for (Thread thread : replyThreads) {
            thread.join();
        }
        servers.forEach(QueueServer::giveUp);
    }
}
