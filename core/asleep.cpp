// SPDX-License-Identifier: Apache-2.0
// All asleep: how run() learns that its program waits for ever.
//
// The watchdog finds the workers asleep, with nothing on the scheduler that could wake them. What
// is left are OS threads that might hold an address. run() owns the runtime's only handle, so if
// the process has no threads but the runtime's own and run()'s, which waits here, nobody is left:
// who could start one sleeps. A thread more, whatever it is for, and nothing is said.
#include "asleep.hpp"

#include "runtime_state.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace greenroom::detail {

namespace {

struct sleepers {
  std::map<std::string, std::vector<std::string>> by_wait;
  std::size_t count = 0;
};

void note_one(cell* c, void* argument) {
  auto& all = *static_cast<sleepers*>(argument);
  if (!try_add_reference(c)) return;
  if ((c->control.load(sync::memory_order_acquire) & control_ended) == 0) {
    char text[512];
    describe_wait_and_place(c, text, sizeof text);
    all.by_wait[*text == '\0' ? "something unknown" : text].emplace_back(name_of(c));
    ++all.count;
  }
  drop_reference(c);
}

std::string in_a_line(const std::vector<std::string>& names) {
  constexpr std::size_t names_max = 10;
  std::string line;
  for (std::size_t i = 0; i < names.size() && i < names_max; ++i)
    line += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > names_max)
    line += " and " + std::to_string(names.size() - names_max) + " more";
  return line;
}

void log_sleepers(const sleepers& all, const std::string& name, const logger& log) {
  log.write(log_level::error,
            "greenroom: runtime " + name + ": deadlock: all " + std::to_string(all.count) +
                " actors and green threads are asleep, and nothing can wake them: no timer, no "
                "I/O, no other OS thread");
  // Those who are the fewest are likely the ones to look at.
  std::vector<const decltype(all.by_wait)::value_type*> groups;
  for (const auto& group : all.by_wait) groups.push_back(&group);
  std::sort(groups.begin(), groups.end(), [](const auto* a, const auto* b) {
    return a->second.size() != b->second.size() ? a->second.size() < b->second.size()
                                                : a->first < b->first;
  });
  for (const auto* group : groups)
    log.write(log_level::error, "greenroom: runtime " + name + ": asleep (" + group->first +
                                    "): " + in_a_line(group->second));
}

}  // namespace

void asleep_watch::begin(runtime& rt) noexcept {
  // release: pairs with the acquire in the watchdog's callback.
  rt.state_->sleepers.store(this, sync::memory_order_release);
}

void asleep_watch::look(runtime& rt) {
  constexpr unsigned callers = 1;
  // relaxed: where it ends, or is to end, there is nothing to say.
  if (found() || rt.state_->is_requested.load(sync::memory_order_relaxed)) return;
  if (!is_alone(rt.state_->runs_on, callers)) return;
  sleepers all;
  for_each_cell(rt.state_->home, note_one, &all);
  log_sleepers(all, rt.state_->name, rt.state_->log);
  found_.store(true, sync::memory_order_release);
  rt.request_shutdown();
}

}  // namespace greenroom::detail
