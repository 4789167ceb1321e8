// SPDX-License-Identifier: Apache-2.0
// Finds doubled words ("the the") in a text, also across the ends of lines.
//
//   pipeline [MICROSECONDS] < TEXT        how long the last stage takes for a line, to slow it down
//
//   read lines ── jobs ──▶ split into words, four at once ── an answer each ──▶ look for doubles
//       └───────── order: where the answer to each line will come ────────────────────┘
//
// The splitters finish in any order; the last stage takes their answers in the order of the lines,
// for `order` says whose turn it is. All channels are bounded: a slow last stage lets `order` fill
// up, and then the source waits, however long the text is. The source is main's own OS thread, so
// it may block in the read, and blocks in a send where a green thread would park.
#include <greenroom/greenroom.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace gr = greenroom;

namespace {

constexpr std::uint32_t in_flight_max = 16;
constexpr int splitters = 4;

using words = std::vector<std::string>;

struct job {
  std::string line;
  gr::sender<words> answer;
};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '\''; }

void split(gr::receiver<job> jobs) {
  for (job j : jobs) {
    words found;
    auto at = j.line.cbegin();
    while ((at = std::find_if(at, j.line.cend(), is_letter)) != j.line.cend()) {
      const auto end = std::find_if_not(at, j.line.cend(), is_letter);
      found.emplace_back(std::exchange(at, end), end);
    }
    j.answer.send(std::move(found));
  }
}

void look_for_doubles(gr::receiver<gr::receiver<words>> order, gr::duration slowness) {
  std::size_t lines = 0, all = 0;
  std::string last;
  for (gr::receiver<words> answer : order) {
    auto line = answer.receive();
    if (!line) throw std::runtime_error(line.error().text());  // a splitter ended; so do we
    ++lines;
    all += line->size();
    for (std::string& word : *line) {
      if (word == last) std::printf("%zu: %s %s\n", lines, word.c_str(), word.c_str());
      last = std::move(word);
    }
    gr::sleep_for(slowness);
  }
  std::printf("%zu lines, %zu words\n", lines, all);
}

}  // namespace

int main(int argc, char** argv) {
  const std::chrono::microseconds slowness(argc > 1 ? std::atoi(argv[1]) : 0);
  gr::runtime rt;
  auto [jobs, to_split] = gr::channel<job>(splitters);
  auto [order, in_order] = gr::channel<gr::receiver<words>>(in_flight_max);
  for (int i = 0; i < splitters; ++i) rt.spawn(split, to_split);
  to_split.close();  // ours: now `jobs` fails when there is no splitter left
  const gr::green_thread last = rt.spawn(look_for_doubles, std::move(in_order), slowness);

  std::size_t in_flight = 0;
  bool ok = true;
  for (std::string line; ok && std::getline(std::cin, line);) {
    auto [answer, to_come] = gr::channel<words>(1);
    ok = order.send(std::move(to_come)) &&  // waits here while the last stage is slow
         jobs.send({std::move(line), std::move(answer)});
    in_flight = std::max(in_flight, order.size());
  }
  order.close();
  ok &= last.join().ok();
  std::printf("at most %zu lines in flight, of %u\n", in_flight, in_flight_max);
  return ok ? 0 : 1;
}
