// SPDX-License-Identifier: Apache-2.0
#include "stack_trace.hpp"

#include <greenroom/clock.hpp>
#include <greenroom/detail/sync.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <cxxabi.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <mutex>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>
#include <vector>

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

// Where a thread stands, with the words that its stack ends in.
struct position {
  std::uintptr_t pc = 0;
  std::size_t count = 0;
  std::uintptr_t words[2048];

  // Through the kernel: the stack may be gone when it is read, or the pointer lead nowhere.
  void read_stack(std::uintptr_t sp, std::uintptr_t end) noexcept {
    std::size_t size = sizeof words;
    if (sp < end && end - sp < size) size = end - sp;
    const iovec from{reinterpret_cast<void*>(sp), size};
    const iovec to{words, size};
    const ssize_t n = ::process_vm_readv(::getpid(), &to, 1, &from, 1, 0);
    count = n < 0 ? 0 : static_cast<std::size_t>(n) / sizeof *words;
  }
};

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
  position at;
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
    std::uintptr_t sp = 0;
#if defined(__x86_64__)
    c->at.pc = static_cast<std::uintptr_t>(registers.gregs[REG_RIP]);
    sp = static_cast<std::uintptr_t>(registers.gregs[REG_RSP]);
#elif defined(__aarch64__)
    c->at.pc = static_cast<std::uintptr_t>(registers.pc);
    sp = static_cast<std::uintptr_t>(registers.sp);
#else
    (void)registers;
#endif
    c->at.read_stack(sp, c->stack_end);
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

struct code_search {
  std::uintptr_t pc;
  bool found;
};

int look_in_object(dl_phdr_info* object, std::size_t, void* argument) {
  auto& s = *static_cast<code_search*>(argument);
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    constexpr unsigned flags = PF_R | PF_X;
    constexpr std::uintptr_t looked_at = 16;  // bytes before and after it
    const auto& part = object->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || (part.p_flags & flags) != flags) continue;
    // Any value: below the part the difference is huge.
    const std::uintptr_t at = s.pc - (object->dlpi_addr + part.p_vaddr);
    if (at >= looked_at && at < part.p_memsz && part.p_memsz - at >= looked_at) s.found = true;
  }
  return s.found ? 1 : 0;
}

bool is_code(std::uintptr_t pc) noexcept {
  code_search s{pc, false};
  dl_iterate_phdr(look_in_object, &s);
  return s.found;
}

// A word on a stack that may be a return address.
struct call_site {
  std::uintptr_t back = 0;    // where it returns to; 0: it is none
  std::uintptr_t target = 0;  // what is called there; 0: only known when it runs
};

#if defined(__x86_64__)
// A jump through a table, as calls into other libraries make it.
bool is_stub(std::uintptr_t pc) noexcept {
  const auto* code = reinterpret_cast<const unsigned char*>(pc);
  constexpr unsigned char landing[] = {0xF3, 0x0F, 0x1E, 0xFA};  // endbr64
  if (std::memcmp(code, landing, sizeof landing) == 0) code += sizeof landing;
  if (code[0] == 0xF2) ++code;  // bnd
  return code[0] == 0xFF && code[1] == 0x25;
}
#elif defined(__aarch64__)
bool is_stub(std::uintptr_t pc) noexcept {
  std::uint32_t code[2];
  std::memcpy(code, reinterpret_cast<const void*>(pc), sizeof code);
  const std::uint32_t first = code[0] == 0xD503'245F ? code[1] : code[0];  // bti c
  return (first & 0x9F00'001F) == 0x9000'0010;                             // adrp x16
}
#endif

call_site call_before(std::uintptr_t pc) noexcept {
  call_site call;
  if (!is_code(pc)) return call;
#if defined(__x86_64__)
  const auto* code = reinterpret_cast<const unsigned char*>(pc);
  if (code[-5] == 0xE8) {
    std::int32_t distance = 0;
    std::memcpy(&distance, code - 4, sizeof distance);
    call.target = pc + static_cast<std::uintptr_t>(std::int64_t{distance});
    if (is_code(call.target)) call.back = pc;
    if (call.back == 0 || is_stub(call.target)) call.target = 0;
    if (call.back != 0) return call;
  }
  // FF /2, by the length of its address: the second byte's middle bits are 010.
  for (const int length : {2, 3, 4, 6, 7})
    if (code[-length] == 0xFF && (code[1 - length] & 0x38) == 0x10) call.back = pc;
#elif defined(__aarch64__)
  std::uint32_t code = 0;
  std::memcpy(&code, reinterpret_cast<const void*>(pc - 4), sizeof code);
  if ((code & 0xFC00'0000) == 0x9400'0000) {  // bl
    const auto distance = static_cast<std::int32_t>(code << 6) >> 4;
    call.target = pc - 4 + static_cast<std::uintptr_t>(std::int64_t{distance});
    if (is_code(call.target)) call.back = pc;
    if (call.back == 0 || is_stub(call.target)) call.target = 0;
  } else if ((code & 0xFFFF'FC1F) == 0xD63F'0000) {  // blr
    call.back = pc;
  }
#else
  call.back = pc;
#endif
  return call;
}

// The function's first instruction; `pc` is a return address in it.
std::uintptr_t function_of(std::uintptr_t pc) noexcept {
  return reinterpret_cast<std::uintptr_t>(
      _Unwind_FindEnclosingFunction(reinterpret_cast<void*>(pc)));
}

const char* file_of(const Dl_info& where) noexcept {
  const char* file = where.dli_fname == nullptr ? "?" : where.dli_fname;
  const char* last = std::strrchr(file, '/');
  return last == nullptr ? file : last + 1;
}

bool is_of_system(void* frame) noexcept {
  Dl_info where{};
  if (::dladdr(frame, &where) == 0) return false;
  const char* file = file_of(where);
  for (const char* name : {"linux-vdso", "libc.so", "libstdc++", "libc++", "libm.so", "ld-linux"})
    if (std::strncmp(file, name, std::strlen(name)) == 0) return true;
  return false;
}

void append_frame(std::string& text, void* frame) {
  char line[64];
  Dl_info where{};
  const bool known = ::dladdr(frame, &where) != 0;
  if (known && where.dli_sname != nullptr) {
    int rc = 0;
    char* plain = abi::__cxa_demangle(where.dli_sname, nullptr, nullptr, &rc);
    text += rc == 0 ? plain : where.dli_sname;
    std::free(plain);
    text += ' ';
  }
  const auto base = known ? reinterpret_cast<std::uintptr_t>(where.dli_fbase) : 0;
  std::snprintf(line, sizeof line, "+0x%llx",
                static_cast<unsigned long long>(reinterpret_cast<std::uintptr_t>(frame) - base));
  text += file_of(where);
  text += line;
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
  position at;
  at.pc = pc;
  at.read_stack(sp, end);
  follow(at.pc, at.words, at.count);
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
    follow(c.at.pc, c.at.words, c.at.count);
  }
  ::sigaction(our_signal, &before, nullptr);
}

// The words that are return addresses are frames, or were: what a call that is over left behind
// stands between them. The caller of a function is the first that calls that very function, or one
// that calls through a pointer; a jump at a function's end hides it, then it is any.
void stack_trace::follow(std::uintptr_t pc, const std::uintptr_t* words, std::size_t count) {
  std::vector<call_site> calls;
  for (std::size_t i = 0; i < count; ++i)
    if (const call_site call = call_before(words[i]); call.back != 0) calls.push_back(call);
  frames_[depth_++] = reinterpret_cast<void*>(pc);
  std::uintptr_t inner = function_of(pc + 1);
  for (std::size_t i = 0; i < calls.size() && depth_ < depth_max; ++i) {
    const auto fits = [inner](const call_site& c) {
      return c.target == 0 || function_of(c.target + 1) == inner;
    };
    const auto from = calls.begin() + static_cast<std::ptrdiff_t>(i);
    const auto caller = std::find_if(from, calls.end(), fits);
    if (caller != calls.end()) i = static_cast<std::size_t>(caller - calls.begin());
    frames_[depth_++] = reinterpret_cast<void*>(calls[i].back);
    inner = function_of(calls[i].back);
  }
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
  std::string text = "Stack (may show calls that are over): ";
  for (unsigned i = 0; i < depth_; ++i) {
    if (i != 0) text += " < ";
    append_frame(text, frames_[i]);
  }
  return text;
}

}  // namespace greenroom::detail
