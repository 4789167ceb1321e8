// SPDX-License-Identifier: Apache-2.0
// Message memory: each OS thread has an owner, which cuts nodes from slabs of its own. A node that
// another thread frees goes home to its owner, in batches, so that a message that crosses threads
// costs one shared step per 64. Nodes live process-wide and outlive every runtime; so do owners: a
// thread that ends leaves its own to the next one that begins.
//
// Nodes come home because they lie up to four to a cache line. When each thread kept what it freed,
// neighbours came to be used by different threads, and their lines travelled for as long as the
// program ran: a tree of spawns then took as long on two processors as on one.
//
// Rejected: malloc (80-300 ns where one thread allocates and another frees); a line for each node
// (a million small messages then take 64 MB, not 16).
// Under AddressSanitizer and ThreadSanitizer nodes are malloc'd, so that both can see misuse.
#include <greenroom/detail/free_objects.hpp>
#include <greenroom/detail/home.hpp>
#include <greenroom/detail/node.hpp>
#include <greenroom/detail/spin_lock.hpp>

#include <cstdlib>
#include <mutex>
#include <pthread.h>

namespace greenroom::detail {

#if defined(GREENROOM_ASAN) || defined(GREENROOM_TSAN)

bool trim_nodes(trim) noexcept { return false; }
node* allocate_node(std::uint8_t, std::size_t size) noexcept {
  auto* n = static_cast<node*>(std::aligned_alloc(16, (size + 15) & ~std::size_t{15}));
  if (n != nullptr) ::new (n) node{};
  return n;
}
void free_node(node* n, std::uint8_t) noexcept { std::free(n); }

#else

namespace {

constexpr std::uint32_t batch = 64;
constexpr std::uint32_t kept_max = 16;  // batches an owner keeps of a class; more go to the store
constexpr unsigned ways = 32;           // owners that a thread collects returns for at once

struct owner;

void set_next(node* n, node* next) noexcept { n->link.set(reinterpret_cast<std::uint64_t>(next)); }
node* next_free(node* n) noexcept { return inbox::next_of(n); }

// A batch is a list of free nodes whose first one has its length in the tag bits and the next batch
// in its body.
node*& next_batch(node* n) noexcept { return *reinterpret_cast<node**>(n + 1); }
std::uint32_t length_of_batch(const node* first) noexcept { return inbox::tag_of(first); }
void make_batch(node* first, std::uint32_t length) noexcept {
  first->link.set((first->link.get() & ~(std::uint64_t{0xffff} << 48)) |
                  (static_cast<std::uint64_t>(length) << 48));
}

struct free_list {
  node* first = nullptr;
  std::uint32_t size = 0;

  void push(node* n) noexcept {
    set_next(n, first);
    first = n;
    ++size;
  }
  node* pop() noexcept {
    node* n = first;
    first = next_free(n);
    --size;
    return n;
  }
};

// Batches that came back from other threads: any thread pushes, the owner takes all. The word is
// the first batch and, in the upper 16 bits, how many there are.
class returned_batches {
 public:
  // False: there are plenty.
  bool push(node* first) noexcept {
    std::uint64_t w = word_.load(sync::memory_order_relaxed);
    do {
      if ((w >> 48) >= kept_max) return false;
      next_batch(first) = reinterpret_cast<node*>(w & pointer);
      // release: the links, for the owner.
    } while (!word_.compare_exchange_weak(
        w, reinterpret_cast<std::uint64_t>(first) | (((w >> 48) + 1) << 48),
        sync::memory_order_release, sync::memory_order_relaxed));
    return true;
  }
  node* take_all(std::uint32_t& count) noexcept {
    if (word_.load(sync::memory_order_relaxed) == 0) return nullptr;
    const std::uint64_t w = word_.exchange(0, sync::memory_order_acquire);
    count = static_cast<std::uint32_t>(w >> 48);
    return reinterpret_cast<node*>(w & pointer);
  }

 private:
  static constexpr std::uint64_t pointer = (std::uint64_t{1} << 48) - 1;
  sync::atomic<std::uint64_t> word_{0};
};

struct owner {
  struct of_class {
    free_list free;
    node* batches = nullptr;  // whole ones
    std::uint32_t count = 0;  // of them
    char* fresh = nullptr;    // never used rest of the newest slab
    char* fresh_end = nullptr;
    struct {
      owner* to = nullptr;
      free_list nodes;
    } going[ways];  // freed here, not yet sent home
  };

  // The owner's thread only.
  of_class lists[size_classes];
  owner* next = nullptr;  // without a thread
  unsigned number = 0;
  // Any thread.
  alignas(64) returned_batches returned[size_classes];
};

struct node_batches {
  static node* next(node* first) noexcept { return next_batch(first); }
  static void set_next(node* first, node* next) noexcept { next_batch(first) = next; }
  struct cursor {
    node* at = nullptr;
    node* after = nullptr;  // the next batch, read before anybody changes the first node

    [[nodiscard]] bool more() const noexcept { return at != nullptr; }
    node* take() noexcept {
      node* const n = at;
      at = next_free(n);
      if (at == nullptr) *this = from(after);
      return n;
    }
  };
  static cursor from(node* first) noexcept {
    return {first, first == nullptr ? nullptr : next(first)};
  }
};

// Batches that owners have too many of.
struct batch_store {
  spin_lock lock;
  free_objects<node, node_batches> free GREENROOM_GUARDED_BY(lock);
  sync::atomic<bool> has_some{false};                  // or emptied slabs; written under the lock
  slab* emptied GREENROOM_GUARDED_BY(lock) = nullptr;  // through next_whole
};
constinit batch_store store[size_classes];

spin_lock owners_lock;
owner* without_thread GREENROOM_GUARDED_BY(owners_lock) = nullptr;
unsigned owners_made GREENROOM_GUARDED_BY(owners_lock) = 0;

// The child of a fork() must find everything whole and unlocked.
void lock_all() noexcept {
  owners_lock.lock();
  for (batch_store& s : store) s.lock.lock();
}
void unlock_all() noexcept {
  for (batch_store& s : store) s.lock.unlock();
  owners_lock.unlock();
}
const int watches_forks = pthread_atfork(lock_all, unlock_all, unlock_all);

void put_in_store(std::uint8_t c, node* first) noexcept {
  batch_store& s = store[c];
  const spin_guard guard(s.lock);
  s.free.put(first);
  s.has_some.store(true, sync::memory_order_relaxed);
}

node* take_from_store(std::uint8_t c) noexcept {
  batch_store& s = store[c];
  if (!s.has_some.load(sync::memory_order_relaxed)) return nullptr;
  const spin_guard guard(s.lock);
  node* const first = s.free.take();
  if (first == nullptr) s.has_some.store(s.emptied != nullptr, sync::memory_order_relaxed);
  return first;
}

slab* take_slab(std::uint8_t c) noexcept {
  batch_store& s = store[c];
  if (s.has_some.load(sync::memory_order_relaxed)) {
    const spin_guard guard(s.lock);
    slab* const emptied = s.emptied;
    if (emptied != nullptr) {
      s.emptied = emptied->next_whole;
      return emptied;
    }
  }
  slab* const fresh = map_slab();
  if (fresh != nullptr) fresh->object_size = static_cast<std::uint32_t>(node_sizes[c]);
  return fresh;
}

// Never used nodes of a slab of its own.
void cut(owner* o, std::uint8_t c) noexcept {
  owner::of_class& l = o->lists[c];
  const std::size_t each = node_sizes[c];
  if (l.fresh == l.fresh_end) {
    slab* s = take_slab(c);
    if (s == nullptr) return;
    s->owner = o;
    l.fresh = s->memory();
    l.fresh_end = l.fresh + s->capacity() * each;
  }
  while (l.free.size < batch && l.fresh != l.fresh_end) {
    l.free.push(::new (l.fresh) node{});
    l.fresh += each;
  }
}

GREENROOM_COLD bool refill(owner* o, std::uint8_t c) noexcept {
  owner::of_class& l = o->lists[c];
  if (l.batches == nullptr) l.batches = o->returned[c].take_all(l.count);
  node* first = l.batches;
  if (first != nullptr) {
    l.batches = next_batch(first);
    --l.count;
  } else {
    first = take_from_store(c);
  }
  if (first != nullptr)
    l.free = {first, length_of_batch(first)};
  else
    cut(o, c);
  return l.free.first != nullptr;
}

node* allocate(owner* o, std::uint8_t c) noexcept {
  free_list& free = o->lists[c].free;
  if (GREENROOM_UNLIKELY(free.first == nullptr) && !refill(o, c)) return nullptr;
  return free.pop();
}

// A whole batch was freed at home.
GREENROOM_COLD void set_aside(owner::of_class& l, std::uint8_t c) noexcept {
  make_batch(l.free.first, l.free.size);
  if (l.count >= kept_max) {
    put_in_store(c, l.free.first);
  } else {
    next_batch(l.free.first) = l.batches;
    l.batches = l.free.first;
    ++l.count;
  }
  l.free = {};
}

GREENROOM_COLD void send_home(owner* to, free_list& nodes, std::uint8_t c) noexcept {
  if (nodes.first == nullptr) return;
  make_batch(nodes.first, nodes.size);
  if (!to->returned[c].push(nodes.first)) put_in_store(c, nodes.first);
  nodes = {};
}

// Apart, so that what is freed where it was cut saves no registers for it.
GREENROOM_NOINLINE void release_away(owner* o, owner* to, node* n, std::uint8_t c) noexcept {
  auto& going = o->lists[c].going[to->number % ways];
  if (GREENROOM_UNLIKELY(going.to != to)) {
    send_home(going.to, going.nodes, c);
    going.to = to;
  }
  going.nodes.push(n);
  if (GREENROOM_UNLIKELY(going.nodes.size == batch)) send_home(to, going.nodes, c);
}

GREENROOM_COLD void release_and_set_aside(owner* o, node* n, std::uint8_t c) noexcept {
  owner::of_class& l = o->lists[c];
  set_aside(l, c);
  l.free.push(n);
}

void release(owner* o, owner* to, node* n, std::uint8_t c) noexcept {
  if (GREENROOM_UNLIKELY(o != to)) {
    release_away(o, to, n, c);
    return;
  }
  owner::of_class& l = o->lists[c];
  if (GREENROOM_UNLIKELY(l.free.size >= batch)) {
    release_and_set_aside(o, n, c);
    return;
  }
  l.free.push(n);
}

// ---- threads and their owners

owner* adopt() noexcept {
  const spin_guard guard(owners_lock);
  owner* o = without_thread;
  if (o != nullptr) {
    without_thread = o->next;
    return o;
  }
  o = new (std::nothrow) owner;
  if (o != nullptr) o->number = owners_made++;
  return o;
}

void give_up(owner* o) noexcept {
  for (std::uint8_t c = 0; c < size_classes; ++c)
    for (auto& going : o->lists[c].going) send_home(going.to, going.nodes, c);
  const spin_guard guard(owners_lock);
  o->next = without_thread;
  without_thread = o;
}

thread_local constinit owner* tls_owner = nullptr;
thread_local constinit bool tls_ends = false;  // its owner was given up

// Opaque: the address must be read anew after every switch.
GREENROOM_NOINLINE owner* this_owner() noexcept {
  owner** at = &tls_owner;
  asm volatile("" : "+r"(at)::"memory");
  return *at;
}

// For a thread without an owner: gives it one, or, when its thread_locals are being destroyed
// already, one for this time.
class guest {
 public:
  GREENROOM_COLD guest() noexcept : own_(adopt()) {
    struct at_exit {
      ~at_exit() {
        if (tls_owner != nullptr) give_up(tls_owner);
        tls_owner = nullptr;
        tls_ends = true;
      }
    };
    if (tls_ends) return;
    static thread_local at_exit registered;
    asm volatile("" ::"r"(&registered) : "memory");
    tls_owner = own_;
  }
  ~guest() {
    if (tls_ends && own_ != nullptr) give_up(own_);
  }
  guest(const guest&) = delete;
  guest& operator=(const guest&) = delete;
  [[nodiscard]] owner* own() const noexcept { return own_; }

 private:
  owner* own_;
};

GREENROOM_COLD node* allocate_as_guest(std::uint8_t c) noexcept {
  const guest here;
  return here.own() == nullptr ? nullptr : allocate(here.own(), c);
}

GREENROOM_COLD void release_as_guest(owner* to, node* n, std::uint8_t c) noexcept {
  const guest here;
  if (here.own() != nullptr) {
    release(here.own(), to, n, c);
    return;
  }
  free_list one;
  one.push(n);
  send_home(to, one, c);
}

// What the store has, class by class.
struct store_trimmer {
  trimmer<node, node_batches> trims;
  std::uint8_t next_class = 0;
  bool all = false;
  free_list kept;
  std::mutex one_at_a_time;

  bool step(trim what) noexcept;
  void keep(std::uint8_t c) noexcept {
    if (kept.first == nullptr) return;
    make_batch(kept.first, kept.size);
    batch_store& s = store[c];
    const spin_guard guard(s.lock);
    s.free.keep(kept.first);
    s.has_some.store(true, sync::memory_order_relaxed);
    kept = {};
  }
};

bool store_trimmer::step(trim what) noexcept {
  if (!trims.busy() && next_class == 0) {
    if (what == trim::go_on) return false;
    all = what == trim::begin_with_all;
  }
  while (!trims.busy()) {
    if (next_class == size_classes) {
      next_class = 0;
      return false;
    }
    batch_store& s = store[next_class++];
    const spin_guard guard(s.lock);
    trims.begin(s.free.age(all));
  }
  const auto c = static_cast<std::uint8_t>(next_class - 1);
  trims.step(
      [&](node* n) {
        kept.push(n);
        if (kept.size == batch) keep(c);
      },
      [](node*) {},
      [&](slab* emptied) {
        batch_store& s = store[c];
        const spin_guard guard(s.lock);
        emptied->next_whole = s.emptied;
        s.emptied = emptied;
        s.has_some.store(true, sync::memory_order_relaxed);
      });
  if (!trims.busy()) keep(c);
  return true;
}

}  // namespace

bool trim_nodes(trim what) noexcept {
  static constinit store_trimmer the_trimmer;
  const std::unique_lock mine(the_trimmer.one_at_a_time, std::try_to_lock);
  return mine && the_trimmer.step(what);
}

node* allocate_node(std::uint8_t size_class, std::size_t size) noexcept {
  if (GREENROOM_UNLIKELY(size_class == huge_class)) {
    auto* n = static_cast<node*>(std::aligned_alloc(16, (size + 15) & ~std::size_t{15}));
    if (n != nullptr) ::new (n) node{};
    return n;
  }
  owner* o = this_owner();
  if (GREENROOM_UNLIKELY(o == nullptr)) return allocate_as_guest(size_class);
  return allocate(o, size_class);
}

void free_node(node* n, std::uint8_t size_class) noexcept {
  if (GREENROOM_UNLIKELY(size_class == huge_class)) {
    std::free(n);
    return;
  }
  owner* const to = static_cast<owner*>(slab::of(n)->owner);
  owner* const o = this_owner();
  if (GREENROOM_UNLIKELY(o == nullptr)) {
    release_as_guest(to, n, size_class);
    return;
  }
  release(o, to, n, size_class);
}

#endif

}  // namespace greenroom::detail
