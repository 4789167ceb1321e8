// SPDX-License-Identifier: Apache-2.0
// Homes and their cells: slabs for one cell size each, which lead back to their home. Live cells
// are found by walking them.
#include "cold.hpp"

#include <greenroom/detail/scheduler_access.hpp>

#include <atomic>
#include <cstring>
#include <mutex>
#include <new>
#include <pthread.h>
#include <utility>

#if defined(GREENROOM_ASAN)
#include <sanitizer/lsan_interface.h>
#endif

namespace greenroom::detail {

namespace {

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

// Null: memory is out.
slab* next_slab(home* h, home::pool& p, std::size_t cell_size) noexcept GREENROOM_REQUIRES(p.lock) {
  slab* s = p.emptied;
  if (s != nullptr) {  // of this class, and among the home's already
    p.emptied = s->next_whole;
    return s;
  }
  // Before anybody can make one of them runnable: nothing could be told to him then.
  if (!reserve_runnables(slab::size / cell_size)) return nullptr;
  s = map_slab();
  if (s == nullptr) return nullptr;
#if defined(GREENROOM_ASAN)
  __lsan_register_root_region(s->memory(), slab::size);  // an actor owns what its cell leads to
#endif
  s->owner = h;
  s->object_size = static_cast<std::uint32_t>(cell_size);
  slab* head = h->slabs.load(sync::memory_order_relaxed);
  do {
    s->next = head;
    // release: a walker sees the slab's fields.
  } while (!h->slabs.compare_exchange_weak(head, s, sync::memory_order_release,
                                           sync::memory_order_relaxed));
  return s;
}

void put_batch(home::pool& p, cell* first, std::uint32_t size) noexcept GREENROOM_REQUIRES(p.lock) {
  first->capacity = static_cast<std::uint16_t>(size);
  p.free.put(first);
}

// A batch of the class, or new cells; up to `most`, linked through taken.
cell* take_cells(home* h, std::size_t k, std::uint32_t most, std::uint32_t& size) noexcept {
  home::pool& p = h->pools[k];
  const spin_guard guard(p.lock);
  cell* first = p.free.take();
  size = 0;
  if (first != nullptr) {
    const std::uint32_t all = first->capacity;
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
    slab*& s = p.newest;
    // relaxed: under the lock.
    if (s == nullptr || s->cut.load(sync::memory_order_relaxed) == s->capacity()) {
      if (size != 0) break;
      slab* more = next_slab(h, p, each);
      if (more == nullptr) break;
      s = more;
    }
    const std::uint32_t cut = s->cut.load(sync::memory_order_relaxed);
    auto* c = ::new (s->memory() + cut * each) cell;
    // Atomic: a walker may have found an earlier cell at this place.
    __atomic_store_n(&c->ops, nullptr, __ATOMIC_RELAXED);
    c->in.reset(inbox::closed);
    c->taken = reinterpret_cast<node*>(first);
    s->cut.store(cut + 1, sync::memory_order_release);
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
  cell* const top = p.free.top();
  std::uint32_t size = 1;
  c->taken = nullptr;
  if (top != nullptr && top->capacity < batch) {
    c->taken = reinterpret_cast<node*>(p.free.take());
    size += top->capacity;
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

home* home_of(const cell* c) noexcept { return static_cast<home*>(slab::of(c)->owner); }

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
  const slab* s = slab::of(c);
  const std::size_t k = s->object_size / home::grain;
  home* h = static_cast<home*>(s->owner);
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
  h->dead.table.reset();
  return h;
}

void release_home(home* h) {
  while (trim_cells(h, trim::go_on)) {}
  for (trim what = trim::begin_with_all; trim_cells(h, what);) what = trim::go_on;
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
    // seq_cst: M16.
    (h->counts[home::tallies - 1].*which).fetch_add(1, sync::memory_order_seq_cst);
  }
}

void count_begun(home* h) noexcept { count(h, &home::tally::begun); }
void count_ended(home* h) noexcept { count(h, &home::tally::ended); }

std::uint64_t count_living(const home* h) noexcept {
  // The ended first. Each of them was counted as begun before, which is seen through the acquire;
  // so if the two sums are equal, there was nobody at the moment between them.
  std::uint64_t ended = 0, begun = 0;
  for (const home::tally& t : h->counts) ended += t.ended.load(sync::memory_order_acquire);
  for (const home::tally& t : h->counts) begun += t.begun.load(sync::memory_order_seq_cst);
  return begun - ended;
}

cell* cell_batches::cursor::take() noexcept {
  cell* const c = at;
  at = reinterpret_cast<cell*>(c->taken);
  if (at == nullptr) *this = from(after);
  return c;
}

static void keep_batch(home* h, home::pool& p) noexcept {
  if (h->kept == nullptr) return;
  h->kept->capacity = static_cast<std::uint16_t>(h->kept_size);
  const spin_guard guard(p.lock);
  p.free.keep(h->kept);
  h->kept = nullptr;
  h->kept_size = 0;
}

bool trim_cells(home* h, trim what) noexcept {
  if (what != trim::go_on && !h->trims.busy() && h->trimmed_class == 0) {
    for (home::pool& p : h->pools) {
      const spin_guard guard(p.lock);
      p.trimmed = p.free.age(what == trim::begin_with_all);
    }
  }
  while (!h->trims.busy()) {
    if (h->trimmed_class == home::classes) {
      h->trimmed_class = 0;
      return false;
    }
    h->trims.begin(std::exchange(h->pools[h->trimmed_class++].trimmed, {}));
  }
  home::pool& p = h->pools[h->trimmed_class - 1];
  h->trims.step(
      [&](cell* c) {
        c->taken = reinterpret_cast<node*>(h->kept);
        h->kept = c;
        if (++h->kept_size == batch) keep_batch(h, p);
      },
      [](cell*) {},
      [&](slab* s) {
        const spin_guard guard(p.lock);
        if (p.newest == s) p.newest = nullptr;
        // relaxed: whoever walks finds zeros.
        s->cut.store(0, sync::memory_order_relaxed);
        s->next_whole = p.emptied;
        p.emptied = s;
      });
  if (!h->trims.busy()) keep_batch(h, p);
  return true;
}

void for_each_cell(home* h, void (*each)(cell*, void*), void* argument) {
  for (slab* s = h->slabs.load(sync::memory_order_acquire); s != nullptr; s = s->next)
    for (std::uint32_t i = 0; i < s->cut.load(sync::memory_order_acquire); ++i) {
      auto* c = reinterpret_cast<cell*>(s->memory() + std::size_t{i} * s->object_size);
      // Free ones have none.
      if (__atomic_load_n(&c->ops, __ATOMIC_ACQUIRE) != nullptr) each(c, argument);
    }
}

}  // namespace greenroom::detail
