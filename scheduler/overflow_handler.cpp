// SPDX-License-Identifier: Apache-2.0
#include "overflow_handler.hpp"

#include "stack_pool.hpp"

#include <greenroom/detail/sync.hpp>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace greenroom::detail {
namespace {

constexpr std::size_t name_size = 128;
// Room for handlers of the host that we pass a fault on to; the frame that the kernel puts there
// (several KiB with wide vector registers) comes on top.
constexpr std::size_t alternate_stack_size = std::size_t{64} << 10;

struct watched_signal {
  int number;
  struct sigaction previous;  // V1
  bool reachable;             // by the kernel, or through a handler installed on top of ours
};

std::mutex install_mutex;
unsigned users = 0;  // under install_mutex
watched_signal watched[] = {{SIGSEGV, {}, false}, {SIGBUS, {}, false}};

constinit sync::atomic<describe_fn> describer{nullptr};

// ---- the report ----

// A line of text put together without the C library's formatting, which may lock or allocate.
class line {
 public:
  void add(const char* text) noexcept { add(text, std::strlen(text)); }
  void add(std::uint64_t number) noexcept {
    char digits[20];
    std::size_t first = sizeof digits;
    do {
      digits[--first] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    add(digits + first, sizeof digits - first);
  }
  void print() const noexcept {
    for (std::size_t done = 0; done < used_;) {
      const ssize_t n = ::write(STDERR_FILENO, text_ + done, used_ - done);
      if (n > 0) done += static_cast<std::size_t>(n);
      if (n <= 0 && errno != EINTR) return;
    }
  }

 private:
  void add(const char* text, std::size_t size) noexcept {
    const std::size_t room = sizeof text_ - used_;
    const std::size_t taken = size < room ? size : room;
    std::memcpy(text_ + used_, text, taken);
    used_ += taken;
  }

  char text_[512];
  std::size_t used_ = 0;
};

[[noreturn]] void report(stack_memory stack) noexcept {
  char name[name_size] = "";
  std::uint64_t id = 0;
  // acquire: what the describer reads was there when it was set.
  const describe_fn describe = describer.load(sync::memory_order_acquire);
  if (describe != nullptr) describe(stack.low, name, sizeof name, id);
  name[sizeof name - 1] = '\0';
  line text;
  text.add("greenroom: stack overflow in ");
  text.add(name[0] != '\0' ? name : "a green thread");
  text.add(" (");
  if (describe != nullptr) {
    text.add("id ");
    text.add(id);
    text.add(", ");
  }
  text.add("stack ");
  text.add(static_cast<std::uint64_t>(stack.size >> 10));
  text.add(" KiB): give it more with spawn({.stack_size = …})\n");
  text.print();
  std::abort();
}

// Whether the code that faulted runs on that stack, or has just run off it. A guard also lies
// above the top of the stack below, and whoever writes there has no overflow of this one.
bool runs_on(stack_memory stack, const void* context) noexcept {
  const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  const auto pointer = static_cast<std::uintptr_t>(registers.gregs[REG_RSP]);
#elif defined(__aarch64__)
  const auto pointer = static_cast<std::uintptr_t>(registers.sp);
#else
  // Not known here: a write into the guard is taken for an overflow of the stack above it.
  (void)registers;
  const auto pointer = reinterpret_cast<std::uintptr_t>(stack.low);
#endif
  const auto low = reinterpret_cast<std::uintptr_t>(stack.low);
  return pointer >= low - stack_pool::guard_size && pointer <= low + stack.size;
}

// ---- other faults ----

// True: the instruction that faulted runs again when the handler returns, and faults again. Not
// so when a process sent the signal, or the machine told of broken memory that nobody read.
bool comes_again(int number, const siginfo_t& info) noexcept {
  return info.si_code > 0 && !(number == SIGBUS && info.si_code == BUS_MCEERR_AO);
}

// As if ours were not there: the default action with the very same information.
void take_default(int number, siginfo_t& info) noexcept {
  struct sigaction plain{};
  plain.sa_handler = SIG_DFL;
  ::sigaction(number, &plain, nullptr);
  // A signal that does not come again by itself is sent again; it is blocked until we return.
  if (!comes_again(number, info)) {
    ::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), ::gettid(), number, &info);
  }
}

void pass_on(watched_signal& to, siginfo_t& info, void* context) noexcept {
  const struct sigaction previous = to.previous;
  const bool with_info = (previous.sa_flags & SA_SIGINFO) != 0;
  if (!with_info && previous.sa_handler == SIG_IGN && !comes_again(to.number, info)) return;
  if (!with_info && (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN)) {
    take_default(to.number, info);
    return;
  }
  if ((previous.sa_flags & static_cast<int>(SA_RESETHAND)) != 0) {
    to.previous = {};
    to.previous.sa_handler = SIG_DFL;
  }
  // The mask it asked for; the kernel restores the interrupted one when the handler returns.
  ::pthread_sigmask(SIG_BLOCK, &previous.sa_mask, nullptr);
  if ((previous.sa_flags & SA_NODEFER) != 0) {
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, to.number);
    ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  }
  if (with_info) {
    previous.sa_sigaction(to.number, &info, context);
  } else {
    previous.sa_handler(to.number);
  }
}

void on_fault(int number, siginfo_t* info, void* context) noexcept {
  const int error = errno;  // no switch happens in here
  if (info->si_code > 0 && info->si_code != SI_KERNEL) {
    const stack_pool::place at = stack_pool::find(info->si_addr);
    if (at.in_guard && runs_on(at.stack, context)) report(at.stack);
  }
  for (watched_signal& each : watched) {
    if (each.number == number) pass_on(each, *info, context);
  }
  errno = error;
}

bool is_ours(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == on_fault;
}

bool install(watched_signal& at) noexcept {
  if (at.reachable) return true;
  if (::sigaction(at.number, nullptr, &at.previous) != 0) return false;
  struct sigaction ours{};
  ours.sa_sigaction = on_fault;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&ours.sa_mask);
  at.reachable = ::sigaction(at.number, &ours, nullptr) == 0;
  return at.reachable;
}

void uninstall(watched_signal& at) noexcept {
  struct sigaction now{};
  if (!at.reachable || ::sigaction(at.number, nullptr, &now) != 0 || !is_ours(now)) return;
  at.reachable = ::sigaction(at.number, &at.previous, nullptr) != 0;
}

// ---- the alternate stack ----

struct own_stack {
  char* base = nullptr;  // one page of guard, then the stack
  std::size_t size = 0;  // of both
};

thread_local own_stack tls_own_stack;

// Not for inlining: its address must not be kept across a switch of stacks.
GREENROOM_NOINLINE own_stack& this_thread() noexcept {
  own_stack* at = &tls_own_stack;
  asm volatile("" : "+r"(at)::"memory");
  return *at;
}

}  // namespace

bool install_overflow_handler() noexcept {
  const std::lock_guard held(install_mutex);
  if (users == 0) {
    for (watched_signal& each : watched) {
      if (install(each)) continue;
      for (watched_signal& undone : watched) uninstall(undone);
      return false;
    }
  }
  ++users;
  return true;
}

void remove_overflow_handler() noexcept {
  const std::lock_guard held(install_mutex);
  GREENROOM_ASSERT(users != 0);
  if (--users != 0) return;
  for (watched_signal& each : watched) uninstall(each);
}

void set_overflow_describer(describe_fn describe) noexcept {
  // release: pairs with the acquire in report().
  describer.store(describe, sync::memory_order_release);
}

bool set_alternate_stack() noexcept {
  stack_t now{};
  if (::sigaltstack(nullptr, &now) == 0 && (now.ss_flags & SS_DISABLE) == 0) return true;
  own_stack& own = this_thread();
  if (own.base == nullptr) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const auto frame = static_cast<std::size_t>(::sysconf(_SC_MINSIGSTKSZ));
    const std::size_t size = page + (alternate_stack_size + frame + page - 1) / page * page;
    void* const base = ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return false;
    if (::mprotect(static_cast<char*>(base) + page, size - page, PROT_READ | PROT_WRITE) != 0) {
      ::munmap(base, size);
      return false;
    }
    own = {static_cast<char*>(base), size};
  }
  stack_t ours{};
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  ours.ss_sp = own.base + page;
  ours.ss_size = own.size - page;
  return ::sigaltstack(&ours, nullptr) == 0;
}

void drop_alternate_stack() noexcept {
  own_stack& own = this_thread();
  if (own.base == nullptr) return;
  stack_t now{};
  if (::sigaltstack(nullptr, &now) != 0) return;
  const char* const at = static_cast<const char*>(now.ss_sp);
  const bool used = (now.ss_flags & SS_DISABLE) == 0 && at > own.base && at < own.base + own.size;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  if (used && ::sigaltstack(&none, nullptr) != 0) return;  // we run on it
  ::munmap(own.base, own.size);
  own = {};
}

}  // namespace greenroom::detail
