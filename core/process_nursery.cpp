// SPDX-License-Identifier: Apache-2.0
#include "process_nursery.hpp"

#include "process_frame.hpp"

#include <greenroom/detail/scheduler_access.hpp>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <new>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" char** environ;  // NOLINT: as POSIX has it

namespace greenroom::detail {

namespace {

// Where the kernel has no descriptors for processes.
constexpr int look_every_ms = 10;

struct order {
  process_launch* launch = nullptr;  // or, if null, a kill
  std::uint64_t id = 0;
  time_point when{};
  int failed = 0;  // an errno value
  bool done = false;
};

struct child {
  pid_t pid = -1;
  int handle = -1;  // a descriptor that becomes readable at its end, or -1
  time_point kill_at = never;
  oneshot_sender<process_end> died;
};

class nursery {
 public:
  // Null and an errno value when there is no thread or descriptor for it.
  static nursery* get(int& failed);

  int launch(process_launch& what, std::uint64_t& id);
  void kill(std::uint64_t id, time_point when);

 private:
  void run();
  void take_orders();
  void start(order& o);
  void look_after(child& c);
  int next_timeout_ms() const;
  void sleep();
  void poke() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(wakes_, &one, sizeof one);
  }

  std::mutex lock_;
  std::condition_variable done_;
  std::vector<order*> launches_;                             // under lock_
  std::vector<std::pair<std::uint64_t, time_point>> kills_;  // under lock_
  int wakes_ = -1;

  // The thread only.
  std::map<std::uint64_t, child> children_;
  std::uint64_t last_id_ = 0;
};

nursery* nursery::get(int& failed) {
  static std::mutex making;
  static nursery* only = nullptr;
  const std::lock_guard guard(making);
  if (only != nullptr) return only;
  auto* made = new nursery;
  made->wakes_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (made->wakes_ < 0) {
    failed = errno;
    delete made;
    return nullptr;
  }
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([made] { made->run(); }).detach();
    only = made;
  } catch (const std::system_error&) {
    failed = EAGAIN;
    ::close(made->wakes_);
    delete made;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return only;
}

int nursery::launch(process_launch& what, std::uint64_t& id) {
  order mine{&what};
  std::unique_lock guard(lock_);
  launches_.push_back(&mine);
  poke();
  done_.wait(guard, [&] { return mine.done; });
  id = mine.id;
  return mine.failed;
}

void nursery::kill(std::uint64_t id, time_point when) {
  const std::lock_guard guard(lock_);
  kills_.emplace_back(id, when);
  poke();
}

// ---- the thread

std::vector<std::string> environment(const process_launch& what) {
  std::vector<std::string> all;
  const std::string ours = std::string(child_variable) + '=';
  if (!what.clean_environment)
    for (char** at = environ; at != nullptr && *at != nullptr; ++at)
      if (std::strncmp(*at, ours.c_str(), ours.size()) != 0) all.emplace_back(*at);
  all.push_back(ours + std::to_string(process_version) + ' ' + std::to_string(::getpid()));
  return all;
}

int spawn(const process_launch& what, pid_t& pid) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t how;
  if (const int failed = ::posix_spawn_file_actions_init(&files)) return failed;
  if (const int failed = ::posix_spawnattr_init(&how)) {
    ::posix_spawn_file_actions_destroy(&files);
    return failed;
  }
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&how, &none);
  ::posix_spawnattr_setsigdefault(&how, &all);
  ::posix_spawnattr_setpgroup(&how, 0);  // PS3; and a terminal's Ctrl-C is for us alone
  ::posix_spawnattr_setflags(
      &how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  int failed = ::posix_spawn_file_actions_adddup2(&files, what.socket, child_socket);
  if (failed == 0) failed = ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  if (failed == 0) failed = ::posix_spawn_file_actions_addclosefrom_np(&files, child_socket + 1);
  if (failed == 0) {
    std::vector<std::string> variables = environment(what);
    std::vector<char*> pointers;
    for (std::string& one : variables) pointers.push_back(one.data());
    pointers.push_back(nullptr);
    std::string name = what.path;
    char* arguments[] = {name.data(), nullptr};
    failed = ::posix_spawn(&pid, what.path.c_str(), &files, &how, arguments, pointers.data());
  }
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&how);
  return failed;
}

void nursery::start(order& o) {
  child made;
  o.failed = spawn(*o.launch, made.pid);
  if (o.failed != 0) return;
  made.handle = static_cast<int>(::syscall(SYS_pidfd_open, made.pid, 0));
  made.died = std::move(o.launch->died);
  o.id = ++last_id_;
  children_.emplace(o.id, std::move(made));
}

void nursery::take_orders() {
  std::vector<order*> launches;
  std::vector<std::pair<std::uint64_t, time_point>> kills;
  {
    const std::lock_guard guard(lock_);
    launches.swap(launches_);
    kills.swap(kills_);
  }
  for (order* o : launches) start(*o);
  if (!launches.empty()) {
    const std::lock_guard guard(lock_);
    for (order* o : launches) o->done = true;
    done_.notify_all();
  }
  for (const auto& [id, when] : kills) {
    const auto found = children_.find(id);
    if (found != children_.end() && when < found->second.kill_at) found->second.kill_at = when;
  }
}

// Sends its end if it has ended; pid is -1 then.
void nursery::look_after(child& c) {
  siginfo_t about{};
  process_end end;
  if (::waitid(P_PID, static_cast<id_t>(c.pid), &about, WEXITED | WNOHANG | WNOWAIT) != 0) {
    if (errno != ECHILD) return;
    end.is_known = false;
  } else {
    if (about.si_pid == 0) return;
    ::kill(-c.pid, SIGKILL);  // PS3
    ::waitid(P_PID, static_cast<id_t>(c.pid), &about, WEXITED);
    (about.si_code == CLD_EXITED ? end.status : end.signal) = about.si_status;
  }
  if (c.handle >= 0) ::close(c.handle);
  c.pid = -1;
  (void)c.died.send(end);  // or nobody wants to know
}

int nursery::next_timeout_ms() const {
  time_point first = never;
  bool must_look = false;
  for (const auto& [id, c] : children_) {
    if (c.kill_at < first) first = c.kill_at;
    must_look = must_look || c.handle < 0;
  }
  int wait = -1;
  if (first != never) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(first - now()).count();
    wait = left < 0 ? 0 : left > 60'000 ? 60'000 : static_cast<int>(left);
  }
  return must_look && (wait < 0 || wait > look_every_ms) ? look_every_ms : wait;
}

void nursery::sleep() {
  std::vector<pollfd> all{{wakes_, POLLIN, 0}};
  for (const auto& [id, c] : children_)
    if (c.handle >= 0) all.push_back({c.handle, POLLIN, 0});
  ::poll(all.data(), all.size(), next_timeout_ms());
  std::uint64_t count;
  [[maybe_unused]] const auto n = ::read(wakes_, &count, sizeof count);
}

void nursery::run() {
  ::pthread_setname_np(::pthread_self(), "gr-processes");
  for (;;) {
    take_orders();
    const time_point t = now();
    for (auto at = children_.begin(); at != children_.end();) {
      child& c = at->second;
      if (c.kill_at <= t) {
        ::kill(-c.pid, SIGKILL);
        c.kill_at = never;
      }
      look_after(c);
      at = c.pid < 0 ? children_.erase(at) : std::next(at);
    }
    sleep();
  }
}

}  // namespace

std::expected<std::uint64_t, error> launch_process(process_launch launch) {
  if (forked()) return std::unexpected(error(error::shutdown));
  int failed = 0;
  std::uint64_t id = 0;
  const std::string path = launch.path;
  nursery* const k = nursery::get(failed);
  if (k != nullptr) failed = k->launch(launch, id);
  if (failed == 0) return id;
  return std::unexpected(error(error::io, path + ": " + std::strerror(failed)));
}

void kill_process(std::uint64_t id, time_point when) noexcept {
  if (forked()) return;
  int failed = 0;
  try {
    if (nursery* const k = nursery::get(failed)) k->kill(id, when);
  } catch (const std::bad_alloc&) {
    // Its socket is closed all the same, and then it ends by itself.
  }
}

}  // namespace greenroom::detail
