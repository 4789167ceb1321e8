// SPDX-License-Identifier: Apache-2.0
// Takes lines, their end and connections as they come.
// expect: no error
#include <greenroom/greenroom.hpp>
#include <greenroom/line_reader.hpp>
#include <greenroom/on_readable.hpp>

namespace gr = greenroom;

bool next(gr::line_reader& lines, gr::listener& door) {
  return gr::select(lines.on([](const std::string&) {}), lines.on_end([](const gr::error&) {}),
                    gr::on_accept(door, [](auto&&) {}));
}
