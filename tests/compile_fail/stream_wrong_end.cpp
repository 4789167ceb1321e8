// SPDX-License-Identifier: Apache-2.0
// Takes the end of lines as a line.
// expect: greenroom: the function for the end of lines takes a greenroom::error or nothing
#include <greenroom/greenroom.hpp>
#include <greenroom/line_reader.hpp>

namespace gr = greenroom;

bool next(gr::line_reader& lines) {
  return gr::select(lines.on_end([](std::string) {}));  // <- error here
}
