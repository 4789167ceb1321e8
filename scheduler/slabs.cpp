// SPDX-License-Identifier: Apache-2.0
#include <greenroom/detail/slabs.hpp>
#include <greenroom/detail/spin_lock.hpp>

#include <pthread.h>
#include <sys/mman.h>

namespace greenroom::detail {

namespace {

spin_lock chunk_lock;
char* chunk GREENROOM_GUARDED_BY(chunk_lock) = nullptr;
char* chunk_end GREENROOM_GUARDED_BY(chunk_lock) = nullptr;
slab* next_header GREENROOM_GUARDED_BY(chunk_lock) = nullptr;

// The child of a fork() begins a chunk of its own: a thread that it does not have may have been in
// the middle of a step here. (Not locked by the parent for it: others lock this under locks of
// theirs, and which of all these handlers comes first is not known.)
void forget_chunk() noexcept GREENROOM_NO_LOCK_ANALYSIS {
  chunk = chunk_end = nullptr;
  chunk_lock.unlock();
}
const int watches_forks = pthread_atfork(nullptr, nullptr, forget_chunk);

// Aligned to its size; what is mapped too much goes.
char* map_chunk() noexcept {
  constexpr std::size_t size = slab::chunk_size;
  void* const at = ::mmap(nullptr, 2 * size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  const auto begin = reinterpret_cast<std::uintptr_t>(at);
  const std::uintptr_t aligned = (begin + size - 1) & ~(size - 1);
  if (aligned != begin) ::munmap(at, aligned - begin);
  if (aligned != begin + size)
    ::munmap(reinterpret_cast<void*>(aligned + size), begin + size - aligned);
  return reinterpret_cast<char*>(aligned);
}

}  // namespace

slab* map_slab() noexcept {
  const spin_guard guard(chunk_lock);
  if (chunk == chunk_end) {
    char* const fresh = map_chunk();
    if (fresh == nullptr) return nullptr;
    next_header = reinterpret_cast<slab*>(fresh) + 1;  // the first slab is the table
    chunk = fresh + slab::size;
    chunk_end = fresh + slab::chunk_size;
  }
  chunk += slab::size;
  return next_header++;
}

void give_back(slab* s) noexcept {
  // Fails where the host locks its memory (mlockall): then what was there stays, as good as zeros.
  ::madvise(s->memory(), slab::size, MADV_DONTNEED);
}

}  // namespace greenroom::detail
