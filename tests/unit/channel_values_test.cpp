// SPDX-License-Identifier: Apache-2.0
// Values of all kinds on all ways through a channel: none is lost, doubled, or kept too long.
#include "unit_test.hpp"

#include <greenroom/channel.hpp>
#include <greenroom/select.hpp>

#include <array>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

using unit::counted;

namespace {

const gr::runtime_options one_by_one{.workers = 1, .threads_max = 1};

// No default constructor, no copy.
class ticket {
 public:
  explicit ticket(int number) noexcept : number_(std::make_unique<int>(number)) {}
  [[nodiscard]] int number() const { return number_ == nullptr ? -1 : *number_; }

 private:
  std::unique_ptr<int> number_;
};
static_assert(!std::is_default_constructible_v<ticket> && !std::is_copy_constructible_v<ticket>);

struct large {
  std::array<std::uint64_t, 512> words;
};
struct alignas(16) aligned {
  double x, y;
};
struct nothing {};

bool is_aligned(const aligned& a) { return reinterpret_cast<std::uintptr_t>(&a) % 16 == 0; }

// Sends values made by `make` through a channel, in a rendezvous and through room, and from one OS
// thread to itself where there is room; `check` says whether one is the value it should be.
template <class Make, class Check>
void travels(Make make, Check check) {
  using value = decltype(make(0));
  gr::runtime rt;
  for (const std::uint32_t capacity : {0u, 1u, 5u, gr::unbounded}) {
    CAPTURE(capacity);
    auto [tx, rx] = gr::channel<value>(capacity);
    auto sender = rt.spawn([&make, out = std::move(tx)] {
      for (int i = 0; i < 50; ++i) {
        if (i % 2 == 0)
          out.send(make(i));
        else
          (void)out.send_for(unit::long_time, make(i));
      }
    });
    for (int i = 0; i < 25; ++i) {
      auto got = rx.receive();
      REQUIRE(got);
      CHECK(check(*got, i));
    }
    int next = 25;
    for (value v : rx) CHECK(check(v, next++));
    CHECK(next == 50);
    CHECK(sender.join());
  }
}

}  // namespace

TEST_CASE("values that can only be moved travel, and without a default constructor") {
  travels([](int i) { return ticket(i); }, [](const ticket& t, int i) { return t.number() == i; });
  travels([](int i) { return std::make_unique<int>(i); },
          [](const std::unique_ptr<int>& p, int i) { return *p == i; });
}

TEST_CASE("large, aligned, empty and small values travel") {
  travels(
      [](int i) {
        large l;
        l.words.fill(static_cast<std::uint64_t>(i));
        return l;
      },
      [](const large& l, int i) {
        return l.words.front() == static_cast<std::uint64_t>(i) &&
               l.words.back() == static_cast<std::uint64_t>(i);
      });
  travels([](int i) { return aligned{1.0 * i, 2.0 * i}; },
          [](const aligned& a, int i) { return is_aligned(a) && a.x == i && a.y == 2 * i; });
  travels([](int) { return nothing{}; }, [](const nothing&, int) { return true; });
  travels([](int i) { return static_cast<char>(i); },
          [](char c, int i) { return c == static_cast<char>(i); });
  travels([](int i) { return i % 2 == 0; }, [](bool b, int i) { return b == (i % 2 == 0); });
  travels([](int i) { return 0.5 * i; }, [](double d, int i) { return d == 0.5 * i; });
  travels([](int i) { return std::string(static_cast<std::size_t>(i), 'x'); },
          [](const std::string& s, int i) {
            return s == std::string(s.size(), 'x') && s.size() == static_cast<std::size_t>(i);
          });
}

TEST_CASE("counted values are neither lost nor doubled on the way") {
  const unit::no_leaks watch;
  travels([](int i) { return counted(i); }, [](const counted& c, int i) { return c.value() == i; });
}

TEST_CASE("values that nobody received are destroyed when the last receiver goes") {
  const unit::no_leaks watch;
  for (const std::uint32_t capacity : {8u, gr::unbounded}) {
    const long before = counted::alive();
    auto [tx, rx] = gr::channel<counted>(capacity);
    for (int i = 0; i < 8; ++i) CHECK(tx.try_send(counted(i)));
    CHECK(counted::alive() == before + 8);
    CHECK(rx.receive().value().value() == 0);
    rx.close();
    CHECK(counted::alive() == before);
    CHECK(tx.send(counted(9)).error().message.value() == 9);
  }
}

TEST_CASE("values wait in a channel whose senders are gone, and go with it") {
  const unit::no_leaks watch;
  gr::receiver<counted> keeps;
  {
    auto [tx, rx] = gr::channel<counted>(4);
    for (int i = 0; i < 4; ++i) tx.send(counted(i));
    keeps = rx;
  }
  CHECK(keeps.size() == 4);
  CHECK(keeps.receive().value().value() == 0);
}

TEST_CASE("a loop that is left destroys no value twice and leaves the rest in the channel") {
  const unit::no_leaks watch;
  auto [tx, rx] = gr::channel<counted>(4);
  for (int i = 0; i < 4; ++i) tx.send(counted(i));
  for (const counted& c : rx)
    if (c.value() == 1) break;
  CHECK(rx.size() == 2);
  CHECK(rx.receive().value().value() == 2);
}

TEST_CASE("a value that was not sent comes back: full, closed, too late, cancelled") {
  const unit::no_leaks watch;
  gr::runtime rt;
  auto [tx, rx] = gr::channel<counted>(1);
  tx.send(counted(0));
  CHECK(tx.try_send(counted(1)).error().message.value() == 1);
  auto late = tx.send_for(1us, counted(2));
  CHECK(late.error().why == gr::error::timeout);
  CHECK(late.error().message.value() == 2);
  unit::gate started;
  int back = 0;
  auto waits = rt.spawn([&, out = tx] {
    started.open();
    const auto sent = out.send(counted(3));
    if (!sent && sent.error().why == gr::error::cancelled) back = sent.error().message.value();
  });
  started.wait_on_os_thread();
  waits.cancel();
  CHECK(waits.join());
  CHECK(back == 3);
  rx.close();
  CHECK(tx.send(counted(4)).error().message.value() == 4);
}

TEST_CASE("a value that waits with its sender is destroyed once when that ends with the runtime") {
  const unit::no_leaks watch;
  auto [tx, rx] = gr::channel<counted>(0);
  {
    gr::runtime rt{{.shutdown_deadline = 1s}};
    for (int i = 0; i < 10; ++i)
      rt.spawn([i, out = tx] {
        out.send(counted(i));
        gr::yield();
      });
  }
  CHECK(rx.try_receive().error() == gr::error::empty);
}

// Goal: a select copies what it was given as an lvalue when that is sent, and moves from an rvalue
// only then. Method: the case loses, then wins.
TEST_CASE("a select takes the value it sends only when that case happens") {
  const unit::no_leaks watch;
  auto [tx, rx] = gr::channel<counted>(1);
  counted kept(5), given(6);
  const long before = counted::alive();
  CHECK(tx.try_send(counted(1)));
  bool otherwise = false;
  CHECK(gr::select(tx.on(kept, [] { CHECK(false); }), gr::otherwise([&] { otherwise = true; })));
  CHECK(gr::select(tx.on(std::move(given), [] { CHECK(false); }), gr::otherwise([] {})));
  CHECK(otherwise);
  CHECK(given.value() == 6);
  CHECK(kept.value() == 5);
  CHECK(counted::alive() == before + 1);
  CHECK(rx.receive().value().value() == 1);
  int sent = 0;
  CHECK(gr::select(tx.on(kept, [&] { ++sent; }), gr::otherwise([] {})));
  CHECK(kept.value() == 5);
  CHECK(rx.receive().value().value() == 5);
  CHECK(gr::select(tx.on(std::move(given), [&] { ++sent; }), gr::otherwise([] {})));
  CHECK(given.value() == -1);
  CHECK(rx.receive().value().value() == 6);
  CHECK(sent == 2);
}

TEST_CASE("a select that waited hands its value over, and of two only the one that is taken") {
  const unit::no_leaks watch;
  gr::runtime rt(one_by_one);
  REQUIRE(unit::on_green_thread(rt, [] {
    auto [a, from_a] = gr::channel<counted>(0);
    auto [b, from_b] = gr::channel<counted>(0);
    counted mine(7), yours(8);
    int sent = 0;
    auto other = gr::spawn([&, in = from_b] { sent += in.receive().value().value(); });
    CHECK(gr::select(a.on(std::move(mine), [&] { sent += 100; }),
                     b.on(std::move(yours), [&] { sent += 1000; })));
    CHECK(other.join());
    CHECK(sent == 1008);
    CHECK(mine.value() == 7);
    CHECK(yours.value() == -1);
  }));
}

TEST_CASE("a select receives values that can only be moved") {
  auto [tx, rx] = gr::channel<ticket>(1);
  ticket mine(3);
  CHECK(gr::select(tx.on(std::move(mine), [] {})));
  CHECK(mine.number() == -1);
  int got = 0;
  CHECK(gr::select(rx.on([&](ticket t) { got = t.number(); })));
  CHECK(got == 3);
}
