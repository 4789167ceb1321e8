// SPDX-License-Identifier: Apache-2.0
// Where who is woken at a channel goes on: wherever there is a free worker, or beside its waker.
//
// Values that take less time than their way to another processor are passed on fastest where
// sender and receiver stand on one worker; those that take longer, where the two run at once. What
// takes how long depends on the program, so both ways are tried: P1 every so often the other way
// is taken for some samples, after some more to settle, and kept if it was clearly faster. A way
// that loses again and again is tried ever more seldom; one that has become slower is doubted soon.
// Guarded by the channel's lock.
#pragma once

#include <cstdint>

namespace greenroom::detail {

class channel_pace {
 public:
  static constexpr std::uint32_t sample_values = 64;
  static constexpr std::uint32_t trial_samples = 4;
  // A worker that sleeps needs some time to come and take its part, so a way shows only after that
  // what it is worth; and a trial lasts as long.
  static constexpr std::int64_t settling_ns = 100'000;
  static constexpr std::uint32_t interval_min = 128;  // samples between trials
  static constexpr std::uint32_t interval_max = 8192;
  // Where a value takes that long, nothing is won beside the waker.
  static constexpr std::uint32_t worthwhile_ns = 1000;

  // At a wake-up, when at least sample_values have passed since the last call: how many. True: who
  // is woken from now on goes on beside its waker.
  bool judge_sample(std::int64_t now_ns, std::uint32_t values) noexcept {
    constexpr std::int64_t most = std::int64_t{1} << 31;
    const std::int64_t took = now_ns - began_ns_;
    const auto each = static_cast<std::uint32_t>(took > most ? most / values : took / values);
    const bool is_first = began_ns_ == 0;
    began_ns_ = now_ns;
    if (is_first) return beside_;
    if (now_ns < settled_ns_) return beside_;
    sum_ += each;
    ++samples_;
    if (beside_ != at_home_)
      judge_trial(now_ns);
    else
      judge_home(now_ns, each);
    return beside_;
  }

 private:
  void take_way(std::int64_t now_ns, bool beside) noexcept {
    beside_ = beside;
    settled_ns_ = now_ns + settling_ns;
    samples_ = 0;
    sum_ = 0;
  }

  void judge_trial(std::int64_t now_ns) noexcept {
    if (samples_ < trial_samples || now_ns < settled_ns_ + settling_ns) return;
    const auto tried = static_cast<std::uint32_t>(sum_ / samples_);
    if (tried + tried / 8 < home_ns_) {
      at_home_ = beside_;
      interval_ = interval_min;
    } else {
      interval_ = interval_ < interval_max ? interval_ * 4 : interval_max;
    }
    take_way(now_ns, at_home_);
    home_ns_ = 0;
  }

  void judge_home(std::int64_t now_ns, std::uint32_t each) noexcept {
    // An average of the last few; the first of them stands for how it was after the trial.
    if (samples_ == trial_samples)
      first_ns_ = home_ns_ = static_cast<std::uint32_t>(sum_ / samples_);
    if (samples_ <= trial_samples) return;
    home_ns_ = (7 * home_ns_ + each) / 8;
    if (home_ns_ > 2 * first_ns_ + worthwhile_ns && interval_ > interval_min)
      interval_ = interval_min;
    if (samples_ < (has_tried_ ? interval_ : 2 * trial_samples)) return;
    samples_ = trial_samples + 1;
    if (!at_home_ && home_ns_ > worthwhile_ns) return;
    has_tried_ = true;
    take_way(now_ns, !at_home_);
  }

  bool beside_ = false;   // the way taken now
  bool at_home_ = false;  // the way that was faster
  bool has_tried_ = false;
  std::uint32_t samples_ = 0;
  std::uint32_t interval_ = interval_min;
  std::uint32_t home_ns_ = 0;
  std::uint32_t first_ns_ = 0;
  std::int64_t began_ns_ = 0;
  std::int64_t settled_ns_ = 0;
  std::uint64_t sum_ = 0;
};

}  // namespace greenroom::detail
