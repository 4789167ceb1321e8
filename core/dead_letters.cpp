// SPDX-License-Identifier: Apache-2.0
#include "dead_letters.hpp"

#include <greenroom/dead_letters.hpp>
#include <greenroom/runtime.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace greenroom {

namespace {

using detail::dead_table;

constexpr const char* other_types = "other types";

bool comes_first(const dead_letter_count& a, const dead_letter_count& b) noexcept {
  return a.count != b.count ? a.count > b.count : a.reason < b.reason;
}

// Rows of the same name are one type's (detail/dead_letters.hpp).
std::vector<dead_letter_count> rows_of(const dead_table& table) {
  std::vector<dead_letter_count> found;
  for (std::size_t i = 0; i < dead_table::rows_max; ++i) {
    const char* name = table.at(i).name.load(detail::sync::memory_order_relaxed);
    if (name == nullptr) name = other_types;
    for (std::size_t r = 0; r < dead_letter_reasons; ++r) {
      const std::uint64_t n = table.at(i).counts[r].load(detail::sync::memory_order_relaxed);
      const auto reason = static_cast<dead_letter_reason>(r);
      if (n == 0) continue;
      const auto same = std::find_if(found.begin(), found.end(), [&](const auto& one) {
        return one.reason == reason && std::strcmp(one.type, name) == 0;
      });
      if (same == found.end())
        found.push_back({name, reason, n});
      else
        same->count += n;
    }
  }
  std::sort(found.begin(), found.end(), comes_first);
  return found;
}

}  // namespace

std::uint64_t dead_letter_counts::of(const char* type, dead_letter_reason reason) const noexcept {
  for (const dead_letter_count& one : *this)
    if (one.reason == reason && std::strcmp(one.type, type) == 0) return one.count;
  return 0;
}

greenroom::dead_letters runtime::dead_letters() const noexcept {
  const auto n = [&](dead_letter_reason reason) { return home_->dead.table.total(reason); };
  using r = dead_letter_reason;
  return {n(r::closed),   n(r::undelivered), n(r::full),       n(r::timeout), n(r::cancelled),
          n(r::deadlock), n(r::expired),     n(r::late_reply), n(r::dropped), n(r::crashed)};
}

dead_letter_counts runtime::count_dead_letters() const {
  const std::vector<dead_letter_count> found = rows_of(home_->dead.table);
  dead_letter_counts out;
  out.all_ = new dead_letter_count[found.size()];
  out.size_ = found.size();
  std::copy(found.begin(), found.end(), out.all_);
  return out;
}

namespace detail {

letter_log::letter_log(const logger& log, duration period)
    : log_(log),
      period_(period),
      told_(period == duration::max() ? nullptr : new told_row[dead_table::rows_max]{}) {
  call = on_first;
}

void letter_log::begin(home* h) noexcept {
  home_ = h;
  if (told_ != nullptr) set_first_listener(home_, this);
}

void letter_log::on_first(dead_listener* mine, const greenroom::dead_letter& letter) noexcept {
  auto& self = *static_cast<letter_log*>(mine);
  const spin_guard guard(self.lock_);
  self.sample_ = letter;
  if (self.closed_) return;
  // Without memory for it nothing is written until the end.
  self.pending_ = start_alarm(self.home_->runs_on, deadline_after(self.period_), on_alarm, mine);
}

void letter_log::on_alarm(void* mine) {
  auto& self = *static_cast<letter_log*>(static_cast<dead_listener*>(mine));
  // Before it counts: what comes later arms the next alarm.
  self.home_->dead.wanted.fetch_or(dead_letters::wakes);
  char when[48];
  std::snprintf(when, sizeof when, "in the last %g s",
                std::chrono::duration<double>(self.period_).count());
  self.write(when);
}

void letter_log::close() noexcept {
  const spin_guard guard(lock_);
  closed_ = true;
  cancel_alarm(pending_);
}

void letter_log::finish() noexcept {
  if (told_ != nullptr) write("at the end");
}

// "greenroom: dead letters in the last 1 s: 12 `add` (closed), 3 `total` (expired); the first was
// `add` to counter (id 7)"
void letter_log::write(const char* when) noexcept {
  constexpr std::size_t kinds_max = 8;  // in one line; the rest is a number
  const std::lock_guard guard(writing_);
  try {
    std::vector<dead_letter_count> fresh;
    for (std::size_t i = 0; i < dead_table::rows_max; ++i) {
      const dead_table::row& row = home_->dead.table.at(i);
      const char* name = row.name.load(sync::memory_order_relaxed);
      for (std::size_t r = 0; r < dead_letter_reasons; ++r) {
        const std::uint64_t n = row.counts[r].load(sync::memory_order_relaxed);
        const std::uint64_t more = n - std::exchange(told_[i][r], n);
        if (more == 0) continue;
        fresh.push_back({name, static_cast<dead_letter_reason>(r), more});
      }
    }
    if (fresh.empty()) return;
    std::sort(fresh.begin(), fresh.end(), comes_first);
    std::string text = std::string("greenroom: dead letters ") + when + ": ";
    std::uint64_t rest = 0;
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      const dead_letter_count& one = fresh[i];
      if (i >= kinds_max) {
        rest += one.count;
        continue;
      }
      if (i != 0) text += ", ";
      text += std::to_string(one.count);
      text += one.type == nullptr ? " of other types" : std::string(" `") + one.type + "`";
      text += std::string(" (") + name_of(one.reason) + ")";
    }
    if (rest != 0) text += ", and " + std::to_string(rest) + " more";
    char first[320] = "";
    {
      const spin_guard lock(lock_);
      if (sample_.count != 0)
        std::snprintf(first, sizeof first, "; the first was `%s` to %s (id %llu)", sample_.type,
                      sample_.actor, static_cast<unsigned long long>(sample_.id));
      sample_.count = 0;
    }
    log_.write(log_level::warning, text + first);
  } catch (...) {  // memory is out: the counters stay
  }
}

}  // namespace detail
}  // namespace greenroom
