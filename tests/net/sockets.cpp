// SPDX-License-Identifier: Apache-2.0
// Listeners, connecting, names and addresses, limits: TCP and Unix sockets.
#include "net_test.hpp"

#include <atomic>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <vector>

namespace net_test {

TEST_SUITE_BEGIN("sockets");

// An echo server: a green thread for each connection, until the listener closes.
static void serve(gr::listener& door) {
  std::vector<gr::green_thread> sessions;
  while (auto peer = door.accept()) {
    sessions.push_back(gr::spawn([peer = std::move(*peer)] {
      char buffer[4096];
      while (const auto n = peer->read_some(buffer))
        if (!peer->write(std::string_view(buffer, *n))) return;
    }));
  }
  for (const auto& one : sessions) one.join();
}

static void talk(gr::stream& peer, int id, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const std::string message = std::to_string(id) + ':' + std::to_string(i) +
                                std::string(static_cast<unsigned>(i % 90), '.');
    must(peer.write(message));
    REQUIRE(read_exactly(peer, message.size()) == message);
  }
}

TEST_CASE("a hundred TCP connections echo a thousand messages each on two workers") {
  on_workers(2, [] {
    const auto door = must(gr::listen_tcp("127.0.0.1", 0));
    const auto server = gr::spawn([&] { serve(*door); });
    std::vector<gr::green_thread> clients;
    for (int id = 0; id < 100; ++id)
      clients.push_back(gr::spawn([&door, id] {
        const auto peer = must(gr::connect_tcp("127.0.0.1", door->port()));
        talk(*peer, id, 1000);
      }));
    for (const auto& one : clients) CHECK(one.join());
    door->close();
    CHECK(server.join());
  });
}

TEST_CASE("Unix sockets echo, and their file goes with the listener") {
  on_workers(2, [] {
    const scratch place;
    const std::string path = place / "echo";
    auto door = must(gr::listen_unix(path));
    CHECK(door->address() == "unix:" + path);
    CHECK(door->port() == 0);
    const auto server = gr::spawn([&] { serve(*door); });
    std::vector<gr::green_thread> clients;
    for (int id = 0; id < 20; ++id)
      clients.push_back(gr::spawn([&path, id] { talk(*must(gr::connect_unix(path)), id, 300); }));
    for (const auto& one : clients) CHECK(one.join());
    door->close();
    CHECK(server.join());
    CHECK(!std::filesystem::exists(path));
  });
}

TEST_CASE("a stale socket file is replaced, a live one and a plain file are not") {
  on_workers(1, [] {
    const scratch place;
    const std::string path = place / "socket";
    const int old = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path.copy(name.sun_path, sizeof name.sun_path - 1);
    REQUIRE(::bind(old, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
    ::close(old);  // as after a crash: the file stays
    const auto door = must(gr::listen_unix(path));
    const auto second = gr::listen_unix(path);
    REQUIRE(!second);
    CHECK(second.error() == gr::error::io);
    CHECK(second.error().text() == "listen on unix:" + path + ": Address already in use");
    CHECK(gr::connect_unix(path));

    const std::string plain = place / "plain";
    ::close(::open(plain.c_str(), O_CREAT | O_WRONLY, 0600));
    CHECK(!gr::listen_unix(plain));
    CHECK(std::filesystem::exists(plain));
  });
}

TEST_CASE("failures name the thing, the value and the reason") {
  on_workers(1, [] {
    const auto door = must(gr::listen_tcp("127.0.0.1", 0));
    const std::string at = "127.0.0.1:" + std::to_string(door->port());
    CHECK(door->address() == at);

    const auto again = gr::listen_tcp("127.0.0.1", door->port());
    REQUIRE(!again);
    CHECK(again.error().text() == "listen on " + at + ": Address already in use");

    const std::uint16_t port = door->port();
    door->close();
    const auto nobody = gr::connect_tcp("127.0.0.1", port);
    REQUIRE(!nobody);
    CHECK(nobody.error() == gr::error::io);
    CHECK(nobody.error().text() == "connect to " + at + ": Connection refused");

    const auto foreign = gr::listen_tcp("192.0.2.1", 80);
    REQUIRE(!foreign);
    CHECK(std::string(foreign.error().text()) ==
          "listen on 192.0.2.1:80: Cannot assign requested address");

    const auto missing = gr::connect_unix("/nowhere/at/all");
    REQUIRE(!missing);
    CHECK(std::string(missing.error().text()) ==
          "connect to unix:/nowhere/at/all: No such file or directory");

    const auto long_path = gr::listen_unix(std::string(200, 'p'));
    REQUIRE(!long_path);
    CHECK(long_path.error() == gr::error::invalid);
  });
}

TEST_CASE("host names are looked up, and IPv6 is printed in brackets") {
  on_workers(2, [] {
    const auto door = must(gr::listen_tcp("localhost", 0));
    const auto peer = must(gr::connect_tcp("localhost", door->port()));
    const auto accepted = must(door->accept());
    CHECK(peer->peer_name() == door->address());
    const auto unknown = gr::connect_tcp("no such host.invalid", 80);
    REQUIRE(!unknown);
    CHECK(unknown.error() == gr::error::io);
    CHECK(std::string(unknown.error().text()).starts_with("connect to no such host.invalid:80: "));
    if (const auto six = gr::listen_tcp("::1", 0))
      CHECK((*six)->address() == "[::1]:" + std::to_string((*six)->port()));
    const auto everywhere = must(gr::listen_tcp("", 0));
    CHECK(gr::connect_tcp("127.0.0.1", everywhere->port()));
  });
}

TEST_CASE("a connect that finds no room in the queue ends at its deadline") {
  on_workers(1, [] {
    const auto door = must(gr::listen_tcp("127.0.0.1", 0, 0));
    std::vector<stream_ptr> waiting;
    for (int i = 0; i < 20; ++i) {
      auto one = gr::connect_tcp("127.0.0.1", door->port(), gr::deadline_after(20ms));
      if (!one) {
        CHECK(one.error() == gr::error::timeout);
        return;
      }
      waiting.push_back(std::move(*one));
    }
    FAIL("the queue never filled");
  });
}

TEST_CASE("close ends an accept with closed") {
  on_workers(2, [] {
    for (int i = 0; i < 300; ++i) {
      const auto door = must(gr::listen_tcp("127.0.0.1", 0));
      const auto acceptor = gr::spawn([&] {
        const auto peer = door->accept();
        CHECK(peer.error() == gr::error::closed);
      });
      for (int y = i % 4; y > 0; --y) gr::yield();
      door->close();
      CHECK(acceptor.join());
    }
  });
}

TEST_CASE("a cancel ends an accept") {
  on_workers(1, [] {
    const auto door = must(gr::listen_tcp("127.0.0.1", 0));
    const auto acceptor = gr::spawn([&] {
      CHECK(door->accept().error() == gr::error::cancelled);
      (void)door->accept();
      FAIL("the second accept of a cancelled green thread must throw");
    });
    gr::yield();
    acceptor.cancel();
    CHECK(acceptor.join().error() == gr::error::cancelled);
    const auto client = must(gr::connect_tcp("127.0.0.1", door->port()));
    CHECK(door->accept());
  });
}

TEST_CASE("out of descriptors, accept says so, and goes on when there are some again") {
  on_workers(1, [] {
    const auto door = must(gr::listen_tcp("127.0.0.1", 0));
    const auto client = must(gr::connect_tcp("127.0.0.1", door->port()));
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    // The lowest free number, as the limit: the next descriptor would be above it.
    const int lowest = ::dup(0);
    ::close(lowest);
    rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(lowest);
    setrlimit(RLIMIT_NOFILE, &tight);
    const auto peer = door->accept();
    const auto more = gr::connect_tcp("127.0.0.1", door->port());
    setrlimit(RLIMIT_NOFILE, &before);
    REQUIRE(!peer);
    CHECK(peer.error() == gr::error::no_memory);
    CHECK(peer.error().text() == "accept on " + door->address() + ": too many open files (limit " +
                                     std::to_string(lowest) + ")");
    REQUIRE(!more);
    CHECK(more.error() == gr::error::no_memory);
    CHECK(door->accept());
  });
}

// Goal: an operation that a foreign thread begins on a runtime that has slept so far gets a worker
// into the poller. Method: no green thread exists at all.
TEST_CASE("two OS threads talk over TCP through an otherwise idle runtime") {
  const gr::runtime rt{{.workers = 2}};
  const auto door = must(gr::listen_tcp("127.0.0.1", 0));
  std::thread server([&] {
    const auto peer = must(door->accept());
    for (int i = 0; i < 500; ++i) must(peer->write(read_exactly(*peer, 3)));
  });
  const auto peer = must(gr::connect_tcp("127.0.0.1", door->port()));
  for (int i = 0; i < 500; ++i) {
    must(peer->write("abc"));
    REQUIRE(read_exactly(*peer, 3) == "abc");
  }
  server.join();
}

TEST_CASE("without a runtime, I/O says so") {
  const auto door = gr::listen_tcp("127.0.0.1", 0);
  REQUIRE_FALSE(door);
  CHECK(door.error() == gr::error::shutdown);
  CHECK(door.error().text() ==
        std::string("listen on 127.0.0.1:0: no runtime runs in this process"));
}

TEST_CASE("OS threads do I/O through any runtime that runs, whichever was made last") {
  const gr::runtime rt{{.workers = 1}};
  { const gr::runtime newer{{.workers = 1}}; }
  auto older = std::make_unique<gr::runtime>(gr::runtime_options{.workers = 1});
  const gr::runtime newest{{.workers = 1}};
  older.reset();
  const auto door = must(gr::listen_tcp("127.0.0.1", 0));
  const auto near = must(gr::connect_tcp("127.0.0.1", door->port()));
  const auto far = must(door->accept());
  must(near->write("abc"));
  CHECK(read_exactly(*far, 3) == "abc");
}

// Goal: one connection whose peer never lets it wait does not keep its worker to itself.
TEST_CASE("a busy connection does not starve another one on the same worker") {
  on_workers(1, [] {
    auto [flood_in, flood_out] = tcp_pair();
    auto [near, far] = tcp_pair();
    std::atomic<bool> stop{false};
    std::thread flooder([&] {
      const std::string block(1 << 16, 'f');
      while (!stop && flood_in->write(block)) {}
    });
    const auto reader = gr::spawn([&] {
      char buffer[16];
      while (flood_out->read_some(buffer)) {}
    });
    const auto echo = gr::spawn([&] {
      char buffer[16];
      while (const auto n = far->read_some(buffer)) must(far->write(std::string_view(buffer, *n)));
    });
    for (int i = 0; i < 50; ++i) {
      must(near->write("quiet"));
      REQUIRE(read_exactly(*near, 5) == "quiet");
    }
    stop = true;
    flood_in->close();
    flood_out->close();
    near->close();
    flooder.join();
    CHECK(reader.join());
    CHECK(echo.join());
  });
}

TEST_SUITE_END();

}  // namespace net_test
