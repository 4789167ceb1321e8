// SPDX-License-Identifier: Apache-2.0
// Chaos: a supervised tree of many accounts under load, whose members are killed, fail, run out of
// memory and are restarted at random all the time.
//
// Goal: whatever happens, no message is handled twice, no money is made, what is lost was counted
// as a dead letter, every monitor is told exactly once, and memory stays.
// Method: balances lie outside of the actors, in a vault; a transfer takes money out of one account
// and sends it on as a message. Handlers fail before they have touched anything or after they have
// done all, so money is lost exactly with a message that is a dead letter. Each message has a
// number and is marked when it is handled. GREENROOM_CHAOS_SECONDS=60 makes it long.
#include "stress.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

#include <unistd.h>

using stress::random_stream;
using stress::verdict;

namespace {

constexpr int groups = stress::scaled(100, 20);
constexpr int per_group = 100;
constexpr int accounts = groups * per_group;
constexpr int watchers = 8;
constexpr int clients = 8;
constexpr long start_balance = 1'000;

enum class trouble : std::uint8_t { none, fail_before, fail_after, memory, memory_after };

// Money on its way. What is destroyed untaken is counted, so that not a cent goes unseen.
class money {
 public:
  explicit money(long amount) noexcept : amount_(amount) {}
  money(money&& other) noexcept : amount_(std::exchange(other.amount_, 0)) {}
  money& operator=(money&& other) noexcept {
    std::swap(amount_, other.amount_);
    return *this;
  }
  ~money() { lost += amount_; }
  long take() noexcept { return std::exchange(amount_, 0); }
  static inline std::atomic<long> lost{0};

 private:
  long amount_;
};

struct credit {
  std::uint32_t number;
  money amount;
  trouble then;
};
struct order;
using account_address = gr::address<credit, order>;
struct order {  // send that much to that account
  std::uint32_t number;
  std::uint32_t to;
  long amount;
  trouble then;
};

struct books {
  std::unique_ptr<std::atomic<long>[]> vault{new std::atomic<long>[accounts]};
  std::unique_ptr<std::atomic<std::uint8_t>[]> busy{new std::atomic<std::uint8_t>[accounts] {}};
  static constexpr std::uint32_t marks = 1u << 26;  // of messages, by number
  std::unique_ptr<std::atomic<std::uint8_t>[]> handled{new std::atomic<std::uint8_t>[marks / 8] {}};
  std::atomic<std::uint32_t> next_number{0};
  std::atomic<long> credits_sent{0}, credits_done{0};
  std::atomic<long> kills{0}, failures{0}, lives{0}, monitors{0}, downs{0};
  std::vector<account_address> all;
  verdict wrong;

  // Numbers are used again after a full round, long after they were handled.
  std::uint32_t number() {
    const std::uint32_t n = next_number.fetch_add(1) % marks;
    handled[n / 8].fetch_and(static_cast<std::uint8_t>(~(1u << n % 8)));
    return n;
  }
  void mark(std::uint32_t n) {
    const auto bit = static_cast<std::uint8_t>(1u << n % 8);
    wrong.expect((handled[n / 8].fetch_or(bit) & bit) == 0, "a message is handled once");
  }
};

void cause(books& b, trouble what, bool before) {
  const bool memory = what == trouble::memory || what == trouble::memory_after;
  const bool early = what == trouble::fail_before || what == trouble::memory;
  if (what == trouble::none || early != before) return;
  ++b.failures;
  if (memory) throw std::bad_alloc();
  throw std::runtime_error("chaos");
}

// One at a time of each account: its lives do not overlap.
class only_one {
 public:
  only_one(books& b, std::uint32_t id) : b_(b), id_(id) {
    b_.wrong.expect(b_.busy[id_].exchange(1) == 0, "one life of an actor at a time");
  }
  only_one(const only_one&) = delete;
  only_one& operator=(const only_one&) = delete;
  ~only_one() { b_.busy[id_].store(0); }

 private:
  books& b_;
  std::uint32_t id_;
};

class account {
 public:
  using messages = gr::messages<credit, order>;
  account(books* b, std::uint32_t id) : b_(*b), id_(id), alive_(*b, id) { ++b_.lives; }
  account(const account&) = delete;
  account& operator=(const account&) = delete;

  // A credit that is a dead letter takes its money along; so it fails after it has done all, or
  // not at all. What is killed between two messages loses nothing.
  void on(credit c) {
    b_.mark(c.number);
    b_.vault[id_] += c.amount.take();
    ++b_.credits_done;
    cause(b_, c.then, false);
  }
  void on(const order& o) {
    b_.mark(o.number);
    cause(b_, o.then, true);
    b_.vault[id_] -= o.amount;
    const trouble then = o.then == trouble::fail_after ? trouble::fail_after : trouble::none;
    auto sent = b_.all[o.to].try_send(credit{b_.number(), money(o.amount), then});
    if (sent)
      ++b_.credits_sent;
    else
      b_.vault[id_] += sent.error().message.amount.take();  // full: it stays here
    cause(b_, o.then, false);
  }

 private:
  books& b_;
  std::uint32_t id_;
  only_one alive_;
};

// The same as a function, whose life has a stack and waits.
void clerk(gr::mailbox<credit, order>& in, books* b, std::uint32_t id) {
  account self(b, id);
  while (
      in.receive([&](credit c) { self.on(std::move(c)); }, [&](const order& o) { self.on(o); })) {}
}

// Monitors somebody, always; counts what it hears of.
void watcher(gr::mailbox<gr::down>& in, books* b, std::uint32_t number,
             const std::atomic<bool>* over) {
  constexpr std::size_t at_once = 512;
  random_stream random(1000 + number);
  std::vector<std::pair<gr::monitor_ref, std::uint64_t>> open;
  const auto begin = [&] {
    const account_address& a = b->all[random.below(accounts)];
    open.emplace_back(gr::monitor(a, in), a.id());
    ++b->monitors;
  };
  const auto hear = [&](const gr::down& d) {
    std::size_t found = open.size();
    for (std::size_t i = 0; i < open.size(); ++i)
      if (open[i].first == d) found = i;
    b->wrong.expect(found != open.size(), "each monitor is told once, and none was taken back");
    if (found == open.size()) return;
    b->wrong.expect(open[found].second == d.id(), "a down is of who was monitored");
    open[found] = std::move(open.back());
    open.pop_back();
    ++b->downs;
  };
  while (!over->load()) {
    while (open.size() < at_once) begin();
    if (random.below(4) == 0) {
      const std::size_t i = random.below(at_once);
      gr::demonitor(open[i].first);
      open[i] = std::move(open.back());
      open.pop_back();
      --b->monitors;
    }
    if (in.receive_for(10ms, hear) == gr::received::message)
      while (in.try_receive(hear) == gr::received::message) {}
  }
  // All end now, and each of those that are open is told of it.
  while (!open.empty() && in.receive(hear)) {}
  b->wrong.expect(open.empty(), "each monitor is told");
}

trouble random_trouble(random_stream& random) {
  switch (random.below(100)) {
    case 0: return trouble::fail_before;
    case 1: return trouble::fail_after;
    case 2: return trouble::memory;
    case 3: return trouble::memory_after;
    default: return trouble::none;
  }
}

void client(books* b, std::uint32_t number, const std::atomic<bool>* over) {
  random_stream random(number);
  while (!over->load()) {
    const account_address& a = b->all[random.below(accounts)];
    (void)a.send(order{b->number(), random.below(accounts), static_cast<long>(random.below(10)),
                       random_trouble(random)});
    if (random.below(16) == 0) {
      gr::kill(b->all[random.below(accounts)]);
      ++b->kills;
    }
  }
}

long resident_kib() {
  std::ifstream statm("/proc/self/statm");
  long pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

gr::supervisor make_tree(gr::runtime& rt, books& b) {
  constexpr gr::supervisor_options lenient{.restarts_max = 1'000'000, .within = 1ms};
  gr::supervisor app(rt, gr::one_for_one, lenient);
  std::uint32_t id = 0;
  for (int g = 0; g < groups; ++g) {
    gr::supervisor_options options = lenient;
    const std::string name = "group/" + std::to_string(g);
    options.name = name;
    // A few are small worlds that fall together.
    const gr::strategy how = g % 10 == 1   ? gr::rest_for_one
                             : g % 10 == 2 ? gr::one_for_all
                                           : gr::one_for_one;
    gr::supervisor group(rt, how, options);
    for (int i = 0; i < per_group; ++i, ++id) {
      const std::string child = "account/" + std::to_string(id);
      if (i % 4 == 3)
        b.all.push_back(group.child(child, gr::permanent, clerk, &b, id));
      else
        b.all.push_back(group.child<account>(child, gr::permanent, &b, id));
    }
    app.child(gr::permanent, std::move(group));
  }
  return app;
}

long wanted_seconds() {
  const char* wish = std::getenv("GREENROOM_CHAOS_SECONDS");
  return wish == nullptr ? 0 : std::strtol(wish, nullptr, 10);
}

}  // namespace

TEST_CASE("accounts that are killed, fail and run out of memory all the time keep their books") {
  constexpr long ends_wanted = stress::scaled(20'000, 2'000);
  const long lost_before = money::lost;
  books b;
  for (std::size_t i = 0; i < accounts; ++i) b.vault[i] = start_balance;
  std::atomic<bool> over{false};
  gr::runtime rt({.workers = 2, .logger = stress::nobody_hears()});
  gr::supervisor app = make_tree(rt, b);
  REQUIRE(app.start());
  std::vector<gr::address<gr::down>> watching;
  for (std::uint32_t i = 0; i < watchers; ++i) watching.push_back(rt.spawn(watcher, &b, i, &over));
  stress::group load;
  for (std::uint32_t i = 0; i < clients; ++i) load.spawn(rt, [&, i] { client(&b, i, &over); });

  const gr::time_point begun = gr::now();
  const auto length = std::chrono::seconds(wanted_seconds());
  const auto ends = [&] { return b.kills + b.failures; };
  long middle_kib = 0;
  // One of those that run looks: its turn comes once in a round of all.
  CHECK(rt.spawn([&] {
            while (ends() < ends_wanted || gr::now() - begun < length) {
              gr::yield();
              if (middle_kib == 0 && ends() > ends_wanted / 2 && gr::now() - begun >= length / 2)
                middle_kib = resident_kib();
            }
          }).join());
  const long end_kib = resident_kib();
  over = true;
  CHECK(load.join());
  app.stop();
  CHECK(app.join());
  watching.clear();
  const gr::shutdown_report report = rt.shutdown(30s);
  CHECK(report.ok());

  long sum = 0;
  for (std::size_t i = 0; i < accounts; ++i) sum += b.vault[i];
  // What was sent and not credited was queued at the end.
  const long missing = b.credits_sent - b.credits_done;
  MESSAGE("ends: ", b.kills.load(), " kills, ", b.failures.load(), " failures; lives ",
          b.lives.load(), "; monitors ", b.monitors.load(), ", downs ", b.downs.load(),
          "; credits ", b.credits_done.load(), ", undelivered ", missing, "; resident MiB ",
          middle_kib / 1024, " in the middle, ", end_kib / 1024, " at the end");
  CHECK(missing >= 0);
  CHECK(static_cast<std::uint64_t>(missing) <= rt.dead_letters().total());
  CHECK(sum + (money::lost - lost_before) == accounts * start_balance);
  CHECK(b.lives > accounts + ends_wanted / 10);
  b.wrong.report();
  // Mailboxes fill first; what a short run shows is no answer.
  if (!stress::is_sanitized && length >= 30s) CHECK(end_kib < middle_kib * 5 / 4 + 32 * 1024);
}
