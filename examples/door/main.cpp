// SPDX-License-Identifier: Apache-2.0
// A state machine without a variable for its state: where the code waits is the state. Messages
// that are not for it stay in the mailbox, in order, until a state takes them.
#include <greenroom/greenroom.hpp>

#include <cstdio>
#include <functional>
#include <string>

namespace gr = greenroom;

// `close` alone would be the system call.
namespace house {

// [door]
struct open {};
struct close {};
struct lock {};
struct unlock {};

void door(gr::mailbox<open, close, lock, unlock>& in, std::string& seen) {
  for (;;) {
    bool locked = false;  // it is shut: only these two are for it, what else comes waits
    if (!in.receive_only([&](open) { seen += "opened "; }, [&](lock) { locked = true; })) return;
    if (locked) {
      if (!in.receive_only([&](unlock) { seen += "unlocked "; })) return;
    } else {
      if (!in.receive_only([&](close) { seen += "closed "; })) return;
    }
  }
}
// [/door]

}  // namespace house

int main() {
  std::string seen;
  {
    gr::runtime rt;
    auto front = rt.spawn(house::door, std::ref(seen));
    front.send(house::lock{});
    front.send(house::open{});  // it is locked: this and the next two wait
    front.send(house::lock{});
    front.send(house::close{});
    front.send(house::unlock{});
    front.send(house::unlock{});
  }
  seen.pop_back();
  std::printf("%s\n", seen.c_str());
}
