#!/usr/bin/python3
"""A crowd of NBD clients that do what no client should, all at once, until they are told to go.

usage: hostile_clients.py SOCKET EXPORT SIZE [--clients N] [--until FILE]

They come in equal shares of the kinds below, the functions named be_*; each comes back as soon as it was thrown out. The
crowd says `all there` when every one of them has been served or refused once, goes when FILE exists or on SIGTERM, and
then says how often each kind came, was refused for want of a session, and was closed by the server. What they write lies
in the upper half of the device. One thread, so that the crowd itself takes one processor at most.
"""

import argparse
import asyncio
import os
import random
import signal
import socket
import struct
import sys

IHAVEOPT, REQUEST = 0x49484156454F5054, 0x25609513
OPT_ABORT, OPT_LIST, OPT_GO = 2, 3, 7
REP_ACK, REP_INFO, ERR_POLICY = 1, 3, 2**31 + 2
READ, WRITE, FLUSH = 0, 1, 3


class Closed(Exception):
    """The server has closed the connection."""


class Refused(Exception):
    """There was no session left."""


class Client:
    """One connection, with just enough of the protocol to misbehave at any point of it."""

    def __init__(self, crowd):
        self.crowd = crowd

    async def __aenter__(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.setblocking(False)
        try:
            connection.connect(self.crowd.socket)  # here, since asyncio takes a full backlog for a connection
            self.reader, self.writer = await asyncio.open_unix_connection(sock=connection, limit=1 << 16)
        except BaseException:
            connection.close()
            raise
        return self

    async def __aexit__(self, *_):
        self.writer.transport.abort()

    async def receive(self, length):
        return await self.reader.readexactly(length)

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def greet(self):
        await self.receive(18)
        await self.send(struct.pack(">I", 3))

    async def option(self, option, data=b"", length=None):
        await self.send(struct.pack(">QII", IHAVEOPT, option, len(data) if length is None else length) + data)

    async def answer(self):
        _, _, kind, length = struct.unpack(">QIII", await self.receive(20))
        await self.receive(length)
        return kind

    async def go(self):
        """Takes the export, or raises Refused."""
        await self.greet()
        await self.option(OPT_GO, self.crowd.go_data)
        while (kind := await self.answer()) == REP_INFO:
            pass
        if kind == ERR_POLICY:
            raise Refused
        if kind != REP_ACK:
            raise RuntimeError(f"GO was answered with {kind:#x}")

    def request(self, command, offset=0, length=0, payload=b""):
        return struct.pack(">IHHQQI", REQUEST, 0, command, random.getrandbits(64), offset, length) + payload

    async def until_closed(self):
        while await self.reader.read(1 << 16):
            pass
        raise Closed


class Crowd:
    """The clients, and what became of them."""

    def __init__(self, options):
        self.socket, self.size = options.socket, options.size
        name = options.export.encode()
        self.go_data = struct.pack(">I", len(name)) + name + struct.pack(">H", 0)
        self.came, self.refused, self.closed, self.unserved = {}, {}, {}, set()

    def somewhere(self, length):
        """In the upper half: the lower one is the good client's."""
        return random.randrange(self.size // 2, self.size - length)

    # --- the kinds ---

    async def be_silent(self, client, served):
        served()
        await client.until_closed()

    async def be_slow(self, client, served):
        """A handshake byte by byte."""
        await client.greet()
        served()
        for byte in struct.pack(">QII", IHAVEOPT, OPT_GO, len(self.go_data)) + self.go_data:
            await client.send(bytes([byte]))
            await asyncio.sleep(0.5)

    async def be_deaf(self, client, served):
        """Asks for a great deal and reads none of it."""
        await client.go()
        served()
        length = min(1 << 20, self.size // 2)
        client.reader._transport.pause_reading()
        for _ in range(64):
            await client.send(client.request(READ, 0, length))
        await asyncio.sleep(random.uniform(5, 20))

    async def be_flooding(self, client, served):
        """As many requests at once as go into the socket, again and again."""
        await client.go()
        served()
        count = 200
        batch = b"".join(client.request(READ, self.somewhere(512), 512) for _ in range(count))
        for _ in range(random.randrange(1, 200)):
            await client.send(batch)
            await client.receive(count * (16 + 512))
            await asyncio.sleep(0)

    async def be_boastful(self, client, served):
        """Announces option data that it has not."""
        await client.greet()
        await client.option(random.choice((OPT_LIST, OPT_GO, 99)), length=random.choice((2**32 - 1, 2**31, 2 << 20)))
        served()
        await client.until_closed()

    async def be_undecided(self, client, served):
        """Asks what there is, and leaves."""
        await client.greet()
        await client.option(OPT_LIST)
        await client.answer()
        await client.option(OPT_ABORT)
        if random.random() < 0.5:
            await client.answer()
        served()

    async def be_greedy(self, client, served):
        """Keeps a session for nothing."""
        await client.go()
        served()
        await asyncio.sleep(random.uniform(5, 20))

    async def be_fickle(self, client, served):
        """Leaves in the middle of a payload."""
        await client.go()
        length = random.randrange(100, 1 << 20)
        sent = random.randrange(length)
        await client.send(client.request(WRITE, self.somewhere(length), length, bytes(sent)))
        served()

    async def be_wrong(self, client, served):
        """Says nonsense, or requests that can't be."""
        await client.go()
        served()
        for _ in range(50):
            await client.send(client.request(random.choice((READ, 99, FLUSH)), 2**63 + 5, 2**32 - 1))
            await client.receive(16)
        await client.send(os.urandom(28))
        await client.until_closed()

    # --- their lives ---

    async def live(self, number, kind):
        name = kind.__name__.removeprefix("be_")
        while True:
            try:
                async with Client(self) as client:
                    self.came[name] = self.came.get(name, 0) + 1
                    await kind(client, lambda: self.unserved.discard(number))
            except Refused:
                self.unserved.discard(number)
                self.refused[name] = self.refused.get(name, 0) + 1
                await asyncio.sleep(random.uniform(0, 0.5))
            except (Closed, ConnectionError, asyncio.IncompleteReadError):
                # Also while it was still in the handshake: a newcomer has needed its place.
                self.unserved.discard(number)
                self.closed[name] = self.closed.get(name, 0) + 1
            except BlockingIOError:
                pass  # nobody accepts so fast
            await asyncio.sleep(random.uniform(0, 0.05))

    async def be(self, options):
        kinds = [getattr(self, name) for name in dir(self) if name.startswith("be_")]
        loop = asyncio.get_running_loop()
        going = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, going.set)
        self.unserved = set(range(options.clients))
        lives = [loop.create_task(self.live(i, kinds[i % len(kinds)])) for i in range(options.clients)]
        told = False
        while not going.is_set() and not (options.until and os.path.exists(options.until)):
            if not told and not self.unserved:
                told = True
                print("all there", flush=True)
            done, _ = await asyncio.wait(lives, timeout=0.1)
            for life in done:
                life.result()
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        for kind in sorted(self.came):
            print(f"{kind}: came {self.came[kind]}, refused {self.refused.get(kind, 0)}, closed {self.closed.get(kind, 0)}")
        if not told:
            sys.exit(f"{len(self.unserved)} clients were never served")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("socket")
    parser.add_argument("export")
    parser.add_argument("size", type=int)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--until")
    options = parser.parse_args()
    asyncio.run(Crowd(options).be(options))


main()
