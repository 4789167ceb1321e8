// SPDX-License-Identifier: Apache-2.0
// The stash: messages that a handler was given and put by for later. Only the actor itself.
//
// L5  The stash is a list of its own, newest first, and takes no room in the mailbox: a stashed
//     message has come out of it. unstash() puts them aside again, before all that is there, in
//     their order; they have room lent to them (L3), for they will come out once more.
#include "lanes.hpp"

#include <greenroom/actor.hpp>

#include <cstdio>

namespace greenroom::detail {

static status not_stashed(cell* c, node* n, std::uint32_t tag, error why) {
  count_dead(c, dead_letter::full, ops_of(c).types[tag]);
  if (n != nullptr) destroy_message(c, n, why.code());
  return why;
}

status stash(cell* c, node* n, std::uint32_t tag) {
  lanes* const aside = n == nullptr ? nullptr : lanes_of(c);
  if (n != nullptr) n->link.set(std::uint64_t{tag} << 48);
  if (aside == nullptr) return not_stashed(c, n, tag, error::no_memory);
  if (aside->stashed == stash_max) {
    char text[320];
    std::snprintf(text, sizeof text, "the stash of %s is full (%u), `%s` finds no room in it",
                  name_of(c), stash_max, ops_of(c).types[tag]->name());
    return not_stashed(c, n, tag, error(error::full, text));
  }
  n->link.set((std::uint64_t{tag} << 48) | reinterpret_cast<std::uint64_t>(aside->stash));
  aside->stash = n;
  ++aside->stashed;
  return {};
}

std::size_t unstash(cell* c) {
  lanes* const aside = lanes_if(c);
  if (aside == nullptr) return 0;
  const std::size_t many = aside->stashed;
  while (node* n = aside->stash) {
    node* before = inbox::next_of(n);
    put_back(c, *aside, n);
    aside->stash = before;
    --aside->stashed;
    ++aside->debt;
  }
  return many;
}

}  // namespace greenroom::detail
