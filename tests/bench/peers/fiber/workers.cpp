// SPDX-License-Identifier: Apache-2.0
#include "workers.hpp"

#include <boost/fiber/algo/shared_work.hpp>
#include <boost/fiber/algo/work_stealing.hpp>

#include <cstdlib>
#include <mutex>
#include <new>

namespace bench {
namespace {

// A free stack holds the link to the next in its topmost bytes, which were in use last.
struct link {
  link* next;
};

constexpr std::size_t batch = 64;

// Two batches at most of free stacks, of which whole batches go to the common store and come back.
struct local_stacks {
  link* first = nullptr;
  std::size_t count = 0;
};

std::size_t stack_size = 16 * 1024;
std::mutex store_mutex;
std::vector<link*> store;  // chains of one batch each

// A fiber may go on on another thread after any wait: hence the address is looked up each time.
__attribute__((noinline)) local_stacks& mine() {
  static thread_local local_stacks stacks;
  asm volatile("");
  return stacks;
}

char* top_of(link* free) { return reinterpret_cast<char*>(free) + sizeof(link) * 2; }
link* link_of(void* top) { return reinterpret_cast<link*>(static_cast<char*>(top)) - 2; }

void refill(local_stacks& stacks) {
  const std::lock_guard<std::mutex> lock(store_mutex);
  if (!store.empty()) {
    stacks.first = store.back();
    stacks.count = batch;
    store.pop_back();
    return;
  }
  char* block = static_cast<char*>(std::aligned_alloc(4096, batch * stack_size));
  if (block == nullptr) throw std::bad_alloc();
  for (std::size_t i = 0; i < batch; ++i) {
    link* free = link_of(block + (i + 1) * stack_size);
    free->next = stacks.first;
    stacks.first = free;
  }
  stacks.count = batch;
}

void give_back(local_stacks& stacks) {
  link* chain = stacks.first;
  link* last = chain;
  for (std::size_t i = 1; i < batch; ++i) last = last->next;
  stacks.first = last->next;
  last->next = nullptr;
  stacks.count -= batch;
  const std::lock_guard<std::mutex> lock(store_mutex);
  store.push_back(chain);
}

}  // namespace

std::size_t power_of_two(std::size_t at_least) {
  std::size_t size = 2;
  while (size < at_least) size *= 2;
  return size;
}

void stack_cache::set_size(std::size_t bytes) {
  if (bytes < 8192 || bytes % 4096 != 0) fail("stack= is a multiple of 4096, 8192 at least");
  stack_size = bytes;
}

boost::context::stack_context stack_cache::allocate() {
  local_stacks& stacks = mine();
  if (stacks.count == 0) refill(stacks);
  link* free = stacks.first;
  stacks.first = free->next;
  --stacks.count;
  boost::context::stack_context stack;
  stack.size = stack_size;
  stack.sp = top_of(free);
  return stack;
}

void stack_cache::deallocate(boost::context::stack_context& stack) noexcept {
  local_stacks& stacks = mine();
  link* free = link_of(stack.sp);
  free->next = stacks.first;
  stacks.first = free;
  if (++stacks.count == 2 * batch) give_back(stacks);
}

fibers::launch launch_of(const params& p) {
  return p.choice("launch", "dispatch", "post") ? fibers::launch::dispatch : fibers::launch::post;
}

workers::workers(const params& p, algorithm one, algorithm more, without_work idle) {
  stack_cache::set_size(static_cast<std::size_t>(p("stack")));
  const unsigned w = p.workers();
  algorithm how = w == 1 ? one : more;
  if (p.text("algo") != "auto")
    how = p.choice("algo", "stealing", "sharing") ? algorithm::stealing : algorithm::sharing;
  bool sleeps = idle == without_work::sleep;
  if (p.text("idle") != "auto") sleeps = p.choice("idle", "sleep", "spin");
  const auto join_in = [=] {
    if (how == algorithm::stealing)
      fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(w, sleeps);
    else if (how == algorithm::sharing)
      fibers::use_scheduling_algorithm<fibers::algo::shared_work>(sleeps);
  };
  for (unsigned i = 1; i < w; ++i)
    others_.emplace_back([=] {
      join_in();
      std::unique_lock<fibers::mutex> lock(mutex_);
      over_.wait(lock, [&] { return is_over_; });
    });
  join_in();
}

workers::~workers() {
  {
    const std::lock_guard<fibers::mutex> lock(mutex_);
    is_over_ = true;
  }
  over_.notify_all();
  for (std::thread& other : others_) other.join();
}

void gate::pass() {
  const std::lock_guard<fibers::mutex> lock(mutex_);
  if (--left_ == 0) open_.notify_all();
}

void gate::wait() {
  std::unique_lock<fibers::mutex> lock(mutex_);
  open_.wait(lock, [&] { return left_ <= 0; });
}

}  // namespace bench
