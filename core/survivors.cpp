// SPDX-License-Identifier: Apache-2.0
// Who did not stop in time: found, described, and told to the log. By the OS thread that shuts the
// runtime down, while those it describes may go on running.
#include "dump.hpp"
#include "runtime_state.hpp"

#include <algorithm>
#include <cstdio>
#include <new>
#include <string>

namespace greenroom {

namespace {

using detail::cell;

constexpr std::size_t stack_size = 1024;
constexpr std::size_t held_by_size = 320;

// What is left of it is for those who hold its address.
bool has_ended(const cell* c) {
  return (c->control.load(detail::sync::memory_order_acquire) & detail::control_ended) != 0;
}

struct search {
  survivor* all = nullptr;
  std::size_t size = 0;
  std::size_t room = 0;
  char* texts = nullptr;  // for the first survivor::detailed_max; null: no room for them
  detail::wait_samples* samples = nullptr;
  bool any_runs = false;
};

void count_one(cell*, void* n) { ++*static_cast<std::size_t*>(n); }

// REQUIRES: the caller holds a reference.
void describe(cell* c, search& s) {
  survivor& one = s.all[s.size];
  detail::describe_cell(c, one.name, sizeof one.name, one.id);
  bool more = false;
  one.messages = detail::messages_of(c, more);
  detail::describe_wait(c, one.waits, sizeof one.waits);
  one.doing[0] = '\0';
  one.since = {};
  one.stack = one.held_by = "";
  s.any_runs = s.any_runs || one.waits[0] == '\0';
  if (s.texts != nullptr && s.size < survivor::detailed_max) {
    const std::int64_t since = s.samples->find(c, detail::whereabouts_of(c)).since_ns;
    if (since != 0) one.since = now().time_since_epoch() - duration(since);
    char* const text = s.texts + s.size * (stack_size + held_by_size);
    detail::stack_of(c, text, stack_size);
    detail::holders_of(c, text + stack_size, held_by_size);
    one.stack = text;
    one.held_by = text + stack_size;
  }
  ++s.size;
}

void describe_one(cell* c, void* argument) {
  auto& s = *static_cast<search*>(argument);
  if (s.size == s.room || !detail::try_add_reference(c)) return;
  if (!has_ended(c)) describe(c, s);
  detail::drop_reference(c);
}

// "5 s", "1.5 s", "20 ms"
std::string in_words(duration d) {
  char text[32];
  const double s = std::chrono::duration<double>(d).count();
  std::snprintf(text, sizeof text, s < 1 ? "%.3g ms" : "%.3g s", s < 1 ? s * 1000 : s);
  return text;
}

// "importer (id 7, waits for sleep, since 4.8 s, 3 messages waiting)"
std::string in_words(const survivor& one) {
  std::string text = one.name;
  text += " (id " + std::to_string(one.id);
  if (*one.waits != '\0')
    text += std::string(", waits for ") + one.waits;
  else
    text += *one.doing == '\0' ? ", runs" : std::string(", ") + one.doing;
  if (one.since > duration::zero()) text += ", since " + in_words(one.since);
  if (one.messages != 0)
    text += ", " + std::to_string(one.messages) +
            (one.messages == 1 ? " message waiting" : " messages waiting");
  return text + ")";
}

}  // namespace

void runtime::report_survivors(shutdown_report& report) const {
  std::size_t n = 0;
  detail::for_each_cell(home_, count_one, &n);
  const std::size_t detailed = std::min(n, survivor::detailed_max);
  // An actor, of another runtime, has no stack for that.
  if (detail::current_cell() == nullptr)
    report.texts_ = new (std::nothrow) char[detailed * (stack_size + held_by_size)]();
  search s{new survivor[n], 0, n, report.texts_, &state_->samples, false};
  detail::for_each_cell(home_, describe_one, &s);
  report.all_ = s.all;
  report.size_ = s.size;
  if (!s.any_runs || report.texts_ == nullptr) return;
  const runtime_dump now_doing = dump();
  for (const dump_worker& w : now_doing.workers())
    for (std::size_t i = 0; i != s.size; ++i)
      if (s.all[i].id == w.id && s.all[i].waits[0] == '\0') {
        std::snprintf(s.all[i].doing, sizeof s.all[i].doing, "%s", w.doing);
        s.all[i].since = w.busy;
      }
}

void runtime::log_survivors(const shutdown_report& report, duration took) const {
  const std::size_t n = report.size();
  std::string head = "greenroom: shutdown";
  if (state_->name != runtime_options{}.name) head += " of " + state_->name;
  std::string text = head + ": " + std::to_string(n) + (n == 1 ? " actor" : " actors") +
                     " did not stop in " + in_words(took) + ": ";
  const std::size_t named = std::min(n, survivor::detailed_max);  // all of them are in the report
  for (std::size_t i = 0; i != named; ++i)
    text += (i == 0 ? "" : ", ") + in_words(report.begin()[i]);
  if (n > named) text += ", and " + std::to_string(n - named) + " more";
  state_->log.write(log_level::error, text);
  for (std::size_t i = 0; i != named; ++i) {
    const survivor& one = report.begin()[i];
    text = head + ": " + one.name + " (id " + std::to_string(one.id) + ")";
    if (*one.held_by != '\0') text += std::string(" is ") + one.held_by;
    if (*one.stack != '\0') text += std::string("; at ") + one.stack;
    if (*one.held_by != '\0' || *one.stack != '\0') state_->log.write(log_level::warning, text);
  }
}

}  // namespace greenroom
