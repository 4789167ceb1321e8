// SPDX-License-Identifier: Apache-2.0
// What a shutdown tells on its way: hooks in its first phase, supervision trees in its third. All
// runtimes share one list, for it is short and seldom touched, and outlives them.
//
// C11: who takes a stoppable out of the list, under the lock, decides: its owner keeps it, or the
//     shutdown tells it once and then releases it.
// C12: whoever adds one looks under the lock whether its phase has begun; the shutdown sets what is
//     looked at before it takes the lock for the first or, in the third phase, for the last time.
//     So none is added that nobody will take out.
#include "shutdown_list.hpp"

#include <greenroom/detail/home.hpp>
#include <greenroom/detail/spin_lock.hpp>
#include <greenroom/green_thread.hpp>
#include <greenroom/latch.hpp>

#include <new>

namespace greenroom {

const char* name_of(shutdown_phase phase) noexcept {
  static constexpr const char* names[] = {"refuse", "drain", "stop", "cancel"};
  return names[static_cast<std::size_t>(phase)];
}

namespace detail {

namespace {

spin_lock lock;
stoppable* newest GREENROOM_GUARDED_BY(lock) = nullptr;

}  // namespace

bool add_stoppable(home* where, shutdown_phase when, stoppable* what) noexcept {
  const spin_guard guard(lock);
  // relaxed: under the lock (C12).
  const spawns_from accepts = where->accepts.load(sync::memory_order_relaxed);
  if (accepts == spawns_from::nowhere) return false;
  if (when == shutdown_phase::refuse && accepts != spawns_from::anywhere) return false;
  what->where = where;
  what->when = when;
  what->next = newest;
  newest = what;
  return true;
}

bool remove_stoppable(stoppable* what) noexcept {
  const spin_guard guard(lock);
  for (stoppable** at = &newest; *at != nullptr; at = &(*at)->next)
    if (*at == what) {
      *at = what->next;
      what->where = nullptr;
      return true;
    }
  return false;
}

stoppable* take_newest(home* where, shutdown_phase when) noexcept {
  const spin_guard guard(lock);
  for (stoppable** at = &newest; *at != nullptr; at = &(*at)->next)
    if (stoppable* what = *at; what->where == where && what->when == when) {
      *at = what->next;
      what->where = nullptr;
      return what;
    }
  // seq_cst: as all that end_runtime stores there.
  if (when == shutdown_phase::stop)
    where->accepts.store(spawns_from::nowhere, sync::memory_order_seq_cst);  // C12
  return nullptr;
}

// ---- hooks: a function of the user as a stoppable

struct hook_record : stoppable {
  hook_record(void* c, const hook_calls& h) noexcept : closure(c), how(h) {
    stop = [](stoppable* s, time_point) { static_cast<hook_record*>(s)->run(); };
    release = [](stoppable* s) noexcept { static_cast<hook_record*>(s)->drop(); };
  }

  // Its end lets those go on who wait for it, in whatever way it comes.
  void run() {
    struct ends {
      hook_record* what;
      ~ends() {
        what->how.destroy(std::exchange(what->closure, nullptr));
        what->open();
      }
    } const at_end{this};
    // release: pairs with the acquire in remove_hook; the token may be given up by the call itself.
    runner.store(current_cell(), sync::memory_order_release);
    how.call(closure);
  }

  // Once: by the end of the call, or when the shutdown gives it up.
  void open() noexcept {
    if (!opened.exchange(true, sync::memory_order_acq_rel)) done.count_down();
  }

  // acq_rel: the last one sees what the others did.
  void drop() noexcept {
    if (references.fetch_sub(1, sync::memory_order_acq_rel) != 1) return;
    if (closure != nullptr) how.destroy(closure);
    delete this;
  }

  void* closure;  // whoever took it out of the list, or runs it
  const hook_calls how;
  sync::atomic<cell*> runner{nullptr};
  sync::atomic<bool> opened{false};
  sync::atomic<std::uint32_t> references{2};  // of the token and the list or the shutdown
  latch done{1};
};

hook_record* add_hook(home* where, void* closure, const hook_calls& how) {
  auto* made = new (std::nothrow) hook_record(closure, how);
  if (made == nullptr) {
    how.destroy(closure);
    throw std::bad_alloc();
  }
  if (add_stoppable(where, shutdown_phase::refuse, made)) return made;
  made->drop();
  made->drop();
  return nullptr;
}

void remove_hook(hook_record* hook) noexcept {
  if (remove_stoppable(hook)) {
    hook->drop();
  } else if (!forked()) {
    const cell* me = current_cell();
    const bool by_itself =
        me != nullptr && hook->runner.load(sync::memory_order_acquire) == me;  // see run()
    const shield not_interrupted;
    while (!by_itself && !hook->done.wait_until(never)) {}
  }
  hook->drop();
}

void keep_hook(hook_record* hook) noexcept { hook->drop(); }

void give_up(stoppable* what) noexcept {
  if (what->when == shutdown_phase::refuse) static_cast<hook_record*>(what)->open();
}

}  // namespace detail
}  // namespace greenroom
