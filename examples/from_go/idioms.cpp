// SPDX-License-Identifier: Apache-2.0
// Five idioms of Go with Greenroom; idioms.go has the originals, and prints the same.
#include <greenroom/greenroom.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace gr = greenroom;
using namespace std::chrono_literals;

namespace {

// [pool]
int pool() {
  auto [jobs, to_do] = gr::channel<int>(0);
  auto [done, results] = gr::channel<int>(0);
  for (int i = 0; i < 4; ++i)
    gr::spawn([to_do, done] {
      for (int n : to_do) done.send(n * n);
    });
  gr::spawn([feed = std::move(jobs)] {  // to_do ends with it
    for (int n = 1; n <= 100; ++n) feed.send(n);
  });
  done.close();  // ours; the workers have theirs

  int sum = 0;
  for (int n : results) sum += n;
  return sum;
}
// [/pool]

gr::receiver<int> count(int last) {
  auto [to, numbers] = gr::channel<int>(0);
  gr::spawn([last, out = std::move(to)] {
    for (int n = 1; n <= last; ++n) out.send(n);
  });
  return std::move(numbers);
}

// [fan-in]
int total(gr::receiver<int> a, gr::receiver<int> b) {
  int sum = 0;
  const auto add = [&](int n) { sum += n; };
  while (gr::select(a.on(add), b.on(add))) {}  // until both end
  return sum;
}
// [/fan-in]

// [timeout]
int within(gr::duration d, gr::receiver<int> answers) {
  int answer = -1;
  gr::select(answers.on([&](int n) { answer = n; }), gr::after(d));
  return answer;
}

// Or, where nothing else is waited for:
int within_too(gr::duration d, gr::receiver<int> answers) {
  return answers.receive_for(d).value_or(-1);
}
// [/timeout]

// [stage]
gr::receiver<int> squares(gr::receiver<int> in) {
  auto [to, squared] = gr::channel<int>(0);
  gr::spawn([in = std::move(in), out = std::move(to)] {
    for (int n : in)
      if (!out.send(n * n)) return;  // nobody reads on
  });
  return std::move(squared);
}
// [/stage]

int length(const std::string& name) { return static_cast<int>(name.size()); }

// [bounded]
std::vector<int> lengths(const std::vector<std::string>& names) {
  std::vector<int> sizes(names.size());
  gr::semaphore permits(3);
  gr::scope all;  // who is in it uses what stands above it
  for (std::size_t i = 0; i < names.size(); ++i)
    all.spawn([&, i, permit = permits.hold()] { sizes[i] = length(names[i]); });
  all.join();
  return sizes;
}
// [/bounded]

void print_all() {
  std::printf("pool %d\n", pool());
  std::printf("fan-in %d\n", total(count(10), count(100)));
  const auto [answer, answers] = gr::channel<int>(1);
  std::printf("timeout %d\n", within(1ms, answers));
  answer.send(42);
  std::printf("timeout %d\n", within_too(1min, answers));
  int sum = 0;
  for (int n : squares(count(1000))) sum += n;
  std::printf("stage %d\n", sum);
  for (int n : lengths({"sieve", "chat", "crawler", "pipeline"})) std::printf("bounded %d\n", n);
}

}  // namespace

int main() { return gr::run(print_all); }
