// SPDX-License-Identifier: Apache-2.0
// Message memory: a cache of free nodes per OS thread and size class, filled from and emptied to
// a process-wide store in whole batches, so that a message that crosses threads costs one shared
// step per 64. Nodes live process-wide and outlive every runtime.
//
// Rejected: malloc (80-300 ns where one thread allocates and another frees); homes per worker to
// which each node returns (no faster than batches here, and foreign threads have no home).
// Under AddressSanitizer and ThreadSanitizer nodes are malloc'd, so that both can see misuse.
#include <greenroom/detail/node.hpp>
#include <greenroom/detail/spin_lock.hpp>

#include <cstdlib>
#include <pthread.h>
#include <sys/mman.h>

namespace greenroom::detail {

#if defined(GREENROOM_ASAN) || defined(GREENROOM_TSAN)

node* allocate_node(std::uint8_t, std::size_t size) noexcept {
  auto* n = static_cast<node*>(std::aligned_alloc(16, (size + 15) & ~std::size_t{15}));
  if (n != nullptr) ::new (n) node{};
  return n;
}
void free_node(node* n, std::uint8_t) noexcept { std::free(n); }

#else

namespace {

constexpr std::uint32_t batch = 64;
constexpr std::size_t chunk_size = 256u << 10;

struct batch_stack {
  spin_lock lock;
  node* first GREENROOM_GUARDED_BY(lock) = nullptr;  // batches, linked by their heads' bodies
  char* fresh GREENROOM_GUARDED_BY(lock) = nullptr;
  char* fresh_end GREENROOM_GUARDED_BY(lock) = nullptr;
};
constinit batch_stack store[size_classes];

// The child of a fork() must find the store whole and unlocked.
void lock_store() noexcept {
  for (batch_stack& s : store) s.lock.lock();
}
void unlock_store() noexcept {
  for (batch_stack& s : store) s.lock.unlock();
}
const int watches_forks = pthread_atfork(lock_store, unlock_store, unlock_store);

void set_next(node* n, node* next) noexcept { n->link.set(reinterpret_cast<std::uint64_t>(next)); }
node* next_free(node* n) noexcept { return inbox::next_of(n); }
node*& next_batch(node* n) noexcept { return *reinterpret_cast<node**>(n + 1); }

// Two lists a class: `spare` is a full batch in reserve, so that an owner that allocates and
// frees in turn around the batch size does not run to the store each time.
struct cache {
  struct list {
    node* first = nullptr;
    std::uint32_t size = 0;
    node* spare = nullptr;
  };
  list lists[size_classes];
  ~cache();
};

void put_batch(std::uint8_t c, node* first, std::uint32_t size) noexcept {
  // The tag bits of a batch's head hold its length.
  first->link.set((first->link.get() & ~(std::uint64_t{0xffff} << 48)) |
                  (static_cast<std::uint64_t>(size) << 48));
  const spin_guard guard(store[c].lock);
  next_batch(first) = store[c].first;
  store[c].first = first;
}

// A batch from the store, or cut from fresh memory; its length in `size`.
node* get_batch(std::uint8_t c, std::uint32_t& size) noexcept {
  const spin_guard guard(store[c].lock);
  batch_stack& s = store[c];
  if (node* first = s.first) {
    s.first = next_batch(first);
    size = inbox::tag_of(first);
    return first;
  }
  const std::size_t each = node_sizes[c];
  if (s.fresh == s.fresh_end) {
    void* chunk =
        mmap(nullptr, chunk_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (chunk == MAP_FAILED) return nullptr;
    s.fresh = static_cast<char*>(chunk);
    s.fresh_end = s.fresh + chunk_size;
  }
  node* first = nullptr;
  size = 0;
  while (size < batch && s.fresh != s.fresh_end) {
    auto* n = ::new (s.fresh) node{};
    s.fresh += each;
    set_next(n, first);
    first = n;
    ++size;
  }
  return first;
}

cache::~cache() {
  for (std::uint8_t c = 0; c < size_classes; ++c) {
    list& l = lists[c];
    if (l.spare != nullptr) put_batch(c, l.spare, batch);
    if (l.first != nullptr) put_batch(c, l.first, l.size);
    l = {};
  }
}

thread_local cache tls_cache;

// Opaque: the address must be read anew after every switch.
GREENROOM_NOINLINE cache* this_cache() noexcept {
  cache* c = &tls_cache;
  asm volatile("" : "+r"(c)::"memory");
  return c;
}

GREENROOM_COLD node* refill(cache::list& l, std::uint8_t c) noexcept {
  if (l.spare != nullptr) {
    l.first = l.spare;
    l.size = batch;
    l.spare = nullptr;
  } else {
    std::uint32_t size = 0;
    node* first = get_batch(c, size);
    if (first == nullptr) return nullptr;
    l.first = first;
    l.size = size;
  }
  node* n = l.first;
  l.first = next_free(n);
  --l.size;
  return n;
}

}  // namespace

node* allocate_node(std::uint8_t size_class, std::size_t size) noexcept {
  if (GREENROOM_UNLIKELY(size_class == huge_class)) {
    auto* n = static_cast<node*>(std::aligned_alloc(16, (size + 15) & ~std::size_t{15}));
    if (n != nullptr) ::new (n) node{};
    return n;
  }
  cache::list& l = this_cache()->lists[size_class];
  node* n = l.first;
  if (GREENROOM_UNLIKELY(n == nullptr)) return refill(l, size_class);
  l.first = next_free(n);
  --l.size;
  return n;
}

void free_node(node* n, std::uint8_t size_class) noexcept {
  if (GREENROOM_UNLIKELY(size_class == huge_class)) {
    std::free(n);
    return;
  }
  cache::list& l = this_cache()->lists[size_class];
  if (GREENROOM_UNLIKELY(l.size == batch)) {
    if (l.spare != nullptr) put_batch(size_class, l.spare, batch);
    l.spare = l.first;
    l.first = nullptr;
    l.size = 0;
  }
  set_next(n, l.first);
  l.first = n;
  ++l.size;
}

#endif

}  // namespace greenroom::detail
