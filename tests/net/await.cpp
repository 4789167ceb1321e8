// SPDX-License-Identifier: Apache-2.0
// greenroom::await: Asio operations as plain calls.
#include "net_test.hpp"

#include <greenroom/asio.hpp>

#include <asio/async_result.hpp>
#include <asio/bind_executor.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/write.hpp>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace net_test {

using asio::ip::tcp;

TEST_SUITE_BEGIN("await");

// An operation of our own that completes with the given arguments, at once, on another thread's
// io_context or inline, as `post` decides.
template <class Signature, class Where, class... Args>
static auto complete_on(Where where, Args... args) {
  return asio::async_initiate<const gr::await_token, Signature>(
      [where](auto handler, auto... given) {
        where([handler = std::move(handler), ... given = std::move(given)]() mutable {
          std::move(handler)(std::move(given)...);
        });
      },
      gr::await, std::move(args)...);
}

static const auto inline_now = [](auto handler) { handler(); };
static const auto posted = [](auto handler) { asio::post(gr::io_context(), std::move(handler)); };

TEST_CASE("the handler's signature gives the result") {
  on_workers(1, [] {
    complete_on<void()>(inline_now);
    complete_on<void()>(posted);
    CHECK(complete_on<void(int)>(posted, 7) == 7);
    const std::tuple<int, std::string> two =
        complete_on<void(int, std::string)>(posted, 1, std::string("x"));
    CHECK(two == std::tuple<int, std::string>(1, "x"));
    complete_on<void(asio::error_code)>(posted, asio::error_code());
    CHECK(complete_on<void(asio::error_code, std::string)>(posted, asio::error_code(),
                                                           std::string("text")) == "text");
    const std::unique_ptr<int> moved =
        complete_on<void(std::unique_ptr<int>)>(posted, std::make_unique<int>(3));
    CHECK(*moved == 3);
  });
}

TEST_CASE("an error code is thrown as system_error, an exception_ptr as what it holds") {
  on_workers(1, [] {
    const asio::error_code refused = asio::error::connection_refused;
    bool thrown = false;
    try {
      (void)complete_on<void(asio::error_code, int)>(posted, refused, 1);
    } catch (const std::system_error& e) { thrown = e.code() == refused; }
    CHECK(thrown);
    CHECK_THROWS_AS(complete_on<void(std::exception_ptr)>(
                        posted, std::make_exception_ptr(std::out_of_range("far"))),
                    std::out_of_range);
    CHECK(complete_on<void(std::exception_ptr, int)>(posted, std::exception_ptr(), 5) == 5);
  });
}

TEST_CASE("a handler that is destroyed without running ends the wait with operation_aborted") {
  on_workers(1, [] {
    const auto dropped = [](auto) {};
    bool thrown = false;
    try {
      complete_on<void(asio::error_code)>(dropped, asio::error_code());
    } catch (const std::system_error& e) { thrown = e.code() == asio::error::operation_aborted; }
    CHECK(thrown);
  });
}

// Goal: a completion that comes before, while and after the caller parks is never lost. Method: a
// hundred thousand operations that are completed at once by another OS thread.
TEST_CASE("a hundred thousand completions race with the park") {
  asio::io_context elsewhere;
  auto work = asio::make_work_guard(elsewhere);
  std::thread other([&] { elsewhere.run(); });
  on_workers(2, [&] {
    std::vector<gr::green_thread> all;
    std::atomic<int> done{0};
    for (int g = 0; g < 4; ++g)
      all.push_back(gr::spawn([&] {
        for (int i = 0; i < 25'000; ++i) {
          REQUIRE(complete_on<void(int)>(
                      [&](auto handler) { asio::post(elsewhere, std::move(handler)); }, i) == i);
          ++done;
        }
      }));
    for (const auto& one : all) CHECK(one.join());
    CHECK(done == 100'000);
  });
  work.reset();
  other.join();
}

TEST_CASE("timers of Asio wake green threads, on any worker, many at once") {
  on_workers(2, [] {
    std::vector<gr::green_thread> all;
    std::atomic<int> fired{0};
    for (int i = 0; i < 200; ++i)
      all.push_back(gr::spawn([&, i] {
        asio::steady_timer timer(gr::io_context());
        for (int k = 0; k < 5; ++k) {
          timer.expires_after(std::chrono::microseconds(i * 10));
          timer.async_wait(gr::await);
          ++fired;
        }
      }));
    for (const auto& one : all) CHECK(one.join());
    CHECK(fired == 1000);
  });
}

TEST_CASE("names are resolved, sockets connect, read and write through Asio") {
  on_workers(2, [] {
    tcp::acceptor door(gr::io_context(), {asio::ip::address_v4::loopback(), 0});
    const auto server = gr::spawn([&] {
      tcp::socket peer = door.async_accept(gr::await);
      char buffer[100];
      asio::error_code ec;
      for (;;) {
        const std::size_t n = peer.async_read_some(asio::buffer(buffer), gr::await(ec));
        if (ec) break;
        asio::async_write(peer, asio::buffer(buffer, n), gr::await);
      }
      CHECK(ec == asio::error::eof);
    });
    tcp::resolver resolver(gr::io_context());
    const auto found = resolver.async_resolve(
        "localhost", std::to_string(door.local_endpoint().port()), gr::await);
    CHECK(!found.empty());
    tcp::socket peer(gr::io_context());
    peer.async_connect(door.local_endpoint(), gr::await);
    for (int i = 0; i < 1000; ++i) {
      const std::string message = "message " + std::to_string(i);
      asio::async_write(peer, asio::buffer(message), gr::await);
      std::string back(message.size(), '\0');
      CHECK(asio::async_read(peer, asio::buffer(back), gr::await) == message.size());
      REQUIRE(back == message);
    }
    peer.close();
    CHECK(server.join());
  });
}

TEST_CASE("past its deadline an operation is ended and reports timed_out") {
  on_workers(2, [] {
    for (int i = 0; i < 100; ++i) {
      tcp::acceptor door(gr::io_context(), {asio::ip::address_v4::loopback(), 0});
      tcp::socket peer(gr::io_context());
      peer.async_connect(door.local_endpoint(), gr::await);
      char buffer[10];
      asio::error_code ec;
      (void)peer.async_read_some(asio::buffer(buffer),
                                 gr::await_for(std::chrono::microseconds(i * 10))(ec));
      CHECK(ec == asio::error::timed_out);
      // A composed operation is ended too: half of it is there, the rest never comes.
      tcp::socket far = door.async_accept(gr::await);
      asio::async_write(far, asio::buffer("12345", 5), gr::await);
      const std::size_t n = asio::async_read(peer, asio::buffer(buffer), gr::await_for(5ms)(ec));
      CHECK(ec == asio::error::timed_out);
      CHECK(n <= 5);
      // The socket is usable afterwards.
      asio::async_write(far, asio::buffer("1234567890", 10), gr::await);
      CHECK(asio::async_read(peer, asio::buffer(buffer, 5), gr::await(ec)) == 5);
      CHECK(!ec);
    }
  });
}

// Goal: a deadline that races with the completion gives either the result or timed_out, never a
// lost wait or a use of the dead frame. Method: timers whose expiry equals the deadline.
TEST_CASE("a deadline that races with the completion gives one or the other") {
  on_workers(2, [] {
    std::vector<gr::green_thread> all;
    for (int g = 0; g < 50; ++g)
      all.push_back(gr::spawn([g] {
        asio::steady_timer timer(gr::io_context());
        for (int i = 0; i < 50; ++i) {
          timer.expires_after(std::chrono::microseconds(50 + g));
          asio::error_code ec;
          timer.async_wait(gr::await_until(timer.expiry())(ec));
          REQUIRE((!ec || ec == asio::error::timed_out));
        }
      }));
    for (const auto& one : all) CHECK(one.join());
  });
}

TEST_CASE("a cancel ends an awaited operation and unwinds its green thread") {
  on_workers(2, [] {
    for (int i = 0; i < 300; ++i) {
      std::atomic<bool> started{false};
      std::atomic<bool> passed{false};
      const auto sleeper = gr::spawn([&] {
        asio::steady_timer timer(gr::io_context(), std::chrono::hours(1));
        started = true;
        timer.async_wait(gr::await);
        passed = true;
      });
      while (!started) gr::yield();
      for (int y = i % 4; y > 0; --y) gr::yield();
      sleeper.cancel();
      CHECK(sleeper.join().error() == gr::error::cancelled);
      CHECK(!passed);

      std::atomic<bool> reported{false};
      const auto careful = gr::spawn([&] {
        asio::steady_timer timer(gr::io_context(), std::chrono::hours(1));
        asio::error_code ec;
        timer.async_wait(gr::await(ec));
        reported = ec == asio::error::operation_aborted;
        timer.async_wait(gr::await(ec));
        passed = true;
      });
      gr::yield();
      careful.cancel();
      CHECK(careful.join().error() == gr::error::cancelled);
      CHECK(reported);
      CHECK(!passed);
    }
  });
}

TEST_CASE("an operation on a strand is ended on its strand") {
  on_workers(2, [] {
    auto strand = asio::make_strand(gr::io_context());
    asio::steady_timer timer(strand, std::chrono::hours(1));
    asio::error_code ec;
    timer.async_wait(gr::await_for(1ms)(ec));
    CHECK(ec == asio::error::timed_out);
  });
}

TEST_CASE("an OS thread awaits, and a sleeping runtime serves it") {
  const gr::runtime rt{{.workers = 2}};
  for (int i = 0; i < 200; ++i) {
    asio::steady_timer timer(gr::io_context(), std::chrono::microseconds(i));
    timer.async_wait(gr::await);
    asio::error_code ec;
    timer.expires_after(std::chrono::hours(1));
    timer.async_wait(gr::await_for(std::chrono::microseconds(i))(ec));
    REQUIRE(ec == asio::error::timed_out);
  }
}

TEST_CASE("plain handlers run while a keep_polling lives") {
  std::atomic<bool> ran{false};
  gr::runtime rt{{.workers = 1, .threads_max = 1}};
  CHECK(rt.spawn([&] {
            const gr::keep_polling kept;
            asio::steady_timer timer(gr::io_context(), std::chrono::microseconds(100));
            auto [near, far] = gr::memory_pipe();
            timer.async_wait([&](asio::error_code) {
              far->close();
              ran = true;
            });
            char buffer[1];
            CHECK(near->read_some(buffer).error() == gr::error::end_of_stream);
            CHECK(ran);
          }).join());
}

// Goal: our own sockets and Asio's are served side by side, whichever of the two a worker blocks
// on. Method: ping-pong over both at once, on one and on two workers.
TEST_CASE("streams and Asio sockets are served side by side") {
  for (const unsigned workers : {1u, 2u}) {
    on_workers(workers, [] {
      auto [near, far] = tcp_pair();
      const auto echo = gr::spawn([&] {
        char buffer[16];
        while (const auto n = far->read_some(buffer))
          must(far->write(std::string_view(buffer, *n)));
      });
      const auto timers = gr::spawn([] {
        asio::steady_timer timer(gr::io_context());
        for (int i = 0; i < 300; ++i) {
          timer.expires_after(std::chrono::microseconds(20));
          timer.async_wait(gr::await);
        }
      });
      for (int i = 0; i < 2000; ++i) {
        must(near->write("side"));
        REQUIRE(read_exactly(*near, 4) == "side");
      }
      CHECK(timers.join());
      near->close();
      CHECK(echo.join());
    });
  }
}

TEST_SUITE_END();

}  // namespace net_test
