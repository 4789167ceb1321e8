# SPDX-License-Identifier: Apache-2.0
"""Clients that send garbage, half a command or nothing, and vanish.

vanish.py [--sanitized] PROGRAM [OPTION...]

Afterwards the server must answer as before and have given the memory back. Then clients that ask
for much and never read: what they leave unread must not pile up without end.
"""

import random
import resource
import socket
import struct

from wire import ARGUMENTS, SANITIZED, SLOWER, Client, Ours, Tally, encode, limit_time

PROGRAM, *OPTIONS = ARGUMENTS
limit_time(240)
CONNECTIONS, BATCH = 10_000 // SLOWER, 500
MIB = 1 << 20
tally = Tally()


def connect(address):
    sock = socket.create_connection(address, 10 * SLOWER)
    sock.setblocking(False)
    return sock


def check_memory(what, grown, most):
    tally.check(what, SANITIZED or grown < most * MIB, f"{grown / MIB:.1f} MiB more")


def vanish(sock, how):
    """Closes, perhaps by a reset, perhaps with replies unread."""
    if how % 2:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def what_to_send(rand):
    garbage = bytes(rand.randrange(256) for _ in range(rand.randrange(1, 200)))
    whole = encode(["SET", "k", "x" * rand.randrange(100)])
    return rand.choice([
        b"", garbage, b"*3\r\n$3\r\n" + garbage, whole[:rand.randrange(len(whole))],
        b"*1000000\r\n$100000000\r\nabc", b"*2147483647\r\n", b"*1\r\n$536870912\r\n" + garbage,
        whole * 20, b"SUBSCRIBE a b c\r\n", b"PSUBSCRIBE *\r\n" + garbage, b"x" * 70000,
        b"GET k\r\n" * 100 + b"*1\r\n$", b"QUIT\r\n", encode(["ECHO", "y" * 30000]),
    ])


def crowd(server, seed, connections):
    rand = random.Random(seed)
    done = 0
    while done < connections:
        sockets = [connect(server.address) for _ in range(BATCH)]
        for sock in sockets:
            try:
                sock.send(what_to_send(rand))
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                pass
        for how, sock in enumerate(sockets):
            vanish(sock, how)
        done += BATCH


def alone(client):
    """Waits until the server has noticed that all the others have gone."""
    while len(client.ask("CLIENT", "LIST")[1].splitlines()) != 1:
        pass


def crowds(server):
    client = Client(server.address)
    crowd(server, 0, 4 * BATCH)  # What is allocated once and kept is not what we look for.
    alone(client)
    before = server.memory()
    crowd(server, 1, CONNECTIONS)
    alone(client)
    grown = server.memory() - before
    check_memory("memory after the crowd", grown, 8)
    tally.equal("answers", client.ask("SET", "a", "1"), ("+", "OK"))
    tally.equal("answers", client.ask("GET", "a"), ("$", "1"))
    tally.equal("subscriptions left", client.ask("PUBLISH", "a", "x"), (":", 0))
    client.close()
    print(f"after {CONNECTIONS} vanished: {grown / MIB:+.1f} MiB")


def large_requests(server):
    """What a large value or a long command took is given back when it is over."""
    client = Client(server.address)
    before = server.memory()
    tally.equal("large", client.ask("SET", "big", "x" * 64 * MIB), ("+", "OK"))
    tally.equal("large", len(client.ask("GET", "big")[1]), 64 * MIB)
    tally.equal("large", client.ask("DEL", "big"), (":", 1))
    for _ in range(2):
        tally.equal("long", client.ask("RPUSH", "list", *range(200_000)), (":", 200_000))
        tally.equal("long", len(client.ask("LPOP", "list", 200_000)[1]), 200_000)
    tally.equal("long", client.ask("PING"), ("+", "PONG"))
    check_memory("memory after large requests", server.memory() - before, 24)
    client.close()


def unread_replies(server):
    """Replies wait for their reader: the server stops reading from who does not read."""
    client, deaf = Client(server.address), Client(server.address, 1)
    client.ask("SET", "big", "x" * MIB)
    before = server.memory()
    sent = 0
    try:
        while sent < 2000:
            deaf.send_raw(encode(["GET", "big"]) * 10)
            sent += 10
    except (TimeoutError, socket.timeout):
        pass
    grown = server.memory() - before
    check_memory(f"memory with {sent} MiB asked for and not read", grown, 32)
    tally.equal("others are served", client.ask("STRLEN", "big"), (":", MIB))
    deaf.close()
    alone(client)
    client.close()


def unread_messages(server, protocol):
    """A subscriber that does not read is sent away at 32 MiB, as Redis does."""
    client, deaf = Client(server.address), Client(server.address)
    deaf.ask("HELLO", protocol)
    deaf.ask("SUBSCRIBE", "news")
    before = server.memory()
    most, published = 0, 0
    while client.ask("PUBLISH", "news", "x" * 100_000) == (":", 1):
        published += 1
        most = max(most, server.memory() - before)
        if not tally.check("sent away", published < 1000):
            break
    tally.check("sent away, not too early", published > 300, published)
    check_memory("memory of the unread", most, 64)
    deaf.rest()
    deaf.close()
    alone(client)
    client.close()


def deaf_and_talking(server):
    """A RESP3 subscriber that asks much and reads nothing is held back, not buffered."""
    client, deaf = Client(server.address), Client(server.address, 1)
    client.ask("SET", "big", "x" * MIB)
    deaf.ask("HELLO", 3)
    deaf.ask("SUBSCRIBE", "news")
    before = server.memory()
    sent = 0
    try:
        while sent < 2000:
            deaf.send_raw(encode(["GET", "big"]) * 10)
            sent += 10
    except (TimeoutError, socket.timeout):
        pass
    grown = server.memory() - before
    check_memory("memory of a subscriber's replies", grown, 32)
    deaf.close()
    alone(client)
    client.close()


def end(server):
    """Who does not read holds the end up for some seconds, not for ever."""
    client, deaf = Client(server.address), Client(server.address)
    client.ask("SET", "big", "x" * MIB)
    deaf.send_raw(encode(["GET", "big"]) * 100)
    deaf.read()
    tally.equal("exit status", server.stop(), 0)


soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
server = Ours(PROGRAM, *OPTIONS)
crowds(server)
large_requests(server)
unread_replies(server)
unread_messages(server, 2)
unread_messages(server, 3)
deaf_and_talking(server)
end(server)
tally.finish()
