# SPDX-License-Identifier: Apache-2.0
"""What the figures depend on: the machine, the system, and when."""
import datetime
import os
import re


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def field(text, name):
    """The value of `name : value` or `name="value"`, or None."""
    found = re.search(rf"^{re.escape(name)}\s*[:=]\s*\"?([^\"\n]*)", text, re.MULTILINE)
    return found[1].strip() if found else None


def cores():
    return len(os.sched_getaffinity(0))


def describe():
    """Lines for people."""
    cpu = field(read("/proc/cpuinfo"), "model name") or os.uname().machine
    total = field(read("/proc/meminfo"), "MemTotal") or "0 kB"
    system = field(read("/etc/os-release"), "PRETTY_NAME") or "Linux"
    return [f"Machine: {cpu}, {cores()} cores, {int(total.split()[0]) / 2**20:.0f} GiB of memory",
            f"System: {system}, Linux {os.uname().release.split('-')[0]}",
            f"Date: {datetime.date.today().isoformat()}"]


def is_busy():
    """The load of the last minute where it disturbs what is measured, else None."""
    load = os.getloadavg()[0]
    return load if load > 0.3 * cores() else None
