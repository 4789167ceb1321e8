#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of the chat example: who is in a room hears all that is said there, in one order; nobody
is held up by who leaves in mid-line or never reads. Usage: chat.py PROGRAM"""
import atexit
import re
import signal
import socket
import subprocess
import sys

PATIENCE = 60  # seconds; longer than anything takes
MORE_THAN_BUFFERS_HOLD = 3000  # lines of 4 KB, in sockets and in the room
ROUNDS, LINES = 20, 20  # few at a time: nobody falls behind by 256


def fail(what):
    sys.exit(f"FAILED {what}")


class Client:
    def __init__(self, port, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")
        self.nick = re.fullmatch(r"\* (guest\d+) is in hall", self.line())[1]

    def named(self, nick):
        self.say(f"/nick {nick}")
        self.expect(f"* {self.nick} is now {nick}")
        self.nick = nick
        return self

    def say(self, text):
        self.socket.sendall(text.encode() + b"\n")

    def line(self):
        return self.file.readline().decode().removesuffix("\n")

    def expect(self, wanted):
        got = self.line()
        if got != wanted:
            fail(f"{self.nick} heard {got!r:.200}, not {wanted!r:.200}")

    def until(self, wanted):
        """The lines before that one."""
        lines = []
        while (got := self.line()) != wanted:
            if not got:
                fail(f"{self.nick} never heard {wanted!r:.200}")
            lines.append(got)
        return lines

    def rest(self):
        try:
            return self.file.read().decode()
        except ConnectionResetError:
            return "<reset>"

    def close(self):
        self.file.close()
        self.socket.close()


def one_order(port):
    """All talk at once; all hear the same, each talker's lines in its order."""
    clients = [Client(port).named(nick) for nick in ("ann", "bob")]
    clients.append(Client(port))
    last = clients[2].nick
    clients[2].named("cid")
    for client in clients[:2]:
        client.until(f"* {last} is now cid")
    for _ in range(ROUNDS):
        said = [f"line {number}" for number in range(LINES)]
        for text in said:
            for client in clients:
                client.say(text)
        heard = [[client.line() for _ in range(LINES * len(clients))] for client in clients]
        if any(lines != heard[0] for lines in heard):
            fail("two clients hear different orders")
        for client in clients:
            if [f"{client.nick}: {text}" for text in said] != [
                    line for line in heard[0] if line.startswith(client.nick)]:
                fail(f"the lines of {client.nick} are not heard in order")
    for client in clients:
        client.close()


def rooms(port):
    """What is said in one room is not heard in another; all see who comes and goes."""
    ann, bob = Client(port).named("ann"), Client(port)
    ann.expect(f"* {bob.nick} is in hall")
    ann.say("/join tea")
    bob.expect("* ann has left")
    ann.expect("* ann is in tea")
    ann.say("who is here?")
    ann.expect("ann: who is here?")
    bob.say("nobody?\r")
    bob.expect(f"{bob.nick}: nobody?")
    bob.say("/join tea")
    ann.expect(f"* {bob.nick} is in tea")
    bob.expect(f"* {bob.nick} is in tea")
    ann.say("welcome")
    bob.expect("ann: welcome")
    ann.close()
    bob.expect("* ann has left")
    bob.close()


def leaves_in_mid_line(port):
    ann, bob = Client(port).named("ann"), Client(port)
    ann.expect(f"* {bob.nick} is in hall")
    bob.socket.sendall(b"half of a li")
    bob.close()
    ann.expect(f"{bob.nick}: half of a li")
    ann.expect(f"* {bob.nick} has left")
    ann.close()


def says_its_last(port):
    """Who has ended its side, as nc does at the end of its input, hears what is left for it."""
    ann = Client(port).named("ann")
    ann.say("bye")
    ann.socket.shutdown(socket.SHUT_WR)
    if ann.rest() != "ann: bye\n":
        fail("a line that was said before the end is not heard")
    ann.close()


def says_too_much(port):
    ann, bob = Client(port).named("ann"), Client(port)
    ann.expect(f"* {bob.nick} is in hall")
    bob.socket.sendall(b"x" * 6000)
    ann.expect(f"* {bob.nick} has left")
    bob.rest()
    bob.close()
    ann.close()


def never_reads(port):
    """It is sent away when it is too far behind; till then and after, the others hear all."""
    ann, bob = Client(port).named("ann"), Client(port).named("bob")
    deaf = Client(port, receive_buffer=4096)
    left = f"* {deaf.nick} has left"
    bob.until(f"* {deaf.nick} is in hall")
    ann.until(f"* {deaf.nick} is in hall")
    gone = set()
    for number in range(MORE_THAN_BUFFERS_HOLD):
        text = f"{number} {'x' * 4000}"
        ann.say(text)
        for client in ann, bob:
            heard = client.until(f"ann: {text}")
            if heard not in ([], [left]):
                fail(f"{client.nick} heard {heard[0]!r:.100}")
            if heard:
                gone.add(client)
    for client in {ann, bob} - gone:
        client.expect(left)
    for client in ann, bob, deaf:
        client.close()


def play(scene):
    server = subprocess.Popen([sys.argv[1]], stdout=subprocess.PIPE, text=True)
    atexit.register(server.kill)
    at = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", server.stdout.readline())
    if not at:
        fail("it does not say where it listens")
    print(scene.__name__, flush=True)
    scene(int(at[1]))
    server.send_signal(signal.SIGTERM)
    if (status := server.wait(PATIENCE)) != 0:
        fail(f"exit status {status}")


for one in one_order, rooms, leaves_in_mid_line, says_its_last, says_too_much, never_reads:
    play(one)
