// SPDX-License-Identifier: Apache-2.0
// Sizes that the library's speed and memory rest on.
#include "unit_test.hpp"

#include "scheduler/fiber.hpp"

#include <cstddef>

namespace {

struct eight_bytes {
  long value;
};
struct small_request {
  using reply = long;
  long value;
};
struct alignas(16) wide {
  long value[2];
};
template <int N>
struct kind {};

using gr::detail::type_of;

template <class M>
constexpr std::size_t node_size() {
  return gr::detail::node_sizes[type_of<M>.size_class];
}

static_assert(sizeof(gr::detail::cell) == 64);
static_assert(alignof(gr::detail::cell) <= 64 && gr::detail::payload_at == 64);
static_assert(sizeof(gr::detail::node) == 8);
// Three lines; under a sanitizer it also says what the stack is called there.
static_assert(unit::is_sanitized || sizeof(gr::detail::fiber) == 192);

static_assert(node_size<eight_bytes>() == 16);
static_assert(node_size<wide>() == 32);
static_assert(node_size<small_request>() == 64 && type_of<small_request>.body_at == 32);
static_assert(type_of<eight_bytes>.body_at == 8 && type_of<wide>.body_at == 16);

static_assert(sizeof(gr::address<kind<0>>) == 16);
static_assert(
    sizeof(gr::address<kind<0>, kind<1>, kind<2>, kind<3>, kind<4>, kind<5>, kind<6>, kind<7>>) ==
    16);
static_assert(sizeof(gr::address<kind<0>, kind<1>, kind<2>, kind<3>, kind<4>, kind<5>, kind<6>,
                                 kind<7>, kind<8>>) == 24);
static_assert(sizeof(gr::weak_address<kind<0>>) == 16);
static_assert(sizeof(gr::error) == sizeof(void*));
static_assert(sizeof(gr::green_thread) == sizeof(void*));
static_assert(sizeof(gr::timer_handle) == sizeof(void*));

}  // namespace

TEST_CASE("an object actor of 16 bytes takes 80, one after the other") {
  struct tiny {
    using messages = gr::messages<eight_bytes>;
    long a = 0, b = 0;
    void on(eight_bytes) {}
  };
  static_assert(sizeof(tiny) == 16);
  gr::runtime rt;
  // Two of a row spawned from outside are neighbours, in one order or the other.
  constexpr int many = 64;
  std::uintptr_t lowest = UINTPTR_MAX;
  std::uintptr_t highest = 0;
  gr::address<eight_bytes> all[many];
  for (auto& one : all) {
    one = rt.spawn<tiny>();
    const auto at = reinterpret_cast<std::uintptr_t>(gr::detail::access::cell_of(one));
    lowest = at < lowest ? at : lowest;
    highest = at > highest ? at : highest;
  }
  const bool in_one_slab =
      lowest / gr::detail::slab::size == highest / gr::detail::slab::size;
  if (in_one_slab) CHECK(highest - lowest >= (many - 1) * 80u);
  for (const auto& one : all)
    CHECK(reinterpret_cast<std::uintptr_t>(gr::detail::access::cell_of(one)) % 16 == 0);
}
