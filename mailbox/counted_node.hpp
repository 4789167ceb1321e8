// SPDX-License-Identifier: Apache-2.0
// A value that several may copy from at once: a node whose link word, which nobody else needs,
// counts those who refer to it. Who lets go last destroys it.
#pragma once

#include <greenroom/detail/node.hpp>

namespace greenroom::detail {

// REQUIRES: nobody else knows it.
inline void count_first(node* n) noexcept {
  __atomic_store_n(&n->link.value, std::uint64_t{1}, __ATOMIC_RELAXED);
}
// REQUIRES: something counted keeps it.
inline void count_up(node* n) noexcept {
  __atomic_fetch_add(&n->link.value, std::uint64_t{1}, __ATOMIC_RELAXED);
}
// Runs the value's destructor when this was the last: under no lock.
inline void let_go(node* n, void (*destroy)(node*) noexcept) noexcept {
  // acq_rel: the last one sees all use by the others.
  if (__atomic_fetch_sub(&n->link.value, std::uint64_t{1}, __ATOMIC_ACQ_REL) == 1) destroy(n);
}

}  // namespace greenroom::detail
