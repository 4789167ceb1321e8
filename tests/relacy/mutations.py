# SPDX-License-Identifier: Apache-2.0
"""Faults that the checks must find, as edits of the sources and as a table of what must fail.

An edit replaces a text, which must stand in its file exactly once, by one in which `mutated(N)`
chooses the fault with the number N. Numbers from 90 on are hooks in the checks themselves.
"""

IDLE = "scheduler/idle_set.hpp"
RINGS = "scheduler/run_queue.hpp"
BIAS = "scheduler/bias.hpp"
INBOX = "mailbox/include/greenroom/detail/inbox.hpp"


def weaker(number, text, order, bad):
    """The edit of `text`, in which `order` stands once, by which it can become `bad`."""
    good = f"sync::memory_order_{order}"
    assert text.count(good) == 1, text
    return text, text.replace(good, f"(mutated({number}) ? sync::memory_order_{bad} : {good})")


EDITS = [
    # Small rings fill and wrap in a few steps.
    (RINGS, "size = 256;", "size = 4;"),
    (RINGS, "size = 1024;", "size = 4;"),

    (IDLE, """sleeping_[i / 64].fetch_or(bit(i), sync::memory_order_relaxed);
    sync::fence_seq_cst();""",
     """sleeping_[i / 64].fetch_or(bit(i), sync::memory_order_relaxed);
    if (!mutated(1)) sync::fence_seq_cst();"""),
    (IDLE, "sync::fence_seq_cst();  // S1", "if (!mutated(2)) sync::fence_seq_cst();  // S1"),
    (IDLE, """      sync::fence_seq_cst();
    }
""", """      if (mutated(3)) return nobody;
      sync::fence_seq_cst();
    }
"""),
    (IDLE,
     "return (sleeping_[i / 64].fetch_and(~bit(i), sync::memory_order_acq_rel) & bit(i)) != 0;",
     """if (mutated(4)) {
      const auto seen = sleeping_[i / 64].load(sync::memory_order_acquire);
      sleeping_[i / 64].store(seen & ~bit(i), sync::memory_order_release);
      return (seen & bit(i)) != 0;
    }
    return (sleeping_[i / 64].fetch_and(~bit(i), sync::memory_order_acq_rel) & bit(i)) != 0;"""),
    (IDLE, "return searching_.fetch_sub(1, sync::memory_order_seq_cst) == 1;",
     "return searching_.fetch_sub(mutated(5) ? 0 : 1, sync::memory_order_seq_cst) == 1;"),

    (RINGS, *weaker(10, "tail_.store(tail + 1, sync::memory_order_release);", "release",
                    "relaxed")),
    (RINGS, *weaker(11, "const std::uint32_t tail = tail_.load(sync::memory_order_acquire);  // Q1",
                    "acquire", "relaxed")),
    (RINGS, "if (head_.compare_exchange_weak(head, head + 1,",
     """if (mutated(12)) {
        head_.store(head + 1, sync::memory_order_release);
        return r;
      }
      if (head_.compare_exchange_weak(head, head + 1,"""),
    (RINGS, """if (head_.compare_exchange_weak(head, head + n, sync::memory_order_acq_rel,
                                      sync::memory_order_acquire))
""", """if (head_.compare_exchange_weak(head, head + n, sync::memory_order_acq_rel,
                                      sync::memory_order_acquire)) {
        for (std::uint32_t i = 0; mutated(13) && i < n; ++i)
          out[i] = slot_[(head + i) % size].load(sync::memory_order_relaxed);
      } else {
        continue;
      }
"""),
    (RINGS, ">= size) return false;", ">= size + (mutated(14) ? 1 : 0)) return false;"),
    (RINGS, """(word_.compare_exchange_weak(w, make(head(w), tail(w) + 1, version(w) + 1),
                                      sync::memory_order_release,""",
     """(word_.compare_exchange_weak(w,
          make(head(w), tail(w) + 1, version(w) + (mutated(15) ? 0 : 1)),
          mutated(16) ? sync::memory_order_relaxed : sync::memory_order_release,"""),
    (RINGS, "if (biased) word_.store(without, sync::memory_order_release);",
     "if (biased || mutated(17)) word_.store(without, sync::memory_order_release);"),
    (RINGS, "if (biased || word_", "if (biased || mutated(17) || word_"),
    (RINGS, """if (count(w) == size) return false;
      slot_[tail(w)""", """if (count(w) == size + (mutated(18) ? 1 : 0)) return false;
      slot_[tail(w)"""),
    (RINGS, """if (count(w) == size) return false;
      slot_[(head(w)""", """if (count(w) == size + (mutated(19) ? 1 : 0)) return false;
      slot_[(head(w)"""),
    (RINGS, """tail(w), version(w) + 1),
                                      sync::memory_order_release,""",
     """tail(w), version(w) + (mutated(20) ? 0 : 1)),
          mutated(21) ? sync::memory_order_relaxed : sync::memory_order_release,"""),

    (BIAS, "sync::fence_light();  // B1", "if (!mutated(50)) sync::fence_light();  // B1"),
    (BIAS, "sync::fence_heavy();  // B1", "if (!mutated(51)) sync::fence_heavy();  // B1"),
    (BIAS, "if (inside_.load(sync::memory_order_acquire)) {",
     "if (!mutated(52) && inside_.load(sync::memory_order_acquire)) {"),
    (BIAS, "if (thieves_.load(sync::memory_order_seq_cst) == 0) return;",
     "if (mutated(55) || thieves_.load(mutated(56) ? sync::memory_order_relaxed"
     " : sync::memory_order_seq_cst) == 0) return;"),
    (BIAS, *weaker(58, "thieves_.fetch_sub(1, sync::memory_order_release);", "release",
                   "relaxed")),

    (INBOX, "word_.compare_exchange_weak(word, next, sync::memory_order_acq_rel,",
     """word_.compare_exchange_weak(word, next,
          mutated(30) ? sync::memory_order_acquire
                      : mutated(31) ? sync::memory_order_release : sync::memory_order_acq_rel,"""),
    (INBOX, *weaker(32, """(before - one * n) & ~node_mask,
                                          sync::memory_order_acq_rel,""", "acq_rel", "release")),
    (INBOX, "!word_.compare_exchange_weak(word, (word - one * n) | idle, "
            "sync::memory_order_acq_rel,",
     """mutated(33) ? (word_.store((word - one * n) | idle, sync::memory_order_release), false)
                    : !word_.compare_exchange_weak(word, (word - one * n) | idle,
          mutated(34) ? sync::memory_order_acquire : sync::memory_order_acq_rel,"""),
    (INBOX, "in_the_way = node_mask | signal | (n != 0 ? waiters : 0);",
     """in_the_way = node_mask | (mutated(35) ? 0 : signal) |
                                     (n != 0 && !mutated(45) ? waiters : 0);"""),
    (INBOX, "return word_.compare_exchange_strong(seen, resting,",
     """if (mutated(36)) {
      word_.store(resting, sync::memory_order_release);
      return true;
    }
    return word_.compare_exchange_strong(seen, resting,"""),
    (INBOX, "(word | bits) & ~idle,", "(word | bits) & ~(mutated(37) ? 0 : idle),"),
    (INBOX, "if (depth_in(word) < capacity) return false;",
     "if (!mutated(38) && depth_in(word) < capacity) return false;"),
    (INBOX, "if (!past_waiters) return admitted::full;",
     "if (!mutated(39) && !past_waiters) return admitted::full;"),
    (INBOX, "depth_in(word) >= capacity)", "depth_in(word) >= capacity + (mutated(40) ? 1 : 0))"),
    (INBOX, "return reversed(node_in(before));",
     "return mutated(41) ? node_in(before) : reversed(node_in(before));"),
    (INBOX, "return word_.fetch_sub(one * n, sync::memory_order_acq_rel);",
     """if (mutated(42)) {
      const std::uint64_t word = word_.load(sync::memory_order_acquire);
      word_.store(word - one * n, sync::memory_order_release);
      return word;
    }
    return word_.fetch_sub(one * n, sync::memory_order_acq_rel);"""),
    (INBOX, "- (counted ? one : 0);", "- (counted && !mutated(43) ? one : 0);"),
    (INBOX, "return (word & idle) != 0;  // M2", "return !mutated(44) && (word & idle) != 0;"),
    (INBOX, *weaker(60, "word_.compare_exchange_weak(before, after, sync::memory_order_acq_rel,",
                    "acq_rel", "relaxed")),
]

# Number: what is wrong, and the checks of which one must fail.
FAULTS = {
    1: ("a worker looks again without a fence", ["idle_1_1", "idle_2_2"]),
    2: ("work is announced without a fence", ["idle_1_1", "idle_2_2"]),
    3: ("a search that did not take place satisfies another adder", ["idle_1_2"]),
    4: ("a sleeper gets up by load and store", ["idle_2_2", "idle_1_2"]),
    5: ("a search never ends", ["idle_1_2", "idle_2_2"]),
    10: ("run_ring: the tail is published too early", ["run_ring_1"]),
    11: ("run_ring: a thief reads slots before the tail", ["run_ring_1"]),
    12: ("run_ring: the owner pops by a store", ["run_ring_1"]),
    13: ("run_ring: a thief reads slots that it has given up", ["run_ring_1", "run_ring_2"]),
    14: ("run_ring: a full ring takes one more", ["run_ring_1", "run_ring_2"]),
    15: ("fresh_ring: a push leaves the version", ["fresh_ring_1"]),
    16: ("fresh_ring: an entry is published too early", ["fresh_ring_1"]),
    17: ("fresh_ring: the owner pops by a store", ["fresh_ring_1"]),
    18: ("fresh_ring: a full ring takes one more", ["fresh_ring_1", "fresh_ring_2"]),
    19: ("fresh_ring: a full ring takes one more at its old end", ["fresh_ring_ends_1"]),
    20: ("fresh_ring: a push at the old end leaves the version", ["fresh_ring_ends_2"]),
    21: ("fresh_ring: an entry is published too early at the old end", ["fresh_ring_ends_1"]),
    30: ("a message is published too early", ["unbounded_2x2"]),
    31: ("who makes the receiver runnable does not see what it did", ["unbounded_2x2"]),
    32: ("a message is read too early", ["unbounded_2x2", "in_place_2x2"]),
    33: ("the receiver rests by load and store", ["unbounded_2x2"]),
    34: ("the receiver rests before it is done", ["unbounded_2x2"]),
    35: ("the receiver rests over a signal", ["stopped"]),
    36: ("a message handled in place is removed by a store", ["in_place_2x2"]),
    37: ("a signal leaves the receiver idle, for another to find", ["stopped"]),
    38: ("a sender waits although there is room", ["capacity_1"]),
    39: ("a sender passes those who wait", ["capacity_1", "capacity_2"]),
    40: ("a full inbox takes one more", ["capacity_1"]),
    41: ("newest first", ["unbounded_2x2"]),
    42: ("room is given back by load and store", ["in_place_bounded"]),
    43: ("a message handled in place gives no room back", ["in_place_bounded"]),
    44: ("a signal leaves the idle receiver lying", ["stopped"]),
    45: ("the receiver rests over senders that wait for the room it gives back", ["capacity_2"]),
    60: ("a message that replaces others is published too early", ["oldest_2x2", "oldest_2x3"]),
    61: ("the receiver takes without the lock", ["oldest_2x2", "oldest_2x3"]),
    62: ("who replaces gives room back that nobody had", ["oldest_2x2", "oldest_2x3"]),
    90: ("poller: woken with weak orders", ["poller_1_1", "poller_2_2"]),
    91: ("foreign work is added as if its adder would reach it", ["idle_1_1", "idle_1_2"]),
    92: ("a worker does not look again", ["idle_1_1"]),
    93: ("poller: falls asleep with weak orders", ["poller_1_1", "poller_2_2"]),
    94: ("poller: falls asleep although woken", ["poller_1_1", "poller_2_2"]),
    95: ("one waker's word hides the other's", ["idle_2_2"]),
    50: ("bias: the owner looks at the state before it is seen inside", ["biased_run_1"]),
    51: ("bias: a thief looks inside before the state is seen lowered", ["biased_run_1"]),
    52: ("bias: a thief does not look inside", ["biased_run_1"]),
    55: ("bias: it is taken back beside a thief", ["biased_run_1"]),
    56: ("bias: the owner counts thieves before the bias is seen given", ["biased_run_1"]),
    58: ("bias: what was stolen is published too late", ["biased_run_1", "biased_fresh_1"]),
}
