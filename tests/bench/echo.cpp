// SPDX-License-Identifier: Apache-2.0
// echo: a TCP echo server on 127.0.0.1, one green thread a connection, until it is killed.
#include "workloads.hpp"

#include <greenroom/net.hpp>

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace bench {
namespace {

void session(gr::stream& peer) {
  std::array<char, 4096> buffer;
  while (const auto size = peer.read_some(buffer)) {
    if (!peer.write(std::string_view(buffer.data(), *size))) return;
  }
}

int serve(std::uint16_t port) {
  const auto door = gr::listen_tcp("127.0.0.1", port);
  if (!door) fail(std::string("echo: ") + door.error().text());
  std::puts("listening");
  std::fflush(stdout);
  for (;;) {
    auto peer = (*door)->accept();
    if (!peer) fail(std::string("echo: ") + peer.error().text());
    gr::spawn([peer = std::move(*peer)] { session(*peer); });
  }
}

}  // namespace

void echo(const params& p) {
  const auto port = static_cast<std::uint16_t>(p("port"));
  gr::runtime rt{{.workers = p.workers()}};
  rt.spawn([port] { serve(port); }).join();
}

}  // namespace bench
