// SPDX-License-Identifier: Apache-2.0
// Actors, their mailboxes and their ends, with each allocation failing.
#include "scenario.hpp"

#include <atomic>
#include <cstring>
#include <vector>

namespace {

using faults::attempt;
using faults::expect;
using faults::tracked;

struct put {
  tracked what;
};
struct copy_out {
  tracked what;
  using reply = tracked;
};
struct urgent_note {
  tracked what;
  using lane = gr::urgent;
};

// What was sent with success must be handled, or be a counted dead letter.
struct books {
  std::atomic<std::uint64_t> taken{0};    // by a mailbox
  std::atomic<std::uint64_t> handled{0};  // begun to be
};

void keeper(gr::mailbox<put, copy_out>& in, const tracked& first, books& b) {
  std::vector<tracked> all;
  all.push_back(first);
  while (in.receive(
      [&](put p) {
        ++b.handled;
        all.push_back(p.what);
      },
      [&](copy_out c) {
        ++b.handled;
        all.push_back(c.what);
        return all.back();
      })) {}
}

struct object_keeper {
  using messages = gr::messages<put, copy_out, urgent_note>;
  explicit object_keeper(tracked first, books& where) : b(&where) { all.push_back(first); }
  void on(put p) {
    ++b->handled;
    all.push_back(p.what);
  }
  tracked on(copy_out c) {
    ++b->handled;
    return c.what;
  }
  void on(urgent_note n) {
    ++b->handled;
    all.push_back(n.what);
  }
  std::vector<tracked> all;
  books* b;
};

template <class Address>
void talk_to(const Address& to, books& b) {
  for (int i = 0; i < 6; ++i)
    attempt("send", [&] {
      const gr::status sent = to.send(put{tracked(i)});
      expect("send", sent, {gr::error::no_memory, gr::error::closed});
      if (sent) ++b.taken;
    });
  attempt("try_send", [&] {
    auto sent = to.try_send(put{tracked(7)});
    if (!sent)
      expect("try_send", sent.error().why,
             {gr::error::no_memory, gr::error::closed, gr::error::full});
    else
      ++b.taken;
  });
  attempt("ask", [&] {
    ++b.taken;
    auto got = to.ask(copy_out{tracked(8)}, 20s);
    if (got) {
      faults::must(got->value() == 8, "an answer is whole");
    } else {
      --b.taken;
      expect("ask", got.error(),
             {gr::error::no_memory, gr::error::closed, gr::error::failed, gr::error::dropped});
    }
  });
}

void actors(const faults::plan& p, unsigned workers) {
  books b;
  gr::runtime rt(faults::options(workers));
  {
    const faults::armed on(p.how, p.at);
    attempt("spawn", [&] {
      gr::green_thread talker = rt.spawn({.name = "one who talks to all of the others here"}, [&] {
        attempt("spawn", [&] {
          auto to = gr::spawn({.name = "a keeper with a name too long for a small string"}, keeper,
                              tracked(1), std::ref(b));
          talk_to(to, b);
        });
        attempt("spawn", [&] {
          auto to =
              gr::spawn<object_keeper>({.name = "object", .stack_size = 512u << 10}, tracked(2), b);
          talk_to(to, b);
          attempt("send", [&] {
            const gr::status sent = to.send(urgent_note{tracked(9)});
            expect("send", sent, {gr::error::no_memory, gr::error::closed});
          });
        });
      });
      if (!talker) return;
      expect("join", talker.join(), {gr::error::no_memory, gr::error::failed});
    });
  }
  faults::must(rt.shutdown(20s).ok(), "everybody ends");
  faults::must(rt.actors() == 0, "nobody is left");
}

}  // namespace

// Goal: actors that are spawned, sent to and asked survive the failure of each allocation.
// Method: see scenario.hpp. The values that are sent own memory and are copied by handlers.
TEST_CASE("spawn, send and ask succeed or say no_memory, whichever allocation fails") {
  CHECK(faults::each_failure("actors, one worker", [](const faults::plan& p) { actors(p, 1); }) >
        50);
  CHECK(faults::each_failure("actors, two workers", [](const faults::plan& p) { actors(p, 2); }) >
        50);
}
