// SPDX-License-Identifier: Apache-2.0
// Homes and their cells: slabs of 64 KiB, aligned to that, each for one cell size, leading back
// to their home. Live cells are found by walking them. Slabs are never unmapped.
#include "cold.hpp"

#include <greenroom/detail/scheduler_access.hpp>

#include <atomic>
#include <cstring>
#include <mutex>
#include <new>
#include <pthread.h>
#include <sys/mman.h>
#include <utility>

#if defined(GREENROOM_ASAN)
#include <sanitizer/lsan_interface.h>
#endif

namespace greenroom::detail {

struct home::slab {
  home* owner;
  slab* next;
  std::uint32_t cell_size;
  // Cells that were ever cut. release: a walker that goes no further sees them made.
  sync::atomic<std::uint32_t> used;
  alignas(64) char memory[64];

  static constexpr std::size_t header = 64;
};

namespace {

constexpr std::size_t chunk_size = 4u << 20;  // slabs are mapped that many bytes at a time
constexpr std::uint32_t batch = 64;
// ThreadSanitizer cannot see that a cell changes hands through an OS thread's cache.
#if defined(GREENROOM_TSAN)
constexpr bool cached_cells = false;
#else
constexpr bool cached_cells = true;
#endif

std::mutex homes_mutex;
home* free_homes = nullptr;
std::atomic<home*> all_homes{nullptr};  // only ever grows
spin_lock chunk_lock;
char* chunk = nullptr;
char* chunk_end = nullptr;

// Worker threads keep up to two batches of free cells of the home they work for; foreign threads
// keep none. Cells pass between threads in whole batches, which the pool's lock is held for without
// a look at any cell but the first: those of another thread are far away.
struct cell_cache {
  struct list {
    cell* first;   // linked through taken, `size` of them
    cell* second;  // null or a whole batch
    std::uint32_t size;
  };
  home* of = nullptr;
  list lists[home::classes]{};
  void flush() noexcept;
  ~cell_cache() { flush(); }
};
thread_local cell_cache tls_cells;

GREENROOM_NOINLINE cell_cache* this_cells() noexcept {
  cell_cache* c = &tls_cells;
  asm volatile("" : "+r"(c)::"memory");
  return c;
}

home::slab* slab_of(const cell* c) noexcept {
  return reinterpret_cast<home::slab*>(reinterpret_cast<std::uintptr_t>(c) &
                                       ~(home::slab_size - 1));
}

home::slab* map_slab() noexcept {
  const spin_guard guard(chunk_lock);
  if (chunk == chunk_end) {
    void* at = mmap(nullptr, chunk_size + home::slab_size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return nullptr;
    const auto raw = reinterpret_cast<std::uintptr_t>(at);
    const std::uintptr_t aligned = (raw + home::slab_size - 1) & ~(home::slab_size - 1);
    chunk = reinterpret_cast<char*>(aligned);
    chunk_end = chunk + chunk_size;
  }
  char* s = chunk;
  chunk += home::slab_size;
#if defined(GREENROOM_ASAN)
  __lsan_register_root_region(s, home::slab_size);  // an actor owns what its cell leads to
#endif
  return reinterpret_cast<home::slab*>(s);
}

// In the pool the first cell of a batch leads to the next batch and has its size, in fields that a
// free cell does not need.
cell* next_batch(const cell* first) noexcept { return reinterpret_cast<cell*>(first->id); }

void put_batch(home::pool& p, cell* first, std::uint32_t size) noexcept GREENROOM_REQUIRES(p.lock) {
  first->id = reinterpret_cast<std::uint64_t>(p.free);
  first->capacity = static_cast<std::uint16_t>(size);
  p.free = first;
}

// A batch of the class, or new cells; up to `most`, linked through taken.
cell* take_cells(home* h, std::size_t k, std::uint32_t most, std::uint32_t& size) noexcept {
  home::pool& p = h->pools[k];
  const spin_guard guard(p.lock);
  cell* first = p.free;
  size = 0;
  if (first != nullptr) {
    const std::uint32_t all = first->capacity;
    p.free = next_batch(first);
    size = all < most ? all : most;
    if (size == all) return first;
    cell* last = first;
    for (std::uint32_t i = 1; i < size; ++i) last = reinterpret_cast<cell*>(last->taken);
    put_batch(p, reinterpret_cast<cell*>(last->taken), all - size);
    last->taken = nullptr;
    return first;
  }
  const std::size_t each = k * home::grain;
  while (size < most) {
    if (p.fresh == p.fresh_end) {
      if (size != 0) break;
      home::slab* s = map_slab();
      if (s == nullptr) break;
      s->owner = h;
      s->cell_size = static_cast<std::uint32_t>(each);
      p.fresh = reinterpret_cast<char*>(s) + home::slab::header;
      p.fresh_end = p.fresh + (home::slab_size - home::slab::header) / each * each;
      home::slab* head = h->slabs.load(sync::memory_order_relaxed);
      do {
        s->next = head;
        // release: a walker sees the slab's fields.
      } while (!h->slabs.compare_exchange_weak(head, s, sync::memory_order_release,
                                               sync::memory_order_relaxed));
    }
    auto* c = ::new (p.fresh) cell;
    p.fresh += each;
    c->ops = nullptr;
    c->in.reset(inbox::closed);
    c->taken = reinterpret_cast<node*>(first);
    auto& used = slab_of(c)->used;
    used.store(used.load(sync::memory_order_relaxed) + 1, sync::memory_order_release);
    first = c;
    ++size;
  }
  return first;
}

void give_batch(home* h, std::size_t k, cell* first, std::uint32_t size) noexcept {
  home::pool& p = h->pools[k];
  const spin_guard guard(p.lock);
  put_batch(p, first, size);
}

// One, which joins the batch on top if that is not whole.
void give_cell(home* h, std::size_t k, cell* c) noexcept {
  home::pool& p = h->pools[k];
  const spin_guard guard(p.lock);
  cell* const top = p.free;
  std::uint32_t size = 1;
  c->taken = nullptr;
  if (top != nullptr && top->capacity < batch) {
    c->taken = reinterpret_cast<node*>(top);
    size += top->capacity;
    p.free = next_batch(top);
  }
  put_batch(p, c, size);
}

void cell_cache::flush() noexcept {
  if (of == nullptr) return;
  for (std::size_t k = 0; k < home::classes; ++k) {
    if (lists[k].first != nullptr) give_batch(of, k, lists[k].first, lists[k].size);
    if (lists[k].second != nullptr) give_batch(of, k, lists[k].second, batch);
  }
  for (auto& l : lists) l = {};
  of = nullptr;
}

std::size_t class_of(std::size_t payload) noexcept {
  return (payload_at + payload + home::grain - 1) / home::grain;
}

}  // namespace

home* home_of(const cell* c) noexcept { return slab_of(c)->owner; }

cell* allocate_cell(home* h, std::size_t payload) noexcept {
  const std::size_t k = class_of(payload);
  std::uint32_t size = 0;
  if (!cached_cells || current_scheduler() != h->runs_on) return take_cells(h, k, 1, size);
  cell_cache* cache = this_cells();
  if (GREENROOM_UNLIKELY(cache->of != h)) {
    cache->flush();
    cache->of = h;
  }
  cell_cache::list& l = cache->lists[k];
  if (GREENROOM_UNLIKELY(l.first == nullptr)) {
    l.first = std::exchange(l.second, nullptr);
    l.size = batch;
    if (l.first == nullptr) {
      l.first = take_cells(h, k, batch, size);
      l.size = size;
    }
    if (l.first == nullptr) return nullptr;
  }
  cell* c = l.first;
  l.first = reinterpret_cast<cell*>(c->taken);
  // The next one may have ended on another processor.
  __builtin_prefetch(l.first, 1);
  --l.size;
  return c;
}

void free_cell(cell* c) noexcept {
  if (GREENROOM_UNLIKELY(forked())) return;  // the pool's lock may be held by nobody's thread
  const home::slab* s = slab_of(c);
  const std::size_t k = s->cell_size / home::grain;
  home* h = s->owner;
  if (!cached_cells) {
    give_cell(h, k, c);
    return;
  }
  cell_cache* cache = this_cells();
  if (GREENROOM_UNLIKELY(cache->of != h)) {
    give_cell(h, k, c);
    return;
  }
  cell_cache::list& l = cache->lists[k];
  if (GREENROOM_UNLIKELY(l.size == batch)) {
    if (l.second != nullptr) give_batch(h, k, l.second, batch);
    l.second = std::exchange(l.first, nullptr);
    l.size = 0;
  }
  c->taken = reinterpret_cast<node*>(l.first);
  l.first = c;
  ++l.size;
}

namespace {

// In a process made by fork() nothing runs the actors: every mailbox reports closed from now on.
// Only atomics: other threads may have held any lock when the process was copied.
void close_all_after_fork() {
  for (home* h = all_homes.load(std::memory_order_acquire); h != nullptr; h = h->next_of_all) {
    h->accepts.store(spawns_from::nowhere, sync::memory_order_relaxed);
    for_each_cell(h, [](cell* c, void*) { c->in.raise(inbox::closed); }, nullptr);
  }
}

home* make_home() {
  static const int once = pthread_atfork(nullptr, nullptr, close_all_after_fork);
  (void)once;
  auto* h = new home;
  h->next_of_all = all_homes.load(std::memory_order_relaxed);
  while (!all_homes.compare_exchange_weak(h->next_of_all, h, std::memory_order_release,
                                          std::memory_order_relaxed)) {}
  return h;
}

}  // namespace

home* acquire_home() {
  home* h = nullptr;
  {
    const std::lock_guard guard(homes_mutex);
    h = free_homes;
    if (h != nullptr) free_homes = h->next;
  }
  if (h == nullptr) h = make_home();
  h->next = nullptr;
  for (home::tally& t : h->counts) {
    t.begun.store(0, sync::memory_order_relaxed);
    t.ended.store(0, sync::memory_order_relaxed);
  }
  for (auto& d : h->dead) d.store(0, sync::memory_order_relaxed);
  return h;
}

void release_home(home* h) {
  const std::lock_guard guard(homes_mutex);
  h->next = free_homes;
  free_homes = h;
}

// A worker's own place is written by it alone, so a load and a store do.
static void count(home* h, sync::atomic<std::uint64_t> home::tally::* which) noexcept {
  const unsigned i = worker_index(h->runs_on);
  if (GREENROOM_LIKELY(i < home::tallies - 1)) {
    auto& mine = h->counts[i].*which;
    // release: pairs with the acquire in count_living.
    mine.store(mine.load(sync::memory_order_relaxed) + 1, sync::memory_order_release);
  } else {
    (h->counts[home::tallies - 1].*which).fetch_add(1, sync::memory_order_release);
  }
}

void count_begun(home* h) noexcept { count(h, &home::tally::begun); }
void count_ended(home* h) noexcept { count(h, &home::tally::ended); }

std::uint64_t count_living(const home* h) noexcept {
  // The ended first. Each of them was counted as begun before, which is seen through the acquire;
  // so if the two sums are equal, there was nobody at the moment between them.
  std::uint64_t ended = 0, begun = 0;
  for (const home::tally& t : h->counts) ended += t.ended.load(sync::memory_order_acquire);
  for (const home::tally& t : h->counts) begun += t.begun.load(sync::memory_order_acquire);
  return begun - ended;
}

void for_each_cell(home* h, void (*each)(cell*, void*), void* argument) {
  for (home::slab* s = h->slabs.load(sync::memory_order_acquire); s != nullptr; s = s->next)
    for (std::uint32_t i = 0; i < s->used.load(sync::memory_order_acquire); ++i) {
      auto* c = reinterpret_cast<cell*>(reinterpret_cast<char*>(s) + home::slab::header +
                                        std::size_t{i} * s->cell_size);
      // Free ones have none.
      if (__atomic_load_n(&c->ops, __ATOMIC_ACQUIRE) != nullptr) each(c, argument);
    }
}

}  // namespace greenroom::detail
