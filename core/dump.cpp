// SPDX-License-Identifier: Apache-2.0
// Making a dump. It walks the cells and takes no part in what they do: a reference to each one
// while it looks, so that it stays the same actor.
#include "dump.hpp"

#include <greenroom/blocking.hpp>

#include <algorithm>
#include <memory>
#include <new>
#include <string_view>
#include <unordered_map>

namespace greenroom {

namespace detail {

namespace {

using contents = runtime_dump::contents;

// What several green threads have in common.
struct place {
  actor_state state;
  const char* waits;  // kept words, so equal ones are the same
  code_frames frames;

  bool operator==(const place& other) const noexcept {
    return state == other.state && waits == other.waits && frames == other.frames;
  }
};

struct hash_of_place {
  std::size_t operator()(const place& p) const noexcept {
    std::size_t h = reinterpret_cast<std::size_t>(p.waits) + static_cast<std::size_t>(p.state);
    for (unsigned i = 0; i < p.frames.depth; ++i)
      h = (h ^ reinterpret_cast<std::size_t>(p.frames.at[i])) * 0x9E37'79B9'7F4A'7C15u;
    return h;
  }
};

// "ask `totals` to ledger" is an ask like others.
std::string without_whom(std::string_view waits) {
  for (const std::string_view verb : {"ask `", "send `", "join "})
    if (waits.starts_with(verb)) return std::string(verb.substr(0, verb.find(' ')));
  return std::string(waits);
}

std::int64_t ago(std::int64_t now_ns, std::int64_t then_ns) noexcept {
  return then_ns == 0 ? 0 : std::max<std::int64_t>(now_ns - then_ns, 0);
}

class maker {
 public:
  maker(home* h, wait_samples& samples, contents& all) : home_(h), samples_(samples), all_(all) {}

  void make() {
    all_.actors.reserve(count_living(home_));
    take_workers();
    for_each_cell(home_, [](cell* c, void* self) { static_cast<maker*>(self)->take(c); }, this);
    if (no_memory_) throw std::bad_alloc();
    sort_groups();
    sort_actors();
    take_totals();
  }

 private:
  void take(cell* c) noexcept {
    if (no_memory_ || !try_add_reference(c)) return;
    try {
      if ((c->control.load(sync::memory_order_acquire) & control_ended) == 0) take_living(c);
    } catch (...) { no_memory_ = true; }
    drop_reference(c);
  }

  static std::uint32_t addresses_of(const cell* c) noexcept {
    const std::int32_t n = c->addresses.load(sync::memory_order_acquire) - alive +
                           c->lent.load(sync::memory_order_acquire);
    return n < 0 ? 0 : static_cast<std::uint32_t>(n);
  }

  void take_living(const cell* c) {
    dump_actor one{};
    one.id = c->id;
    one.name = all_.keep(name_of(c));
    one.waits = "";
    one.group = no_group;
    one.messages = messages_of(c, one.more_messages);
    one.addresses = addresses_of(c);
    one.detached = (c->control.load(sync::memory_order_relaxed) & control_detached) != 0;
    constexpr int looks_max = 4;
    for (int i = 0; i < looks_max && !take_wait(c, one); ++i) {}
    all_.totals.messages += one.messages;
    all_.actors.push_back(one);
  }

  // False: it was in another wait before all was seen of this one.
  bool take_wait(const cell* c, dump_actor& one) {
    const whereabouts where = whereabouts_of(c);
    one.state = state_of(c, where);
    one.waits = "";
    one.group = no_group;
    const wait_samples::times t = samples_.find(c, where);
    one.since = duration(ago(now_ns_, t.since_ns));
    one.oldest = duration(one.messages == 0 ? 0 : ago(now_ns_, t.messages_since_ns));
    if (one.state == actor_state::runs || one.state == actor_state::runnable) return true;
    char waits[192] = "receive";
    if (one.state == actor_state::waits) describe_wait(c, waits, sizeof waits);
    place p{one.state, nullptr, {}};
    std::uint64_t number = 0;
    const bool has_stack = stacks_.read(c, rests_on_stack, p.frames, number);
    const bool waits_on = one.state == actor_state::waits;
    if (waits_on ? look_at_wait(c).number != where.number : number != 0) {
      one.state = actor_state::runnable;
      return false;
    }
    one.waits = all_.keep(waits);
    p.waits = all_.keep(without_whom(one.waits).c_str());
    if (has_stack && (!waits_on || number == where.number)) one.group = group_of(p);
    return true;
  }

  static actor_state state_of(const cell* c, const whereabouts& where) noexcept {
    const wait_look wait = look_at_wait(c);
    if (wait.now == wait_look::phase::waits) return actor_state::waits;
    if (wait.now == wait_look::phase::decided) return actor_state::runnable;
    if ((c->in.look() & inbox::idle) != 0) return actor_state::rests;
    return where.number != 0 ? actor_state::runs : actor_state::runnable;
  }

  std::size_t group_of(const place& p) {
    const auto [at, is_new] = places_.try_emplace(p, all_.groups.size());
    if (is_new) {
      const std::vector<const char*>& frames = keep_frames(p.frames);
      all_.groups.push_back({0, p.state, p.waits, frames.size(), frames.data()});
    }
    ++all_.groups[at->second].size;
    return at->second;
  }

  const char* describe(void* frame) {
    const auto [at, is_new] = frames_.try_emplace(frame, nullptr);
    if (is_new) at->second = all_.keep(describe_frame(frame).c_str());
    return at->second;
  }

  const std::vector<const char*>& keep_frames(const code_frames& from) {
    std::vector<const char*> kept;
    for (unsigned i = 0; i < from.depth; ++i)
      if (const char* text = describe(from.at[i]); !is_of_machinery(text)) kept.push_back(text);
    return all_.frames.emplace_back(std::move(kept));
  }

  void take_workers() {
    const std::unique_ptr<worker_look[]> looks(new worker_look[workers_most]);
    const unsigned n = look_at_workers(home_->runs_on, looks.get(), workers_most, &stacks_);
    for (unsigned i = 0; i < n; ++i) {
      const worker_look& look = looks[i];
      dump_worker w{};
      w.index = look.index;
      w.thread = look.system_id;
      w.asleep = look.asleep;
      w.stuck = look.stuck;
      w.announced = look.announced;
      w.helper = look.is_helper;
      w.runs = "";
      char name[96];
      if (look.runs != nullptr) {
        const task_ops* ops = __atomic_load_n(&look.runs->ops, __ATOMIC_ACQUIRE);
        if (ops != nullptr && ops->identify(look.runs, name, sizeof name, w.id))
          w.runs = all_.keep(name);
      }
      w.busy = duration(std::max<std::int64_t>(look.for_ns, 0));
      w.doing = all_.keep(look.doing());
      w.queued = look.queued;
      const std::vector<const char*>& frames = keep_frames(look.frames);
      w.frames = frames.size();
      w.frame = frames.data();
      all_.workers.push_back(w);
    }
  }

  void sort_groups() {
    std::vector<std::size_t> order(all_.groups.size()), place_of(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
      const std::size_t n = all_.groups[a].size, m = all_.groups[b].size;
      return n != m ? n > m : a < b;
    });
    std::vector<dump_group> sorted;
    sorted.reserve(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      place_of[order[i]] = i;
      sorted.push_back(all_.groups[order[i]]);
    }
    all_.groups = std::move(sorted);
    for (dump_actor& one : all_.actors)
      if (one.group != no_group) one.group = place_of[one.group];
  }

  void sort_actors() {
    std::sort(all_.actors.begin(), all_.actors.end(), [](const dump_actor& a, const dump_actor& b) {
      return a.messages != b.messages ? a.messages > b.messages : a.id < b.id;
    });
  }

  void take_totals() noexcept {
    dump_totals& t = all_.totals;
    t.actors = all_.actors.size();
    for (std::size_t i = 0; i != dead_letter_reasons; ++i)
      t.dead_letters += home_->dead.table.total(static_cast<dead_letter_reason>(i));
    const queue_look queues = look_at_queues(home_->runs_on);
    t.queued = queues.injected + queues.spilled;
    const stacks_look stacks = look_at_stacks();
    t.stacks_used = stacks.used;
    t.stacks_kept = stacks.free;
    t.stack_bytes = stacks.free_bytes;
  }

  home* home_;
  wait_samples& samples_;
  contents& all_;
  stack_looks stacks_;
  const std::int64_t now_ns_ = now().time_since_epoch().count();
  bool no_memory_ = false;
  std::unordered_map<place, std::size_t, hash_of_place> places_;
  std::unordered_map<void*, const char*> frames_;
};

}  // namespace

void call_with_room(void (*call)(void*), void* argument) {
  if (current_task() == nullptr) {
    call(argument);
    return;
  }
  blocking([&] { on_os_stack([&] { call(argument); }); });
}

contents* make_dump(home* h, wait_samples& samples, const char* runtime, bool is_down) noexcept {
  std::unique_ptr<contents> all;
  const auto make = [&] {
    all = std::make_unique<contents>();
    all->runtime = all->keep(runtime);
    if (!is_down) maker(h, samples, *all).make();
    write_text(*all, is_down);
  };
  try {
    call_with_room([](void* call) { (*static_cast<decltype(make)*>(call))(); },
                   const_cast<void*>(static_cast<const void*>(&make)));
    return all.release();
  } catch (...) {  // the rows go first: a sentence then has memory again
    return nullptr;
  }
}

}  // namespace detail

const char* name_of(actor_state s) noexcept {
  static constexpr const char* names[] = {"runs", "runnable", "rests", "waits"};
  return names[static_cast<std::size_t>(s)];
}

runtime_dump::runtime_dump(runtime_dump&& other) noexcept
    : all_(std::exchange(other.all_, nullptr)) {}
runtime_dump& runtime_dump::operator=(runtime_dump&& other) noexcept {
  std::swap(all_, other.all_);
  return *this;
}
runtime_dump::~runtime_dump() { delete all_; }

dump_rows<dump_actor> runtime_dump::actors() const noexcept {
  return all_ == nullptr ? dump_rows<dump_actor>(nullptr, 0)
                         : dump_rows<dump_actor>(all_->actors.data(), all_->actors.size());
}
dump_rows<dump_group> runtime_dump::groups() const noexcept {
  return all_ == nullptr ? dump_rows<dump_group>(nullptr, 0)
                         : dump_rows<dump_group>(all_->groups.data(), all_->groups.size());
}
dump_rows<dump_worker> runtime_dump::workers() const noexcept {
  return all_ == nullptr ? dump_rows<dump_worker>(nullptr, 0)
                         : dump_rows<dump_worker>(all_->workers.data(), all_->workers.size());
}
dump_totals runtime_dump::totals() const noexcept {
  return all_ == nullptr ? dump_totals{} : all_->totals;
}

}  // namespace greenroom
