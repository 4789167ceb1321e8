// SPDX-License-Identifier: Apache-2.0
// The stash: messages that a handler was given and put by for later. Only the actor itself.
//
// L5  The stash is a list of its own, newest first, and takes no room in the mailbox: a stashed
//     message has come out of it. unstash() puts them aside again, before all that is there, in
//     their order; they have room lent to them (L3), for they will come out once more.
#include "lanes.hpp"

#include <greenroom/actor.hpp>

#include <string>

namespace greenroom::detail {

static status not_stashed(cell* c, node* n, error why) {
  count_dead(c, dead_letter::full);
  if (n != nullptr) destroy_message(c, n, why.code());
  return why;
}

status stash(cell* c, node* n, std::uint32_t tag) {
  lanes* const aside = n == nullptr ? nullptr : lanes_of(c);
  if (n != nullptr) n->link.set(std::uint64_t{tag} << 48);
  if (aside == nullptr) return not_stashed(c, n, error::no_memory);
  if (aside->stashed == stash_max) {
    const std::string text = std::string("the stash of ") + name_of(c) + " is full (" +
                             std::to_string(stash_max) + "), `" + ops_of(c).types[tag]->name() +
                             "` finds no room in it";
    return not_stashed(c, n, error(error::full, text));
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
