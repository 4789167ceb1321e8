// SPDX-License-Identifier: Apache-2.0
// Takes lines as numbers.
// expect: greenroom: the function of a case of lines takes a std::string
#include <greenroom/greenroom.hpp>
#include <greenroom/line_reader.hpp>

namespace gr = greenroom;

bool next(gr::line_reader& lines) {
  return gr::select(lines.on([](int) {}));  // <- error here
}
