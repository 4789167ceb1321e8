# SPDX-License-Identifier: Apache-2.0
"""Compares greenroom-kv with redis-server, reply by reply.

compat.py [--sanitized] PROGRAM [OPTION...]

The same commands go to both; replies must agree in type and value. Times are compared within
bounds, and what has no order as if it were sorted.
"""

import random
import re
import shlex
import signal
import threading

import redis

from wire import ARGUMENTS, SLOWER, Client, Ours, Redis, Tally, encode, limit_time

PROGRAM, *OPTIONS = ARGUMENTS
limit_time(120)
tally = Tally()

# Commands whose replies come in no order.
UNORDERED = {"keys", "smembers"}
UNORDERED_PAIRS = {"hgetall", "config"}
# TTL and PTTL differ by the time that passes between the two servers.
ABOUT = {"ttl": 1, "pttl": 500}

# A group a line or more; each starts from empty databases, in RESP2 and again in RESP3.
SCRIPTS = [
    "PING | PING hello | PING a b | ECHO hi | ECHO | ECHO a b | ping | pInG",
    "SET a 1 | GET a | GET b | SET a | SET | GET | GET a b | SET a 1 2 | SET a 1 EX",
    "SET a 1 NX | SET a 2 NX | SET a 3 XX | SET b 3 XX | GET a | SET a 4 GET | SET c 4 GET | "
    "SET c 5 NX GET | SET d 5 NX GET | SET e 5 XX GET | GET c | GET d | EXISTS e",
    "SET a 1 EX 100 | TTL a | PTTL a | SET a 2 KEEPTTL | TTL a | SET a 3 | TTL a | "
    "SET a 1 PX 100000 | PTTL a | SET a 1 EX 0 | SET a 1 EX -1 | SET a 1 EX x | SET a 1 PX 0 | "
    "SET a 1 EX 9223372036854775807 | SET a 1 PX 9223372036854775807 | SET a 1 EX 1 PX 1 | "
    "SET a 1 EX 10 KEEPTTL | SET a 1 KEEPTTL EX 10 | SET a 1 NX XX | SET a 1 XX NX | "
    "SET a 1 nonsense | SET a 1 EX 10 EX 20 | SET a 1 GET GET | set a 1 ex 100 nx get",
    "MSET a 1 b 2 c 3 | MGET a b c d | MSET a | MSET a 1 b | MGET | MGET a | MSET a 1 a 2 | GET a",
    "SET a x | APPEND a y | GET a | APPEND b z | GET b | STRLEN a | STRLEN none | APPEND a '' | "
    "APPEND a | STRLEN",
    "INCR n | INCR n | DECR n | INCRBY n 10 | DECRBY n 3 | GET n | INCRBY n x | INCRBY n 1.5 | "
    "INCRBY n '' | SET n ' 1' | INCR n | SET n 1a | INCR n | SET n 01 | INCR n | SET n -0 | INCR n",
    "SET n 9223372036854775807 | INCR n | DECR n | INCRBY n 1 | INCRBY n 1 | "
    "SET n -9223372036854775808 | DECR n | DECRBY n 1 | DECRBY n -9223372036854775808 | "
    "INCRBY n 9223372036854775808 | SET n 9223372036854775808 | INCR n | SET n '' | INCR n",
    "SET a 1 | SET b 2 | DEL a b c | DEL a | EXISTS a | SET a 1 | EXISTS a a a b | DEL | EXISTS | "
    "DEL a a",
    "SET a 1 | EXPIRE a 100 | TTL a | PERSIST a | TTL a | PERSIST a | PERSIST none | TTL none | "
    "PTTL none | EXPIRE none 10 | EXPIRE a 0 | EXISTS a | SET a 1 | EXPIRE a -5 | EXISTS a | "
    "SET a 1 | PEXPIRE a 100000 | PTTL a | EXPIRE a x | PEXPIRE a 1.5 | EXPIRE a | TTL | "
    "EXPIRE a 9223372036854775807 | PEXPIRE a 9223372036854775807 | EXPIRE a -9223372036854775808",
    "SET a 1 | EXPIRE a 100 NX | EXPIRE a 50 NX | EXPIRE a 50 XX | EXPIRE a 40 GT | TTL a | "
    "EXPIRE a 60 GT | EXPIRE a 70 LT | EXPIRE a 30 LT | TTL a | PERSIST a | EXPIRE a 30 GT | "
    "EXPIRE a 30 LT | EXPIRE a 10 NX XX | EXPIRE a 10 NX GT | EXPIRE a 10 GT LT | EXPIRE a 10 foo |"
    "EXPIRE a 10 XX GT | EXPIRE a x foo | PEXPIRE none 10 foo",
    "MSET one 1 two 2 three 3 th[r]ee 4 | KEYS * | KEYS t* | KEYS t?o | KEYS [ot]* | KEYS [^o]* | "
    "KEYS th\\\\[r\\\\]ee | KEYS none | KEYS | KEYS a b | KEYS t[a-w]o | KEYS '' | KEYS *e* |"
    "DBSIZE",
    "SET s 1 | RPUSH l a | SADD u a | HSET h f v | TYPE s | TYPE l | TYPE u | TYPE h | TYPE none | "
    "TYPE | TYPE a b",
    "DBSIZE | SET a 1 | SELECT 1 | DBSIZE | SET a 2 | SET b 2 | DBSIZE | FLUSHDB | DBSIZE | "
    "SELECT 0 | GET a | SELECT 16 | SELECT -1 | SELECT x | SELECT | SELECT 15 | SET z 1 | "
    "FLUSHALL | DBSIZE | SELECT 0 | DBSIZE | FLUSHALL ASYNC | FLUSHDB SYNC | FLUSHALL foo | "
    "FLUSHDB ASYNC SYNC | DBSIZE x | SELECT 99999999999",
    "RPUSH l a b c | LPUSH l z y | LRANGE l 0 -1 | LLEN l | LRANGE l 1 2 | LRANGE l -2 -1 | "
    "LRANGE l -100 100 | LRANGE l 3 1 | LRANGE l 5 10 | LRANGE none 0 -1 | LRANGE l x 1 | "
    "LRANGE l 0 | LPOP l | RPOP l | LPOP l 2 | LRANGE l 0 -1 | RPOP l 10 | EXISTS l | LPOP l | "
    "LPOP l 1 | RPOP l 0 | LLEN l | LPUSH l | RPUSH | LLEN",
    "RPUSH l a | LPOP l 0 | LPOP l -1 | LPOP l x | LPOP l 1 2 | RPOP l 1 2 3 | LPOP l 1 | EXISTS l|"
    "RPUSH l a b c d | RPOP l 3 | LPOP l 9223372036854775808",
    "SADD s a b c | SADD s a d | SCARD s | SISMEMBER s a | SISMEMBER s z | SISMEMBER none a | "
    "SMEMBERS s | SMEMBERS none | SREM s a z | SREM s b c d | EXISTS s | SCARD s | "
    "SREM s a | SADD s | SREM s | SISMEMBER s | SCARD | SMEMBERS",
    "HSET h f v | HSET h f w g x | HGET h f | HGET h none | HGET none f | HGETALL h | "
    "HGETALL none | HLEN h | HLEN none | HDEL h f none | HDEL h g | EXISTS h | HDEL h f | HSET h | "
    "HSET h f | HSET h f 1 g | HGET h | HDEL h | HGETALL | HLEN | HSET h '' '' | HGET h ''",
    "SET s x | LPUSH s a | SADD s a | HSET s f v | LRANGE s 0 -1 | LLEN s | LPOP s | SCARD s | "
    "SMEMBERS s | SISMEMBER s a | HGET s f | HGETALL s | HLEN s | HDEL s f | SREM s a | RPOP s 2",
    "RPUSH l a | GET l | SET l x GET | INCR l | APPEND l x | STRLEN l | MGET l | SET l 1 NX | "
    "SET l ok | GET l | RPUSH m a | INCRBY m x | LRANGE l x y | SET l 1 XX GET",
    "FOO | FOO a b | foo 'bar baz' | GETT a | '' | '' a | HELLO 4 | HELLO x | HELLO 3 foo | "
    "HELLO 3 SETNAME | HELLO 3 AUTH a | HELLO 3 SETNAME 'a b'",
    "CLIENT | CLIENT FOO | CLIENT GETNAME | CLIENT SETNAME me | CLIENT GETNAME | CLIENT SETNAME | "
    "CLIENT SETNAME 'a b' | CLIENT SETNAME '' | CLIENT GETNAME | CLIENT ID x | "
    "CLIENT LIST ID x | CLIENT LIST ID | "
    "CLIENT LIST foo | CLIENT INFO x | CLIENT LIST ID 99999",
    "CONFIG | CONFIG FOO x | CONFIG GET | CONFIG GET maxmemory | CONFIG GET save appendonly | "
    "CONFIG GET none | CONFIG GET MAXMEMORY | CONFIG GET MaxMemory-P* | "
    "CONFIG GET databases maxclients proto-max-bulk-len client-output-buffer-limit requirepass "
    "timeout maxmemory-policy",
    "AUTH x | AUTH default x | AUTH foo x | AUTH a b c | AUTH",
    "COMMAND FOO | COMMAND COUNT x | COMMAND INFO nosuch",
    "SUBSCRIBE | PSUBSCRIBE | PUBLISH a | PUBLISH | PUBLISH a b | PUBLISH a b c",
    "SHUTDOWN foo | SHUTDOWN ABORT | SHUTDOWN NOSAVE foo | INFO nosuch",
    "SCAN | SCAN x | SCAN 0 COUNT | SCAN 0 COUNT 0 | SCAN 0 COUNT x | SCAN 0 FOO bar | SCAN -1 | "
    "SCAN 0 COUNT -1 | SCAN 0 MATCH | SCAN 0",
    "SET '' empty | GET '' | SET k '' | GET k | STRLEN k | MSET '' '' k v | MGET '' k | DEL ''",
]

# Bytes that end the connection: the whole of what comes back must agree.
RAW = [
    b"PING\r\nQUIT\r\n", b"PING\nQUIT\n", b"\r\n\r\n  \r\nPING\r\nQUIT\r\n", b"QUIT x\r\nPING\r\n",
    b"*0\r\n*-1\r\nPING\r\nQUIT\r\n", b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n",
    b"set a 'x y'\r\nget a\r\nquit\r\n", b'set a "\\x41\\n\\"\\q"\r\nget a\r\nquit\r\n',
    b"set a 'it\\'s'\r\nget a\r\nquit\r\n", b'set a ""\r\nget a\r\nquit\r\n',
    b'set a "b\r\n', b"set a 'b\r\n", b'set a "b"c\r\n', b"*x\r\n", b"*01\r\n",
    b"*1 \r\n", b"*\r\n",
    b"*2147483648\r\n", b"*9223372036854775808\r\n", b"*1\r\nPING\r\n", b"*1\r\n:1\r\n",
    b"*1\r\n\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$x\r\n", b"*1\r\n$\r\n", b"*1\r\n$536870913\r\n",
    b"*2\r\n$4\r\nPING\r\n:\r\n", b"x" * 70000, b"*" + b"1" * 70000, b"*1\r\n$" + b"1" * 70000,
    b"*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\nbXXquit\r\n", b"PING\r\n*1\r\n$-5\r\nPING\r\n",
    b'foo "\\r\\nbar"\r\nquit\r\n', b'"fo\\r\\no" a\r\nquit\r\n',
    b"foo " + b"y" * 200 + b" z\r\nquit\r\n",
    b"z" * 200 + b" a\r\nquit\r\n", b"foo " + b"yy " * 100 + b"\r\nquit\r\n",
    b"subscribe a\r\nget x\r\nset\r\nping\r\nping hi\r\nfoo\r\nunsubscribe\r\nget x\r\nquit\r\n",
    b"subscribe a b a\r\nunsubscribe a\r\nunsubscribe c\r\nping\r\nunsubscribe\r\nping\r\nquit\r\n",
    b"psubscribe a* b*\r\npunsubscribe a*\r\nsubscribe x\r\nquit\r\n",
    b"unsubscribe\r\npunsubscribe\r\nunsubscribe a\r\nquit\r\n",
    b"hello 3\r\nsubscribe a b\r\nget x\r\nping\r\nping hi\r\npublish a hi\r\nquit\r\n",
    b"hello 3\r\npsubscribe a*\r\nsubscribe ab\r\npublish ab hi\r\npunsubscribe\r\n"
    b"publish ab ho\r\nquit\r\n",
    b"hello 3\r\nsubscribe a\r\nhello 2\r\nget x\r\nquit\r\n",
    b"hello\r\nhello 2\r\nhello 3\r\nget x\r\nhello 2 setname me\r\nclient getname\r\nquit\r\n",
    encode(["set", "k", b"\0\r\n\xff"]) + encode(["get", "k"]) + encode(["quit"]),
    b"get a\r\n" * 3000 + b"quit\r\n",
    encode(["echo", "x" * 100000]) + b"quit\r\n",
]

# The same, of clients that must give a password first.
RAW_PASSWORD = [
    b"get a\r\nping\r\nfoo\r\nset\r\nquit\r\n", b"auth wrong\r\nauth secret\r\nping\r\nquit\r\n",
    b"auth default secret\r\nget a\r\nquit\r\n", b"auth other secret\r\nquit\r\n",
    b"hello 3\r\nhello 3 auth default wrong\r\nhello 3 auth default secret\r\nget a\r\nquit\r\n",
    b"hello\r\nquit\r\n", b"subscribe a\r\nquit\r\n", b"*11\r\n", b"*1\r\n$16385\r\n",
    b"auth secret\r\n" + encode(["del"] + ["k"] * 20) + b"quit\r\n",
    b"auth secret\r\n" + encode(["strlen", "k" * 20000]) + b"quit\r\n",
    b"client id\r\nconfig get save\r\ncommand count\r\nquit\r\n",
]


def normal(reply):
    """Without what differs from server to server."""
    kind, value = reply
    if isinstance(value, list) and len(value) == 14 and value[0] == ("$", "server"):
        value[7] = (":", "id")
    return kind, [normal(v) for v in value] if isinstance(value, list) else value


def compare(words, ours, theirs):
    name = words[0].lower() if words else ""
    what = " ".join(words)
    ours, theirs = normal(ours), normal(theirs)
    if name in ABOUT and ours[0] == theirs[0] == ":":
        return tally.check(what, abs(ours[1] - theirs[1]) <= ABOUT[name], f"{ours} {theirs}")
    if isinstance(ours[1], list) and isinstance(theirs[1], list):
        sort = lambda r: (r[0], sorted(r[1]))
        pairs = lambda r: (r[0], sorted(zip(r[1][::2], r[1][1::2])))
        if name in UNORDERED:
            ours, theirs = sort(ours), sort(theirs)
        elif name in UNORDERED_PAIRS:
            ours, theirs = pairs(ours), pairs(theirs)
    return tally.equal(what, ours, theirs)


class Both:
    """A connection to each server."""

    def __init__(self, protocol=2):
        self.ours, self.theirs = Client(ours.address), Client(theirs.address)
        if protocol == 3:
            self.ours.ask("HELLO", 3), self.theirs.ask("HELLO", 3)

    def ask(self, *words):
        return self.ours.ask(*words), self.theirs.ask(*words)

    def compare(self, *words):
        words = [str(w) for w in words]
        compare(words, *self.ask(*words))

    def close(self):
        self.ours.close(), self.theirs.close()


def scripts():
    for protocol in 2, 3:
        for script in SCRIPTS:
            both = Both(protocol)
            both.ask("FLUSHALL")
            for line in script.split("|"):
                both.compare(*shlex.split(line))
            both.close()


def raw(our_address, their_address, cases):
    for data in cases:
        replies = []
        for address in our_address, their_address:
            client = Client(address)
            client.ask("FLUSHALL")
            try:
                client.send_raw(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
            replies.append(client.rest())
            client.close()
        mask = lambda r: re.sub(rb"\$2\r\nid\r\n:\d+", b"id", r)
        # A server that closes with input unread may reset; then how much arrived is chance.
        if b"<reset>" in replies:
            tally.check(repr(data[:60]), True)
        else:
            tally.equal(repr(data[:60]), *map(mask, replies))


def random_commands(seed, count):
    """Commands on few keys of all types, so that most meet a key, often of another type."""
    rand = random.Random(seed)
    key = lambda: f"k{rand.randrange(12)}"
    word = lambda: rand.choice(["a", "b", "c", "1", "-7", "10", "", "long" * 20])
    index = lambda: str(rand.randrange(-4, 5))
    make = [
        lambda: ["SET", key(), word()], lambda: ["GET", key()], lambda: ["DEL", key(), key()],
        lambda: ["SET", key(), word(), rand.choice(["NX", "XX", "GET", "KEEPTTL"])],
        lambda: ["SET", key(), word(), "EX", str(rand.randrange(100, 200))],
        lambda: ["MSET", key(), word(), key(), word()], lambda: ["MGET", key(), key(), key()],
        lambda: ["INCR", key()], lambda: ["DECRBY", key(), word()],
        lambda: ["APPEND", key(), word()],
        lambda: ["STRLEN", key()], lambda: ["EXISTS", key(), key()], lambda: ["TYPE", key()],
        lambda: ["EXPIRE", key(), str(rand.randrange(100, 200))], lambda: ["TTL", key()],
        lambda: ["EXPIRE", key(), "150", rand.choice(["NX", "XX"])],
        lambda: ["PERSIST", key()], lambda: ["KEYS", rand.choice(["*", "k1*", "k[3-5]", "?[^1]"])],
        lambda: ["DBSIZE"], lambda: ["LPUSH", key(), word(), word()],
        lambda: ["RPUSH", key(), word()],
        lambda: ["LPOP", key()], lambda: ["RPOP", key(), str(rand.randrange(3))],
        lambda: ["LLEN", key()], lambda: ["LRANGE", key(), index(), index()],
        lambda: ["SADD", key(), word(), word()], lambda: ["SREM", key(), word()],
        lambda: ["SMEMBERS", key()], lambda: ["SISMEMBER", key(), word()], lambda: ["SCARD", key()],
        lambda: ["HSET", key(), word(), word()], lambda: ["HGET", key(), word()],
        lambda: ["HDEL", key(), word(), word()], lambda: ["HGETALL", key()],
        lambda: ["HLEN", key()],
        lambda: ["SELECT", str(rand.randrange(3))],
        lambda: ["FLUSHDB"] if rand.random() < 0.1 else ["PING"],
    ]
    return [rand.choice(make)() for _ in range(count)]


def pipelines():
    """Thousands of random commands in pipelines of many sizes, each reply compared."""
    for protocol in 2, 3:
        both = Both(protocol)
        both.ask("FLUSHALL")
        commands = random_commands(protocol, 6000 // SLOWER)
        sizes = random.Random(protocol)
        agreed, at = True, 0
        while at < len(commands) and agreed:
            part = commands[at:at + sizes.choice([1, 3, 16, 100, 700])]
            at += len(part)
            for client in both.ours, both.theirs:
                client.send_raw(b"".join(map(encode, part)))
            for words in part:
                agreed &= compare(words, both.ours.read(), both.theirs.read())
        both.close()


def expiry():
    both = Both()
    both.ask("FLUSHALL")
    for client in both.ours, both.theirs:
        client.ask("SET", "a", "1", "PX", "20")
        client.ask("SET", "b", "1", "EX", "100")
        client.ask("RPUSH", "l", "1")
        client.ask("PEXPIRE", "l", "20")
        while client.ask("EXISTS", "a", "l") != (":", 0):
            pass
        while client.ask("DBSIZE") != (":", 1):  # Removed, though nobody looks at it.
            pass
    for words in (["GET", "a"], ["TTL", "a"], ["PTTL", "b"], ["TTL", "b"], ["KEYS", "*"],
                  ["INCR", "a"], ["TTL", "a"], ["LLEN", "l"]):
        both.compare(*words)
    both.close()


def messages():
    """Who is subscribed to what gets what was published, in order."""
    for protocol in 2, 3:
        listeners, speaker = [Both(protocol) for _ in range(3)], Both(protocol)
        wishes = [["SUBSCRIBE", "news", "sport"], ["PSUBSCRIBE", "n*", "*s"], ["SUBSCRIBE", "n"]]
        for both, words in zip(listeners, wishes):
            for client in both.ours, both.theirs:
                client.send(*words)
            for _ in words[1:]:
                compare(words, both.ours.read(), both.theirs.read())
        for channel in "news", "sport", "n", "none", "s":
            for i in range(50):
                speaker.compare("PUBLISH", channel, f"message {i}")
        for both, n in zip(listeners, [100, 250, 50]):
            got = [(both.ours.read(), both.theirs.read()) for _ in range(n)]
            tally.equal("messages", sorted(o for o, _ in got), sorted(t for _, t in got))
        for both in listeners:
            both.close()
        while speaker.ask("PUBLISH", "news", "x") != ((":", 0), (":", 0)):
            pass
        speaker.close()


def scans():
    both = Both()
    both.ask("FLUSHALL")
    for i in range(1000):
        both.ask("SET", f"key:{i}", i)
    both.ask("RPUSH", "list", "a")
    for words in ([], ["COUNT", "100"], ["MATCH", "key:1*"], ["TYPE", "list"], ["TYPE", "STRING"],
                  ["TYPE", "nosuch"], ["COUNT", "7", "MATCH", "*9"]):
        seen = []
        for client in both.ours, both.theirs:
            cursor, found = "0", set()
            while True:
                kind, (at, (_, keys)) = client.ask("SCAN", cursor, *words)
                found |= {k for _, k in keys}
                cursor = at[1]
                if cursor == "0":
                    break
            seen.append(found)
        tally.equal(f"SCAN {words}", *seen)
    both.close()


def introspection():
    both = Both()
    fields = lambda text: [f.split("=")[0] for f in text.split()]
    mine, real = both.ask("CLIENT", "INFO")
    tally.equal("CLIENT INFO", fields(mine[1]), fields(real[1]))
    mine, real = both.ask("CLIENT", "LIST")
    tally.equal("CLIENT LIST", fields(mine[1].splitlines()[0]), fields(real[1].splitlines()[0]))
    for section in ("server", "clients", "memory", "stats", "replication", "keyspace",
                    "cluster"):
        both.ask("SET", "a", "1")
        mine, real = both.ask("INFO", section)
        names = lambda text: {l.split(":")[0] for l in text.splitlines()}
        tally.equal(f"INFO {section}", mine[0], real[0])
        ours_only = names(mine[1]) - names(real[1])
        tally.check(f"INFO {section}", not ours_only, ours_only)
        tally.equal(f"INFO {section}", mine[1].splitlines()[0], real[1].splitlines()[0])
    for name in (c[1][0][1] for c in both.ours.ask("COMMAND")[1]):
        mine, real = both.ask("COMMAND", "INFO", name)
        sets = lambda r: [sorted(f[1]) if isinstance(f[1], list) else f for f in r[1][0][1][:6]]
        tally.equal(f"COMMAND INFO {name}", sets(mine), sets(real))
    both.close()


def library():
    """An existing client library sees no difference."""
    answers = []
    for server in ours, theirs:
        r = redis.Redis(*server.address, decode_responses=True)
        r.flushall()
        pipe = r.pipeline(transaction=False)
        pipe.set("a", 1).incr("a", 5).lpush("l", *range(10)).lrange("l", 0, -1)
        pipe.hset("h", mapping={"x": 1}).hgetall("h").sadd("s", "m").smembers("s").get("l")
        answer = [pipe.execute(raise_on_error=False), r.get("a"), list(r.scan_iter()), r.ttl("a"),
                  r.type("l"), r.config_get("maxmemory"), r.info()["redis_version"], r.dbsize(),
                  r.client_getname(), r.echo("x"), r.ping(), [c["db"] for c in r.client_list()]]
        answer[0][-1], answer[2] = str(answer[0][-1]), sorted(answer[2])
        listener = r.pubsub()
        listener.subscribe("c")
        listener.psubscribe("c*")
        got = [listener.get_message(timeout=5) for _ in range(2)]
        r.publish("c", "hello")
        got += [listener.get_message(timeout=5) for _ in range(2)]
        answers.append((answer, sorted(map(str, got))))
        listener.close()
        r.close()
    tally.equal("redis-py", *answers)


def atomicity():
    """Nobody sees half of an MSET, wherever its keys live."""
    keys = [f"atom{i}" for i in range(8)]
    stop, torn = threading.Event(), []
    setup = Client(ours.address)
    setup.ask("MSET", *(w for k in keys for w in (k, "0")))

    def write(name):
        client, n = Client(ours.address), 0
        while not stop.is_set():
            n += 1
            client.ask("MSET", *(w for k in keys for w in (k, f"{name}{n}")))
        client.close()

    writers = [threading.Thread(target=write, args=(n,)) for n in "xyz"]
    for w in writers:
        w.start()
    for _ in range(1500 // SLOWER):
        values = {v for _, v in setup.ask("MGET", *keys)[1]}
        if len(values) != 1:
            torn.append(values)
    stop.set()
    for w in writers:
        w.join()
    tally.check("MGET sees whole MSETs", not torn, torn[:3])
    setup.close()


def limits():
    small = Ours(PROGRAM, "--maxclients", "3", *OPTIONS)
    real = Redis("--maxclients", "3")
    said = []
    for server in small, real:
        kept = [Client(server.address) for _ in range(3)]
        for client in kept:
            client.ask("PING")
        refused = Client(server.address)
        said.append(refused.rest())
        kept.pop().close()
        while True:  # Its place is free as soon as the server has noticed.
            again = Client(server.address)
            try:
                if again.ask("PING") == ("+", "PONG"):
                    break
            except (EOFError, ConnectionError):
                pass
            again.close()
    tally.equal("maxclients", *said)
    tally.equal("exit status", small.stop(), real.stop())


def ending():
    """SIGTERM: what was asked is answered, then connections close and the process ends well."""
    server = Ours(PROGRAM, *OPTIONS)
    idle, busy, listener = (Client(server.address) for _ in range(3))
    idle.ask("PING")
    listener.ask("SUBSCRIBE", "a")
    busy.ask("SET", "a", "x" * 100000)
    busy.send_raw(encode(["GET", "a"]) * 30)  # More than fits into the sockets' buffers.
    busy.read()
    server.process.send_signal(signal.SIGTERM)
    for _ in range(29):
        tally.equal("reply while ending", busy.read(), ("$", "x" * 100000))
    tally.equal("exit status after SIGTERM", server.process.wait(30 * SLOWER), 0)
    for client in idle, busy, listener:
        tally.equal("rest after the end", client.rest(), b"")
    server = Ours(PROGRAM, *OPTIONS)
    client = Client(server.address)
    client.send("SHUTDOWN", "NOSAVE")
    tally.equal("SHUTDOWN", client.rest(), b"")
    tally.equal("exit status after SHUTDOWN", server.process.wait(30 * SLOWER), 0)


ours, theirs = Ours(PROGRAM, *OPTIONS), Redis()
scripts()
raw(ours.address, theirs.address, RAW)
pipelines()
expiry()
messages()
scans()
introspection()
library()
atomicity()
tally.equal("exit status", ours.stop(), 0)
theirs.stop()
ours, theirs = Ours(PROGRAM, "--requirepass", "secret", *OPTIONS), Redis("--requirepass", "secret")
raw(ours.address, theirs.address, RAW_PASSWORD)
ours.stop(), theirs.stop()
limits()
ending()
tally.finish()
