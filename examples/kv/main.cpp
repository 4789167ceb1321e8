// SPDX-License-Identifier: Apache-2.0
// greenroom-kv: a key-value service that speaks Redis' protocol.
#include <sys/resource.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "connection.hpp"

using namespace std::chrono_literals;

namespace kv {
namespace {

// Takes in clients until the listener is closed.
void accept_clients(std::shared_ptr<gr::listener> door, std::shared_ptr<const service> all) {
  while (true) {
    auto arrived = door->accept();
    if (arrived)
      all->hub.send(join{std::move(*arrived), all});
    else if (arrived.error() == gr::error::no_memory || arrived.error() == gr::error::io)
      gr::sleep_for(10ms);  // Out of descriptors, perhaps: some will come back.
    else
      return;
  }
}

// Makes room for that many clients' file descriptors, or says how many there is room for.
std::size_t reserve_descriptors(std::size_t clients) {
  constexpr std::size_t others = 32;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return std::min<std::size_t>(clients, limit.rlim_max - others);
}

bool set_option(settings& s, std::string_view name, std::string_view value) {
  const std::int64_t number = to_integer(value).value_or(-1);
  const auto set = [&]<class T>(T& to, std::int64_t min, std::int64_t max) {
    to = static_cast<T>(number);
    return number >= min && number <= max;
  };
  if (name == "--bind") return s.bind = value, true;
  if (name == "--enable-debug-command") return s.debug = value == "yes", true;
  if (name == "--requirepass") return s.password = value, true;
  if (name == "--port") return set(s.port, 0, UINT16_MAX);
  if (name == "--maxclients") return set(s.clients_max, 0, INT64_MAX);
  if (name == "--workers") return set(s.workers, 1, shards_max);
  return false;
}

settings parse(int argc, char** argv) {
  settings s;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 < argc && set_option(s, argv[i], argv[i + 1])) continue;
    std::fprintf(stderr,
                 "greenroom-kv: %s %s makes no sense\nusage: greenroom-kv --port N [--bind A] "
                 "[--requirepass P] [--maxclients N] [--workers N] "
                 "[--enable-debug-command yes]\n",
                 argv[i], i + 1 < argc ? argv[i + 1] : "(without a value)");
    std::exit(2);
  }
  return s;
}

int run(settings config) {
  // A client that does not read its replies may keep its connection for that long.
  constexpr gr::shutdown_deadlines patience{.refuse = 12s};
  std::atomic<bool> stands{true};  // the tree of shards
  gr::runtime rt{{.workers = static_cast<unsigned>(config.workers),
                  .name = "kv",
                  .shutdown_deadlines = patience,
                  .handle_signals = true}};
  auto opened = gr::listen_tcp(config.bind, config.port);
  if (!opened) {
    std::fprintf(stderr, "greenroom-kv: %s\n", opened.error().text());
    return 1;
  }
  const std::shared_ptr<gr::listener> door = std::move(*opened);

  config.port = door->port();
  config.clients_max = reserve_descriptors(config.clients_max);
  gr::supervisor tree(rt, gr::one_for_one, {.name = "shards", .restarts_max = 100, .within = 60s});
  auto all = std::make_shared<service>(service{config, steady_now(), std::move(tree), {}, {}});
  for (std::size_t i = 0; i < config.workers; ++i)
    all->shards.push_back(all->tree.child<shard>(concat("shard/", i), gr::permanent));
  if (const gr::status started = all->tree.start(); !started)
    throw std::runtime_error(started.error().text());
  for (const shard_address& each : all->shards) gr::send_every(100ms, each, sweep{});
  // When they fail again and again, whoever watches over the process decides.
  rt.spawn([&rt, &stands, all] {
    if (all->tree.join()) return;
    stands = false;
    rt.request_shutdown();
  });
  all->hub = rt.spawn<hub>(config.clients_max, door->address());
  const gr::green_thread acceptor = rt.spawn(accept_clients, door, all);
  // [farewell]
  bool drained = false;
  const auto farewell = rt.on_shutdown([&] {
    door->close();  // Nobody new; then those who are here go, each when its requests are answered.
    acceptor.join();
    drained = all->hub.ask(drain{.patiently = true}, 5s).has_value() ||
              all->hub.ask(drain{.patiently = false}, 5s).has_value();
    all.reset();
  });
  std::printf("listening on %s\n", door->address().c_str());
  std::fflush(stdout);
  return rt.run_until_signal().ok() && drained && stands ? 0 : 1;
  // [/farewell]
}

}  // namespace
}  // namespace kv

int main(int argc, char** argv) {
  try {
    return kv::run(kv::parse(argc, argv));
  } catch (const std::exception& e) {  // Of the environment or the machine, in a whole sentence.
    std::fprintf(stderr, "greenroom-kv: %s\n", e.what());
    return 2;
  }
}
