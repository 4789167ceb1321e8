// SPDX-License-Identifier: Apache-2.0
// Names of actors: found by type, gone with the actor, refused where they are taken.
#include "unit_test.hpp"

#include <string>
#include <vector>

namespace shop {

struct put {
  int value;
};
struct get {
  using reply = int;
};
struct fetch {};

}  // namespace shop

namespace {

using shop::fetch;
using shop::get;
using shop::put;

void store(gr::mailbox<put, get>& in) {
  int value = 0;
  while (in.receive([&](put p) { value = p.value; }, [&](get) { return value; })) {}
}

// The same without a stack, for thousands.
struct small_store {
  using messages = gr::messages<put, get>;
  int value = 0;
  void on(put p) { value = p.value; }
  int on(get) { return value; }
};

// Until it has ended. REQUIRES: no other address.
template <class... Ms>
void end(gr::address<Ms...>& a) {
  gr::detail::cell* c = gr::detail::access::cell_of(a);
  gr::detail::add_reference(c);
  a = {};
  CHECK(gr::detail::join_actor(c));
  gr::detail::drop_reference(c);
}

std::string text_of(const gr::status& s) { return s ? "ok" : s.error().text(); }

}  // namespace

TEST_CASE("an actor is found by its name, for messages that it receives") {
  gr::runtime rt({.workers = 1});
  const auto a = rt.spawn({.name = "store"}, store);
  REQUIRE(rt.registry().put("the store", a));
  const auto both = rt.registry().whereis<get, put>("the store");
  REQUIRE(both);
  CHECK(*both == a);
  CHECK(both->send(put{7}));
  const auto one = rt.registry().whereis<get>("the store");
  REQUIRE(one);
  CHECK(one->ask(get{}, unit::long_time).value() == 7);
  CHECK(rt.registry().size() == 1);
}

TEST_CASE("an unknown name and a wrong type are errors that say so") {
  gr::runtime rt({.workers = 1});
  const auto a = rt.spawn({.name = "store"}, store);
  REQUIRE(rt.registry().put("s", a));
  const auto unknown = rt.registry().whereis<put>("x");
  REQUIRE(!unknown);
  CHECK(unknown.error() == gr::error::closed);
  CHECK(std::string(unknown.error().text()) == "registry: nobody is registered as `x`");
  const auto wrong = rt.registry().whereis<put, fetch>("s");
  REQUIRE(!wrong);
  CHECK(wrong.error() == gr::error::invalid);
  CHECK(std::string(wrong.error().text()) ==
        "registry: `s` (actor store (id " + std::to_string(a.id()) +
            ")) does not receive `shop::fetch`; it receives `shop::put`, `shop::get`");
}

TEST_CASE("a name belongs to one living actor, and an actor may have many names") {
  gr::runtime rt({.workers = 1});
  auto first = rt.spawn({.name = "first"}, store);
  auto second = rt.spawn({.name = "second"}, store);
  const gr::registry names = rt.registry();
  REQUIRE(names.put("a", first));
  REQUIRE(names.put("b", first));
  CHECK(names.put("a", first));  // it has it already
  const gr::status taken = names.put("a", second);
  CHECK(taken.error() == gr::error::refused);
  CHECK(text_of(taken) == "registry: `a` is registered already, to first (id " +
                              std::to_string(first.id()) + "); second (id " +
                              std::to_string(second.id()) + ") cannot have it");
  CHECK(names.size() == 2);
  CHECK(names.remove("a"));
  CHECK(names.put("a", second));
  CHECK(*names.whereis<put>("a") == second);
  CHECK(*names.whereis<put>("b") == first);
  CHECK(text_of(names.remove("c")) == "registry: nobody is registered as `c`");
}

TEST_CASE("a name keeps no actor alive and goes with it") {
  gr::runtime rt({.workers = 1});
  auto a = rt.spawn(store);
  REQUIRE(rt.registry().put("a", a));
  REQUIRE(rt.registry().put("also a", a));
  end(a);
  CHECK(rt.registry().size() == 0);
  CHECK(rt.registry().whereis<put>("a").error() == gr::error::closed);
  auto b = rt.spawn(store);
  CHECK(rt.registry().put("a", b));
  CHECK(*rt.registry().whereis<put>("a") == b);
}

TEST_CASE("a name that makes no sense is refused with the reason") {
  gr::runtime rt({.workers = 1});
  gr::runtime other({.workers = 1});
  const auto a = rt.spawn({.name = "store"}, store);
  const gr::registry names = rt.registry();
  CHECK(text_of(names.put("", a)) == "registry: a name is empty");
  CHECK(text_of(names.put(std::string(256, 'x'), a)) ==
        "registry: a name of 256 bytes; 255 at most");
  CHECK(names.put(std::string(255, 'x'), a));
  CHECK(names.whereis<put>(std::string(255, 'x')));
  CHECK(text_of(names.put("s", gr::address<put>())) == "registry: the address for `s` is empty");
  CHECK(text_of(other.registry().put("s", a)) ==
        "registry: store (id " + std::to_string(a.id()) +
            ") belongs to another runtime; it cannot be `s` here");
}

TEST_CASE("an actor registers itself and finds others") {
  gr::runtime rt({.workers = 1});
  const auto server = rt.spawn([](gr::mailbox<put, get>& in) {
    CHECK(gr::register_name("server", in));
    store(in);
  });
  REQUIRE(unit::on_green_thread(rt, [&] {
    unit::yield_until([] { return gr::whereis<put>("server").has_value(); });
    CHECK(gr::whereis<put>("server")->send(put{3}));
    CHECK(gr::whereis<get>("server")->ask(get{}, unit::long_time).value() == 3);
    CHECK(gr::unregister_name("server"));
    CHECK(!gr::whereis<put>("server"));
    CHECK(gr::register_name("server again", server));
  }));
  CHECK(*rt.registry().whereis<put>("server again") == server);
  CHECK_THROWS_WITH_AS((void)gr::whereis<put>("server"),
                       "greenroom: whereis() was called outside of an actor or green thread; a "
                       "plain OS thread asks its runtime: rt.registry()",
                       std::logic_error);
}

TEST_CASE("a registry is over with its runtime's shutdown") {
  gr::runtime rt({.workers = 1});
  auto a = rt.spawn(store);
  REQUIRE(rt.registry().put("a", a));
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(rt.registry().whereis<put>("a").error() == gr::error::shutdown);
  CHECK(rt.registry().put("b", a).error() == gr::error::shutdown);
  CHECK(rt.registry().remove("a").error() == gr::error::shutdown);
  CHECK(rt.registry().size() == 0);
}

TEST_CASE("a hundred thousand names are found, and go") {
  constexpr int many = unit::scaled(100'000, 5'000);
  gr::runtime rt;
  std::vector<gr::address<put, get>> all;
  const gr::registry names = rt.registry();
  for (int i = 0; i < many; ++i) {
    all.push_back(rt.spawn<small_store>());
    REQUIRE(names.put("store/" + std::to_string(i), all.back()));
  }
  CHECK(names.size() == many);
  bool right = true;
  for (int i = 0; i < many; ++i) {
    const auto found = names.whereis<put>("store/" + std::to_string(i));
    right = right && found && *found == all[static_cast<std::size_t>(i)];
  }
  CHECK(right);
  for (int i = 0; i < many; i += 2) right = right && names.remove("store/" + std::to_string(i));
  CHECK(right);
  CHECK(names.size() == many / 2);
  all.clear();
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(names.size() == 0);
}

// Goal: what is found by a name is the actor that was given it, though cells are used again for
// others; and no name outlives its actor. Method: green threads on all workers give names to actors
// that live shortly, tell their number to nobody but the name, and look up names of others at
// random. Each actor answers with its number, which must be that of the name.
TEST_CASE("actors that die while they are looked up are never taken for others") {
  constexpr int threads = 4;
  constexpr int rounds = unit::scaled(10'000, 2'000);
  constexpr int slots = 32;
  const std::uint32_t seed = unit::seed_of_this_run();
  INFO("GREENROOM_SEED=", seed);
  std::atomic<int> wrong{0};
  std::atomic<int> found{0};
  gr::runtime rt({.workers = 4, .dead_letter_log = gr::duration::max()});
  {
    std::vector<gr::green_thread> all;
    for (int t = 0; t < threads; ++t)
      all.push_back(rt.spawn([&, t] {
        std::minstd_rand random(seed + static_cast<std::uint32_t>(t));
        gr::address<put, get> mine[slots];
        for (int i = 0; i < rounds; ++i) {
          if (i % 8 == 0) gr::yield();  // those without an address end, and give their stacks back
          const int slot = static_cast<int>(random() % slots);
          const std::string name = std::to_string(t) + "/" + std::to_string(slot);
          if (random() % 2 == 0) {
            const int number = t * slots + slot;
            mine[slot] = {};
            auto next = gr::spawn([number](gr::mailbox<put, get>& in) {
              while (in.receive([](put) {}, [&](get) { return number; })) {}
            });
            // The one before may be about to end.
            if (gr::status s = gr::register_name(name, next); !s) {
              if (s.error() != gr::error::refused) ++wrong;
            }
            mine[slot] = std::move(next);
          } else if (random() % 16 == 0) {
            (void)gr::unregister_name(name);
          } else {
            const int other = static_cast<int>(random() % threads);
            const std::string wanted = std::to_string(other) + "/" + std::to_string(slot);
            const auto there = gr::whereis<get>(wanted);
            if (!there) continue;
            const auto answer = there->ask(get{}, unit::long_time);
            if (!answer) continue;
            ++found;
            if (*answer != other * slots + slot) ++wrong;
          }
        }
      }));
    for (auto& one : all) CHECK(one.join());
  }
  CHECK(wrong == 0);
  CHECK(found > 0);
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(rt.registry().size() == 0);
}
