// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace greenroom::detail {

namespace {

constexpr unsigned workers_max = 256;
constexpr std::size_t stack_min = 16u << 10;
constexpr std::size_t stack_max = 256u << 20;

[[noreturn]] void bad(const std::string& what, const std::string& value, const char* wanted) {
  throw std::invalid_argument("greenroom: " + what + " = " + value + ": must be " + wanted);
}

void check_range(const std::string& what, std::uint64_t value, std::uint64_t least,
                 std::uint64_t most, const char* wanted) {
  if (value < least || value > most) bad(what, std::to_string(value), wanted);
}

constexpr const char* workers_wanted = "0 (as many as this process may use) to 256";
constexpr const char* threads_wanted = "as many as workers at least, to 256";
constexpr const char* stack_wanted = "16384 (16 KiB) to 268435456 (256 MiB) bytes";
constexpr const char* capacity_wanted = "1 to 60000 messages, or unbounded";

// The variable as a number, or false when it is not set.
bool from_environment(const char* name, std::uint64_t& value, const char* wanted) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return false;
  const char* end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, value);
  if (error != std::errc{} || at != end) bad(name, std::string("\"") + text + "\"", wanted);
  return true;
}

// Not one that cannot be caught, tells of a fault, or is taken for stacks of running threads.
void check_signal(int signal) {
  bool fits = signal >= 0 && signal <= SIGRTMAX;
  for (const int taken : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGURG})
    fits = fits && signal != taken;
  if (!fits)
    bad("dump_on", std::to_string(signal), "0 (none) or a signal that can be caught, as SIGQUIT");
}

}  // namespace

void check_deadline(const char* what, duration given) {
  if (given < duration::zero()) bad(what, std::to_string(given.count()) + " ns", "0 or more");
}

void check_deadlines(const char* of, const shutdown_deadlines& given) {
  const duration each[shutdown_phases] = {given.refuse, given.drain, given.stop, given.cancel};
  for (std::size_t i = 0; i != shutdown_phases; ++i) {
    const std::string what = name_of(static_cast<shutdown_phase>(i));
    check_deadline(("deadline `" + what + "` " + of).c_str(), each[i]);
  }
}

runtime_options checked(const runtime_options& given) {
  runtime_options o = given;
  check_range("workers", o.workers, 0, workers_max, workers_wanted);
  check_range("threads_max", o.threads_max, std::max(o.workers, 1u), workers_max, threads_wanted);
  check_deadline("report_stuck_after", o.report_stuck_after);
  check_deadline("dead_letter_log", o.dead_letter_log);
  check_range("stack_size", o.stack_size, stack_min, stack_max, stack_wanted);
  if (o.capacity != unbounded)
    check_range("capacity", o.capacity, 1, inbox::capacity_max, capacity_wanted);
  check_deadline("shutdown_deadline", o.shutdown_deadline);
  if (o.shutdown_deadlines) check_deadlines("in shutdown_deadlines", *o.shutdown_deadlines);
  check_signal(o.dump_on);
  std::uint64_t value = 0;
  if (from_environment("GREENROOM_WORKERS", value, workers_wanted)) {
    check_range("GREENROOM_WORKERS", value, 0, workers_max, workers_wanted);
    if (value > o.threads_max)
      bad("GREENROOM_WORKERS", std::to_string(value),
          ("threads_max (" + std::to_string(o.threads_max) + ") at most").c_str());
    o.workers = static_cast<unsigned>(value);
  }
  if (from_environment("GREENROOM_STACK_SIZE", value, stack_wanted)) {
    check_range("GREENROOM_STACK_SIZE", value, stack_min, stack_max, stack_wanted);
    o.stack_size = static_cast<std::size_t>(value);
  }
  const char* capacity = std::getenv("GREENROOM_CAPACITY");
  if (capacity != nullptr && std::strcmp(capacity, "unbounded") == 0) {
    o.capacity = unbounded;
  } else if (from_environment("GREENROOM_CAPACITY", value, capacity_wanted)) {
    check_range("GREENROOM_CAPACITY", value, 1, inbox::capacity_max, capacity_wanted);
    o.capacity = static_cast<std::uint32_t>(value);
  }
  return o;
}

// Texts are made where something is wrong only: a spawn takes no memory for them.
struct of_actor {
  std::string_view name;
  std::string operator()() const { return name.empty() ? "" : " of " + std::string(name); }
};

static void check_marks(const water_marks& marks, std::uint32_t capacity, const of_actor& of) {
  if (marks.high == 0) {
    if (marks.low != 0 || marks.on_high || marks.on_low)
      bad("marks.high" + of(), "0", "1 to the capacity where there are marks");
    return;
  }
  if (capacity == unbounded)
    bad("marks.high" + of(), std::to_string(marks.high),
        "left out where the capacity is unbounded");
  if (marks.high > capacity)
    bad("marks.high" + of(), std::to_string(marks.high),
        ("1 to the capacity (" + std::to_string(capacity) + ")").c_str());
  if (marks.low >= marks.high)
    bad("marks.low" + of(), std::to_string(marks.low),
        ("less than marks.high (" + std::to_string(marks.high) + ")").c_str());
}

GREENROOM_COLD static void check_overload(const home* h, const spawn_options& how) {
  const of_actor of{how.name};
  if (how.overload > overload::drop_oldest)
    bad("overload" + of(), std::to_string(static_cast<int>(how.overload)),
        "wait, fail, drop_newest or drop_oldest");
  if (how.on_dropped && how.overload < overload::drop_newest)
    bad("overload" + of(), name_of(how.overload),
        "drop_newest or drop_oldest where on_dropped is set; else nothing is dropped");
  check_marks(how.marks, how.capacity == 0 ? h->capacity : how.capacity, of);
}

void check_options(const home* h, const spawn_options& how) {
  const of_actor of{how.name};
  if (how.capacity > inbox::capacity_max && how.capacity != unbounded)
    check_range("capacity" + of(), how.capacity, 1, inbox::capacity_max, capacity_wanted);
  if (how.stack_size != 0 && (how.stack_size < stack_min || how.stack_size > stack_max))
    check_range("stack_size" + of(), how.stack_size, stack_min, stack_max, stack_wanted);
  // Most spawns set none of these.
  const water_marks& marks = how.marks;
  if (GREENROOM_UNLIKELY(how.overload != overload::wait || how.on_dropped || marks.on_high ||
                         marks.on_low || (marks.high | marks.low) != 0))
    check_overload(h, how);
}

void check_idle(const spawn_options& how, bool has_on_idle, const char* type) {
  const std::string what = "idle of " + (how.name.empty() ? type : std::string(how.name));
  const std::string value = std::to_string(how.idle.count()) + " ns";
  if (how.idle <= duration::zero()) bad(what, value, "more than 0");
  if (!has_on_idle)
    throw std::invalid_argument(
        "greenroom: " + what + " = " + value + ": " + type +
        " has no greenroom::idle among its messages, or is no object actor");
}

error::code_type why_not_spawned(const home* h) noexcept {
  // acquire: as create_cell, which has refused.
  const spawns_from from = h->accepts.load(sync::memory_order_acquire);
  const bool stops =
      from == spawns_from::nowhere || (from == spawns_from::inside && current_home() != h);
  return stops ? error::shutdown : error::no_memory;
}

home* home_here() {
  home* h = current_home();
  if (h == nullptr)
    throw std::logic_error(
        "greenroom: spawn() was called outside of an actor or green thread; a plain OS thread "
        "spawns in a runtime: rt.spawn(...)");
  return h;
}

}  // namespace greenroom::detail
