// SPDX-License-Identifier: Apache-2.0
// greenroom::pending: Asio operations as cases of a select.
#include "net_test.hpp"

#include <greenroom/channel.hpp>
#include <greenroom/pending.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/write.hpp>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace net_test {

using asio::ip::tcp;
using timer_operation = gr::pending_operation<void(asio::error_code)>;

static_assert(std::is_nothrow_move_constructible_v<timer_operation>);
static_assert(!std::is_copy_constructible_v<timer_operation>);

TEST_SUITE_BEGIN("pending");

// An operation of our own that completes with these arguments when `where` runs its handler.
template <class Signature, class Where, class... Args>
static auto begin_on(Where where, Args... args) {
  return asio::async_initiate<const gr::pending_token, Signature>(
      [where](auto handler, auto... given) {
        where([handler = std::move(handler), ... given = std::move(given)]() mutable {
          std::move(handler)(std::move(given)...);
        });
      },
      gr::pending, std::move(args)...);
}

static const auto inline_now = [](auto handler) { handler(); };
static const auto posted = [](auto handler) { asio::post(gr::io_context(), std::move(handler)); };

TEST_CASE("a case of an operation happens with what its handler was given, and then never again") {
  on_workers(1, [] {
    auto op = begin_on<void(int, std::string)>(posted, 7, std::string("seven"));
    std::string got;
    const auto all = [&](int n, const std::string& s) { got += std::to_string(n) + s; };
    CHECK(gr::select(op.on(all)));
    CHECK(got == "7seven");
    CHECK(op.is_complete());
    CHECK(!gr::select(op.on(all)));
    CHECK_THROWS_AS(op.get(), std::logic_error);
    auto at_once = begin_on<void(asio::error_code)>(inline_now, asio::error_code());
    CHECK(at_once.is_complete());
    bool happened = false;
    CHECK(gr::select(at_once.on([&](asio::error_code ec) { happened = !ec; }),
                     gr::otherwise([] { FAIL("it is complete"); })));
    CHECK(happened);
    // A move-only value.
    auto moved = begin_on<void(std::unique_ptr<int>)>(posted, std::make_unique<int>(3));
    int value = 0;
    CHECK(gr::select(moved.on([&](std::unique_ptr<int> p) { value = *p; })));
    CHECK(value == 3);
  });
}

TEST_CASE("a result is got as an await gives it") {
  on_workers(1, [] {
    auto number = begin_on<void(asio::error_code, int)>(posted, asio::error_code(), 5);
    CHECK(number.get() == 5);
    auto failing =
        begin_on<void(asio::error_code)>(posted, asio::error_code(asio::error::connection_refused));
    CHECK_THROWS_AS(failing.get(), std::system_error);
    auto thrower = begin_on<void(std::exception_ptr)>(
        posted, std::make_exception_ptr(std::out_of_range("far")));
    CHECK_THROWS_AS(thrower.get(), std::out_of_range);
    asio::steady_timer timer(gr::io_context(), std::chrono::hours(1));
    auto op = timer.async_wait(gr::pending);
    asio::error_code ec;
    op.get(gr::await_for(1ms)(ec));
    CHECK(ec == asio::error::timed_out);
  });
}

TEST_CASE("an empty operation's case never happens") {
  on_workers(1, [] {
    timer_operation none;
    CHECK(!none.is_complete());
    CHECK(!gr::select(none.on([](asio::error_code) { FAIL("there is none"); })));
    CHECK_THROWS_AS(none.get(), std::logic_error);
    none.cancel();
  });
}

TEST_CASE("a handler that is destroyed without running is told as operation_aborted") {
  on_workers(1, [] {
    const auto dropped = [](auto) {};
    auto op = begin_on<void(asio::error_code, int)>(dropped, asio::error_code(), 1);
    asio::error_code ec;
    CHECK(gr::select(op.on([&](asio::error_code e, int) { ec = e; })));
    CHECK(ec == asio::error::operation_aborted);
    auto other = begin_on<void(int)>(dropped, 1);
    CHECK_THROWS_AS(gr::select(other.on([](int) {})), std::system_error);
  });
}

TEST_CASE("an operation goes on when a select went another way") {
  on_workers(2, [] {
    auto [near, far] = gr::channel<int>(10);
    tcp::acceptor door(gr::io_context(), {asio::ip::address_v4::loopback(), 0});
    tcp::socket peer(gr::io_context());
    peer.async_connect(door.local_endpoint(), gr::await);
    tcp::socket other = door.async_accept(gr::await);
    char buffer[10];
    auto op = peer.async_read_some(asio::buffer(buffer), gr::pending);
    std::string got;
    int values = 0;
    for (int i = 0; i < 5; ++i) {
      near.send(i);
      gr::select(op.on([](asio::error_code, std::size_t) { FAIL("nothing was written"); }),
                 far.on([&](int) { ++values; }));
    }
    CHECK(values == 5);
    asio::write(other, asio::buffer("text", 4));
    CHECK(gr::select(op.on([&](asio::error_code ec, std::size_t n) {
      CHECK(!ec);
      got.assign(buffer, n);
    }),
                     far.on([](int) { FAIL("nothing was sent"); })));
    CHECK(got == "text");
  });
}

TEST_CASE("an operation that is asked to end completes as aborted") {
  on_workers(2, [] {
    asio::steady_timer timer(gr::io_context(), std::chrono::hours(1));
    auto op = timer.async_wait(gr::pending);
    op.cancel();
    op.cancel();
    asio::error_code ec;
    CHECK(gr::select(op.on([&](asio::error_code e) { ec = e; })));
    CHECK(ec == asio::error::operation_aborted);
    // Assigning another one ends it too.
    timer.expires_after(std::chrono::hours(1));
    op = timer.async_wait(gr::pending);
    timer_operation next = std::move(op);
    asio::steady_timer soon(gr::io_context(), std::chrono::microseconds(1));
    next = soon.async_wait(gr::pending);
    CHECK_NOTHROW(next.get());
  });
}

// Goal: an operation's buffers may lie on the stack, whichever way that stack is left (I1). Method:
// reads that are under way when their frame ends, by a return, an exception or a cancel, while the
// peer writes; the sanitizers see a late write, and the patterns on the stack show it too.
TEST_CASE("the end of a frame ends its operations first") {
  enum { by_return, by_exception, by_cancel, ways };
  on_workers(2, [] {
    tcp::acceptor door(gr::io_context(), {asio::ip::address_v4::loopback(), 0});
    for (int i = 0; i < 300; ++i) {
      tcp::socket peer(gr::io_context());
      peer.async_connect(door.local_endpoint(), gr::await);
      tcp::socket other = door.async_accept(gr::await);
      std::atomic<bool> begun{false};
      const auto reader = gr::spawn([&] {
        const auto frame = [&] {
          char buffer[64];
          auto op = peer.async_read_some(asio::buffer(buffer), gr::pending);
          begun = true;
          if (i % ways == by_exception) throw std::runtime_error("out");
          if (i % ways == by_cancel)
            while (gr::select(op.on([](asio::error_code, std::size_t) {}), gr::after(1h))) {}
        };
        try {
          frame();
        } catch (const std::runtime_error&) {}
        volatile char where_it_was[4096];
        for (volatile char& c : where_it_was) c = 'p';
        gr::yield();
        for (const volatile char& c : where_it_was) REQUIRE(c == 'p');
      });
      while (!begun) gr::yield();
      if (i % 2 == 0) asio::write(other, asio::buffer("0123456789", 10));
      if (i % ways == by_cancel) reader.cancel();
      (void)reader.join();
    }
  });
}

TEST_CASE("operations on a strand and on another's thread are waited for alike") {
  on_workers(2, [] {
    asio::thread_pool pool(1);
    asio::steady_timer theirs(pool, std::chrono::microseconds(50));
    auto strand = asio::make_strand(gr::io_context());
    asio::steady_timer ours(strand, std::chrono::microseconds(50));
    auto a = theirs.async_wait(gr::pending);
    auto b = ours.async_wait(gr::pending);
    int done = 0;
    while (gr::select(a.on([&](asio::error_code) { done |= 1; }),
                      b.on([&](asio::error_code) { done |= 2; }))) {}
    CHECK(done == 3);
    theirs.expires_after(std::chrono::hours(1));
    a = theirs.async_wait(gr::pending);
  });
}

TEST_CASE("an OS thread selects over operations, and a set keeps them") {
  const gr::runtime rt{{.workers = 2}};
  for (int i = 0; i < 200; ++i) {
    asio::steady_timer first(gr::io_context(), std::chrono::microseconds(i));
    asio::steady_timer second(gr::io_context(), std::chrono::microseconds(100));
    auto a = first.async_wait(gr::pending);
    auto b = second.async_wait(gr::pending);
    int done = 0;
    gr::select_set set;
    set.add(a.on([&](asio::error_code ec) { done += ec ? 0 : 1; }));
    set.add(b.on([&](asio::error_code ec) { done += ec ? 0 : 1; }));
    while (set.wait()) {}
    REQUIRE(done == 2);
  }
}

// Goal: messages, timers and operations that come in any order are all seen, once each. Method:
// several green threads select over an operation that is begun anew each time and a channel.
TEST_CASE("operations and messages that race lose nothing") {
  const std::uint32_t seed = seed_of_this_run();
  CAPTURE(seed);
  static constexpr int threads = 8;
  static constexpr int each = 200;
  on_workers(2, [seed] {
    std::vector<gr::green_thread> all;
    for (unsigned t = 0; t < threads; ++t)
      all.push_back(gr::spawn([seed, t] {
        auto [tx, rx] = gr::channel<int>(4);
        const auto sender = gr::spawn([seed, t, to = std::move(tx)] {
          std::mt19937 random(seed + t);
          for (int i = 0; i < each; ++i) {
            if (random() % 3 == 0) gr::sleep_for(std::chrono::microseconds(random() % 30));
            REQUIRE(to.send(i));
          }
        });
        std::mt19937 random(seed - t);
        asio::steady_timer timer(gr::io_context());
        timer_operation op;
        int ticks = 0;
        int values = 0;
        const auto begin = [&] {
          timer.expires_after(std::chrono::microseconds(random() % 50));
          op = timer.async_wait(gr::pending);
        };
        begin();
        // Until both have ended: the operation is begun anew `each` times.
        while (gr::select(op.on([&](asio::error_code ec) {
          REQUIRE(!ec);
          if (++ticks < each) begin();
        }),
                          rx.on([&](int v) { REQUIRE(v == values++); }))) {}
        CHECK(ticks == each);
        CHECK(values == each);
        CHECK(sender.join());
      }));
    for (const auto& one : all) CHECK(one.join());
  });
}

TEST_SUITE_END();

}  // namespace net_test
