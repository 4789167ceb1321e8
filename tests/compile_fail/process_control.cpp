// SPDX-License-Identifier: Apache-2.0
// Actors in processes whose messages are plain values.
// expect: no error
#include <greenroom/greenroom.hpp>
#include <greenroom/process.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gr = greenroom;

enum class colour : int { red, green };
struct item {
  std::string name;
  std::optional<colour> paint;
};
struct order {
  std::vector<item> items;
  std::map<std::string, int> by_name;
  char code[16];
};
struct count {
  using reply = std::vector<order>;
};

void actor(gr::mailbox<order, count>& in);

void user() {
  gr::spawn_process(actor, {.memory_max = 256 << 20, .cpu_max = std::chrono::seconds(2)});
  gr::spawn_process([](gr::mailbox<order>& in) { in.receive([](order) {}); });
  (void)gr::spawn_process<order, count>("/usr/bin/decoder");
}
