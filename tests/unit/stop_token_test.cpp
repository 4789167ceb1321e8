// SPDX-License-Identifier: Apache-2.0
// Cancels that come from a std::stop_token, and those that go to one.
#include "unit_test.hpp"

#include <greenroom/stop_token.hpp>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

struct number {
  int value;
};

}  // namespace

TEST_CASE("a green thread's token is triggered when it is cancelled, before it meets that itself") {
  const unit::no_leaks watch;
  gate has_token, may_go;
  std::stop_token token;
  bool told = false, same = false;
  gr::runtime rt;
  auto thread = rt.spawn([&] {
    const counted mine(1);
    token = gr::stop_token();
    same = token == gr::stop_token();
    const std::stop_callback callback(token, [&] { told = true; });
    const gr::shield until_then;
    has_token.open();
    may_go.wait_on_green_thread();
  });
  has_token.wait_on_os_thread();
  CHECK(token.stop_possible());
  CHECK_FALSE(token.stop_requested());
  thread.cancel();
  CHECK(token.stop_requested());
  CHECK(told);
  may_go.open();
  (void)thread.join();
  CHECK(same);
}

TEST_CASE("a token asked for after the cancel is triggered already") {
  gate here, go;
  bool requested = false;
  gr::runtime rt;
  auto thread = rt.spawn([&] {
    const gr::shield until_then;
    here.open();
    go.wait_on_green_thread();
    requested = gr::stop_token().stop_requested();
  });
  here.wait_on_os_thread();
  thread.cancel();
  go.open();
  (void)thread.join();
  CHECK(requested);
}

TEST_CASE("self().stop() triggers the actor's token; an end by itself does not") {
  std::stop_token stopped, ended;
  gr::runtime rt;
  CHECK(unit::on_green_thread(rt, [&] {
    stopped = gr::stop_token();
    gr::self().stop();
  }));
  CHECK(unit::on_green_thread(rt, [&] { ended = gr::stop_token(); }));
  CHECK(stopped.stop_requested());
  CHECK_FALSE(ended.stop_requested());
  CHECK_FALSE(gr::stop_token().stop_possible());  // an OS thread
}

TEST_CASE("a runtime's shutdown triggers the tokens of those it cancels") {
  std::atomic<bool> told{false};
  gate waits;
  gr::runtime rt;
  auto thread = rt.spawn([&] {
    const std::stop_callback callback(gr::stop_token(), [&] { told = true; });
    waits.open();
    gr::sleep_for(24h);
  });
  waits.wait_on_os_thread();
  CHECK(rt.shutdown(2s).ok());
  CHECK(told);
}

TEST_CASE("code that takes a token ends by the cancel of the green thread that runs it") {
  gate waits;
  bool by_stop = false;
  gr::runtime rt;
  auto thread = rt.spawn([&] {
    gr::blocking([&] {
      std::mutex mutex;
      std::condition_variable_any changed;
      std::unique_lock lock(mutex);
      const std::stop_token token = gr::stop_token();
      waits.open();
      changed.wait(lock, token, [] { return false; });
      by_stop = token.stop_requested();
    });
  });
  waits.wait_on_os_thread();
  thread.cancel();
  (void)thread.join();
  CHECK(by_stop);
}

TEST_CASE("cancel_on: a stop from outside cancels a green thread, also one that was before") {
  gr::runtime rt;
  for (const bool before : {false, true}) {
    std::stop_source source;
    if (before) source.request_stop();
    auto thread = rt.spawn([] { gr::sleep_for(24h); });
    const auto link = gr::cancel_on(source.get_token(), thread);
    source.request_stop();
    CHECK(thread.join().error() == gr::error::cancelled);
  }
  // Without the link it does nothing.
  std::stop_source source;
  gate go;
  auto thread = rt.spawn([&] { go.wait_on_green_thread(); });
  { const auto link = gr::cancel_on(source.get_token(), thread); }
  source.request_stop();
  go.open();
  CHECK(thread.join());
}

TEST_CASE("a std::jthread's token cancels a scope, from the thread that asks it to stop") {
  const unit::no_leaks watch;
  gate runs;
  std::atomic<int> unwound{0};
  gr::runtime rt;
  std::jthread service([&](const std::stop_token& token) {
    gr::scope workers(rt);
    workers.cancel_when(token);
    for (int i = 0; i < 10; ++i)
      workers.spawn([&, held = counted(i)] {
        struct count {
          std::atomic<int>& n;
          ~count() { ++n; }
        } const at_end{unwound};
        if (held.value() == 9) runs.open();
        gr::sleep_for(24h);
      });
  });
  runs.wait_on_os_thread();
  service.request_stop();
  service.join();
  CHECK(unwound <= 10);
  CHECK(unwound >= 1);
}

TEST_CASE("a scope whose token was triggered before runs no children") {
  std::stop_source source;
  source.request_stop();
  std::atomic<int> ran{0};
  gr::runtime rt;
  {
    gr::scope s(rt);
    s.cancel_when(source.get_token());
    s.cancel_when(std::stop_token());
    s.spawn([&] { ++ran; });
  }
  CHECK(ran == 0);
}

// Goal: a stop, the end of a scope and that of its owner may meet at any moment.
// Method: a thread requests a stop while scopes with that token come and go.
TEST_CASE("a stop races with the end of the scope that listens to it") {
  const unit::no_leaks watch;
  gr::runtime rt;
  const int rounds = unit::scaled(1'000, 100);
  for (int round = 0; round < rounds; ++round) {
    std::stop_source source;
    auto owner = rt.spawn([&] {
      for (int i = 0; i < 5; ++i) {
        gr::scope s;
        s.cancel_when(source.get_token());
        s.spawn([held = counted(1)] { gr::yield(); });
      }
    });
    source.request_stop();
    CHECK(owner.join());
  }
}
