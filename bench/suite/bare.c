/*
 * What a socket can do at the best: an NBD server that has no device, and a client that does nothing with what it gets.
 *
 *   bare serve SOCKET SIZE nothing|memory                serves any export of SIZE bytes until it is ended: of nothing, or of as much memory
 *   bare ping SOCKET EXPORT read|write BYTES SECONDS     one request after the other at random places, to any NBD server;
 *                                                        prints requests, seconds, and p50, p99 and p99.9 in nanoseconds
 *
 * Of nothing: the server answers a read with whatever is in its buffer, and a write when its payload has been received and is forgotten.
 * What passes the socket is what passes it with a real server, to the byte, and nothing else is done. Of memory: reads are answered from
 * their place in it, short ones copied, long ones straight, so that the caches hold as little of it as of a real device's; writes are
 * copied there. Protocol: the NBD specification, "Fixed newstyle negotiation" and "Transmission"; simple replies.
 */

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HELLO_MAGIC 0x4e42444d41474943ULL
#define OPTION_MAGIC 0x49484156454f5054ULL
#define OPTION_REPLY_MAGIC 0x0003e889045565a9ULL
#define REQUEST_MAGIC 0x25609513U
#define REPLY_MAGIC 0x67446698U
#define FLAGS_FIXED_NO_ZEROES 3
/* HAS_FLAGS, SEND_FLUSH, SEND_TRIM, CAN_MULTI_CONN */
#define EXPORT_FLAGS (1 | 4 | 32 | 256)

enum { EXPORT_NAME = 1, ABORT = 2, INFO = 6, GO = 7 };
enum { REPLY_ACK = 1, REPLY_INFO = 3 };
enum { CMD_READ = 0, CMD_WRITE = 1, CMD_DISC = 2 };

#define REPLY_UNSUPPORTED 0x80000001U
#define REQUEST_BYTES 28
#define REPLY_BYTES 16
#define OPTION_BYTES_MAX 65536
#define PAYLOAD_BYTES_MAX (32U << 20)
#define RECEIVE_BYTES (256 << 10)
#define ANSWER_BYTES (384 << 10)
#define COPIED_BYTES_MAX (32 << 10)

static uint64_t size_bytes;

/* All of the device, or NULL: then there is none. */
static char *device;

static void fail(const char *what) {
    fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Written to, so that it is memory: what was never written is one page of zeroes everywhere, which caches hold better or worse than memory. */
static void *memory(size_t bytes) {
    void *at = malloc(bytes);
    if (!at) fail("memory");
    return memset(at, 1, bytes);
}

/* Sends or receives all of it; 0 when the other side has gone. */

static int send_all(int fd, const void *from, size_t bytes) {
    for (const char *at = from; bytes > 0;) {
        ssize_t sent = send(fd, at, bytes, MSG_NOSIGNAL);
        if (sent <= 0) return 0;
        at += sent;
        bytes -= (size_t) sent;
    }
    return 1;
}

static int receive_all(int fd, void *into, size_t bytes) {
    for (char *at = into; bytes > 0;) {
        ssize_t received = recv(fd, at, bytes, 0);
        if (received <= 0) return 0;
        at += received;
        bytes -= (size_t) received;
    }
    return 1;
}

/* Numbers on the wire are in network order, and not aligned. */

static char *put16(char *at, uint16_t value) {
    value = htobe16(value);
    return (char *) memcpy(at, &value, sizeof value) + sizeof value;
}

static char *put32(char *at, uint32_t value) {
    value = htobe32(value);
    return (char *) memcpy(at, &value, sizeof value) + sizeof value;
}

static char *put64(char *at, uint64_t value) {
    value = htobe64(value);
    return (char *) memcpy(at, &value, sizeof value) + sizeof value;
}

static uint32_t get32(const char *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return be32toh(value);
}

static uint64_t get64(const char *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return be64toh(value);
}

/* ---------------------------------------------------------------------------------------------------------- server */

static int reply_to_option(int fd, uint32_t option, uint32_t type, const char *data, uint32_t bytes) {
    char head[20];
    put32(put32(put32(put64(head, OPTION_REPLY_MAGIC), option), type), bytes);
    return send_all(fd, head, sizeof head) && send_all(fd, data, bytes);
}

static int agree(int fd) {
    char hello[18], flags[4], option[16], info[12], export[10];
    static __thread char data[OPTION_BYTES_MAX];
    put16(put64(put64(hello, HELLO_MAGIC), OPTION_MAGIC), FLAGS_FIXED_NO_ZEROES);
    put16(put64(export, size_bytes), EXPORT_FLAGS);
    put16(put64(put16(info, 0), size_bytes), EXPORT_FLAGS);
    if (!send_all(fd, hello, sizeof hello) || !receive_all(fd, flags, sizeof flags)) return 0;
    while (receive_all(fd, option, sizeof option)) {
        uint32_t number = get32(option + 8), bytes = get32(option + 12);
        if (get64(option) != OPTION_MAGIC || bytes > sizeof data || !receive_all(fd, data, bytes)) return 0;
        if (number == EXPORT_NAME) return send_all(fd, export, sizeof export);
        if (number == GO || number == INFO) {
            if (!reply_to_option(fd, number, REPLY_INFO, info, sizeof info) || !reply_to_option(fd, number, REPLY_ACK, "", 0)) return 0;
            if (number == GO) return 1;
        } else if (!reply_to_option(fd, number, number == ABORT ? REPLY_ACK : REPLY_UNSUPPORTED, "", 0) || number == ABORT) {
            return 0;
        }
    }
    return 0;
}

/* Answers a read from the device's memory, behind what is gathered and a header; 0 when the client has gone. */
static int send_from_device(int fd, char *answers, size_t *gathered, uint64_t offset, uint32_t bytes) {
    struct iovec parts[2] = {{answers, *gathered + REPLY_BYTES}, {device + offset, bytes}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent <= 0) return 0;
    size_t head = parts[0].iov_len, done = (size_t) sent;
    *gathered = 0;
    if (done < head && !send_all(fd, answers + done, head - done)) return 0;
    size_t sent_bytes = done > head ? done - head : 0;
    return send_all(fd, device + offset + sent_bytes, bytes - sent_bytes);
}

/* Receives as much as there is, answers all of it that is complete, and sends these answers together. */
static void transmit(int fd) {
    char *received = memory(RECEIVE_BYTES), *answers = memory(ANSWER_BYTES + PAYLOAD_BYTES_MAX);
    size_t head = 0, tail = 0, gathered = 0;
    for (;;) {
        ssize_t got = recv(fd, received + tail, RECEIVE_BYTES - tail, 0);
        if (got <= 0) break;
        tail += (size_t) got;
        while (tail - head >= REQUEST_BYTES) {
            uint32_t command = get32(received + head + 4) & 0xffff, bytes = get32(received + head + 24);
            uint64_t offset = get64(received + head + 16);
            if (get32(received + head) != REQUEST_MAGIC || command == CMD_DISC || bytes > PAYLOAD_BYTES_MAX) goto end;
            if (offset > size_bytes || bytes > size_bytes - offset) goto end;
            char *reply = put32(put32(answers + gathered, REPLY_MAGIC), 0);
            memcpy(reply, received + head + 8, 8);
            head += REQUEST_BYTES;
            if (command == CMD_WRITE) {
                /* Answered when all of its payload is here; what is gathered leaves before that is waited for. */
                size_t here = bytes < tail - head ? bytes : tail - head;
                if (device) memcpy(device + offset, received + head, here);
                head += here;
                for (size_t left = bytes - here; left > 0;) {
                    if (gathered > 0 && !send_all(fd, answers, gathered)) goto end;
                    if (gathered > 0) memmove(answers, answers + gathered, REPLY_BYTES);
                    gathered = head = tail = 0;
                    ssize_t more = recv(fd, received, left < RECEIVE_BYTES ? left : RECEIVE_BYTES, 0);
                    if (more <= 0) goto end;
                    if (device) memcpy(device + offset + bytes - left, received, (size_t) more);
                    left -= (size_t) more;
                }
            } else if (device && bytes > COPIED_BYTES_MAX) {
                if (!send_from_device(fd, answers, &gathered, offset, bytes)) goto end;
                continue;
            } else if (device) {
                memcpy(answers + gathered + REPLY_BYTES, device + offset, bytes);
            }
            gathered += REPLY_BYTES + (command == CMD_READ ? bytes : 0);
            if (gathered >= ANSWER_BYTES) {
                if (!send_all(fd, answers, gathered)) goto end;
                gathered = 0;
            }
        }
        if (gathered > 0 && !send_all(fd, answers, gathered)) break;
        gathered = 0;
        memmove(received, received + head, tail - head);
        tail -= head;
        head = 0;
    }
end:
    free(received);
    free(answers);
}

static void *serve_one(void *argument) {
    int fd = (int) (intptr_t) argument;
    if (agree(fd)) transmit(fd);
    close(fd);
    return NULL;
}

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        fail(path);
    }
    strcpy(address.sun_path, path);
    return address;
}

static _Noreturn void serve(const char *path) {
    struct sockaddr_un address = address_of(path);
    int listening = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listening, (struct sockaddr *) &address, sizeof address) || listen(listening, 16)) fail(path);
    for (;;) {
        pthread_t thread;
        int fd = accept(listening, NULL, NULL);
        if (fd < 0) fail("accept");
        if (pthread_create(&thread, NULL, serve_one, (void *) (intptr_t) fd)) fail("thread");
        pthread_detach(thread);
    }
}

/* ---------------------------------------------------------------------------------------------------------- client */

static uint64_t now_nanos(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000ULL + (uint64_t) now.tv_nsec;
}

/* Latencies by powers of two, each in 64 steps: to 1.6 %. */
#define STEP_BITS 6
static uint64_t counts[64 << STEP_BITS];

static unsigned bucket_of(uint64_t nanos) {
    if (nanos < (1 << STEP_BITS)) return (unsigned) nanos;
    unsigned shift = 63 - STEP_BITS - (unsigned) __builtin_clzll(nanos);
    return ((shift + 1) << STEP_BITS) + (unsigned) ((nanos >> shift) & ((1 << STEP_BITS) - 1));
}

static uint64_t nanos_of(unsigned bucket) {
    if (bucket < (1 << STEP_BITS)) return bucket;
    unsigned shift = (bucket >> STEP_BITS) - 1;
    return ((uint64_t) (1 << STEP_BITS) + (bucket & ((1 << STEP_BITS) - 1))) << shift;
}

static uint64_t percentile(uint64_t total, double share) {
    uint64_t wanted = (uint64_t) ((double) total * share), seen = 0;
    for (unsigned bucket = 0; bucket < sizeof counts / sizeof *counts; bucket++) {
        seen += counts[bucket];
        if (seen > wanted) return nanos_of(bucket);
    }
    return 0;
}

/* Connects and asks for an export by name; returns the socket. */
static int connect_to(const char *path, const char *export) {
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char hello[18], flags[4], option[16], answer[10];
    if (connect(fd, (struct sockaddr *) &address, sizeof address)) fail(path);
    put32(flags, FLAGS_FIXED_NO_ZEROES);
    put32(put32(put64(option, OPTION_MAGIC), EXPORT_NAME), (uint32_t) strlen(export));
    if (!receive_all(fd, hello, sizeof hello) || get64(hello) != HELLO_MAGIC || !send_all(fd, flags, sizeof flags)
            || !send_all(fd, option, sizeof option) || !send_all(fd, export, strlen(export))
            || !receive_all(fd, answer, sizeof answer)) {
        errno = EPROTO;
        fail("handshake");
    }
    size_bytes = get64(answer);
    return fd;
}

static int ping(const char *path, const char *export, int is_write, uint32_t bytes, double seconds) {
    int fd = connect_to(path, export);
    char *request = memory(REQUEST_BYTES + bytes), *answer = memory(REPLY_BYTES + bytes);
    size_t request_bytes = REQUEST_BYTES + (is_write ? bytes : 0), answer_bytes = REPLY_BYTES + (is_write ? 0 : bytes);
    uint64_t begin = now_nanos(), end = begin + (uint64_t) (seconds * 1e9), now = begin, count = 0, state = begin | 1;
    if (bytes == 0 || bytes > size_bytes) {
        errno = EINVAL;
        fail("length of requests");
    }
    while (now < end) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        put32(put64(put64(put32(put32(request, REQUEST_MAGIC), is_write ? CMD_WRITE : CMD_READ), count), state % (size_bytes / bytes) * bytes), bytes);
        if (!send_all(fd, request, request_bytes) || !receive_all(fd, answer, answer_bytes) || get32(answer) != REPLY_MAGIC
                || get32(answer + 4) != 0 || get64(answer + 8) != count) {
            errno = EPROTO;
            fail("answer");
        }
        uint64_t then = now_nanos();
        counts[bucket_of(then - now)]++;
        now = then;
        count++;
    }
    put32(put64(put64(put32(put32(request, REQUEST_MAGIC), CMD_DISC), 0), 0), 0);
    send_all(fd, request, REQUEST_BYTES);
    printf("%llu %.6f %llu %llu %llu\n", (unsigned long long) count, (double) (now - begin) / 1e9,
            (unsigned long long) percentile(count, 0.5), (unsigned long long) percentile(count, 0.99),
            (unsigned long long) percentile(count, 0.999));
    return 0;
}

int main(int count, char **words) {
    if (count == 5 && !strcmp(words[1], "serve")) {
        size_bytes = strtoull(words[3], NULL, 10);
        if (!strcmp(words[4], "memory")) device = memory(size_bytes);
        serve(words[2]);
    }
    if (count == 7 && !strcmp(words[1], "ping")) {
        return ping(words[2], words[3], !strcmp(words[4], "write"), (uint32_t) strtoul(words[5], NULL, 10), strtod(words[6], NULL));
    }
    fprintf(stderr, "usage: bare serve SOCKET SIZE nothing|memory | bare ping SOCKET EXPORT read|write BYTES SECONDS\n");
    return 2;
}
