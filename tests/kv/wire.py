# SPDX-License-Identifier: Apache-2.0
"""What the Python tests of greenroom-kv share: servers on free loopback ports, and a client that
shows replies with their types."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

# A program under a sanitizer is slower, and what memory it takes says nothing.
SANITIZED = "--sanitized" in sys.argv[1:]
SLOWER = 6 if SANITIZED else 1
ARGUMENTS = [a for a in sys.argv[1:] if a != "--sanitized"]


def limit_time(seconds):
    """However the test ends, by its end, by a signal or by this limit, its servers end too."""

    def give_up(number, _):
        raise SystemExit(f"ended by {signal.Signals(number).name}")

    for number in signal.SIGALRM, signal.SIGTERM, signal.SIGINT:
        signal.signal(number, give_up)
    signal.alarm(seconds * SLOWER)


class Server:
    """A server process; `address` once it listens."""

    def __init__(self, command, executable=None):
        self.process = subprocess.Popen(command, executable=executable, stdout=subprocess.PIPE,
                                        stderr=sys.stderr)
        atexit.register(self.process.kill)

    def stop(self):
        """Ends it as an operator would; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30 * SLOWER)
        self.process.stdout.close()
        return status

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Ours(Server):
    def __init__(self, program, *options):
        super().__init__([program, "--port", "0", *options])
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening on "):
            raise RuntimeError(f"greenroom-kv said {line!r}")
        host, port = line.split()[-1].rsplit(":", 1)
        self.address = (host, int(port))


class Redis(Server):
    """redis-server cannot be asked for any port, so ports are tried until one is free.

    One program is server and tools, by the name it is called by. Debian's redis-tools has it under
    a tool's name, and starts no service as the package redis-server does.
    """

    def __init__(self, *options):
        program = shutil.which("redis-server") or shutil.which("redis-check-rdb")
        self.folder = tempfile.TemporaryDirectory()
        for _ in range(20):
            with socket.create_server(("127.0.0.1", 0)) as probe:
                port = probe.getsockname()[1]
            super().__init__(["redis-server", "--port", str(port), "--bind", "127.0.0.1",
                              "--save", "", "--dir", self.folder.name, *options], program)
            for line in self.process.stdout:
                if b"Ready to accept connections" in line:
                    self.address = ("127.0.0.1", port)
                    return
            self.process.wait()
        raise RuntimeError("redis-server does not start")


class Client:
    """One connection. Replies are (type, value), nested; None stands for a null of its type."""

    def __init__(self, address, timeout=10):
        self.socket = socket.create_connection(address, timeout * SLOWER)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, *words):
        self.send_raw(encode(words))

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError(line)
        kind, rest = chr(line[0]), line[1:-2]
        if kind in "+-":
            return kind, rest.decode("latin-1")
        if kind == "_":
            return kind, None
        number = int(rest)
        if kind == ":":
            return kind, number
        if number < 0:
            return kind, None
        if kind in "$=":
            return kind, self.file.read(number + 2)[:-2].decode("latin-1")
        return kind, [self.read() for _ in range(2 * number if kind == "%" else number)]

    def ask(self, *words):
        self.send(*words)
        return self.read()

    def rest(self):
        """All bytes until the server closes."""
        try:
            return self.file.read()
        except ConnectionResetError:
            return b"<reset>"


def encode(words):
    words = [w if isinstance(w, bytes) else str(w).encode("latin-1") for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Tally:
    """Counts what held and prints what did not."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, what, holds, detail=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {what}{': ' if detail else ''}{detail}", flush=True)
        return holds

    def equal(self, what, ours, theirs):
        return self.check(what, ours == theirs,
                          f"\n   ours   {ours!r:.600}\n   theirs {theirs!r:.600}")

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed else 0)
