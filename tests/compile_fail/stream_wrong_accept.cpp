// SPDX-License-Identifier: Apache-2.0
// Takes a connection and leaves no place for a failure.
// expect: greenroom: the function of on_accept takes a std::expected of a stream
#include <greenroom/greenroom.hpp>
#include <greenroom/on_readable.hpp>

namespace gr = greenroom;

bool next(gr::listener& door) {
  return gr::select(gr::on_accept(door, [](std::unique_ptr<gr::stream>) {}));  // <- error here
}
