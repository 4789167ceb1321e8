# SPDX-License-Identifier: Apache-2.0
"""Shards that fail: their keys go, and nothing else.

shards.py [--sanitized] PROGRAM

Clients run pipelines on keys of their own while shards are killed, and check each reply. It must be
what a server would say whose keys on that shard had been deleted at one moment of the kill, between
its request and its reply; or an error, where that moment may have met the request.
"""

import os
import random
import threading

from wire import ARGUMENTS, SLOWER, Client, Ours, Tally, encode, limit_time

PROGRAM, *OPTIONS = ARGUMENTS
limit_time(120)
SEED = int(os.environ.get("GREENROOM_SEED", random.randrange(1 << 32)))
SHARDS, CLIENTS, KEYS, KILLS = 4, 8, 15, 90  # the service gives up at more than 100 a minute
NEVER = float("inf")
tally = Tally()


def start(*options):
    return Ours(PROGRAM, "--workers", str(SHARDS), *options, *OPTIONS)


class Kills:
    """How many kills of each shard have begun, and how many are over."""

    def __init__(self):
        self.begun, self.done = [0] * SHARDS, [0] * SHARDS

    def kill(self, client, shard):
        self.begun[shard] += 1
        reply = client.ask("DEBUG", "KILL-SHARD", shard)
        self.done[shard] += 1
        return reply


class Entry:
    """A key as its client knows it."""

    def __init__(self, shard):
        self.shard, self.value = shard, None
        self.done = 0      # kills that were over when it was last known to be there
        self.begun = NEVER  # kills that had begun when it was known to be set


class Worker(threading.Thread):
    def __init__(self, server, number, entries, kills, progress):
        super().__init__(daemon=True)
        self.client, self.number, self.entries = Client(server.address), number, entries
        self.kills, self.progress = kills, progress
        self.rand = random.Random(SEED + number)
        self.is_over, self.is_stopping = False, False
        self.batches = self.errors = self.lost = self.published = 0

    def run(self):
        try:
            while not self.is_over:
                self.batch()
                self.batches += 1
                with self.progress:
                    self.progress.notify()
        except (OSError, EOFError, ValueError) as error:
            tally.check(f"client {self.number}", self.is_stopping, repr(error))
        self.is_over = True

    def some(self):
        return self.rand.sample(list(self.entries), self.rand.randrange(1, 6))

    def command(self):
        key = self.rand.choice(list(self.entries))
        number = self.rand.randrange(1, 1000)
        what = self.rand.randrange(7)
        if what == 6:
            self.published += 1
            return "PUBLISH", "news", f"{self.number} {self.published}"
        if what == 5:
            return "DEL", key
        if what == 4:
            return ("MGET", *self.some())
        if what == 3:
            return ("MSET", *(word for k in self.some() for word in (k, number)))
        return (("GET", key), ("INCR", key), ("SET", key, number))[what]

    def batch(self):
        commands = [self.command() for _ in range(self.rand.choice((1, 10, 100)))]
        done = list(self.kills.done)
        self.client.send_raw(b"".join(encode(words) for words in commands))
        replies = [self.client.read() for _ in commands]
        begun = list(self.kills.begun)
        for words, reply in zip(commands, replies):
            self.check(words, reply, done, begun)
        for entry in self.entries.values():
            if entry.begun == NEVER:
                entry.begun = begun[entry.shard]

    def check(self, words, reply, done, begun):
        def holds(what, it_does):
            tally.check(f"{words} after {done}, before {begun}: {what}", it_does, reply)

        def see(key, value):
            e = self.entries[key]
            if value is None and e.value is not None:
                holds("it is lost, and nobody was killed", begun[e.shard] > e.done)
                self.lost += 1
            else:
                holds(f"{e.value} was expected", value == e.value)
                holds("it was killed, and is there", value is None or done[e.shard] <= e.begun)
            put(key, value, e.begun)

        def put(key, value, begun=NEVER):
            e = self.entries[key]
            e.value, e.done, e.begun = value, done[e.shard], begun

        name, keys = words[0], [w for w in words[1:] if w in self.entries]
        if name == "PUBLISH":
            return holds("one subscriber", reply == (":", 0 if self.is_stopping else 1))
        if reply[0] == "-":
            self.errors += 1
            shards = {self.entries[key].shard for key in keys}
            return holds("it was met by a kill", reply[1].startswith("ERR shard ") and
                         any(begun[s] > done[s] for s in shards))
        if name in ("GET", "MGET"):
            values = reply[1] if name == "MGET" else [reply]
            for key, (_, value) in zip(keys, values):
                see(key, value and int(value))
        elif name == "INCR":
            see(keys[0], reply[1] - 1 or None)
            put(keys[0], reply[1])
        elif name == "DEL":
            see(keys[0], self.entries[keys[0]].value if reply[1] else None)
            put(keys[0], None)
        else:
            holds("it is done", reply == ("+", "OK"))
            for key, value in zip(words[1::2], words[2::2]):
                put(key, value)


def find_shards(client, kills, keys):
    """Which key lies where: who goes with which shard."""
    shard_of = {}
    for shard in range(SHARDS):
        client.ask("MSET", *(word for key in keys for word in (key, "x")))
        tally.equal("kill", kills.kill(client, shard), ("+", "OK"))
        for key, (_, value) in zip(keys, client.ask("MGET", *keys)[1]):
            if value is None:
                tally.check(f"{key} lies in one shard", key not in shard_of)
                shard_of[key] = shard
    tally.check("each shard's keys went with it, all of them", len(shard_of) == len(keys))
    tally.equal("shards that hold keys", len(set(shard_of.values())), SHARDS)
    client.ask("DEL", *keys)
    return shard_of


def restarts(client):
    for line in client.ask("INFO", "shards")[1].splitlines():
        if line.startswith("shard_restarts:"):
            return int(line.split(":")[1])
    return None


def start_workers(server, client, kills, count):
    names = [[f"{number}:{i}" for i in range(KEYS)] for number in range(CLIENTS)]
    shard_of = find_shards(client, kills, [name for mine in names for name in mine])
    progress = threading.Condition()
    workers = [Worker(server, number, {n: Entry(shard_of[n]) for n in mine}, kills, progress)
               for number, mine in enumerate(names[:count])]
    for worker in workers:
        for entry in worker.entries.values():
            entry.done = kills.done[entry.shard]
    return workers, progress


def kill_while_they_work(workers, progress, killer, kills, times):
    """A kill, and a batch of somebody before the next."""
    rand = random.Random(SEED)
    for _ in range(times):
        tally.equal("kill", kills.kill(killer, rand.randrange(SHARDS)), ("+", "OK"))
        seen = sum(w.batches for w in workers)
        with progress:
            progress.wait_for(lambda: sum(w.batches for w in workers) != seen or
                              any(w.is_over for w in workers), 20 * SLOWER)
        if any(w.is_over for w in workers):
            return


def chaos():
    server = start("--enable-debug-command", "yes")
    killer, listener, kills = Client(server.address), Client(server.address), Kills()
    listener.ask("SUBSCRIBE", "news")
    workers, progress = start_workers(server, killer, kills, CLIENTS)
    for worker in workers:
        worker.start()
    kill_while_they_work(workers, progress, killer, kills, KILLS - SHARDS)
    for worker in workers:
        worker.is_over = True
        worker.join()
    heard = [0] * CLIENTS
    for _ in range(0 if tally.failed else sum(w.published for w in workers)):
        number, count = map(int, listener.read()[1][2][1].split())
        heard[number] += 1
        tally.equal(f"what {number} published", count, heard[number])
    tally.equal("restarts", restarts(killer), sum(kills.done))
    print(f"{sum(w.batches for w in workers)} pipelines, {sum(w.errors for w in workers)} errors, "
          f"{sum(w.lost for w in workers)} keys lost, {sum(kills.done)} kills")
    tally.check("keys were lost", sum(w.lost for w in workers) > 0)
    tally.equal("exit status", server.stop(), 0)


def stop_meanwhile():
    """SIGTERM comes while clients work and shards are killed."""
    server = start("--enable-debug-command", "yes")
    killer, kills = Client(server.address), Kills()
    workers, progress = start_workers(server, killer, kills, 2)
    for worker in workers:
        worker.is_stopping = True
        worker.start()
    kill_while_they_work(workers, progress, killer, kills, 20)
    kills.begun[1] += 20  # And nobody hears when they are over.
    killer.send_raw(encode(["DEBUG", "KILL-SHARD", "1"]) * 20)
    tally.equal("exit status under kills", server.stop(), 0)
    for worker in workers:
        worker.join()


def give_up():
    """A shard that fails again and again ends the service, as a failure."""
    server = start("--enable-debug-command", "yes")
    client = Client(server.address)
    client.send_raw(encode(["DEBUG", "KILL-SHARD", "0"]) * 101)
    tally.equal("exit status of a service whose shards fail", server.process.wait(30 * SLOWER), 1)


def refusals():
    server = start()
    client = Client(server.address)
    tally.equal("not allowed", client.ask("DEBUG", "KILL-SHARD", 0)[1][:31],
                "ERR DEBUG command not allowed (")
    tally.equal("exit status", server.stop(), 0)
    server = start("--enable-debug-command", "yes")
    client = Client(server.address)
    for words in ("DEBUG",), ("DEBUG", "x"), ("DEBUG", "KILL-SHARD"), \
                 ("DEBUG", "KILL-SHARD", "x"), ("DEBUG", "KILL-SHARD", SHARDS), \
                 ("DEBUG", "KILL-SHARD", -1), ("DEBUG", "KILL-SHARD", 0, 0):
        reply = client.ask(*words)
        tally.check(words, reply[0] == "-" and reply[1].startswith("ERR "), reply)
    tally.equal("restarts", restarts(client), 0)
    tally.equal("exit status", server.stop(), 0)


print(f"GREENROOM_SEED={SEED}", flush=True)
refusals()
chaos()
stop_meanwhile()
give_up()
tally.finish()
