# SPDX-License-Identifier: Apache-2.0
"""The programs that are run: which of them this machine can build, how, and how they are called."""
import concurrent.futures
import functools
import glob
import os
import re
import shutil
import subprocess
import sys

from runner import lines

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCES = os.path.join(BENCH, "peers")
COMPILER = os.environ.get("CXX", "g++").split()[-1]
CXX = [COMPILER, "-std=c++17", "-O3", "-DNDEBUG", "-pthread", f"-I{BENCH}"]
# Processes that Erlang's emulator allows unless told otherwise.
ERLANG_PROCESSES = 262_144
OUTPUT_LINES = 20


def say(sentence):
    print(f"bench: {sentence}", file=sys.stderr, flush=True)


def output_of(command, **options):
    """Standard output of a short command, "" if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


class build_failed(Exception):
    """With the end of what the compiler said."""


def compile_with(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        text = (done.stdout + done.stderr).splitlines()[-OUTPUT_LINES:]
        raise build_failed("\n".join([" ".join(command), *text]))


def is_newer(source, target):
    return not os.path.exists(target) or os.path.getmtime(source) > os.path.getmtime(target)


class program:
    """One side of the comparison."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder  # what is built goes here

    def is_installed(self):
        return True

    def build(self):
        pass

    def version(self):
        return ""

    def command(self, workload, arguments):
        raise NotImplementedError


class greenroom(program):
    """Ours, built by Meson."""

    def __init__(self, path):
        super().__init__("greenroom", os.path.dirname(path))
        self.path = path

    def version(self):
        with open(os.path.join(BENCH, "..", "..", "meson.build"), encoding="utf-8") as file:
            number = re.search(r"version: '([\d.]+)'", file.read())[1]
        return f"Greenroom {number} ({output_of([COMPILER, '--version']).splitlines()[0]}, release)"

    def command(self, workload, arguments):
        return [self.path, workload, *arguments]


class go(program):
    def is_installed(self):
        return shutil.which("go") is not None

    def build(self):
        cache = os.path.join(self.folder, "go-cache")
        environment = {"GOCACHE": cache, **os.environ}
        compile_with(["go", "build", "-buildvcs=false", "-o", self.path(), "."],
                     cwd=os.path.join(SOURCES, "go"), env=environment)

    def version(self):
        return "Go " + output_of(["go", "version"]).split()[2].removeprefix("go")

    def path(self):
        return os.path.join(self.folder, "go-bench")

    def command(self, workload, arguments):
        return [self.path(), workload, *arguments]


class erlang(program):
    def is_installed(self):
        return shutil.which("erl") is not None and shutil.which("erlc") is not None

    def build(self):
        os.makedirs(self.beams(), exist_ok=True)
        compile_with(["erlc", "+inline", "-o", self.beams(),
                      *sorted(glob.glob(os.path.join(SOURCES, "erlang", "*.erl")))])

    def version(self):
        # The release's file has the whole number; erl alone says the first part of it.
        ask = ("{ok, V} = file:read_file(filename:join([code:root_dir(), \"releases\", "
               "erlang:system_info(otp_release), \"OTP_VERSION\"])), io:put_chars(V), halt().")
        return "Erlang/OTP " + output_of(["erl", "-noshell", "-eval", ask]).strip()

    def beams(self):
        return os.path.join(self.folder, "erlang")

    def command(self, workload, arguments):
        values = dict(word.split("=", 1) for word in arguments)
        flags = ["+S", f"{values['w']}:{values['w']}"]
        if workload in ("spawn", "skynet", "idle"):
            wanted = 2 * int(values.get("n", 1_000_000))
            flags += ["+P", str(max(wanted, ERLANG_PROCESSES))]
        return ["erl", *flags, "-noshell", "-noinput", "-pa", self.beams(),
                "-run", "bench", "main", workload, *arguments]


class cpp_program(program):
    """A peer in C++: a folder of sources, and ours for what they share."""
    title = ""
    header = ""
    libraries = ()
    version_macro = ""

    def is_installed(self):
        """Whether a program that uses header and libraries links."""
        probe = [*CXX, "-include", self.header, "-x", "c++", "-", "-o", os.devnull, *self.libraries]
        return subprocess.run(probe, input="int main() {}\n", text=True, check=False,
                              stderr=subprocess.DEVNULL).returncode == 0

    def version_number(self):
        """What the macro says that the header defines."""
        text = output_of([*CXX, "-E", "-P", "-include", self.header, "-x", "c++", "-"],
                         input=f"{self.version_macro}\n")
        return int(text.split()[-1])

    def build(self):
        objects = os.path.join(self.folder, self.name)
        os.makedirs(objects, exist_ok=True)
        sources = [os.path.join(BENCH, "common.cpp"),
                   *sorted(glob.glob(os.path.join(SOURCES, self.name, "*.cpp")))]
        headers = [os.path.join(BENCH, "common.hpp"),
                   *glob.glob(os.path.join(SOURCES, self.name, "*.hpp"))]
        made = [os.path.join(objects, os.path.basename(s) + ".o") for s in sources]

        def compile_one(source, target):
            if any(is_newer(file, target) for file in [source, *headers]):
                compile_with([*CXX, "-c", source, "-o", target])

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(compile_one, sources, made))
        if any(is_newer(file, self.path()) for file in made):
            compile_with([*CXX, *made, "-o", self.path(), *self.libraries])

    def path(self):
        return os.path.join(self.folder, f"{self.name}-bench")

    def command(self, workload, arguments):
        return [self.path(), workload, *arguments]


class caf(cpp_program):
    header = "caf/config.hpp"
    libraries = ("-lcaf_core",)
    version_macro = "CAF_VERSION"

    def version(self):
        number = self.version_number()
        return f"CAF {number // 10000}.{number // 100 % 100}.{number % 100}"


class fiber(cpp_program):
    header = "boost/version.hpp"
    libraries = ("-lboost_fiber", "-lboost_context")
    version_macro = "BOOST_VERSION"

    def version(self):
        number = self.version_number()
        return f"Boost.Fiber {number // 100000}.{number // 100 % 1000}"


PEERS = {"go": go, "erlang": erlang, "caf": caf, "fiber": fiber}


def built_peers(names, folder):
    """The peers that this machine can build, built; and a sentence for each that it cannot."""
    os.makedirs(folder, exist_ok=True)
    there, notes, missing = [], [], []
    for name in names:
        peer = PEERS[name](name, os.path.abspath(folder))
        if not peer.is_installed():
            missing.append(name)
            continue
        say(f"building {name}")
        try:
            peer.build()
            there.append(peer)
        except build_failed as why:
            say(f"{name} does not build:\n{why}")
            notes.append(f"{name} does not build here")
    if missing:
        notes.append(f"not installed: {', '.join(missing)}")
        say(f"not installed: {', '.join(missing)}; `./dev bench --install-peers` gets what is "
            "missing by apt-get")
    return there, notes


@functools.cache
def first_to_go():
    """A prefix of commands: where memory runs out, this program ends and not its neighbours."""
    prefix = ["choom", "-n", "1000", "--"]
    return prefix if shutil.which("choom") and not subprocess.run(
        [*prefix, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        check=False).returncode else []


def run(side, workload, arguments, seconds):
    """Runs one program once: its result, or why there is none."""
    command = [*first_to_go(), *side.command(workload, arguments)]
    environment = {**os.environ, "ERL_CRASH_DUMP": os.devnull}
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, env=environment,
                             start_new_session=True)
    try:
        out, errors = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, 9)
        child.communicate()
        return lines.result(remark="timeout")
    found = lines.parse(side.name, workload, out)
    if child.returncode != 0 or found.remark == "failed":
        say(f"{' '.join(command)} ended with status {child.returncode}: {errors.strip()[-300:]}")
        return lines.result(remark="failed")
    return found
