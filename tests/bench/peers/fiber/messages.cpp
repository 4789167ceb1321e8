// SPDX-License-Identifier: Apache-2.0
#include "workers.hpp"

#include <atomic>

namespace bench {
namespace {

// A small channel for what comes one at a time.
constexpr std::size_t one = 2;

}  // namespace

// yield: two fibers take turns, n switches in all.
void yield(const params& p) {
  const std::int64_t n = p("n");
  if (p.workers() != 1) fail("yield: on two threads nobody would take turns; w=1");
  const workers here(p, algorithm::sharing, algorithm::sharing, without_work::sleep);
  const double ns = warmed_up(n, [](std::int64_t size) {
    const auto take_turns = [size] {
      for (std::int64_t i = 0; i < size / 2; ++i) boost::this_fiber::yield();
    };
    stopwatch watch;
    fibers::fiber first(std::allocator_arg, stack_cache(), take_turns);
    fibers::fiber second(std::allocator_arg, stack_cache(), take_turns);
    first.join();
    second.join();
    return watch.ns();
  });
  out(p, ns / static_cast<double>(n), "ns/switch");
}

// pingpong: n messages between two fibers.
void pingpong(const params& p) {
  const std::int64_t n = p("n");
  const workers here(p, algorithm::sharing, algorithm::sharing, without_work::sleep);
  const double ns = warmed_up(n, [](std::int64_t size) {
    channel<std::int64_t> there(one);
    channel<std::int64_t> back(one);
    gate end(2);
    stopwatch watch;
    start([&] {
      std::int64_t ball = 0;
      while (there.pop(ball) == fibers::channel_op_status::success) put(back, ball + 1);
      end.pass();
    });
    start([&, rounds = size / 2] {
      for (std::int64_t i = 0; i < rounds; ++i) {
        put(there, i);
        if (take(back) != i + 1) fail("pingpong: a wrong ball came back");
      }
      there.close();
      end.pass();
    });
    end.wait();
    return watch.ns();
  });
  out(p, ns / static_cast<double>(n), "ns/msg");
}

// ring: fibers in a circle pass one token, n hops.
void ring(const params& p) {
  const std::int64_t n = p("n");
  const auto actors = static_cast<std::size_t>(p("actors"));
  const workers here(p, algorithm::sharing, algorithm::sharing, without_work::sleep);
  const double ns = warmed_up(n, [&](std::int64_t hops) {
    std::vector<std::unique_ptr<channel<std::int64_t>>> in;
    for (std::size_t i = 0; i < actors; ++i)
      in.push_back(std::make_unique<channel<std::int64_t>>(one));
    std::atomic<std::int64_t> passed = 0;
    gate arrived(1);
    gate end(static_cast<std::int64_t>(actors));
    for (std::size_t i = 0; i < actors; ++i)
      start([&, i] {
        channel<std::int64_t>& next = *in[(i + 1) % actors];
        std::int64_t mine = 0;
        std::int64_t left = 0;
        while (in[i]->pop(left) == fibers::channel_op_status::success) {
          if (left == 0) {
            arrived.pass();
          } else {
            ++mine;
            put(next, left - 1);
          }
        }
        passed += mine;
        end.pass();
      });
    stopwatch watch;
    put(*in[0], hops);
    arrived.wait();
    const double took = watch.ns();
    for (const auto& c : in) c->close();
    end.wait();
    if (passed != hops) fail("ring: a wrong number of hops");
    return took;
  });
  out(p, ns / static_cast<double>(n), "ns/hop");
}

// fanin: producers send n messages each into one channel; who finds it full waits.
void fanin(const params& p) {
  const std::int64_t n = p("n");
  const std::int64_t producers = p("producers");
  const auto capacity = static_cast<std::size_t>(p("chan"));
  if (power_of_two(capacity) != capacity)
    fail("fanin: chan= is a power of two; channels without a bound there are not");
  const workers here(p, algorithm::sharing, algorithm::stealing, without_work::sleep);
  const double ns = warmed_up(n, [&](std::int64_t each) {
    channel<std::int64_t> in(capacity);
    std::int64_t sum = 0;
    gate end(producers + 1);
    stopwatch watch;
    start([&] {
      for (std::int64_t i = 0; i < each * producers; ++i) sum += take(in);
      end.pass();
    });
    for (std::int64_t i = 0; i < producers; ++i)
      start([&] {
        for (std::int64_t j = 0; j < each; ++j) put(in, j);
        end.pass();
      });
    end.wait();
    if (sum != producers * (each * (each - 1) / 2)) fail("fanin: wrong sum");
    return watch.ns();
  });
  out(p, static_cast<double>(n * producers) / ns * 1e3, "Mmsg/s");
}

namespace {

struct letter {
  std::int32_t from;  // a ping; below 0: the answer to one
};

// One actor of bigfan. Its channel holds a ping of every other and an answer: nobody waits.
class fan {
 public:
  using inboxes = std::vector<std::unique_ptr<channel<letter>>>;
  fan(const inboxes& all, std::uint32_t me, std::int64_t pings)
      : all_(all), me_(me), random_(lcg(me + 1)), left_(pings) {}

  // Returns how many pings it has answered.
  std::int64_t run(gate& finished) {
    std::int64_t answered = 0;
    letter m{};
    if (left_ > 0)
      send_ping();
    else
      finished.pass();
    while (all_[me_]->pop(m) == fibers::channel_op_status::success) {
      if (m.from >= 0) {
        put(*all_[static_cast<std::size_t>(m.from)], letter{-1});
        ++answered;
      } else if (--left_ > 0) {
        send_ping();
      } else {
        finished.pass();
      }
    }
    return answered;
  }

 private:
  void send_ping() {
    const std::uint32_t other = draw(random_, static_cast<std::uint32_t>(all_.size() - 1));
    put(*all_[other >= me_ ? other + 1 : other], letter{static_cast<std::int32_t>(me_)});
  }

  const inboxes& all_;
  std::uint32_t me_;
  std::uint32_t random_;
  std::int64_t left_;
};

}  // namespace

// bigfan: everybody has one ping at a random other under way, n in a row, and answers all others.
void bigfan(const params& p) {
  const std::int64_t n = p("n");
  const auto actors = static_cast<std::uint32_t>(p("actors"));
  if (actors < 2) fail("bigfan: needs two actors or more");
  const workers here(p, algorithm::sharing, algorithm::sharing, without_work::sleep);
  const double ns = warmed_up(n, [&](std::int64_t pings) {
    fan::inboxes all;
    for (std::uint32_t i = 0; i < actors; ++i)
      all.push_back(std::make_unique<channel<letter>>(power_of_two(actors + 2)));
    std::atomic<std::int64_t> answered = 0;
    gate finished(actors);
    gate end(actors);
    stopwatch watch;
    for (std::uint32_t i = 0; i < actors; ++i)
      start([&, i] {
        answered += fan(all, i, pings).run(finished);
        end.pass();
      });
    finished.wait();
    const double took = watch.ns();
    for (const auto& c : all) c->close();
    end.wait();
    if (answered != pings * actors) fail("bigfan: a wrong number of answers");
    return took;
  });
  out(p, 2.0 * static_cast<double>(n * actors) / ns * 1e3, "Mmsg/s");
}

namespace {

// A transfer to another account, or (to == nullptr) a deposit. An asker has one channel for its
// answers, made once: it never asks twice at a time.
struct request {
  std::int64_t amount;
  channel<request>* to;
  channel<std::int64_t>* answer;
};

std::int64_t account(channel<request>& in) {
  std::int64_t balance = 0;
  channel<std::int64_t> answer(one);
  request r{};
  while (in.pop(r) == fibers::channel_op_status::success) {
    if (r.to != nullptr) {
      balance -= r.amount;
      put(*r.to, request{r.amount, nullptr, &answer});
      take(answer);
    } else {
      balance += r.amount;
    }
    put(*r.answer, balance);
  }
  return balance;
}

using accounts = std::vector<std::unique_ptr<channel<request>>>;

void teller(const accounts& all, std::uint32_t random, std::int64_t transfers) {
  const auto count = static_cast<std::uint32_t>(all.size());
  channel<std::int64_t> answer(one);
  for (std::int64_t i = 0; i < transfers; ++i) {
    const std::uint32_t from = draw(random, count - 1);
    const std::uint32_t to = from + 1 + draw(random, count - 1 - from);
    put(*all[from], request{1, all[to].get(), &answer});
    take(answer);
  }
}

}  // namespace

// ask: bank transfers, an ask inside the handler of an ask; no ask has a deadline.
void ask(const params& p) {
  const std::int64_t n = p("n");
  const std::int64_t tellers = p("tellers");
  const std::int64_t count = p("accounts");
  if (count < 2 || tellers < 1) fail("ask: needs two accounts and a teller");
  const workers here(p, algorithm::sharing, algorithm::stealing, without_work::sleep);
  const double ns = warmed_up(n, [&](std::int64_t transfers) {
    accounts all;
    std::atomic<std::int64_t> sum = 0;
    gate closed(count);
    for (std::int64_t i = 0; i < count; ++i) {
      all.push_back(
          std::make_unique<channel<request>>(power_of_two(static_cast<std::size_t>(tellers) + 1)));
      start([&, in = all.back().get()] {
        sum += account(*in);
        closed.pass();
      });
    }
    gate end(tellers);
    stopwatch watch;
    for (std::int64_t i = 0; i < tellers; ++i)
      start([&, i] {
        teller(all, static_cast<std::uint32_t>(i + 1), transfers / tellers);
        end.pass();
      });
    end.wait();
    const double took = watch.ns();
    for (const auto& c : all) c->close();
    closed.wait();
    if (sum != 0) fail("ask: the balances do not add up to zero");
    return took;
  });
  out(p, static_cast<double>(n) / ns * 1e6, "ktransfer/s");
}

}  // namespace bench
