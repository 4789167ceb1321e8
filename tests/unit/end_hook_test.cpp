// SPDX-License-Identifier: Apache-2.0
// Hooks at the end of an actor: the layer below names, groups and monitors.
#include "unit_test.hpp"

#include <greenroom/detail/end_hook.hpp>

#include <atomic>

namespace {

struct tick {};

struct counting : gr::detail::end_hook {
  std::atomic<int>* fired = nullptr;
  gr::detail::cell* seen = nullptr;
  explicit counting(std::atomic<int>& count) : end_hook{&on_end}, fired(&count) {}
  static void on_end(end_hook* mine, gr::detail::cell* ended) noexcept {
    auto* self = static_cast<counting*>(mine);
    self->seen = ended;
    self->fired->fetch_add(1);
  }
};

void waits_for_end(gr::mailbox<tick>& in) {
  while (in.receive([](tick) {})) {}
}

gr::detail::cell* cell_of(const gr::address<tick>& a) { return gr::detail::access::cell_of(a); }

}  // namespace

TEST_CASE("a hook is fired when its actor ends, one that was removed is not") {
  std::atomic<int> fired{0};
  gr::runtime rt({.workers = 1});
  counting kept(fired);
  counting removed(fired);
  counting late(fired);
  auto actor = rt.spawn(waits_for_end);
  auto* c = cell_of(actor);
  gr::detail::add_reference(c);
  REQUIRE(gr::detail::add_end_hook(c, &kept));
  REQUIRE(gr::detail::add_end_hook(c, &removed));
  CHECK(gr::detail::remove_end_hook(c, &removed));
  actor = {};
  REQUIRE(gr::detail::join_actor(c));
  CHECK(fired == 1);  // before who joins goes on
  CHECK(kept.seen == c);
  CHECK(gr::detail::add_end_hook(c, &late).error() == gr::error::closed);
  CHECK_FALSE(gr::detail::remove_end_hook(c, &kept));
  CHECK(fired == 1);
  gr::detail::drop_reference(c);
}

// Goal: a hook is fired or removed or refused, and never two of these. Method: actors end while
// green threads on other workers add hooks and remove them again; each counts what it was told.
TEST_CASE("a hook is fired, removed or refused, whatever the order") {
  std::atomic<int> fired{0};
  std::atomic<int> removed{0};
  std::atomic<int> refused{0};
  gr::runtime rt({.workers = 4});
  constexpr int rounds = 2000;
  for (int i = 0; i < rounds; ++i) {
    auto actor = rt.spawn(waits_for_end);
    auto* c = cell_of(actor);
    gr::detail::add_reference(c);
    counting first(fired);
    counting second(fired);
    auto other = rt.spawn([&] {
      for (counting* one : {&first, &second}) {
        if (!gr::detail::add_end_hook(c, one))
          ++refused;
        else if (one == &second && gr::detail::remove_end_hook(c, one))
          ++removed;
      }
    });
    actor = {};
    REQUIRE(gr::detail::join_actor(c));
    REQUIRE(other.join());
    gr::detail::drop_reference(c);
    REQUIRE(fired + removed + refused == 2 * (i + 1));
  }
}
