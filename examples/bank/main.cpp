// SPDX-License-Identifier: Apache-2.0
// A bank whose books balance whoever is killed, and when: accounts, tellers, the street that the
// customers come from, their supervisors.
//
//   bank [DAYS [SEED]]          a day is a second; the exit status is 0 if the books balance
//
// What must survive is on paper (paper.hpp), written before it is done (teller.hpp), and done once
// (account.hpp). All else may crash. Nobody has to be found again, for an actor that is restarted
// keeps its addresses.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "outside.hpp"

namespace bank {
namespace {

using namespace std::chrono_literals;
constexpr unsigned accounts_max = 20, tellers_max = 5;

// Opens the bank with the paper that there is. `parts` are those that can be killed.
gr::supervisor open(gr::runtime& rt, paper& all, std::vector<gr::address<>>& parts) {
  const auto numbered = [](const char* what, auto i) { return what + std::to_string(i); };
  std::vector<account_address> accounts;
  std::vector<teller_address> tellers;
  // [tree]
  constexpr unsigned often = 100'000;  // restarts in 5 s: then it gives up
  gr::supervisor vault(rt, gr::one_for_one, {.name = "vault", .restarts_max = often});
  for (unsigned i = 0; i < accounts_max; ++i)
    accounts.push_back(vault.child<account>(numbered("account/", i), gr::permanent, &all.books[i]));
  gr::supervisor hall(rt, gr::one_for_one, {.name = "hall", .restarts_max = often});
  for (unsigned i = 0; i < tellers_max; ++i)
    tellers.push_back(hall.child({.name = numbered("teller/", i), .stop_within = 1s}, teller, i,
                                 &all.slips[i], accounts));
  gr::supervisor bank(rt, gr::one_for_one, {.name = "bank", .restarts_max = often});
  bank.child(gr::permanent, std::move(vault));
  bank.child(gr::permanent, std::move(hall));
  bank.child("street", gr::permanent, street, tellers, accounts_max);
  if (const auto opened = bank.start(); !opened) throw std::runtime_error(opened.error().text());
  // [/tree]
  parts.assign(accounts.begin(), accounts.end());
  parts.insert(parts.end(), tellers.begin(), tellers.end());
  for (const char* name : {"vault", "hall", "street"}) parts.push_back(bank.address<>(name));
  return bank;
}

// Closes it in the midst of whatever goes on: the street, then the tellers, then the accounts.
void day(gr::runtime& rt, paper& all, gr::duration length) {
  std::vector<gr::address<>> parts;
  gr::supervisor bank = open(rt, all, parts);
  rt.spawn(misfortune, gr::now() + length, std::move(parts)).join();
  bank.stop();
  (void)bank.join();
}

int run(int days, std::uint64_t seed) {
  luck = seed;
  paper all{std::vector<book>(accounts_max), std::vector<slip>(tellers_max)};
  gr::runtime rt({.name = "bank"});
  for (int i = 0; i < days; ++i) day(rt, all, 1s);
  is_calm = true;
  for (; has_open_slip(all); ++days) day(rt, all, 0s);

  std::size_t halves = 0;
  long money = 0;
  for (const book& b : all.books) {
    halves += b.size();
    money += balance_of(b);
  }
  const std::size_t faults = count_faults(all);
  const long paid_in = accounts_max * long{opening_balance};
  const std::size_t started = static_cast<unsigned>(days) * (accounts_max + tellers_max + 1);
  std::printf("%zu transfers, %u kills, %u crashes, %zu restarts\n", halves / 2, kills.load(),
              crashes.load(), lives - started);
  std::printf("%zu transfers do not balance; the accounts hold %ld of %ld\n", faults, money,
              paid_in);
  return faults == 0 && money == paid_in ? 0 : 1;
}

}  // namespace
}  // namespace bank

int main(int argc, char** argv) {
  try {
    return bank::run(argc > 1 ? std::atoi(argv[1]) : 3,
                     argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
  } catch (const std::exception& e) {  // Of the machine, in a whole sentence.
    std::fprintf(stderr, "bank: %s\n", e.what());
    return 2;
  }
}
