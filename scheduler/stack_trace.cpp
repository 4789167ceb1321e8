// SPDX-License-Identifier: Apache-2.0
#include "stack_trace.hpp"

#include "symbols.hpp"

#include <greenroom/clock.hpp>
#include <greenroom/detail/sync.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <mutex>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

namespace greenroom::detail {

namespace {

// Ignored by default, so one that comes late does no harm.
constexpr int our_signal = SIGURG;
constexpr std::int64_t patience_ns = 5'000'000;

// ThreadSanitizer delivers a signal when the thread next calls the C library.
#if defined(GREENROOM_TSAN)
constexpr bool signals_are_late = true;
#else
constexpr bool signals_are_late = false;
#endif

// Through the kernel: the stack may be gone when it is read, or the pointer lead nowhere.
void read_stack(stack_words& at, std::uintptr_t end) noexcept {
  std::size_t size = sizeof at.words;
  if (at.sp < end && end - at.sp < size) size = end - at.sp;
  const iovec from{reinterpret_cast<void*>(at.sp), size};
  const iovec to{at.words, size};
  const ssize_t n = ::process_vm_readv(::getpid(), &to, 1, &from, 1, 0);
  at.count = n < 0 ? 0 : static_cast<std::size_t>(n) / sizeof *at.words;
}

// False in an emulator (QEMU 7.2, which also crashes at times when such a signal comes) and in a
// strict sandbox: then nobody is interrupted, for there would be nothing to see.
bool can_copy_stacks() noexcept {
  std::uintptr_t word = 1, copy = 0;
  const iovec from{&word, sizeof word};
  const iovec to{&copy, sizeof copy};
  return ::process_vm_readv(::getpid(), &to, 1, &from, 1, 0) == ssize_t{sizeof word};
}

// What the handler fills. It belongs to whoever takes it out of `wanted`.
struct capture {
  pid_t id = 0;
  std::uintptr_t stack_end = 0;
  stack_words at;
  sync::atomic<std::uint32_t> done{0};
};

std::mutex interrupt_mutex;  // one at a time in a process
constinit sync::atomic<capture*> wanted{nullptr};

void on_signal(int, siginfo_t*, void* context) noexcept {
  const int error = errno;
  capture* c = wanted.load(sync::memory_order_acquire);
  if (c != nullptr && c->id == ::gettid() &&
      wanted.compare_exchange_strong(c, nullptr, sync::memory_order_acq_rel)) {
    const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    c->at.pc = static_cast<std::uintptr_t>(registers.gregs[REG_RIP]);
    c->at.sp = static_cast<std::uintptr_t>(registers.gregs[REG_RSP]);
    c->at.frame = static_cast<std::uintptr_t>(registers.gregs[REG_RBP]);
#elif defined(__aarch64__)
    c->at.pc = static_cast<std::uintptr_t>(registers.pc);
    c->at.sp = static_cast<std::uintptr_t>(registers.sp);
    c->at.frame = static_cast<std::uintptr_t>(registers.regs[29]);
#else
    (void)registers;
#endif
    read_stack(c->at, c->stack_end);
    c->done.store(1, sync::memory_order_release);
    sync::futex_wake(&c->done, 1);
  }
  errno = error;
}

// The text of a small file under /proc/self/task; false when there is none.
bool read_task_file(pid_t id, const char* name, char* text, std::size_t size) noexcept {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/task/%d/%s", id, name);
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t n = ::read(fd, text, size - 1);
  ::close(fd);
  if (n <= 0) return false;
  text[n] = '\0';
  return true;
}

}  // namespace

std::int64_t processor_time_of(pid_t id) noexcept {
  // The kernel's number for the processor time of a thread, which pthread_getcpuclockid makes too.
  // That one wants a thread that is known not to have ended.
  const auto its_clock = static_cast<clockid_t>(~static_cast<unsigned>(id) << 3 | 6);
  timespec had{};
  if (::clock_gettime(its_clock, &had) != 0) return -1;
  return had.tv_sec * std::int64_t{1'000'000'000} + had.tv_nsec;
}

void stack_trace::take(pid_t id, const char* top) {
  depth_ = 0;
  doing_[0] = '\0';
  char text[256];
  if (!read_task_file(id, "syscall", text, sizeof text)) return;
  const auto end = reinterpret_cast<std::uintptr_t>(top);
  if (std::strncmp(text, "running", 7) == 0) {
    std::snprintf(doing_, sizeof doing_, "computing");
    interrupt(id, end);
    return;
  }
  // The number, six arguments, the stack pointer and the program counter.
  long number = -1;
  unsigned long long sp = 0, pc = 0;
  if (std::sscanf(text, "%ld %*s %*s %*s %*s %*s %*s %llx %llx", &number, &sp, &pc) != 3) return;
  std::snprintf(doing_, sizeof doing_, "blocked in system call %ld", number);
  stack_words at;
  at.pc = pc;
  at.sp = sp;
  read_stack(at, end);
  follow(at);
}

void stack_trace::interrupt(pid_t id, std::uintptr_t stack_end) {
  if (signals_are_late || !can_copy_stacks()) return;
  const std::lock_guard guard(interrupt_mutex);
  struct sigaction before{}, ours{};
  ours.sa_sigaction = on_signal;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&ours.sa_mask);
  if (::sigaction(our_signal, nullptr, &before) != 0) return;
  const bool free = (before.sa_flags & SA_SIGINFO) == 0 &&
                    (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN);
  if (!free || ::sigaction(our_signal, &ours, nullptr) != 0) return;
  capture c;
  c.id = id;
  c.stack_end = stack_end;
  wanted.store(&c, sync::memory_order_release);
  if (::syscall(SYS_tgkill, ::getpid(), id, our_signal) == 0)
    sync::futex_wait(&c.done, 0, now().time_since_epoch().count() + patience_ns);
  // Taken back, or the handler has it and will soon be through.
  capture* mine = &c;
  if (!wanted.compare_exchange_strong(mine, nullptr, sync::memory_order_acq_rel)) {
    while (c.done.load(sync::memory_order_acquire) == 0) sync::futex_wait(&c.done, 0, -1);
    follow(c.at);
  }
  ::sigaction(our_signal, &before, nullptr);
}

// By the tables where they lead all the way; a thread in the kernel does not tell its frame
// pointer, and one that runs may stand where no table holds.
void stack_trace::follow(const stack_words& at) {
  frame_reader reader;
  bool whole = false;
  depth_ = reader.unwind(at, frames_, whole);
  if (!whole) depth_ = reader.follow(at, frames_);
  exact_ = whole;
}

// From the innermost function that is not the system's: what it calls there varies.
stack_trace::site stack_trace::where() const noexcept {
  unsigned first = 0;
  while (first < depth_ && is_of_system(frames_[first])) ++first;
  site s{};
  for (unsigned i = 0; i < s.size() && first + i < depth_; ++i) {
    const auto at = reinterpret_cast<std::uintptr_t>(frames_[first + i]);
    const std::uintptr_t function = function_of(at);
    s[i] = function != 0 ? function : at;
  }
  return s;
}

bool stack_trace::is_same(const site& a, const site& b) noexcept {
  const auto has = [](const site& s, std::uintptr_t function) {
    return std::find(s.begin(), s.end(), function) != s.end();
  };
  if (a[0] == 0 || b[0] == 0) return a[0] == b[0];  // nothing is known of it
  return has(a, b[0]) || has(b, a[0]);
}

std::string stack_trace::text() const {
  if (depth_ == 0) return "No stack is to be had.";
  std::string text = exact_ ? "Stack: " : "Stack (may show calls that are over): ";
  for (unsigned i = 0; i < depth_; ++i) {
    if (i != 0) text += " < ";
    if (const std::string name = function_name(frames_[i]); !name.empty()) text += name + ' ';
    text += place_in_file(frames_[i]);
  }
  return text;
}

}  // namespace greenroom::detail
