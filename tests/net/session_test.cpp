// SPDX-License-Identifier: Apache-2.0
// A session: an actor that waits for lines of its peer and for messages at once.
#include "net_test.hpp"

#include <greenroom/line_reader.hpp>
#include <greenroom/on_readable.hpp>

#include <algorithm>
#include <vector>

namespace net_test {

TEST_SUITE_BEGIN("session");

namespace {

// [session]
struct say {
  std::string text;
};
struct kick {};
struct join {
  gr::address<say> who;
};
struct said {
  std::string text;
};

void session(gr::mailbox<say, kick>& in, std::unique_ptr<gr::stream> peer,
             gr::address<join, said> room) {
  room.send(join{in.address()});
  gr::line_reader lines(*peer);
  for (bool open = true; open;)
    gr::select(
        lines.on([&](std::string text) { room.send(said{std::move(text)}); }),
        lines.on_end([&] { open = false; }),
        in.on([&](const say& s) { peer->write(s.text + "\n"); }, [&](kick) { open = false; }),
        gr::after(5min, [&] { open = false; }));
}
// [/session]

// Says to everybody what somebody said.
void room(gr::mailbox<join, said>& in) {
  std::vector<gr::address<say>> all;
  while (in.receive([&](join j) { all.push_back(std::move(j.who)); },
                    [&](const said& s) {
                      for (const auto& one : all) one.send(say{s.text});
                    })) {}
}

}  // namespace

// Goal: what any client says reaches all of them, whole and in the order it was said. Method:
// three clients over TCP, who say their lines at once and read until they have everybody's.
TEST_CASE("sessions over TCP hand each other's lines around, and end when their peer leaves") {
  constexpr int clients = 3;
  constexpr int lines_each = 100;
  on_workers(2, [] {
    const auto door = must(gr::listen_tcp("127.0.0.1", 0));
    auto lobby = gr::spawn([](gr::mailbox<join, said>& in) { room(in); });
    auto [over, ended] = gr::channel<std::size_t>(clients);
    std::vector<stream_ptr> ends;
    std::vector<gr::address<say, kick>> sessions;
    for (std::size_t i = 0; i < clients; ++i) {
      ends.push_back(must(gr::connect_tcp("127.0.0.1", door->port())));
      sessions.push_back(gr::spawn(
          [lobby, over, i, peer = must(door->accept())](gr::mailbox<say, kick>& in) mutable {
            session(in, std::move(peer), std::move(lobby));
            over.send(i);
          }));
    }
    // The first client is in the room before anybody says more.
    must(ends[0]->write("hello\n"));
    gr::line_reader first(*ends[0]);
    CHECK(must(first.read()) == "hello");
    std::vector<gr::green_thread> talkers;
    for (int i = 0; i < clients; ++i)
      talkers.push_back(gr::spawn([&ends, i] {
        for (int n = 0; n < lines_each; ++n)
          must(ends[static_cast<std::size_t>(i)]->write(std::to_string(i) + "-" +
                                                        std::to_string(n) + "\n"));
      }));
    int next[clients] = {};
    for (int n = 0; n < clients * lines_each; ++n) {
      const std::string line = must(first.read());
      int& expected = next[line.at(0) - '0'];
      CHECK(line.substr(2) == std::to_string(expected));
      ++expected;
    }
    CHECK(std::all_of(next, next + clients, [](int n) { return n == lines_each; }));
    for (const auto& one : talkers) CHECK(one.join());
    ends[0].reset();
    CHECK(must(ended.receive()) == 0);
    sessions[1].send(kick{});
    CHECK(must(ended.receive()) == 1);
    ends.clear();
    CHECK(must(ended.receive()) == 2);
  });
}

TEST_CASE("a server accepts and hears messages at once") {
  on_workers(2, [] {
    auto door = must(gr::listen_tcp("127.0.0.1", 0));
    const std::uint16_t port = door->port();
    int accepted = 0;
    bool closed = false;
    auto [over, ended] = gr::channel<bool>(1);
    const auto server = gr::spawn([&](gr::mailbox<kick>& in) {
      std::vector<stream_ptr> peers;
      while (!closed)
        gr::select(gr::on_accept(*door,
                                 [&](auto peer) {
                                   if (peer)
                                     peers.push_back(std::move(*peer));
                                   else
                                     closed = peer.error() == gr::error::closed;
                                   accepted += peer ? 1 : 0;
                                   if (peer) must(peers.back()->write("hi\n"));
                                 }),
                   in.on([&](kick) { door->close(); }));
      over.send(true);
    });
    for (int i = 0; i < 10; ++i) {
      const auto peer = must(gr::connect_tcp("127.0.0.1", port));
      gr::line_reader lines(*peer);
      CHECK(must(lines.read()) == "hi");
    }
    server.send(kick{});
    CHECK(must(ended.receive()));
    CHECK(accepted == 10);
    CHECK(closed);
  });
}

TEST_SUITE_END();

}  // namespace net_test
