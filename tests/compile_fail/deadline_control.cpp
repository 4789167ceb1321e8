// SPDX-License-Identifier: Apache-2.0
// Functions under a deadline that return what they may.
// expect: no error
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;
using namespace std::chrono_literals;

int user() {
  if (gr::status s = gr::with_deadline(1s, [] {}); !s) return 1;
  if (gr::status s = gr::with_deadline_until(gr::now(), [] { return gr::status(); }); !s) return 2;
  std::expected<int, gr::error> e =
      gr::with_deadline(1s, []() -> std::expected<int, gr::error> { return 3; });
  return e.value_or(gr::with_deadline(1s, [] { return 4; }).value());
}
