"""A client of NBD's extended headers, from the specification: no library on this machine speaks them yet.

usage: extended_headers.py SOCKET EXPORT SIZE

Zeroes, trims and asks for the status of the whole device in one request each, writes with PAYLOAD_LEN, reads back, and
asks for one context of two by the payload of BLOCK_STATUS. The device must be larger than 4 GiB and hold nothing.
"""

import socket
import struct
import sys

IHAVEOPT = 0x49484156454F5054
OPTION_REPLY = 0x3E889045565A9
REQUEST, REPLY = 0x21E41C71, 0x6E8A278C
GO, SET_META_CONTEXT, EXTENDED_HEADERS = 7, 10, 11
READ, WRITE, DISC, TRIM, WRITE_ZEROES, BLOCK_STATUS = 0, 1, 2, 4, 6, 7
FUA, REQ_ONE, PAYLOAD_LEN = 1, 8, 32
NONE, DATA, HOLE, STATUS_EXT, ERROR = 0, 1, 2, 6, 0x8001


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.cookie = 0
        greeting = self.receive(18)
        assert greeting[:16] == struct.pack(">QQ", 0x4E42444D41474943, IHAVEOPT), greeting
        self.socket.sendall(struct.pack(">I", 3))

    def receive(self, length):
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            assert piece, "the server hung up"
            data += piece
        return data

    def option(self, code, data=b""):
        self.socket.sendall(struct.pack(">QII", IHAVEOPT, code, len(data)) + data)
        replies = []
        while True:
            magic, option, kind, length = struct.unpack(">QIII", self.receive(20))
            assert (magic, option) == (OPTION_REPLY, code), (magic, option)
            replies.append((kind, self.receive(length)))
            if kind == 1 or kind >= 1 << 31:
                assert kind == 1, f"option {code}: {replies}"
                return replies[:-1]

    def request(self, command, offset, length, flags=0, payload=b""):
        """Sends a request and returns its chunks: (type, data)."""
        self.cookie += 1
        header = struct.pack(">IHHQQQ", REQUEST, flags, command, self.cookie, offset, length)
        self.socket.sendall(header + payload)
        chunks = []
        done = False
        while not done:
            magic, flags, kind, cookie, of, size = struct.unpack(">IHHQQQ", self.receive(32))
            assert (magic, cookie, of) == (REPLY, self.cookie, offset), (magic, cookie, of)
            chunks.append((kind, self.receive(size)))
            done = flags & 1
        return chunks


def expect(what, found, wanted):
    assert found == wanted, f"{what}: {found}, not {wanted}"
    print(f"{what}: {found}")


def extents(chunk):
    kind, data = chunk
    assert kind == STATUS_EXT, kind
    context, count = struct.unpack(">II", data[:8])
    assert len(data) == 8 + 16 * count, (len(data), count)
    return context, [struct.unpack(">QQ", data[at : at + 16]) for at in range(8, len(data), 16)]


def main():
    path, export, size = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])
    client = Client(path)
    client.option(EXTENDED_HEADERS)
    queries = [b"base:allocation", b"ramback:dirty"]
    data = struct.pack(">I", len(export)) + export + struct.pack(">I", len(queries))
    data += b"".join(struct.pack(">I", len(query)) + query for query in queries)
    ids = {name[4:].decode(): struct.unpack(">I", name[:4])[0] for _, name in client.option(SET_META_CONTEXT, data)}
    expect("contexts", sorted(ids), ["base:allocation", "ramback:dirty"])
    allocation, dirty = ids["base:allocation"], ids["ramback:dirty"]
    info = client.option(GO, struct.pack(">I", len(export)) + export + struct.pack(">H", 0))
    told, flags = struct.unpack(">QH", info[0][1][2:12])
    expect("size", told, size)
    expect("DF and a payload for BLOCK_STATUS are offered", flags & (1 << 7 | 1 << 12), 1 << 7 | 1 << 12)

    nothing = [(NONE, b"")]
    expect("zeroes over all of it", client.request(WRITE_ZEROES, 0, size), nothing)
    expect("a trim of all of it", client.request(TRIM, 0, size, FUA), nothing)
    status = dict(extents(chunk) for chunk in client.request(BLOCK_STATUS, 0, size))
    expect("one extent over all of it", status[allocation], [(size, 3)])
    expect("both contexts are told", sorted(status), sorted(ids.values()))

    far = size - (1 << 20)
    expect("a write", client.request(WRITE, far, 8192, PAYLOAD_LEN, b"x" * 8192), nothing)
    chunks = client.request(READ, far - 4096, 16384)
    expect("what a read comes in", [kind for kind, _ in chunks], [HOLE, DATA, HOLE])
    expect("its data", chunks[1][1], struct.pack(">Q", far) + b"x" * 8192)
    payload = struct.pack(">QI", size, allocation)
    status = [extents(chunk) for chunk in client.request(BLOCK_STATUS, 0, len(payload), PAYLOAD_LEN, payload)]
    expect("one context alone", status, [(allocation, [(far, 3), (8192, 0), (size - far - 8192, 3)])])
    payload = struct.pack(">QI", size - far, dirty)
    status = client.request(BLOCK_STATUS, far, len(payload), PAYLOAD_LEN | REQ_ONE, payload)
    expect("and the other", [extents(chunk)[0] for chunk in status], [dirty])

    chunks = client.request(READ, size, 1)
    expect("a read behind the end", (chunks[0][0], struct.unpack(">I", chunks[0][1][:4])[0]), (ERROR, 22))
    chunks = client.request(TRIM, 0, 100, PAYLOAD_LEN, b"y" * 100)
    expect("a payload that belongs nowhere", (chunks[0][0], struct.unpack(">I", chunks[0][1][:4])[0]), (ERROR, 22))
    expect("and the stream goes on", client.request(WRITE_ZEROES, far, 8192), nothing)
    client.socket.sendall(struct.pack(">IHHQQQ", REQUEST, 0, DISC, 0, 0, 0))
    expect("the goodbye", client.socket.recv(1), b"")


main()
