// SPDX-License-Identifier: Apache-2.0
#include "worker_count.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <fcntl.h>
#include <optional>
#include <sched.h>
#include <string>
#include <string_view>
#include <unistd.h>

namespace greenroom::detail {
namespace {

constexpr std::size_t file_size_max = std::size_t{16} << 20;  // mountinfo of a busy host: a few MiB
constexpr int cpus_max = 1 << 20;
constexpr unsigned no_limit = UINT_MAX;

// Empty when it cannot be read.
std::string content_of(const std::string& path) {
  std::string text;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return text;
  char part[4096];
  while (text.size() < file_size_max) {
    const ssize_t n = ::read(file, part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(part, static_cast<std::size_t>(n));
  }
  ::close(file);
  return text;
}

// Takes what stands before the separator, and the separator, off the front.
std::string_view take(std::string_view& from, char separator) {
  const std::size_t end = std::min(from.find(separator), from.size());
  const std::string_view taken = from.substr(0, end);
  from.remove_prefix(std::min(end + 1, from.size()));
  return taken;
}

bool lists(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    if (take(list, ',') == wanted) return true;
  }
  return false;
}

// A whole number that is all of the text, but for white space at the end. Numbers beyond 2^62
// become 2^62.
std::optional<std::int64_t> number_of(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  constexpr std::int64_t most = std::int64_t{1} << 62;
  std::int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value > (most - 9) / 10 ? most : value * 10 + (c - '0');
  }
  return negative ? -value : value;
}

unsigned cpus_of(std::optional<std::int64_t> quota, std::optional<std::int64_t> period) {
  if (!quota || !period || *quota <= 0 || *period <= 0) return no_limit;
  const std::int64_t cpus = *quota / *period + (*quota % *period != 0 ? 1 : 0);
  return static_cast<unsigned>(std::min<std::int64_t>(cpus, no_limit));
}

unsigned quota_v1(const std::string& directory) {
  return cpus_of(number_of(content_of(directory + "/cpu.cfs_quota_us")),
                 number_of(content_of(directory + "/cpu.cfs_period_us")));
}

// "150000 100000", or "max 100000".
unsigned quota_v2(const std::string& directory) {
  const std::string text = content_of(directory + "/cpu.max");
  std::string_view rest = text;
  const std::string_view quota = take(rest, ' ');
  return cpus_of(number_of(quota), number_of(rest));
}

// Mount tables write blanks and backslashes as \ and three octal digits.
std::string unescaped(std::string_view text) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) &&
        octal(text[i + 3])) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// Where a hierarchy is mounted, and which of its cgroups is the mount's root.
struct mount {
  std::string root;
  std::string point;
};

// A line: 36 35 98:0 ROOT POINT OPTIONS OPTIONAL... - TYPE SOURCE SUPER-OPTIONS
std::optional<mount> parse_mount(std::string_view line, bool v2) {
  for (int i = 0; i < 3; ++i) take(line, ' ');
  const std::string_view root = take(line, ' ');
  const std::string_view point = take(line, ' ');
  while (!line.empty() && take(line, ' ') != "-") {}
  const std::string_view type = take(line, ' ');
  take(line, ' ');
  if (type != (v2 ? "cgroup2" : "cgroup") || (!v2 && !lists(line, "cpu"))) return std::nullopt;
  return mount{unescaped(root), unescaped(point)};
}

std::optional<mount> find_mount(const std::string& mounts, bool v2) {
  std::string_view rest = mounts;
  while (!rest.empty()) {
    if (auto found = parse_mount(take(rest, '\n'), v2)) return found;
  }
  return std::nullopt;
}

// The path of this process's cgroup. A line: 3:cpu,cpuacct:/a/b, and 0::/a/b for version 2.
std::optional<std::string> find_cgroup(const std::string& cgroups, bool v2) {
  std::string_view rest = cgroups;
  while (!rest.empty()) {
    std::string_view line = take(rest, '\n');
    const std::string_view id = take(line, ':');
    const std::string_view controllers = take(line, ':');
    const bool wanted = v2 ? id == "0" && controllers.empty() : lists(controllers, "cpu");
    if (wanted && !line.empty() && line.front() == '/') return std::string(line);
  }
  return std::nullopt;
}

// The path below the mount point, "" for the mount point itself. In a container the mount's root
// is often the very cgroup; one that lies outside of the mount cannot be looked at.
std::string path_below(const mount& at, std::string path) {
  if (at.root != "/") {
    const bool inside =
        path.starts_with(at.root) && (path.size() == at.root.size() || path[at.root.size()] == '/');
    path = inside ? path.substr(at.root.size()) : "";
  }
  while (path.ends_with('/')) path.pop_back();
  return (path + '/').find("/../") == std::string::npos ? path : "";
}

unsigned smallest_quota(const std::string& root, const mount& at, std::string path, bool v2) {
  const std::string top = root + at.point;
  unsigned least = no_limit;
  for (;;) {
    least = std::min(least, v2 ? quota_v2(top + path) : quota_v1(top + path));
    if (path.empty()) return least;
    path.resize(std::min(path.rfind('/'), path.size() - 1));
  }
}

}  // namespace

unsigned cgroup_cpu_limit(const char* root) {
  const std::string prefix = root;
  const std::string cgroups = content_of(prefix + "/proc/self/cgroup");
  const std::string mounts = content_of(prefix + "/proc/self/mountinfo");
  unsigned least = no_limit;
  for (const bool v2 : {false, true}) {
    const auto at = find_mount(mounts, v2);
    const auto path = find_cgroup(cgroups, v2);
    if (!at || !path) continue;
    least = std::min(least, smallest_quota(prefix, *at, path_below(*at, *path), v2));
  }
  return least == no_limit ? 0 : least;
}

unsigned affinity_cpu_count() noexcept {
  // The kernel refuses a mask smaller than its own, whose size it does not tell.
  for (int cpus = 1024; cpus <= cpus_max; cpus *= 2) {
    cpu_set_t* const mask = CPU_ALLOC(static_cast<std::size_t>(cpus));
    if (mask == nullptr) break;
    const std::size_t size = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
    const bool known = ::sched_getaffinity(0, size, mask) == 0;
    const int error = errno;
    const int count = known ? CPU_COUNT_S(size, mask) : 0;
    CPU_FREE(mask);
    if (known) return static_cast<unsigned>(std::max(count, 1));
    if (error != EINVAL) break;
  }
  return 1;
}

unsigned default_worker_count(const char* root) {
  const unsigned limit = cgroup_cpu_limit(root);
  const unsigned cpus = affinity_cpu_count();
  return limit == 0 ? cpus : std::min(cpus, limit);
}

}  // namespace greenroom::detail
