// SPDX-License-Identifier: Apache-2.0
// Loads that never end by themselves, for tests of what others get beside them on one worker.
#pragma once

#include "stress.hpp"

namespace fairness {

// What a load shows of itself.
struct meter {
  std::atomic<bool> over{false};
  std::atomic<long> handled{0};  // messages, or turns of a load without any
  std::atomic<long> row{0};      // of those, since somebody else last had a turn
  std::atomic<long> longest_row{0};

  // Only green threads of the one worker count; relaxed, for they do so one after the other.
  void count() {
    handled.fetch_add(1, std::memory_order_relaxed);
    const long now = row.fetch_add(1, std::memory_order_relaxed) + 1;
    if (now > longest_row.load(std::memory_order_relaxed))
      longest_row.store(now, std::memory_order_relaxed);
  }
  void somebody_else() { row.store(0, std::memory_order_relaxed); }
  void measure_afresh() {
    row.store(0, std::memory_order_relaxed);
    longest_row.store(0, std::memory_order_relaxed);
  }
};

struct ball {};

// Two actors that send each other a message, for ever.
struct pair_of_functions {
  static constexpr long row_max = 64;
  static void start(gr::runtime& rt, meter& m) {
    const auto pong = [&m](gr::mailbox<ball>& in, gr::address<ball> back) {
      while (in.receive([&](ball b) {
        m.count();
        back.send(b);
      })) {}
    };
    rt.spawn_detached([&m, pong](gr::mailbox<ball>& in) {
      const gr::address<ball> other = gr::spawn(pong, in.address());
      do {
        other.send(ball{});
        in.receive([&](ball) { m.count(); });
      } while (!m.over);
    });
  }
};

struct pair_of_objects {
  static constexpr long row_max = 64;
  struct serve {};
  class pong {
   public:
    using messages = gr::messages<ball>;
    pong(meter& m, gr::address<ball> back) : meter_(m), back_(std::move(back)) {}
    void on(ball b) {
      meter_.count();
      back_.send(b);
    }

   private:
    meter& meter_;
    gr::address<ball> back_;
  };
  class ping {
   public:
    using messages = gr::messages<serve, ball>;
    explicit ping(meter& m) : meter_(m) {}
    void on(serve) {
      other_ = gr::spawn<pong>(meter_, gr::self().address<ball>());
      other_.send(ball{});
    }
    void on(ball b) {
      meter_.count();
      if (meter_.over)
        gr::self().stop();
      else
        other_.send(b);
    }

   private:
    meter& meter_;
    gr::address<ball> other_;
  };
  static void start(gr::runtime& rt, meter& m) { rt.spawn_detached<ping>(m).send(serve{}); }
};

// An actor whose mailbox always has that many messages: for each it handles it sends itself one.
template <int Queued>
struct object_that_is_never_done {
  static constexpr long row_max = 256;
  class actor {
   public:
    using messages = gr::messages<ball>;
    explicit actor(meter& m) : meter_(m) {}
    void on(ball b) {
      meter_.count();
      if (meter_.over)
        gr::self().stop();
      else
        gr::self().address<ball>().send(b);
    }

   private:
    meter& meter_;
  };
  static void start(gr::runtime& rt, meter& m) {
    const auto it = rt.spawn_detached<actor>({.capacity = gr::unbounded}, m);
    for (int i = 0; i < Queued; ++i) it.send(ball{});
  }
};

template <int Queued>
struct function_that_is_never_done {
  // It looks at the others' claims once for so many messages, and obeys one look in 61 at least.
  static constexpr long row_max = 61L * 256;
  static void start(gr::runtime& rt, meter& m) {
    const auto it = rt.spawn_detached({.capacity = gr::unbounded}, [&m](gr::mailbox<ball>& in) {
      const gr::address<ball> me = in.address();
      while (!m.over)
        in.receive([&](ball b) {
          m.count();
          me.send(b);
        });
    });
    for (int i = 0; i < Queued; ++i) it.send(ball{});
  }
};

// A producer that finds a bounded mailbox full, waits for room, and fills it again.
struct mailbox_kept_full {
  static constexpr long row_max = 64L * 1024;
  static void start(gr::runtime& rt, meter& m) {
    rt.spawn([&m, to = rt.spawn([&m](gr::mailbox<ball>& in) {
      while (in.receive([&](ball) { m.count(); })) {}
    })] {
      while (!m.over) to.send(ball{});
    });
  }
};

// Several, so that the queue of what is runnable is never empty.
struct green_threads_that_yield {
  static constexpr int threads = 3;
  static constexpr long row_max = threads;
  static void start(gr::runtime& rt, meter& m) {
    for (int i = 0; i < threads; ++i)
      rt.spawn([&m] {
        while (!m.over) {
          m.count();
          gr::yield();
        }
      });
  }
};

}  // namespace fairness
