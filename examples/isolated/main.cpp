// SPDX-License-Identifier: Apache-2.0
// Code that crashes, and a program that does not: a decoder in C that trusts its input runs in a
// process of its own, behind an ordinary address. What it does to itself is an error here, and the
// next picture gets a new process.
#include <greenroom/greenroom.hpp>
#include <greenroom/process.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace gr = greenroom;
using namespace std::chrono_literals;

// As an old library might do it: "WxH" gives the number of pixels.
extern "C" long count_pixels(const char* picture) {
  char* cross = nullptr;
  const long width = std::strtol(picture, &cross, 10);
  if (*cross != 'x') *static_cast<volatile char*>(nullptr) = 'x';  // it never happens, they said
  const long height = std::strtol(cross + 1, nullptr, 10);
  auto* const pixels = static_cast<char*>(std::malloc(static_cast<std::size_t>(width * height)));
  if (pixels == nullptr) std::abort();
  *const_cast<volatile char*>(pixels) = 'x';
  std::free(pixels);
  return width * height;
}

// [decode]
struct picture {
  using reply = long;
  std::string bytes;
};

void decode(gr::mailbox<picture>& in) {
  while (in.receive([](const picture& p) { return count_pixels(p.bytes.c_str()); })) {}
}

void count(const std::vector<std::string>& pictures) {
  constexpr gr::process_options limits{.memory_max = 256 << 20, .cpu_max = 2s};
  auto decoder = gr::spawn_process(decode, limits);
  for (const std::string& one : pictures) {
    if (auto pixels = decoder.ask(picture{one}, 60s)) {
      std::printf("%s: %ld pixels\n", one.c_str(), *pixels);
    } else {
      std::printf("%s: %s\n", one.c_str(), pixels.error().text());
      decoder = gr::spawn_process(decode, limits);
    }
  }
}

int main() {
  gr::process_main();  // the first line of main: here the other processes go their own way
  return gr::run([] { count({"640x480", "640 by 480", "32x32", "900000000x1", "16x16"}); });
}
// [/decode]
