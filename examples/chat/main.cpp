// SPDX-License-Identifier: Apache-2.0
// Chat rooms over TCP. Try it: `chat 7000`, and `nc 127.0.0.1 7000` in other terminals.
//
//   chat [PORT [ADDRESS]]       clients say /nick NAME, /join ROOM, or a line for the room
//
// A client is one green thread, which waits for its socket and its room at once. A room is a
// broadcast that waits for nobody: a client that is 256 lines behind, or does not take a line for
// five seconds, is sent away.
#include <greenroom/greenroom.hpp>
#include <greenroom/line_reader.hpp>
#include <greenroom/net.hpp>
#include <pthread.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

namespace gr = greenroom;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t behind_max = 256;  // lines
constexpr std::size_t line_max = 4096;     // bytes
constexpr gr::duration patience = 5s;

using room = gr::broadcast_sender<std::string>;
struct seat {
  room talk;
  gr::broadcast_receiver<std::string> heard;
};
struct enter {
  std::string room;
  using reply = seat;
};

void lobby(gr::mailbox<enter>& in) {
  std::map<std::string, room> rooms;
  while (in.receive([&](enter e) {
    std::erase_if(rooms, [](const auto& one) { return one.second.receivers() == 0; });
    room& r = rooms[e.room];
    if (!r) r = gr::broadcast<std::string>(behind_max, gr::slow::disconnect);
    return seat{r, r.subscribe()};
  })) {}
}

void session(std::unique_ptr<gr::stream> peer, gr::address<enter> lobby) {
  gr::line_reader lines(*peer, line_max);
  std::string nick = "guest" + std::to_string(gr::self().id());
  seat here;
  const auto say = [&](std::string text) { here.talk.send(std::move(text)); };
  const auto join = [&](const std::string& name) {
    say("* " + nick + " has left");  // to nobody, at first
    here = lobby.ask(enter{name}, 5s).value_or(seat{});
    say("* " + nick + " is in " + name);
  };
  const auto write = [&](const std::string& text) {
    return gr::with_deadline(patience, [&] { return peer->write(text + "\n"); }).ok();
  };
  bool open = true;
  const auto on_line = [&](std::string line) {
    if (line.starts_with("/join "))
      join(line.substr(6));
    else if (line.starts_with("/nick "))
      say("* " + std::exchange(nick, line.substr(6)) + " is now " + line.substr(6));
    else
      say(nick + ": " + line);
  };
  const auto on_heard = [&](std::expected<std::string, gr::error> text) {
    open = text && write(*text);  // an error: it was too far behind
  };
  join("hall");
  while (open)
    gr::select(lines.on(on_line), lines.on_end([&] { open = false; }), here.heard.on(on_heard));
  while (const auto text = here.heard.try_receive())
    if (!write(*text)) break;
  say("* " + nick + " has left");
}

void let_in(gr::listener& door, gr::address<enter> lobby) {
  for (;;) {
    auto peer = door.accept();
    if (!peer && peer.error() != gr::error::no_memory) return;
    if (peer)
      gr::spawn(session, std::move(*peer), lobby);
    else
      gr::sleep_for(100ms);  // out of descriptors: until somebody has gone
  }
}

}  // namespace

int main(int argc, char** argv) {
  sigset_t stop;
  sigemptyset(&stop);
  for (const int number : {SIGINT, SIGTERM}) sigaddset(&stop, number);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);  // before the runtime's threads: they inherit it

  const auto port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0);
  gr::runtime rt({.name = "chat"});
  const auto door = gr::listen_tcp(argc > 2 ? argv[2] : "127.0.0.1", port);
  if (!door) return std::fprintf(stderr, "chat: %s\n", door.error().text()), 1;
  const gr::green_thread doorman = rt.spawn(let_in, std::ref(**door), rt.spawn(lobby));
  std::printf("listening on %s\n", (*door)->address().c_str());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&stop, &signal);
  (*door)->close();
  doorman.join();
  return rt.shutdown(5s).ok() ? 0 : 1;
}
