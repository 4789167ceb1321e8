// SPDX-License-Identifier: Apache-2.0
#include "scheduler/worker_count.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sched.h>
#include <string>

using greenroom::detail::affinity_cpu_count;
using greenroom::detail::cgroup_cpu_limit;
using greenroom::detail::default_worker_count;

namespace {

// A root directory with files under /proc and /sys, removed in the end.
class fake_root {
 public:
  fake_root() {
    std::string name = (std::filesystem::temp_directory_path() / "greenroom-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~fake_root() { std::filesystem::remove_all(path_); }
  fake_root(const fake_root&) = delete;
  fake_root& operator=(const fake_root&) = delete;

  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(path_ + name).parent_path());
    std::ofstream(path_ + name) << text;
  }
  void write_v1(const std::string& directory, const std::string& quota,
                const std::string& period) const {
    write(directory + "/cpu.cfs_quota_us", quota);
    write(directory + "/cpu.cfs_period_us", period);
  }
  [[nodiscard]] unsigned limit() const { return cgroup_cpu_limit(path_.c_str()); }
  [[nodiscard]] unsigned workers() const { return default_worker_count(path_.c_str()); }

 private:
  std::string path_;
};

constexpr const char* v1_mounts =
    "22 1 0:21 / /proc rw - proc proc rw\n"
    "32 31 0:29 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
    "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:7 master:1 - cgroup cgroup "
    "rw,cpu,cpuacct\n";
constexpr const char* v1_top = "/sys/fs/cgroup/cpu,cpuacct";
constexpr const char* v2_mounts =
    "31 23 0:28 / /sys rw,relatime - sysfs sysfs rw\n"
    "41 31 0:38 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* v2_top = "/sys/fs/cgroup";

}  // namespace

TEST_CASE("where nothing is known of cgroups the workers are the CPUs of the affinity mask") {
  const fake_root root;
  CHECK(root.limit() == 0);
  CHECK(root.workers() == affinity_cpu_count());
  cpu_set_t mask;
  REQUIRE(::sched_getaffinity(0, sizeof mask, &mask) == 0);
  CHECK(affinity_cpu_count() == static_cast<unsigned>(CPU_COUNT(&mask)));
}

TEST_CASE("this machine's own files give at least one worker") {
  CHECK(default_worker_count() >= 1);
  CHECK(default_worker_count() <= affinity_cpu_count());
}

TEST_CASE("a quota below one CPU gives one worker") {
  const fake_root root;
  root.write("/proc/self/cgroup", "0::/a\n");
  root.write("/proc/self/mountinfo", v2_mounts);
  root.write(v2_top + std::string("/a/cpu.max"), "10000 100000\n");
  CHECK(root.limit() == 1);
  CHECK(root.workers() == 1);
}

TEST_CASE("a quota is rounded up to whole CPUs") {
  const fake_root root;
  root.write("/proc/self/cgroup", "0::/a\n");
  root.write("/proc/self/mountinfo", v2_mounts);
  root.write(v2_top + std::string("/a/cpu.max"), "250000 100000\n");
  CHECK(root.limit() == 3);
  root.write(v2_top + std::string("/a/cpu.max"), "300000 100000\n");
  CHECK(root.limit() == 3);
}

TEST_CASE("version 1: the quota of the process's own cgroup counts") {
  const fake_root root;
  root.write("/proc/self/cgroup", "9:name=systemd:/\n3:cpuset:/other\n2:cpu,cpuacct:/a\n0::/x\n");
  root.write("/proc/self/mountinfo", v1_mounts);
  root.write_v1(v1_top, "-1\n", "100000\n");
  root.write_v1(v1_top + std::string("/a"), "350000\n", "100000\n");
  root.write_v1(v1_top + std::string("/other"), "100000\n", "100000\n");
  CHECK(root.limit() == 4);
}

TEST_CASE("version 1: a quota of -1 is none") {
  const fake_root root;
  root.write("/proc/self/cgroup", "2:cpu,cpuacct:/\n");
  root.write("/proc/self/mountinfo", v1_mounts);
  root.write_v1(v1_top, "-1\n", "100000\n");
  CHECK(root.limit() == 0);
}

TEST_CASE("the smallest quota on the way up to the root counts, in both versions") {
  const fake_root root;
  root.write("/proc/self/cgroup", "2:cpu,cpuacct:/a/b/c\n0::/d/e\n");
  root.write("/proc/self/mountinfo", std::string(v1_mounts) + v2_mounts);
  const std::string v1 = v1_top, v2 = v2_top;
  root.write_v1(v1 + "/a", "500000\n", "100000\n");
  root.write_v1(v1 + "/a/b", "900000\n", "100000\n");
  root.write_v1(v1 + "/a/b/c", "-1\n", "100000\n");
  CHECK(root.limit() == 5);
  root.write(v2 + "/d/cpu.max", "40000 10000\n");
  root.write(v2 + "/d/e/cpu.max", "max 100000\n");
  CHECK(root.limit() == 4);
}

TEST_CASE("version 2: max is no quota") {
  const fake_root root;
  root.write("/proc/self/cgroup", "0::/a\n");
  root.write("/proc/self/mountinfo", v2_mounts);
  root.write(v2_top + std::string("/a/cpu.max"), "max 100000\n");
  CHECK(root.limit() == 0);
}

TEST_CASE("in a container the mount's root is taken off the cgroup's path") {
  const fake_root root;
  root.write("/proc/self/cgroup", "4:cpu:/docker/abc/inner\n");
  root.write("/proc/self/mountinfo",
             "33 31 0:30 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n");
  root.write_v1("/sys/fs/cgroup/cpu", "700000\n", "100000\n");
  CHECK(root.limit() == 7);
  root.write_v1("/sys/fs/cgroup/cpu/inner", "200000\n", "100000\n");
  CHECK(root.limit() == 2);
}

TEST_CASE("a cgroup outside of the mount falls back to the mount's root") {
  const fake_root root;
  root.write("/proc/self/mountinfo", v2_mounts);
  root.write(v2_top + std::string("/cpu.max"), "600000 100000\n");
  root.write("/sys/fs/elsewhere/cpu.max", "100000 100000\n");
  root.write("/proc/self/cgroup", "0::/../elsewhere\n");
  CHECK(root.limit() == 6);
  root.write("/proc/self/mountinfo", "41 31 0:38 /pod /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  root.write("/proc/self/cgroup", "0::/podium\n");
  CHECK(root.limit() == 6);
}

TEST_CASE("a mount point with a blank in its name is read") {
  const fake_root root;
  root.write("/proc/self/cgroup", "0::/\n");
  root.write("/proc/self/mountinfo", "41 31 0:38 / /sys/c\\040g rw - cgroup2 cgroup2 rw\n");
  root.write("/sys/c g/cpu.max", "200000 100000\n");
  CHECK(root.limit() == 2);
}

TEST_CASE("version 2: quotas that make no sense count as none") {
  for (const std::string text :
       {"", "\n", " ", "max", "max max\n", "100000\n", "100000 \n", "100000 0\n", "0 100000\n",
        "-5 100000\n", "5 -100000\n", "1e5 100000\n", "0x10 10\n", "many few\n", "1 2 3\n",
        "- 100000\n", "1\t1\n", "\377\376 1"}) {
    CAPTURE(text);
    const fake_root root;
    root.write("/proc/self/cgroup", "0::/a\n");
    root.write("/proc/self/mountinfo", v2_mounts);
    root.write(v2_top + std::string("/a/cpu.max"), text);
    CHECK(root.limit() == 0);
  }
}

TEST_CASE("version 1: quotas that make no sense count as none") {
  for (const std::string text : {"", "\n", "-", "max", "0", "-100000\n", "1 2\n", "1e5\n"}) {
    CAPTURE(text);
    const fake_root root;
    root.write("/proc/self/cgroup", "2:cpu,cpuacct:/a\n");
    root.write("/proc/self/mountinfo", v1_mounts);
    root.write_v1(v1_top + std::string("/a"), text, "100000\n");
    CHECK(root.limit() == 0);
    root.write_v1(v1_top + std::string("/a"), "100000\n", text);
    CHECK(root.limit() == 0);
  }
}

TEST_CASE("a quota too large for any number limits nothing") {
  const fake_root root;
  root.write("/proc/self/cgroup", "0::/\n");
  root.write("/proc/self/mountinfo", v2_mounts);
  root.write(v2_top + std::string("/cpu.max"), std::string(400, '9') + " 1\n");
  CHECK(root.limit() == 0);
  CHECK(root.workers() == affinity_cpu_count());
}

// Goal: no content of these files crashes or hangs. Method: files of random bytes, and good files
// with random bytes changed, from a seed.
TEST_CASE("files with garbage in them never crash and never give less than one worker") {
  const std::uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const fake_root root;
  root.write(v2_top + std::string("/a/b/cpu.max"), "200000 100000\n");
  const auto spoilt = [&random](std::string text) {
    if (random() % 4 == 0) text.assign(random() % 200, ' ');
    for (char& c : text) {
      if (random() % 12 == 0) c = "\n \t:/-,.0\\\377"[random() % 12];
    }
    text.resize(text.size() - random() % (text.size() + 1) / 4);
    return text;
  };
  for (int i = 0; i < 300; ++i) {
    root.write("/proc/self/cgroup", spoilt("2:cpu,cpuacct:/a/b\n0::/a/b\n"));
    root.write("/proc/self/mountinfo", spoilt(std::string(v1_mounts) + v2_mounts));
    REQUIRE(root.workers() >= 1);
    REQUIRE(root.workers() <= affinity_cpu_count());
  }
}
