// SPDX-License-Identifier: Apache-2.0
// The injector: see faults.hpp. The linker sends every call of a wrapped function to `__wrap_NAME`
// (meson.build lists them); operator new is replaced for the whole program, shared libraries too.
#include "faults.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <execinfo.h>
#include <new>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

namespace faults {

namespace {

std::atomic<bool> armed{false};
std::atomic<std::uint8_t> how_many{0};
std::atomic<std::uint64_t> fails_at{0};
std::atomic<std::uint64_t> seen{0};
std::atomic<bool> failed{false};
std::atomic<const char*> running{"nothing"};

constexpr int depth_max = 40;
void* first_stack[depth_max];
std::atomic<int> first_depth{0};

__attribute__((noinline)) int& depth_of_exemption() noexcept {
  static thread_local constinit int depth = 0;
  int* at = &depth;
  asm volatile("" : "+r"(at)::"memory");
  return *at;
}

void note_stack() noexcept {
  ++depth_of_exemption();
  first_depth.store(backtrace(first_stack, depth_max));
  --depth_of_exemption();
}

// Shall this one get nothing?
bool fails() noexcept {
  if (!armed.load(std::memory_order_relaxed) || depth_of_exemption() != 0) return false;
  const std::uint64_t mine = seen.fetch_add(1, std::memory_order_relaxed) + 1;
  const std::uint64_t at = fails_at.load(std::memory_order_relaxed);
  if (at == 0 || mine < at) return false;
  if (mine > at && how_many.load(std::memory_order_relaxed) == 0) return false;
  if (!failed.exchange(true)) note_stack();
  return true;
}

void write_text(const char* text) noexcept {
  [[maybe_unused]] const auto n = ::write(STDERR_FILENO, text, std::strlen(text));
}

void on_signal(int number) {
  write_text(number == SIGALRM ? "\nfaults: it hangs\n" : "\nfaults: the process ends\n");
  print_state();
  std::signal(SIGABRT, SIG_DFL);
  if (number == SIGALRM) std::abort();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

}  // namespace

void arm(which how, std::uint64_t at) noexcept {
  how_many.store(static_cast<std::uint8_t>(how));
  fails_at.store(at);
  seen.store(0);
  failed.store(false);
  first_depth.store(0);
  armed.store(true);
}

std::uint64_t disarm() noexcept {
  armed.store(false);
  return seen.load();
}

bool has_failed() noexcept { return failed.load(); }

exempt::exempt() noexcept { ++depth_of_exemption(); }
exempt::~exempt() { --depth_of_exemption(); }

void describe(const char* scenario) noexcept { running.store(scenario); }

void print_state() noexcept {
  char text[300];
  std::snprintf(text, sizeof text, "faults: scenario \"%s\", %s %llu of %llu failed; its stack:\n",
                running.load(), how_many.load() == 0 ? "only allocation" : "all from",
                static_cast<unsigned long long>(fails_at.load()),
                static_cast<unsigned long long>(seen.load()));
  write_text(text);
  backtrace_symbols_fd(first_stack, first_depth.load(), STDERR_FILENO);
}

void watch_this_process() noexcept {
  void* some[2];
  backtrace(some, 2);  // loads what it needs
  std::signal(SIGABRT, on_signal);
  std::signal(SIGALRM, on_signal);
}

void allow_seconds(unsigned seconds) noexcept { ::alarm(seconds); }

}  // namespace faults

// ---- what is wrapped. The real ones are named by the linker.

// NOLINTBEGIN: the linker's names.
extern "C" {

void* __real_malloc(std::size_t size);
void* __real_calloc(std::size_t n, std::size_t size);
void* __real_realloc(void* before, std::size_t size);
void* __real_aligned_alloc(std::size_t alignment, std::size_t size);
void* __real_mmap(void* at, std::size_t size, int access, int how, int fd, off_t from);
int __real_mprotect(void* at, std::size_t size, int access);
int __real_pthread_create(pthread_t* thread, const pthread_attr_t* how, void* (*main)(void*),
                          void* argument);

void* __wrap_malloc(std::size_t size);
void* __wrap_malloc(std::size_t size) { return faults::fails() ? nullptr : __real_malloc(size); }
void* __wrap_calloc(std::size_t n, std::size_t size);
void* __wrap_calloc(std::size_t n, std::size_t size) {
  return faults::fails() ? nullptr : __real_calloc(n, size);
}
void* __wrap_realloc(void* before, std::size_t size);
void* __wrap_realloc(void* before, std::size_t size) {
  return faults::fails() ? nullptr : __real_realloc(before, size);
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size);
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
  return faults::fails() ? nullptr : __real_aligned_alloc(alignment, size);
}
void* __wrap_mmap(void* at, std::size_t size, int access, int how, int fd, off_t from);
void* __wrap_mmap(void* at, std::size_t size, int access, int how, int fd, off_t from) {
  if (!faults::fails()) return __real_mmap(at, size, access, how, fd, from);
  errno = ENOMEM;
  return MAP_FAILED;
}
// What mmap is named where files may be large.
void* __real_mmap64(void* at, std::size_t size, int access, int how, int fd, off_t from);
void* __wrap_mmap64(void* at, std::size_t size, int access, int how, int fd, off_t from);
void* __wrap_mmap64(void* at, std::size_t size, int access, int how, int fd, off_t from) {
  if (!faults::fails()) return __real_mmap64(at, size, access, how, fd, from);
  errno = ENOMEM;
  return MAP_FAILED;
}
int __wrap_mprotect(void* at, std::size_t size, int access);
int __wrap_mprotect(void* at, std::size_t size, int access) {
  if (!faults::fails()) return __real_mprotect(at, size, access);
  errno = ENOMEM;
  return -1;
}
int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* how, void* (*main)(void*),
                          void* argument);
int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* how, void* (*main)(void*),
                          void* argument) {
  return faults::fails() ? EAGAIN : __real_pthread_create(thread, how, main, argument);
}

// allocate_node(std::uint8_t, std::size_t); allocate_cell(home*, std::size_t); map_slab().
void* __real__ZN9greenroom6detail13allocate_nodeEhm(unsigned char size_class, std::size_t size);
void* __real__ZN9greenroom6detail13allocate_cellEPNS0_4homeEm(void* h, std::size_t payload);
void* __real__ZN9greenroom6detail8map_slabEv();
void* __wrap__ZN9greenroom6detail13allocate_nodeEhm(unsigned char size_class, std::size_t size);
void* __wrap__ZN9greenroom6detail13allocate_nodeEhm(unsigned char size_class, std::size_t size) {
  return faults::fails() ? nullptr
                         : __real__ZN9greenroom6detail13allocate_nodeEhm(size_class, size);
}
void* __wrap__ZN9greenroom6detail13allocate_cellEPNS0_4homeEm(void* h, std::size_t payload);
void* __wrap__ZN9greenroom6detail13allocate_cellEPNS0_4homeEm(void* h, std::size_t payload) {
  return faults::fails() ? nullptr
                         : __real__ZN9greenroom6detail13allocate_cellEPNS0_4homeEm(h, payload);
}
void* __wrap__ZN9greenroom6detail8map_slabEv();
void* __wrap__ZN9greenroom6detail8map_slabEv() {
  return faults::fails() ? nullptr : __real__ZN9greenroom6detail8map_slabEv();
}

// As stack_memory is returned.
struct stack {
  char* low;
  std::size_t size;
};
// stack_pool::acquire(std::size_t, const char*& why)
stack __real__ZN9greenroom6detail10stack_pool7acquireEmRPKc(void* pool, std::size_t size,
                                                            const char** why);
stack __wrap__ZN9greenroom6detail10stack_pool7acquireEmRPKc(void* pool, std::size_t size,
                                                            const char** why);
stack __wrap__ZN9greenroom6detail10stack_pool7acquireEmRPKc(void* pool, std::size_t size,
                                                            const char** why) {
  if (!faults::fails())
    return __real__ZN9greenroom6detail10stack_pool7acquireEmRPKc(pool, size, why);
  *why = "there is no room for another stack: injected";
  return {};
}

}  // extern "C"
// NOLINTEND

// ---- operator new, all of them

namespace {

void* take(std::size_t size, std::size_t alignment) noexcept {
  if (faults::fails()) return nullptr;
  if (size == 0) size = 1;
  if (alignment <= alignof(std::max_align_t)) return __real_malloc(size);
  return __real_aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* take_or_throw(std::size_t size, std::size_t alignment) {
  void* const there = take(size, alignment);
  if (there == nullptr) throw std::bad_alloc();
  return there;
}

constexpr std::size_t plain = alignof(std::max_align_t);
constexpr std::size_t number(std::align_val_t a) { return static_cast<std::size_t>(a); }

}  // namespace

void* operator new(std::size_t n) { return take_or_throw(n, plain); }
void* operator new[](std::size_t n) { return take_or_throw(n, plain); }
void* operator new(std::size_t n, std::align_val_t a) { return take_or_throw(n, number(a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return take_or_throw(n, number(a)); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return take(n, plain); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return take(n, plain); }
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return take(n, number(a));
}
void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return take(n, number(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
