// SPDX-License-Identifier: Apache-2.0
// Actors that block or compute on every worker hold nobody up: without the watchdog, each of these
// would hang.
#include "unit_test.hpp"

#include "scheduler/crew.hpp"

#include <barrier>
#include <dirent.h>
#include <mutex>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <time.h>
#include <unistd.h>
#include <vector>

#include <greenroom/net.hpp>

namespace {

using unit::gate;

struct number {
  int value;
};

struct ball {
  int value;
};

// Keeps processors busy without a wait until it is told to stop.
void spin_until(const std::atomic<bool>& over) {
  while (!over.load(std::memory_order_relaxed)) {}
}

// Actors in a row that pass a message along, each to the next, and home again.
int pass_around(gr::runtime& rt, int rounds) {
  std::atomic<int> passed{0};
  gate home;
  auto pong = rt.spawn(
      [&](gr::mailbox<number>& in, gr::address<number> back) {
        while (in.receive([&](number n) { back.send(n); })) {}
      },
      rt.spawn([&](gr::mailbox<number>& in) {
        while (in.receive([&](number n) {
          if (++passed == n.value) home.open();
        })) {}
      }));
  for (int i = 0; i < rounds; ++i) pong.send(number{rounds});
  home.wait_on_os_thread();
  return passed;
}

// May count one that has just ended.
std::size_t threads_of_this_process() {
  std::size_t n = 0;
  DIR* const all = ::opendir("/proc/self/task");
  REQUIRE(all != nullptr);
  while (const dirent* one = ::readdir(all)) n += one->d_name[0] != '.';
  ::closedir(all);
  return n;
}

// A short call that blocks the OS thread.
void block() { ::poll(nullptr, 0, 1); }

// What may keep a worker, each until it is let go.
struct spinning {
  std::atomic<bool> over{false};
  void wait() { spin_until(over); }
  void let_go() { over = true; }
};
struct sleeping {
  std::atomic<bool> over{false};
  void wait() {
    const timespec nap{0, 5'000'000};
    while (!over) ::nanosleep(&nap, nullptr);
  }
  void let_go() { over = true; }
};
struct on_a_mutex {
  std::mutex mutex;
  on_a_mutex() { mutex.lock(); }
  void wait() { const std::lock_guard guard(mutex); }
  void let_go() { mutex.unlock(); }
};
struct reading {
  int ends[2];
  reading() { REQUIRE(::pipe(ends) == 0); }
  ~reading() { ::close(ends[0]); }
  void wait() {
    char c;
    while (::read(ends[0], &c, 1) > 0) {}
  }
  void let_go() { ::close(ends[1]); }
};
struct announced {
  reading inner;
  void wait() {
    gr::blocking([&] { inner.wait(); });
  }
  void let_go() { inner.let_go(); }
};
struct on_the_os_stack {
  spinning inner;
  void wait() {
    gr::on_os_stack([&] { inner.wait(); });
  }
  void let_go() { inner.let_go(); }
};

}  // namespace

TEST_CASE_TEMPLATE("who keeps all workers holds up neither messages nor timers nor new actors",
                   Kind, spinning, sleeping, on_a_mutex, reading, announced, on_the_os_stack) {
  for (const unsigned workers : {1u, 2u}) {
    Kind kind;
    std::atomic<unsigned> stuck{0};
    gr::runtime rt({.workers = workers, .report_stuck_after = gr::duration::max()});
    std::vector<gr::green_thread> all;
    gate slept;
    for (unsigned i = 0; i < 2 * workers; ++i)
      all.push_back(rt.spawn([&] {
        ++stuck;
        kind.wait();
      }));
    // Armed on a worker that will be stuck.
    all.push_back(rt.spawn([&] {
      gr::sleep_for(3ms);
      slept.open();
    }));
    unit::yield_until([&] { return stuck == 2 * workers; });
    CHECK(pass_around(rt, 100) == 100);
    slept.wait_on_os_thread();
    CHECK(rt.spawn([] { gr::sleep_for(1ms); }).join());
    kind.let_go();
    for (const auto& one : all) CHECK(one.join());
    CHECK(rt.shutdown(unit::long_time).ok());
  }
}

TEST_CASE("what stands in the queues of a stuck worker is done by others") {
  std::atomic<bool> over{false};
  std::atomic<int> done{0};
  gr::runtime rt({.workers = 1, .report_stuck_after = gr::duration::max()});
  auto to = rt.spawn([&](gr::mailbox<number>& in) {
    while (in.receive([&](number) { ++done; })) {}
  });
  auto other = rt.spawn([&](gr::mailbox<number>& in) {
    while (in.receive([&](number) { ++done; })) {}
  });
  unit::on_green_thread(rt, [&] { gr::yield(); });
  auto spinner = rt.spawn([&, to, other] {
    gr::spawn([&] { ++done; });  // a child
    to.send(number{1});          // goes to the queue when the next takes the slot
    other.send(number{1});
    spin_until(over);
  });
  unit::yield_until([&] { return done == 3; });
  over = true;
  CHECK(spinner.join());
}

TEST_CASE("sockets are served while all workers are stuck") {
  std::atomic<bool> over{false};
  std::atomic<int> stuck{0};
  gr::runtime rt({.workers = 2, .report_stuck_after = gr::duration::max()});
  gate listens;
  std::atomic<int> port{0};
  auto server = rt.spawn([&] {
    const auto door = gr::listen_tcp("127.0.0.1", 0);
    REQUIRE(door);
    port = (*door)->port();
    listens.open();
    auto peer = (*door)->accept();
    REQUIRE(peer);
    char c[1];
    while (const auto n = (*peer)->read_some(c)) {
      if (*n == 0) break;
      REQUIRE((*peer)->write(std::string_view(c, 1)));
    }
  });
  listens.wait_on_os_thread();
  std::vector<gr::green_thread> all;
  for (int i = 0; i < 2; ++i)
    all.push_back(rt.spawn([&] {
      ++stuck;
      spin_until(over);
    }));
  unit::yield_until([&] { return stuck == 2; });
  {
    gr::runtime mine({.workers = 1});
    unit::on_green_thread(mine, [&] {
      auto near = gr::connect_tcp("127.0.0.1", static_cast<std::uint16_t>(port.load()));
      REQUIRE(near);
      for (int i = 0; i < 20; ++i) {
        REQUIRE((*near)->write("x"));
        char c[1];
        const auto n = (*near)->read_some(c);
        REQUIRE(n);
        CHECK(*n == 1);
      }
    });
  }
  CHECK(server.join());
  over = true;
  for (const auto& one : all) CHECK(one.join());
}

TEST_CASE("helpers leave when they are no longer needed") {
  gr::runtime rt({.workers = 2, .report_stuck_after = gr::duration::max()});
  unit::on_green_thread(rt, [] {});
  const std::size_t before = threads_of_this_process();
  for (int round = 0; round < 3; ++round) {
    std::atomic<bool> over{false};
    std::atomic<int> stuck{0};
    std::vector<gr::green_thread> all;
    for (int i = 0; i < 8; ++i)
      all.push_back(rt.spawn([&] {
        ++stuck;
        spin_until(over);
      }));
    unit::yield_until([&] { return stuck == 8; });
    over = true;
    for (const auto& one : all) CHECK(one.join());
    CHECK(pass_around(rt, 1000) == 1000);
  }
  unit::yield_until([&] { return threads_of_this_process() <= before; });
}

TEST_CASE("of those that find too many serving only as many leave as are too many") {
  constexpr unsigned wanted = 2, extra = 3'000, threads = 4;  // so many that they meet
  const int rounds = unit::scaled(2'000, 200);
  gr::detail::crew crew;
  std::atomic<unsigned> left{0};
  std::barrier together(threads + 1);
  std::vector<std::jthread> all;
  for (unsigned t = 0; t < threads; ++t)
    all.emplace_back([&] {
      for (int round = 0; round < rounds; ++round) {
        together.arrive_and_wait();
        while (crew.leave(wanted)) ++left;
        together.arrive_and_wait();
      }
    });
  for (int round = 0; round < rounds; ++round) {
    left = 0;
    crew.reset(wanted + extra + 1);
    crew.got_stuck();  // serves and cannot: one more may stay
    together.arrive_and_wait();
    together.arrive_and_wait();
    CHECK(left == extra);
    CHECK(crew.able() == wanted);
  }
}

TEST_CASE("no more threads than allowed, which is said; the rest waits") {
  unit::log_book log;
  std::atomic<bool> over{false};
  std::atomic<int> stuck{0};
  std::atomic<bool> ran{false};
  gr::runtime rt({.workers = 1,
                  .threads_max = 3,
                  .report_stuck_after = gr::duration::max(),
                  .logger = log.logger()});
  unit::on_green_thread(rt, [] {});
  const std::size_t before = threads_of_this_process();
  std::vector<gr::green_thread> all;
  for (int i = 0; i < 4; ++i)
    all.push_back(rt.spawn([&] {
      ++stuck;
      spin_until(over);
      ran = true;
    }));
  unit::yield_until([&] { return log.has("threads_max 3"); });
  CHECK(stuck == 3);
  CHECK(threads_of_this_process() <= before + 2);
  over = true;
  for (const auto& one : all) CHECK(one.join());
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(ran);
}

TEST_CASE("nothing is lost or doubled while workers get stuck and come free") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const int actors = unit::scaled(40, 20);
  const int rounds = unit::scaled(200, 60);
  std::atomic<long> handled{0};
  std::atomic<bool> out_of_order{false};
  gr::runtime rt({.workers = 2, .report_stuck_after = gr::duration::max()});
  {
    std::vector<gr::address<ball>> ring;
    for (int i = 0; i < actors; ++i)
      ring.push_back(rt.spawn([&](gr::mailbox<ball>& in) {
        int last = -1;
        while (in.receive([&](ball b) {
          if (b.value != last + 1) out_of_order = true;
          last = b.value;
          ++handled;
        })) {}
      }));
    std::vector<gr::green_thread> senders;
    for (int i = 0; i < actors; ++i)
      senders.push_back(rt.spawn([&, i, to = ring[static_cast<std::size_t>(i)]] {
        std::minstd_rand random(seed + static_cast<std::uint32_t>(i));
        for (int n = 0; n < rounds; ++n) {
          to.send(ball{n});
          switch (random() % 40) {
            case 0: block(); break;
            case 1: gr::blocking([] { block(); }); break;
            case 2: gr::sleep_for(std::chrono::microseconds(random() % 2000)); break;
            case 3: gr::on_os_stack([] { block(); }); break;
            default: break;
          }
        }
      }));
    for (const auto& one : senders) CHECK(one.join());
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(handled == long{actors} * rounds);
  CHECK_FALSE(out_of_order);
  CHECK(rt.dead_letters().total() == 0);
}

TEST_CASE("timers and sleeps survive the end of the helper they were armed on") {
  gr::runtime rt({.workers = 1, .report_stuck_after = gr::duration::max()});
  std::atomic<int> woken{0};
  for (int round = 0; round < 5; ++round) {
    std::atomic<bool> over{false};
    auto spinner = rt.spawn([&] { spin_until(over); });
    std::vector<gr::green_thread> all;
    std::atomic<int> asleep{0};
    for (int i = 0; i < 50; ++i)
      all.push_back(rt.spawn([&, i] {
        ++asleep;
        gr::sleep_for(std::chrono::milliseconds(i % 25));
        ++woken;
      }));
    unit::yield_until([&] { return asleep == 50; });
    over = true;
    CHECK(spinner.join());
    for (const auto& one : all) CHECK(one.join());
  }
  CHECK(woken == 250);
}

TEST_CASE("an actor with ever more messages ends its turn when others wait") {
  struct slow {
    using messages = gr::messages<number>;
    const std::atomic<bool>& over;
    void on(number) {
      const auto until = gr::now() + 300us;
      while (gr::now() < until && !over) {}
    }
  };
  std::atomic<bool> over{false};
  gr::runtime rt({.workers = 1, .threads_max = 1, .report_stuck_after = gr::duration::max()});
  auto object = rt.spawn<slow>(over);
  for (int i = 0; i < 1000; ++i) object.send(number{1});
  // No helper may come, so only the end of a turn lets this one run before the thousand are over.
  CHECK(rt.spawn([&] { CHECK(rt.dead_letters().total() == 0); }).join());
  over = true;
  object = {};
  CHECK(rt.shutdown(unit::long_time).ok());
}

#if !defined(GREENROOM_TSAN)  // which delivers a signal only when the thread calls the C library
TEST_CASE("who keeps a worker is reported once for each place, with its stack") {
  unit::log_book log;
  gr::runtime rt({.workers = 1, .report_stuck_after = 2ms, .logger = log.logger()});
  const auto count = [&] {
    std::size_t n = 0;
    const std::string text = log.text();
    for (std::size_t at = 0; (at = text.find("keeps a worker", at)) != text.npos; ++at) ++n;
    return n;
  };
  for (int i = 0; i < 3; ++i) {
    std::atomic<bool> over{false};
    auto spinner = rt.spawn({.name = "whirligig"}, [&] {
      // Words on its stack that lead nowhere, or would where sums wrap around.
      const volatile std::uintptr_t odd[] = {UINTPTR_MAX, UINTPTR_MAX - 7, 0, 1, 17, 6'500};
      spin_until(over);
      CHECK(odd[0] == UINTPTR_MAX);
    });
    do {
      CHECK(rt.spawn([] {}).join());
    } while (count() == 0);
    over = true;
    CHECK(spinner.join());
  }
  CHECK(count() == 1);
  CHECK(log.has("whirligig"));
  CHECK(log.has("computing"));
  CHECK((log.has("+0x") || log.has("No stack is to be had")));  // under emulation
  reading kind;
  auto reader = rt.spawn({.name = "bookworm"}, [&] { kind.wait(); });
  while (!log.has("bookworm")) CHECK(rt.spawn([] {}).join());
  CHECK(log.has("blocked in system call"));
  kind.let_go();
  CHECK(reader.join());
}
#endif
