// SPDX-License-Identifier: Apache-2.0
// Messages that own what they hold.
// expect: no error
#include <greenroom/greenroom.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gr = greenroom;

struct item {
  std::string name;
  int count;
};
struct order {
  std::vector<item> items;
  std::map<std::string, int> by_name;
  std::unique_ptr<int> owned;
  std::shared_ptr<const std::string> text;
  char code[16];
  void (*done)(int);
  gr::address<item> reply_to;
};
struct foreign_handle;
struct opened {
  foreign_handle* handle;
};
template <>
inline constexpr bool greenroom::sendable<foreign_handle*> = true;

void user(gr::address<order, opened, item> to) {
  to.send(order{});
  to.send(opened{});
}

void actor(gr::mailbox<order, opened>& in) {
  in.receive([](order) {}, [](opened) {});
}

void start(gr::runtime& rt) { rt.spawn_detached(actor); }
