// SPDX-License-Identifier: Apache-2.0
// Making a runtime, and what it tells of itself. How it ends: shutdown.cpp.
#include "dead_letters.hpp"
#include "dump.hpp"
#include "names.hpp"
#include "options.hpp"
#include "runtime_state.hpp"
#include "signals.hpp"

#include <greenroom/detail/scheduler_access.hpp>

#include <cstdio>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

namespace greenroom {

using detail::cell;

void runtime::state::look_for_sleepers(void* user) {
  auto* s = static_cast<state*>(user);
  detail::asleep_watch* watch = s->sleepers.load(detail::sync::memory_order_acquire);
  if (watch == nullptr) return;
  try {
    watch->look(*s->of);
  } catch (const std::bad_alloc&) {}  // it sleeps on, as it would without this
}

runtime::runtime(const runtime_options& options) {
  const runtime_options o = detail::checked(options);
  auto made = std::make_unique<state>(o);
  home_ = made->home = detail::acquire_home();
  const detail::watch_settings watch{[](void* user, const char* text) {
                                       static_cast<state*>(user)->log.write(log_level::warning,
                                                                            text);
                                     },
                                     [](void* user, detail::trim what) {
                                       auto& self = *static_cast<state*>(user);
                                       const bool more = detail::trim_nodes(what);
                                       const bool looks = self.samples.look(self.home, what);
                                       return detail::trim_cells(self.home, what) || more || looks;
                                     },
                                     state::look_for_sleepers, made.get(), o.report_stuck_after};
  const char* why = "";
  detail::scheduler* s = detail::start_scheduler(
      {o.workers, o.stack_size, o.threads_max, watch, o.overflow_handler}, why);
  if (s == nullptr) {
    detail::release_home(home_);
    throw std::runtime_error(std::string("greenroom: cannot start: ") + why);
  }
  if (o.handle_signals && !detail::use_shutdown_signals()) {
    detail::stop_scheduler(s, never, true);
    detail::release_home(home_);
    throw std::runtime_error("greenroom: cannot start: no handlers for SIGTERM and SIGINT");
  }
  made->handles_signals = o.handle_signals;
  state_ = made.release();
  state_->of = this;
  state_->runs_on = s;
  home_->runs_on = s;
  home_->capacity = o.capacity;
  home_->stack_size = o.stack_size;
  home_->user = state_;
  home_->failed = [](detail::home* h, const cell* c, const char* what) {
    char text[512];
    std::snprintf(text, sizeof text, "greenroom: %s (id %llu) ended: %s", detail::name_of(c),
                  static_cast<unsigned long long>(c->id), what);
    static_cast<state*>(h->user)->log.write(log_level::error, text);
  };
  home_->names = &state_->names;
  state_->names.of = home_;
  if (o.dump_on != 0) dump_on(o.dump_on);
  state_->letters.begin(home_);
  home_->say = [](detail::home* h, detail::home::tone tone, const char* text) {
    const bool is_error = tone == detail::home::tone::error;
    static_cast<state*>(h->user)->log.write(is_error ? log_level::error : log_level::warning, text);
  };
  home_->accepts.store(detail::spawns_from::anywhere, detail::sync::memory_order_release);
}

void runtime::dump_on(int signal) {
  const char* why = state_->on_dump_signal.start(
      signal,
      [](void* self) {
        const auto& rt = *static_cast<const runtime*>(self);
        rt.dump().write(rt.state_->log);
      },
      this);
  if (why == nullptr) return;
  detail::stop_scheduler(state_->runs_on, never, true);
  detail::release_home(home_);
  if (state_->handles_signals) detail::leave_shutdown_signals();
  delete state_;
  throw std::runtime_error(std::string("greenroom: cannot start: ") + why);
}

runtime_dump runtime::dump() const noexcept {
  const bool is_down = state_->down.load(detail::sync::memory_order_acquire) || detail::forked();
  return runtime_dump(detail::make_dump(home_, state_->samples, state_->name.c_str(), is_down));
}

runtime::~runtime() {
  shutdown_as_asked();
  state_->on_dump_signal.stop();
  if (state_->handles_signals && !detail::forked()) detail::leave_shutdown_signals();
  if (!state_->down.load(detail::sync::memory_order_acquire)) return;  // left behind, see shutdown
  detail::remove_all_listeners(home_);
  home_->user = nullptr;
  home_->names = nullptr;
  detail::release_home(home_);
  delete state_;
}

unsigned runtime::workers() const noexcept { return detail::worker_count(state_->runs_on); }

greenroom::registry runtime::registry() noexcept { return greenroom::registry(&state_->names); }

greenroom::groups runtime::groups() noexcept { return greenroom::groups(&state_->names); }

std::size_t runtime::actors() const noexcept { return detail::count_living(home_); }

}  // namespace greenroom
