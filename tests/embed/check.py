#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the README's example in a foreign project and runs it.

Usage: check.py SOURCE_ROOT BUILD_ROOT pkg-config|subproject COMPILER...
"""
import os
import subprocess
import sys
import tempfile

PROJECT = """project('user', 'cpp')
add_project_arguments('-std=c++23', language: 'cpp')
executable('hello', 'main.cpp', dependencies: dependency('greenroom', fallback: 'greenroom'))
"""


def run(*command, **options):
    print("+", *command, flush=True)
    return subprocess.run(command, check=True, text=True, **options)


def through_pkg_config(source, build, compiler, place):
    run("meson", "install", "--no-rebuild", "-C", build, "--destdir", place,
        stdout=subprocess.DEVNULL)
    found = [folder for folder, _, names in os.walk(place) if "greenroom.pc" in names]
    env = dict(os.environ, PKG_CONFIG_PATH=found[0], PKG_CONFIG_SYSROOT_DIR=place)
    flags = run("pkg-config", "--cflags", "--libs", "greenroom", env=env,
                stdout=subprocess.PIPE).stdout.split()
    if "-fstack-clash-protection" not in flags:
        sys.exit(f"-fstack-clash-protection is missing in what pkg-config says: {flags}")
    program = os.path.join(place, "hello")
    run(*compiler, "-std=c++23", "-O1", os.path.join(source, "examples/hello/main.cpp"),
        *flags, "-o", program)
    return program


def as_subproject(source, _, compiler, place):
    os.makedirs(os.path.join(place, "subprojects"))
    os.symlink(source, os.path.join(place, "subprojects/greenroom"))
    os.symlink(os.path.join(source, "examples/hello/main.cpp"), os.path.join(place, "main.cpp"))
    with open(os.path.join(place, "meson.build"), "w", encoding="utf-8") as file:
        file.write(PROJECT)
    build = os.path.join(place, "build")
    env = dict(os.environ, CXX=" ".join(compiler))
    run("meson", "setup", build, place, "--buildtype=debugoptimized", env=env)
    run("ninja", "-C", build, "hello")
    return os.path.join(build, "hello")


def main(source, build, way, compiler):
    with tempfile.TemporaryDirectory() as place:
        make = {"pkg-config": through_pkg_config, "subproject": as_subproject}[way]
        program = make(source, build, compiler, place)
        said = run(program, stdout=subprocess.PIPE).stdout
        print(said)
        return 0 if said == "42\n" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
