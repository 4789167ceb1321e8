// SPDX-License-Identifier: Apache-2.0
// Random operations of four green threads and two OS threads on channels, written down with the
// moments of their calls and returns, and judged by a model of a bounded queue (history.hpp).
#include "history.hpp"
#include "stress.hpp"

#include <greenroom/channel.hpp>
#include <greenroom/select.hpp>

#include <array>
#include <cstdlib>
#include <deque>
#include <functional>

namespace {

using history::operation;

constexpr int players = 6;
constexpr int green_players = 4;
constexpr int moves_max = 4;

// Under emulation code runs ten times slower, and several times more so where it is checked.
int rounds_of(int plain) {
  if (std::getenv("GREENROOM_EMULATED") != nullptr) return plain / 40;
  return stress::scaled(plain, plain / 20);
}

// What the players of one round share.
struct stage {
  std::atomic<std::uint32_t> clock{0};
  std::atomic<int> present{0};
  stress::verdict* verdict;

  // Nobody begins before all are there.
  void enter() {
    present.fetch_add(1, std::memory_order_acq_rel);
    present.notify_all();
    while (present.load(std::memory_order_acquire) < players) gr::yield();
  }
  // Blocks the main thread, so that those who come have a processor.
  void wait_for(int some) const {
    for (int there; (there = present.load(std::memory_order_acquire)) < some;)
      present.wait(there, std::memory_order_acquire);
  }
};

// A player's ends of one channel, either of them empty if it has none, and what it did with them.
struct ends {
  explicit ends(stage& on) : record(on.clock) {}
  gr::sender<int> tx;
  gr::receiver<int> rx;
  history::recorder record;
};

class player {
 public:
  player(stage& on, int number)
      : stage_(on), all_{ends(on), ends(on)}, next_value_(1 + number * values_max) {}

  void join(std::size_t channel, gr::sender<int> tx, gr::receiver<int> rx) {
    all_[channel].tx = std::move(tx);
    all_[channel].rx = std::move(rx);
    channels_ = channel + 1;
  }
  // However it ends, this player's ends are given up, and that is written down.
  void play(stress::random_stream random) {
    random_ = &random;
    struct at_end {
      player& who;
      ~at_end() { who.give_up(); }
    } const guard{*this};
    stage_.enter();
    const auto moves = 2 + random.below(moves_max - 1);
    for (std::uint32_t i = 0; i < moves && !over_; ++i) {
      pause();
      move();
    }
  }
  [[nodiscard]] const std::vector<operation>& did(std::size_t channel) const {
    return all_[channel].record.all();
  }

 private:
  static constexpr int values_max = 2 * moves_max;  // a select may offer two

  void pause() {
    if (random_->below(2) == 0) gr::yield();
  }
  gr::duration moment() { return std::chrono::microseconds(random_->below(30)); }
  // Who has one end only may wait without limit: what it waits for does not wait for it.
  [[nodiscard]] bool is_patient(const ends& at) const { return !at.tx || !at.rx; }

  void move() {
    ends& at = all_[random_->below(static_cast<std::uint32_t>(channels_))];
    const bool sends = at.tx && (!at.rx || random_->below(2) == 0);
    const std::uint32_t form = random_->below(4);
    if (form == 3 || (channels_ == 2 && form == 2))
      select();
    else if (sends)
      send(at, form);
    else if (at.rx)
      receive(at, form);
  }

  void send(ends& at, std::uint32_t form) {
    const int value = next_value_++;
    const auto from = at.record.now();
    if (form == 0 && channels_ == 1 && is_patient(at))
      sent(at, from, value, at.tx.send(value));
    else if (form == 1)
      sent(at, from, value, at.tx.try_send(value));
    else
      sent(at, from, value, at.tx.send_for(moment(), value));
  }
  void sent(ends& at, std::uint32_t from, int value, std::expected<void, gr::unsent<int>> said) {
    if (said) return at.record.add(operation::send, operation::done, value, from);
    stage_.verdict->expect(said.error().message == value, "what was not sent came back changed");
    switch (said.error().why.code()) {
      case gr::error::full: return at.record.add(operation::send, operation::full, 0, from);
      case gr::error::closed: return at.record.add(operation::send, operation::closed, 0, from);
      case gr::error::timeout: return;
      case gr::error::cancelled: over_ = true; return;
      default: stage_.verdict->expect(false, "a send failed for an odd reason");
    }
  }

  void receive(ends& at, std::uint32_t form) {
    const auto from = at.record.now();
    if (form == 0 && channels_ == 1 && is_patient(at))
      received(at, from, at.rx.receive());
    else if (form == 1)
      received(at, from, at.rx.try_receive());
    else
      received(at, from, at.rx.receive_for(moment()));
  }
  void received(ends& at, std::uint32_t from, std::expected<int, gr::error> said) {
    if (said) return at.record.add(operation::receive, operation::done, *said, from);
    switch (said.error().code()) {
      case gr::error::empty: return at.record.add(operation::receive, operation::empty, 0, from);
      case gr::error::closed: return at.record.add(operation::receive, operation::closed, 0, from);
      case gr::error::timeout: return;
      case gr::error::cancelled: over_ = true; return;
      default: stage_.verdict->expect(false, "a receive failed for an odd reason");
    }
  }

  // Among all ends this player has; the ends that it has not are cases that never happen.
  void select() {
    const std::uint32_t limit = random_->below(3);
    int happened = 0;
    bool possible = true;
    if (limit == 0 && is_patient(all_[0]))
      possible = select_with(happened);
    else if (limit == 1)
      select_with(happened, gr::otherwise([&] { ++happened; }));
    else
      select_with(happened, gr::after(moment(), [&] { ++happened; }));
    stage_.verdict->expect(happened == (possible ? 1 : 0), "not exactly one case happened");
    if (!possible) over_ = true;
  }
  template <class... Limit>
  bool select_with(int& happened, Limit&&... limit) {
    ends &a = all_[0], &b = all_[1];
    const int va = next_value_++, vb = next_value_++;
    const auto from = a.record.now();
    const auto took = [&](ends& at) {
      return [&, from](int v) {
        at.record.add(operation::receive, operation::done, v, from);
        ++happened;
      };
    };
    const auto ended = [&](ends& at) {
      return [&, from] {
        at.record.add(operation::receive, operation::closed, 0, from);
        ++happened;
      };
    };
    const auto gave = [&](ends& at, int v) {
      return [&, from, v] {
        at.record.add(operation::send, operation::done, v, from);
        ++happened;
      };
    };
    return gr::select(a.rx.on(took(a)), a.rx.on_end(ended(a)), a.tx.on(va, gave(a, va)),
                      b.rx.on(took(b)), b.rx.on_end(ended(b)), b.tx.on(vb, gave(b, vb)),
                      std::forward<Limit>(limit)...);
  }

  void give_up() {
    for (std::size_t i = 0; i < channels_; ++i) {
      ends& at = all_[i];
      if (at.tx) {
        const auto from = at.record.now();
        at.tx.close();
        at.record.add(operation::close_sender, operation::done, 0, from);
      }
      if (at.rx) {
        const auto from = at.record.now();
        at.rx.close();
        at.record.add(operation::close_receiver, operation::done, 0, from);
      }
    }
  }

  stage& stage_;
  std::array<ends, 2> all_;
  std::size_t channels_ = 0;
  int next_value_;
  stress::random_stream* random_ = nullptr;
  bool over_ = false;
};

// The OS threads among the players. They last, since starting one takes longer than a round does.
class crew {
 public:
  crew() {
    for (int i = green_players; i < players; ++i) all_.emplace_back([this, i] { work(i); });
  }
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;
  ~crew() {
    start(nullptr);
    for (auto& each : all_) each.join();
  }
  // Each of them calls it with its number. Until they are done, it must live.
  void start(const std::function<void(int)>* body) {
    body_ = body;
    working_.store(players - green_players, std::memory_order_relaxed);  // the next one releases
    turn_.fetch_add(1, std::memory_order_release);
    turn_.notify_all();
  }
  void wait() const {
    while (const int left = working_.load(std::memory_order_acquire))
      working_.wait(left, std::memory_order_acquire);
  }

 private:
  void work(int number) {
    for (std::uint32_t seen = 0;; ++seen) {
      turn_.wait(seen, std::memory_order_acquire);
      if (body_ == nullptr) return;
      (*body_)(number);
      if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) working_.notify_all();
    }
  }

  const std::function<void(int)>* body_ = nullptr;
  std::atomic<std::uint32_t> turn_{0};
  std::atomic<int> working_{0};
  std::vector<std::thread> all_;
};

class round {
 public:
  round(std::uint32_t number, std::size_t channels, stress::verdict& verdict)
      : number_(number), random_(number * 64), channels_(channels) {
    stage_.verdict = &verdict;
    for (int i = 0; i < players; ++i) all_.emplace_back(stage_, i);
    const std::uint32_t turn = random_.below(players);
    for (std::size_t c = 0; c < channels; ++c) {
      const unsigned capacity = random_.below(3);
      rules_.push_back({capacity, 0, 0});
      auto [tx, rx] = gr::channel<int>(capacity);
      for (std::uint32_t i = 0; i < players; ++i) join(c, i, (i + turn) % 3, tx, rx);
    }
  }

  void run(gr::runtime& rt, crew& os, bool with_cancels) {
    const std::function<void(int)> body = [this](int i) {
      const auto stream = number_ * 64 + 1 + static_cast<std::uint32_t>(i);
      all_[static_cast<std::size_t>(i)].play(stress::random_stream(stream));
    };
    os.start(&body);
    // Workers that spin would keep them from coming.
    stage_.wait_for(players - green_players);
    std::vector<gr::green_thread> green;
    for (int i = 0; i < green_players; ++i) green.push_back(rt.spawn([&body, i] { body(i); }));
    if (with_cancels) cancel_some(green);
    for (const auto& each : green) (void)each.join();
    os.wait();
  }

  // How many operations were under way at the same time as one before them.
  int judge() const {
    int overlaps = 0;
    for (std::size_t c = 0; c < channels_; ++c) {
      std::vector<operation> all;
      for (const player& each : all_) all.insert(all.end(), each.did(c).begin(), each.did(c).end());
      overlaps += history::overlaps_of(all);
      if (history::is_linearizable(rules_[c], all)) continue;
      FAIL_CHECK("round " << number_ << ": no order explains this\n"
                          << history::text_of(rules_[c], all));
    }
    return overlaps;
  }

 private:
  void cancel_some(const std::vector<gr::green_thread>& green) {
    stage_.wait_for(players);
    for (const auto& each : green) {
      for (auto spins = random_.below(300); spins != 0; --spins) gr::detail::sync::relax();
      if (random_.below(2) == 0) each.cancel();
    }
  }
  // A third of the players send, a third receive, a third do both.
  void join(std::size_t channel, std::uint32_t i, std::uint32_t role, const gr::sender<int>& tx,
            const gr::receiver<int>& rx) {
    if (role != 0) ++rules_[channel].receivers;
    if (role != 1) ++rules_[channel].senders;
    all_[i].join(channel, role != 1 ? tx : gr::sender<int>(), role != 0 ? rx : gr::receiver<int>());
  }

  std::uint32_t number_;
  stress::random_stream random_;
  std::size_t channels_;
  stage stage_;
  std::vector<history::rules> rules_;
  std::deque<player> all_;
};

void play_rounds(int rounds, std::size_t channels, bool with_cancels) {
  stress::verdict verdict;
  gr::runtime rt{{.workers = 2, .logger = stress::nobody_hears()}};
  crew os;
  long overlaps = 0;
  for (int i = 0; i < rounds; ++i) {
    round one(static_cast<std::uint32_t>(i), channels, verdict);
    one.run(rt, os, with_cancels);
    overlaps += one.judge();
  }
  verdict.report();
  CHECK(overlaps > 0);
  CHECK(rt.actors() == 0);
}

}  // namespace

// Goal: every history of sends, receives, tries, timeouts, selects and closings on one channel is
// explained by some order in which each happened at one moment. Method: capacities 0 to 2, green
// and OS threads that begin together, a few moves each, an exhaustive search for that order.
TEST_CASE("random histories of one channel are linearizable") {
  play_rounds(rounds_of(4'000), 1, false);
}

// Goal: a select does exactly one thing, to one channel. Method: as above with two channels of
// which every player has ends; linearizable is what is so for each channel by itself.
TEST_CASE("random histories of selects among two channels are linearizable") {
  play_rounds(rounds_of(4'000), 2, false);
}

// Goal: a wait that is cancelled has no effect, and takes no value with it. Method: green threads
// are cancelled at random moments.
TEST_CASE("random histories with cancels are linearizable") {
  play_rounds(rounds_of(2'000), 1, true);
  play_rounds(rounds_of(2'000), 2, true);
}
