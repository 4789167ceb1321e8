// SPDX-License-Identifier: Apache-2.0
// Streams, with each allocation failing.
#include "scenario.hpp"

#include <greenroom/line_reader.hpp>
#include <greenroom/net.hpp>

#include <dirent.h>
#include <string>

namespace {

using faults::attempt;
using faults::expect;
using code = gr::error;

int open_descriptors() {
  DIR* const all = ::opendir("/proc/self/fd");
  int n = 0;
  while (all != nullptr && ::readdir(all) != nullptr) ++n;
  if (all != nullptr) ::closedir(all);
  return n;
}

void talk(gr::stream& near, gr::stream& far) {
  attempt("write", [&] {
    expect("write", near.write("one line\nand another\n"), {code::no_memory});
    near.shutdown_write();
    gr::line_reader lines(far);
    while (auto line = lines.read()) faults::must(!line->empty(), "lines are whole");
    (void)near.peer_name();
  });
}

void streams() {
  attempt("memory pipe", [] {
    auto [near, far] = gr::memory_pipe(1024);
    talk(*near, *far);
  });
  attempt("sockets", [] {
    auto door = gr::listen_tcp("127.0.0.1", 0);
    if (!door) {
      expect("listen", door.error(), {code::no_memory});
      return;
    }
    auto near = gr::connect_tcp("127.0.0.1", (*door)->port(), gr::deadline_after(20s));
    if (!near) {
      expect("connect", near.error(), {code::no_memory});
      return;
    }
    auto far = (*door)->accept();
    if (!far) {
      expect("accept", far.error(), {code::no_memory});
      return;
    }
    talk(**near, **far);
  });
}

void run(const faults::plan& p) {
  gr::runtime rt(faults::options(1));
  {
    const faults::armed on(p.how, p.at);
    gr::green_thread all;
    attempt("spawn", [&] { all = rt.spawn(streams); });
    expect("join", all ? all.join() : gr::status(), {code::no_memory, code::failed});
  }
  faults::must(rt.shutdown(20s).ok(), "everybody ends");
}

}  // namespace

// Goal and method: see scenario.hpp; and no descriptor is left open.
TEST_CASE("streams and listeners succeed or say no_memory, whichever allocation fails") {
  run({faults::which::the_one, 0});
  const int before = open_descriptors();
  CHECK(faults::each_failure("streams", run) > 20);
  CHECK(open_descriptors() == before);
}
