// SPDX-License-Identifier: Apache-2.0
// Prints the first primes, 100 or as many as its argument says. A chain of green threads, each of
// which lets through what its prime does not divide, with a channel between neighbours.
// Idea: Hoare's sieve in CSP, known from Go.
#include <greenroom/greenroom.hpp>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace gr = greenroom;

namespace {

void count(int from, gr::sender<int> out) {
  for (int n = from; out.send(n); ++n) {}  // until nobody listens any more
}

void filter(int prime, gr::receiver<int> in, gr::sender<int> out) {
  for (int n : in)
    if (n % prime != 0 && !out.send(n)) return;
}

int print_primes(int wanted) {
  auto [first, numbers] = gr::channel<int>(0);
  gr::spawn(count, 2, std::move(first));
  for (int i = 0; i < wanted; ++i) {
    const auto prime = numbers.receive();
    if (!prime) {
      std::fprintf(stderr, "sieve: after %d primes: %s\n", i, prime.error().text());
      return 1;
    }
    std::printf("%d\n", *prime);
    auto [out, in] = gr::channel<int>(0);
    gr::spawn(filter, *prime, std::exchange(numbers, std::move(in)), std::move(out));
  }
  return 0;  // the last receiver goes, so the last filter ends, so the one before it does, ...
}

}  // namespace

int main(int argc, char** argv) {
  const int wanted = argc > 1 ? std::atoi(argv[1]) : 100;
  return gr::run([&] { return print_primes(wanted); });
}
