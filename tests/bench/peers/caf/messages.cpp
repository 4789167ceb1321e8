// SPDX-License-Identifier: Apache-2.0
#include "actors.hpp"

#include <utility>
#include <vector>

namespace bench {
namespace {

class ping : public caf::event_based_actor {
 public:
  ping(caf::actor_config& config, std::int64_t rounds, caf::actor main)
      : event_based_actor(config), rounds_(rounds), main_(std::move(main)) {}

  caf::behavior make_behavior() override {
    return {[this](go) {
              // A handler's result goes to the sender: here, back to this actor.
              pong_ = spawn(
                  []() -> caf::behavior { return {[](std::int64_t ball) { return ball + 1; }}; });
              next();
            },
            [this](std::int64_t ball) {
              if (ball == played_ + 1) ++right_;
              ++played_;
              next();
            }};
  }

 private:
  void next() {
    if (played_ < rounds_) {
      send(pong_, played_);
    } else {
      send(main_, done::value, right_);
      send_exit(pong_, caf::exit_reason::user_shutdown);
      quit();
    }
  }

  caf::actor pong_;
  std::int64_t rounds_;
  std::int64_t played_ = 0;
  std::int64_t right_ = 0;
  caf::actor main_;
};

}  // namespace

// pingpong: n messages between two actors.
void pingpong(const params& p) {
  const std::int64_t n = p("n");
  system_config config(p, policy::stealing);
  caf::actor_system system(config);
  const double ns = warmed_up(n, [&](std::int64_t size) {
    caf::scoped_actor self(system);
    stopwatch watch;
    caf::anon_send(system.spawn<ping>(size / 2, caf::actor(self)), go::value);
    if (collect(self, 1) != size / 2) fail("pingpong: a wrong ball came back");
    return watch.ns();
  });
  out(p, ns / static_cast<double>(n), "ns/msg");
}

namespace {

class node : public caf::event_based_actor {
 public:
  node(caf::actor_config& config, caf::actor next, caf::actor main)
      : event_based_actor(config), next_(std::move(next)), main_(std::move(main)) {}

  caf::behavior make_behavior() override {
    return {[this](std::int64_t left) {
              if (left == 0) {
                send(main_, done::value, std::int64_t{0});
              } else {
                ++passed_;
                send(next_, left - 1);
              }
            },
            [this](const caf::actor& next) { next_ = next; },
            [this](stop) {
              send(main_, done::value, passed_);
              quit();
            }};
  }

 private:
  caf::actor next_;
  std::int64_t passed_ = 0;
  caf::actor main_;
};

}  // namespace

// ring: actors in a circle pass one token, n hops.
void ring(const params& p) {
  const std::int64_t n = p("n");
  const std::int64_t actors = p("actors");
  system_config config(p, policy::stealing);
  caf::actor_system system(config);
  const double ns = warmed_up(n, [&](std::int64_t hops) {
    caf::scoped_actor self(system);
    const caf::actor main(self);
    std::vector<caf::actor> all{system.spawn<node, caf::lazy_init>(caf::actor(), main)};
    for (std::int64_t i = 1; i < actors; ++i)
      all.push_back(system.spawn<node, caf::lazy_init>(all.back(), main));
    caf::anon_send(all.front(), all.back());
    stopwatch watch;
    caf::anon_send(all.front(), hops);
    collect(self, 1);
    const double took = watch.ns();
    for (const caf::actor& a : all) caf::anon_send(a, stop::value);
    if (collect(self, actors) != hops) fail("ring: a wrong number of hops");
    return took;
  });
  out(p, ns / static_cast<double>(n), "ns/hop");
}

namespace {

class sink : public caf::event_based_actor {
 public:
  sink(caf::actor_config& config, std::int64_t expected, caf::actor main)
      : event_based_actor(config), left_(expected), main_(std::move(main)) {}

  caf::behavior make_behavior() override {
    return {[this](std::int64_t item) {
      sum_ += item;
      if (--left_ == 0) {
        send(main_, done::value, sum_);
        quit();
      }
    }};
  }

 private:
  std::int64_t left_;
  std::int64_t sum_ = 0;
  caf::actor main_;
};

}  // namespace

// fanin: producers send n messages each into one mailbox.
void fanin(const params& p) {
  const std::int64_t n = p("n");
  const std::int64_t producers = p("producers");
  if (p("chan") != 0) fail("fanin: chan=0 alone, a mailbox has no bound");
  if (n < 10 || producers < 1) fail("fanin: needs a producer and n=10 at least");
  system_config config(p, policy::stealing);
  caf::actor_system system(config);
  const double ns = warmed_up(n, [&](std::int64_t each) {
    caf::scoped_actor self(system);
    stopwatch watch;
    const caf::actor to = system.spawn<sink, caf::lazy_init>(each * producers, caf::actor(self));
    for (std::int64_t i = 0; i < producers; ++i)
      system.spawn([to, each](caf::event_based_actor* me) {
        for (std::int64_t j = 0; j < each; ++j) me->send(to, j);
      });
    if (collect(self, 1) != producers * (each * (each - 1) / 2)) fail("fanin: wrong sum");
    return watch.ns();
  });
  out(p, static_cast<double>(n * producers) / ns * 1e3, "Mmsg/s");
}

namespace {

using ping_word = caf::atom_constant<caf::atom("ping")>;
using pong_word = caf::atom_constant<caf::atom("pong")>;
using everybody = std::vector<caf::actor>;

// One actor of bigfan. `all` is filled before anybody is told to go, and not touched while they do.
class fan : public caf::event_based_actor {
 public:
  fan(caf::actor_config& config, const everybody& all, std::uint32_t me, std::int64_t pings,
      caf::actor main)
      : event_based_actor(config),
        all_(all),
        me_(me),
        random_(lcg(me + 1)),
        left_(pings),
        main_(std::move(main)) {}

  caf::behavior make_behavior() override {
    return {[this](ping_word) {
              ++answered_;
              return pong_word::value;
            },
            [this](pong_word) {
              --left_;
              next();
            },
            [this](go) { next(); },
            [this](stop) {
              send(main_, done::value, answered_);
              quit();
            }};
  }

 private:
  void next() {
    if (left_ > 0) {
      const std::uint32_t other = draw(random_, static_cast<std::uint32_t>(all_.size() - 1));
      send(all_[other >= me_ ? other + 1 : other], ping_word::value);
    } else {
      send(main_, done::value, std::int64_t{0});
    }
  }

  const everybody& all_;
  std::uint32_t me_;
  std::uint32_t random_;
  std::int64_t left_;
  std::int64_t answered_ = 0;
  caf::actor main_;
};

}  // namespace

// bigfan: everybody has one ping at a random other under way, n in a row, and answers all others.
void bigfan(const params& p) {
  const std::int64_t n = p("n");
  const auto actors = static_cast<std::uint32_t>(p("actors"));
  if (actors < 2) fail("bigfan: needs two actors or more");
  system_config config(p, policy::sharing);
  caf::actor_system system(config);
  const double ns = warmed_up(n, [&](std::int64_t pings) {
    caf::scoped_actor self(system);
    everybody all;
    for (std::uint32_t i = 0; i < actors; ++i)
      all.push_back(system.spawn<fan, caf::lazy_init>(all, i, pings, caf::actor(self)));
    stopwatch watch;
    for (const caf::actor& a : all) caf::anon_send(a, go::value);
    collect(self, actors);
    const double took = watch.ns();
    for (const caf::actor& a : all) caf::anon_send(a, stop::value);
    if (collect(self, actors) != pings * actors) fail("bigfan: a wrong number of answers");
    return took;
  });
  out(p, 2.0 * static_cast<double>(n * actors) / ns * 1e3, "Mmsg/s");
}

namespace {

// While an account waits for an answer it handles nothing else: that is what `await` is for.
class account : public caf::event_based_actor {
 public:
  account(caf::actor_config& config, caf::actor main)
      : event_based_actor(config), main_(std::move(main)) {}

  caf::behavior make_behavior() override {
    return {[this](std::int64_t amount, const caf::actor& to) {
              balance_ -= amount;
              auto answer = make_response_promise<std::int64_t>();
              request(to, caf::infinite, amount).await([this, answer](std::int64_t) mutable {
                answer.deliver(balance_);
              });
              return answer;
            },
            [this](std::int64_t amount) { return balance_ += amount; },
            [this](stop) {
              send(main_, done::value, balance_);
              quit();
            }};
  }

 private:
  std::int64_t balance_ = 0;
  caf::actor main_;
};

class teller : public caf::event_based_actor {
 public:
  teller(caf::actor_config& config, const everybody& accounts, std::uint32_t random,
         std::int64_t transfers, caf::actor main)
      : event_based_actor(config),
        accounts_(accounts),
        random_(random),
        left_(transfers),
        done_(transfers),
        main_(std::move(main)) {}

  caf::behavior make_behavior() override {
    return {[this](go) { next(); }};
  }

 private:
  void next() {
    if (left_-- == 0) {
      send(main_, done::value, done_);
      quit();
      return;
    }
    const auto count = static_cast<std::uint32_t>(accounts_.size());
    const std::uint32_t from = draw(random_, count - 1);
    const std::uint32_t to = from + 1 + draw(random_, count - 1 - from);
    request(accounts_[from], caf::infinite, std::int64_t{1}, accounts_[to])
        .await([this](std::int64_t) { next(); });
  }

  const everybody& accounts_;
  std::uint32_t random_;
  std::int64_t left_;
  std::int64_t done_;
  caf::actor main_;
};

}  // namespace

// ask: bank transfers, a request inside the handler of a request; none has a deadline.
void ask(const params& p) {
  const std::int64_t n = p("n");
  const std::int64_t tellers = p("tellers");
  const std::int64_t count = p("accounts");
  if (count < 2 || tellers < 1) fail("ask: needs two accounts and a teller");
  system_config config(p, policy::stealing);
  caf::actor_system system(config);
  const double ns = warmed_up(n, [&](std::int64_t transfers) {
    caf::scoped_actor self(system);
    const caf::actor main(self);
    everybody accounts;
    for (std::int64_t i = 0; i < count; ++i)
      accounts.push_back(system.spawn<account, caf::lazy_init>(main));
    stopwatch watch;
    for (std::int64_t i = 0; i < tellers; ++i)
      caf::anon_send(system.spawn<teller, caf::lazy_init>(
                         accounts, static_cast<std::uint32_t>(i + 1), transfers / tellers, main),
                     go::value);
    if (collect(self, tellers) != transfers / tellers * tellers) fail("ask: transfers are missing");
    const double took = watch.ns();
    for (const caf::actor& a : accounts) caf::anon_send(a, stop::value);
    if (collect(self, count) != 0) fail("ask: the balances do not add up to zero");
    return took;
  });
  out(p, static_cast<double>(n) / ns * 1e6, "ktransfer/s");
}

}  // namespace bench
