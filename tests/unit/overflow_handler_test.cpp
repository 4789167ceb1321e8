// SPDX-License-Identifier: Apache-2.0
#include "scheduler/overflow_handler.hpp"

#include "child_process.hpp"
#include "scheduler/stack_pool.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <ucontext.h>
#include <unistd.h>

using namespace greenroom::detail;

namespace {

constexpr std::size_t stack_size = std::size_t{256} << 10;

// ---- what runs over a stack ----

__attribute__((noinline)) int deep(int n) {
  volatile char frame[512];
  frame[0] = static_cast<char>(n);
  if (n < 0) return frame[0];  // far beyond any stack
  const int below = deep(n + 1);
  return frame[0] + below;
}

// Writes only its lowest byte, far below the guard: caught by -fstack-clash-protection alone.
__attribute__((noinline)) void large_frame() {
  char frame[(300 + 64) * 1024];
  frame[0] = 1;
  asm volatile("" : : "r"(frame) : "memory");  // keeps the whole of it
}

void recurse() { std::printf("%d", deep(0)); }

// Runs `work` on a stack of the pool, as the scheduler would.
void on_green_stack(void (*work)()) {
  const char* why = nullptr;
  const stack_memory stack = stack_pool::instance().acquire(stack_size, why);
  if (stack.low == nullptr) ::_exit(98);
  ucontext_t here, there;
  ::getcontext(&there);
  there.uc_stack.ss_sp = stack.low;
  there.uc_stack.ss_size = stack.size;
  there.uc_link = &here;
  ::makecontext(&there, work, 0);
  ::swapcontext(&here, &there);
}

// A compiler that sees which address this is would warn of it.
void write_to(std::uintptr_t address) {
  volatile std::uintptr_t hidden = address;
  const std::uintptr_t at = hidden;
  *reinterpret_cast<volatile char*>(at) = 1;
}

// Sets the handlers of the test framework aside while a test looks at what is installed.
class plain_signals {
 public:
  plain_signals() {
    for (int i = 0; i < 2; ++i) {
      struct sigaction plain{};
      plain.sa_handler = SIG_DFL;
      ::sigaction(numbers_[i], &plain, &saved_[i]);
    }
  }
  ~plain_signals() {
    for (int i = 0; i < 2; ++i) ::sigaction(numbers_[i], &saved_[i], nullptr);
  }
  plain_signals(const plain_signals&) = delete;
  plain_signals& operator=(const plain_signals&) = delete;

 private:
  static constexpr int numbers_[2] = {SIGSEGV, SIGBUS};
  struct sigaction saved_[2];
};

bool default_action(int number) {
  struct sigaction now{};
  ::sigaction(number, nullptr, &now);
  return (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL;
}

void name_it(const void*, char* name, std::size_t size, std::uint64_t& id) {
  std::strncpy(name, "counter", size);
  id = 4711;
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* whole_report =
    "greenroom: stack overflow in counter (id 4711, stack 256 KiB): give it more with "
    "spawn({.stack_size = …})\n";

void get_ready() {
  set_overflow_describer(name_it);
  if (!install_overflow_handler() || !set_alternate_stack()) ::_exit(97);
}

}  // namespace

TEST_CASE("a stack overflow is reported with name, id and remedy, and aborts") {
  const auto child = child_process::run([] {
    get_ready();
    on_green_stack(recurse);
  });
  CHECK(child.killed_by(SIGABRT));
  CHECK_MESSAGE(contains(child.errors, whole_report), child.errors);
}

TEST_CASE("a stack overflow is reported without a name when nobody can tell it") {
  const auto child = child_process::run([] {
    get_ready();
    set_overflow_describer(nullptr);
    on_green_stack(recurse);
  });
  CHECK(child.killed_by(SIGABRT));
  CHECK_MESSAGE(contains(child.errors, "stack overflow in a green thread (stack 256 KiB): give"),
                child.errors);
}

TEST_CASE("a frame larger than stack and guard does not jump the guard") {
  const auto child = child_process::run([] {
    get_ready();
    on_green_stack(large_frame);
  });
  CHECK(child.killed_by(SIGABRT));
  CHECK_MESSAGE(contains(child.errors, whole_report), child.errors);
}

TEST_CASE("a stack overflow is reported on any OS thread that has an alternate stack") {
  const auto child = child_process::run([] {
    get_ready();
    std::thread([] {
      set_alternate_stack();
      on_green_stack(recurse);
    }).join();
  });
  CHECK(child.killed_by(SIGABRT));
  CHECK_MESSAGE(contains(child.errors, whole_report), child.errors);
}

TEST_CASE("another fault ends the process as if the handler were not there") {
  const auto segv = child_process::run([] {
    get_ready();
    write_to(16);
  });
  CHECK(segv.killed_by(SIGSEGV));
  CHECK_FALSE(contains(segv.errors, "greenroom"));
  const auto on_green = child_process::run([] {
    get_ready();
    on_green_stack([] { write_to(16); });
  });
  CHECK(on_green.killed_by(SIGSEGV));
  CHECK_FALSE(contains(on_green.errors, "greenroom"));
  const auto bus = child_process::run([] {
    get_ready();
    std::FILE* const empty = std::tmpfile();
    void* const page = ::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, ::fileno(empty), 0);
    write_to(reinterpret_cast<std::uintptr_t>(page));
  });
  CHECK(bus.killed_by(SIGBUS));
  CHECK_FALSE(contains(bus.errors, "greenroom"));
}

TEST_CASE("a wild write into a guard from another stack is no overflow") {
  const auto child = child_process::run([] {
    get_ready();
    const char* why = nullptr;
    const stack_memory stack = stack_pool::instance().acquire(stack_size, why);
    write_to(reinterpret_cast<std::uintptr_t>(stack.low) - 1);
  });
  CHECK(child.killed_by(SIGSEGV));
  CHECK_FALSE(contains(child.errors, "greenroom"));
}

TEST_CASE("another fault goes to the handler that was there before, with all it knows") {
  const auto with_info = child_process::run([] {
    struct sigaction host{};
    host.sa_sigaction = [](int number, siginfo_t* info, void* context) {
      const bool right = number == SIGSEGV && info->si_code == SEGV_MAPERR &&
                         info->si_addr == reinterpret_cast<void*>(16) && context != nullptr;
      sigset_t blocked;
      ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
      ::_exit(right && sigismember(&blocked, SIGUSR2) == 1 ? 7 : 8);
    };
    host.sa_flags = SA_SIGINFO;
    sigaddset(&host.sa_mask, SIGUSR2);
    ::sigaction(SIGSEGV, &host, nullptr);
    get_ready();
    write_to(16);
  });
  CHECK(with_info.exited_with(7));
  const auto plain = child_process::run([] {
    std::signal(SIGSEGV, [](int number) { ::_exit(number == SIGSEGV ? 7 : 8); });
    get_ready();
    write_to(16);
  });
  CHECK(plain.exited_with(7));
}

TEST_CASE("a signal that a process sent is ignored, or kills, as it would have before") {
  const auto ignored = child_process::run([] {
    std::signal(SIGSEGV, SIG_IGN);
    get_ready();
    ::raise(SIGSEGV);
    ::_exit(7);
  });
  CHECK(ignored.exited_with(7));
  const auto deadly = child_process::run([] {
    get_ready();
    ::raise(SIGSEGV);
    ::_exit(7);
  });
  CHECK(deadly.killed_by(SIGSEGV));
  const auto ignored_fault = child_process::run([] {
    std::signal(SIGSEGV, SIG_IGN);
    get_ready();
    write_to(16);
  });
  CHECK(ignored_fault.killed_by(SIGSEGV));
}

TEST_CASE("the last remove restores what was there before the first install") {
  const plain_signals aside;
  REQUIRE(install_overflow_handler());
  REQUIRE(install_overflow_handler());
  CHECK_FALSE(default_action(SIGSEGV));
  CHECK_FALSE(default_action(SIGBUS));
  remove_overflow_handler();
  CHECK_FALSE(default_action(SIGSEGV));
  remove_overflow_handler();
  CHECK(default_action(SIGSEGV));
  CHECK(default_action(SIGBUS));
}

namespace {

struct sigaction below_the_host;

void host_on_top(int number, siginfo_t* info, void* context) {
  static const char text[] = "host\n";
  if (::write(STDERR_FILENO, text, sizeof text - 1) < 0) ::_exit(96);
  below_the_host.sa_sigaction(number, info, context);
}

void install_host_on_top() {
  struct sigaction host{};
  host.sa_sigaction = host_on_top;
  host.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigaction(SIGSEGV, &host, &below_the_host);
}

}  // namespace

TEST_CASE("a handler that was installed on top stays, and passes overflows on to ours") {
  const auto child = child_process::run([] {
    get_ready();
    install_host_on_top();
    remove_overflow_handler();
    if (!install_overflow_handler()) ::_exit(97);
    on_green_stack(recurse);
  });
  CHECK(child.killed_by(SIGABRT));
  CHECK_MESSAGE(contains(child.errors, "host\n"), child.errors);
  CHECK_MESSAGE(contains(child.errors, whole_report), child.errors);
  const auto other = child_process::run([] {
    get_ready();
    install_host_on_top();
    remove_overflow_handler();
    write_to(16);
  });
  CHECK(other.killed_by(SIGSEGV));
  CHECK_MESSAGE(contains(other.errors, "host\n"), other.errors);
}

TEST_CASE("an OS thread has an alternate stack from set to drop, and keeps one of its host") {
  bool set = false, dropped = false, kept = false;
  std::thread([&] {
    stack_t before{}, now{};
    ::sigaltstack(nullptr, &before);  // a sanitizer may have set one
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    ::sigaltstack(&none, nullptr);
    set_alternate_stack();
    ::sigaltstack(nullptr, &now);
    set = (now.ss_flags & SS_DISABLE) == 0 && now.ss_size >= 64 * 1024;
    if (set) std::memset(now.ss_sp, 1, now.ss_size);
    drop_alternate_stack();
    ::sigaltstack(nullptr, &now);
    dropped = (now.ss_flags & SS_DISABLE) != 0;
    static char of_the_host[64 * 1024];
    stack_t host{};
    host.ss_sp = of_the_host;
    host.ss_size = sizeof of_the_host;
    ::sigaltstack(&host, nullptr);
    set_alternate_stack();
    drop_alternate_stack();
    ::sigaltstack(nullptr, &now);
    kept = now.ss_sp == of_the_host && (now.ss_flags & SS_DISABLE) == 0;
    ::sigaltstack(&before, nullptr);
  }).join();
  CHECK(set);
  CHECK(dropped);
  CHECK(kept);
}
