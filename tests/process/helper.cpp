// SPDX-License-Identifier: Apache-2.0
// A program for the tests of the program form; it knows one message that its caller knows, and one
// that has changed since. `process-helper --unprepared`: a main that does not begin as it must.
#include <greenroom/greenroom.hpp>
#include <greenroom/process.hpp>

#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>

namespace gr = greenroom;

struct square {
  using reply = int;
  int side;
};
struct rename_it {
  std::string name;
  int since_then;
};

namespace {

void helper(gr::mailbox<square>& in) {
  while (in.receive([](square s) { return s.side * s.side; })) {}
}
void changed(gr::mailbox<square, rename_it>& in) {
  while (in.receive([](square s) { return s.side; }, [](rename_it) {})) {}
}

int unprepared() {
  try {
    (void)gr::in_process(helper);
  } catch (const std::logic_error& e) {
    return std::strstr(e.what(), "first line of main must be greenroom::process_main()") == nullptr;
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--unprepared") == 0) return unprepared();
  if (std::strstr(argv[0], "changed") != nullptr) return gr::serve_process(changed);
  return gr::serve_process(helper);
}
