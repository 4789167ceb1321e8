// SPDX-License-Identifier: Apache-2.0
// The actor's side of a process: makes it, writes messages to it, hands its answers on, and finds
// out how it ended. Two green threads: the actor writes, a reader reads.
//
// PS4  An ask is in `waiting` before its frame is written, and taken out by who answers or fails
// it:
//     the reader, or the end, which fails all that are left. So each is answered once.
// PS5  The reader holds the shared part by a count; the actor's stack may be gone before it ends.
#include "process_frame.hpp"
#include "process_nursery.hpp"
#include "process_order.hpp"

#include <greenroom/blocking.hpp>
#include <greenroom/detail/adopt_socket.hpp>
#include <greenroom/detail/process_link.hpp>
#include <greenroom/exit_reason.hpp>
#include <greenroom/green_thread.hpp>
#include <greenroom/process.hpp>
#include <greenroom/self.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>
#include <unordered_map>

namespace greenroom::detail {

namespace {

constexpr duration exit_within = std::chrono::seconds(10);  // from its last word to its end
constexpr duration kill_within = std::chrono::seconds(1);
constexpr duration drain_within = std::chrono::seconds(1);  // what it had written when it died
constexpr std::size_t sweep_first = 1024;                   // asks under way

struct asked_there {
  reply_to to;
  std::uint8_t tag;
};

struct shared_part {
  std::unique_ptr<stream> socket;
  std::string name;
  const wire_type* types = nullptr;
  std::size_t type_count = 0;
  unpack_limits limits;

  spin_lock lock;
  std::unordered_map<std::uint64_t, asked_there> waiting GREENROOM_GUARDED_BY(lock);

  // The reader, before it sets `over`.
  bool said_end = false;
  bool end_is_failure = false;
  std::string end_text;
  std::string trouble;  // it wrote what it must not
  std::atomic<bool> over{false};
  oneshot_sender<bool> hangs_up;

  bool take(std::uint64_t id, asked_there& found) {
    const spin_guard guard(lock);
    const auto at = waiting.find(id);
    if (at == waiting.end()) return false;
    found = at->second;
    waiting.erase(at);
    return true;
  }
  void fail_all(const error& why) {
    std::unordered_map<std::uint64_t, asked_there> left;
    {
      const spin_guard guard(lock);
      left.swap(waiting);
    }
    for (const auto& [id, ask] : left) answer_error(ask.to, why);
  }
};

error::code_type code_of(std::uint8_t number) noexcept {
  return number <= error::lagged ? static_cast<error::code_type>(number) : error::failed;
}

// ---- the reader

// False: the frame makes no sense, said in `trouble`.
bool handle_answer(shared_part& s, const frame& f) {
  asked_there ask{};
  if (!s.take(f.head.id, ask)) return true;  // it was given up
  if (f.head.kind == frame_kind::failed) {
    answer_error(ask.to, error(code_of(f.head.tag), f.body));
    return true;
  }
  wire_reader in(f.body.data(), f.body.size(), s.limits);
  if (s.types[ask.tag].answer(ask.to, in)) return true;
  s.trouble = std::string("its reply to `") + s.types[ask.tag].name() + "` is of another type";
  return false;
}

bool handle_frame(shared_part& s, const frame& f) {
  switch (f.head.kind) {
    case frame_kind::reply:
    case frame_kind::failed: return handle_answer(s, f);
    case frame_kind::end:
      s.said_end = true;
      s.end_is_failure = f.head.tag != 0;
      s.end_text = f.body;
      return false;
    default: s.trouble = "it wrote to its own socket"; return false;
  }
}

void read_all(const std::shared_ptr<shared_part>& s) {
  frame f;
  for (;;) {
    const status got = read_frame(*s->socket, f, frame_max(s->limits.size_max));
    if (!got) {
      if (got.error() == error::invalid) s->trouble = "it wrote to its own socket";
      break;
    }
    if (!handle_frame(*s, f)) break;
  }
  s->over.store(true, std::memory_order_release);
  (void)s->hangs_up.send(true);
}

[[noreturn]] void throw_unstarted(const std::string& name, const std::string& why) {
  const std::string text = "cannot start a process for " + name + ": " + why;
  throw process_did_not_start{exit_reason(exit_kind::failed, {.what = text.c_str()})};
}

std::uint64_t seconds_of(duration d) {
  return d == duration::max()
             ? no_limit
             : static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::seconds>(d).count());
}

process_order order_for(const process_plan& plan) {
  process_order o;
  o.name = plan.name;
  o.is_program = !plan.program.empty();
  if (!o.is_program) {
    o.entry = place_of(plan.entry);
    if (plan.function != nullptr) o.function = place_of(reinterpret_cast<void*>(plan.function));
    if (o.entry.print == 0 || (plan.function != nullptr && o.function.print == 0))
      throw_unstarted(plan.name, "its function lies in no file of this program");
  }
  for (std::size_t i = 0; i < plan.type_count; ++i)
    o.types.push_back({plan.types[i].name(), plan.types[i].hash, plan.types[i].reply_hash});
  o.memory_max = plan.how.memory_max;
  o.cpu_seconds_max = seconds_of(plan.how.cpu_max);
  o.files_max = plan.how.files_max;
  o.file_size_max = plan.how.file_size_max;
  o.message_size_max = plan.how.message_size_max;
  o.stack_size = plan.how.stack_size;
  return o;
}

struct socket_ends {
  int ours = -1;
  int theirs = -1;
  ~socket_ends() {
    if (ours >= 0) ::close(ours);
    if (theirs >= 0) ::close(theirs);
  }
};

exit_reason reason_of(const process_end& end) {
  if (!end.is_known)
    return {exit_kind::exited,
            {.what = "somebody else in this program has waited for it and knows how it ended"}};
  if (end.signal != 0) return {exit_kind::crashed, {.number = end.signal}};
  return {exit_kind::exited, {.number = end.status}};
}

std::string ended_text(const std::string& name, const exit_reason& why) {
  return name + " ended: " + why.text();
}

}  // namespace

// ---- its life

struct process_link::state {
  explicit state(const process_plan& p) : plan(p), shared(std::make_shared<shared_part>()) {
    shared->name = p.name;
    shared->types = p.types;
    shared->type_count = p.type_count;
    shared->limits.size_max = p.how.message_size_max;
  }
  state(const state&) = delete;
  state& operator=(const state&) = delete;
  ~state() {
    const shield to_the_end;
    if (shared->socket != nullptr) shared->socket->close();
    if (reader) reader.join();
    if (id != 0 && !has_ended) {
      kill_process(id, now());
      // So that nobody is left who can see it. If the kernel takes longer, the nursery goes on.
      (void)died.receive_until(deadline_after(kill_within));
    }
    shared->fail_all(error(error::closed, shared->name + " was stopped"));
  }

  void launch(const process_order& order);
  void await_ready();
  [[noreturn]] void fail_start(const error& why);
  // Waits until it hangs up or has died; false: the deadline came first.
  bool await_over(time_point deadline);
  void await_end(time_point kill_at);
  exit_reason reason(bool in_time) const;

  void note(const process_end& how) {
    has_ended = true;
    end = how;
  }

  const process_plan& plan;
  std::shared_ptr<shared_part> shared;
  std::uint64_t id = 0;  // with the nursery; 0: there is no process
  bool has_ended = false;
  process_end end;
  oneshot_receiver<process_end> died;
  oneshot_receiver<bool> hung_up;
  green_thread reader;
  std::uint64_t last_ask = 0;
  std::size_t sweep_at = sweep_first;
};

void process_link::state::launch(const process_order& order) {
  wire_writer first;
  write_value(first, order);
  socket_ends ends;
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    throw_unstarted(plan.name, std::string("no socket: ") + std::strerror(errno));
  ends.ours = pair[0];
  ends.theirs = pair[1];
  ::fcntl(ends.ours, F_SETFL, O_NONBLOCK);
  auto [tx, rx] = oneshot<process_end>();
  died = std::move(rx);
  const std::string path = order.is_program ? plan.program : "/proc/self/exe";
  const auto made = blocking([&] {
    return launch_process({path, ends.theirs, plan.how.clean_environment, std::move(tx)});
  });
  if (!made) throw_unstarted(plan.name, made.error().text());
  id = *made;
  auto socket = adopt_socket(std::exchange(ends.ours, -1), "the process of " + plan.name);
  if (!socket) throw_unstarted(plan.name, socket.error().text());
  shared->socket = std::move(*socket);
  shared->socket->deadline(deadline_after(plan.how.start_within));
  // What goes wrong here is heard by await_ready(), with its reason.
  (void)write_frame(*shared->socket, {.kind = frame_kind::start},
                    std::string_view(first.data(), first.size()));
}

void process_link::state::fail_start(const error& why) {
  if (why == error::timeout) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(plan.how.start_within);
    throw_unstarted(plan.name, "it gave no answer in " + std::to_string(ms.count()) + " ms" +
                                   (plan.program.empty() ? ""
                                                         : "; does its main call "
                                                           "greenroom::serve_process?"));
  }
  if (why != error::end_of_stream && why != error::io) throw_unstarted(plan.name, why.text());
  await_end(deadline_after(exit_within));
  throw_unstarted(plan.name, std::string("it ended before it was ready: ") + reason_of(end).text());
}

void process_link::state::await_ready() {
  frame f;
  const status got = read_frame(*shared->socket, f, order_size_max);
  if (!got) fail_start(got.error());
  if (f.head.kind == frame_kind::refuse) throw_unstarted(plan.name, f.body);
  if (f.head.kind != frame_kind::ready)
    throw_unstarted(plan.name, "its first word was none of ours");
  shared->socket->deadline(never);
  auto [tx, rx] = oneshot<bool>();
  shared->hangs_up = std::move(tx);
  hung_up = std::move(rx);
  reader = spawn({.name = plan.name + " (replies)"}, [s = shared] { read_all(s); });
  if (!reader) throw_unstarted(plan.name, "the runtime makes no actors any more");
}

process_link::process_link(const process_plan& plan) : state_(nullptr) {
  auto made = std::make_unique<state>(plan);
  made->launch(order_for(plan));
  made->await_ready();
  state_ = made.release();
}

process_link::~process_link() { delete state_; }

bool process_link::is_over() const noexcept {
  return state_->has_ended || state_->shared->over.load(std::memory_order_acquire);
}
const unpack_limits& process_link::limits() const noexcept { return state_->shared->limits; }
oneshot_receiver<bool>& process_link::hung_up() noexcept { return state_->hung_up; }
oneshot_receiver<process_end>& process_link::died() noexcept { return state_->died; }
void process_link::note(const process_end& end) noexcept { state_->note(end); }

// ---- messages

void process_link::send(std::uint32_t tag, const wire_writer& body) {
  shared_part& s = *state_->shared;
  if (!body.ok() || is_over() ||
      !write_frame(*s.socket, {.kind = frame_kind::send, .tag = static_cast<std::uint8_t>(tag)},
                   std::string_view(body.data(), body.size())))
    count_dead(current_cell(), body.ok() ? dead_letter::undelivered : dead_letter::dropped);
}

void process_link::ask(std::uint32_t tag, const wire_writer& body, const reply_to& to) {
  shared_part& s = *state_->shared;
  if (!body.ok()) {
    answer_error(to, sentence_on_wire(s.types[tag].name(), "cannot be sent", body.trouble()));
    return;
  }
  const std::uint64_t number = ++state_->last_ask;
  const std::int64_t late = now().time_since_epoch().count();
  {
    const spin_guard guard(s.lock);
    if (s.waiting.size() >= state_->sweep_at) {
      std::erase_if(s.waiting, [&](const auto& one) { return one.second.to.deadline_ns < late; });
      state_->sweep_at = std::max(sweep_first, 2 * s.waiting.size());
    }
    s.waiting.emplace(number, asked_there{to, static_cast<std::uint8_t>(tag)});  // PS4
  }
  // What is not written is failed at the end, which is near then.
  (void)write_frame(*s.socket,
                    {.kind = frame_kind::ask,
                     .tag = static_cast<std::uint8_t>(tag),
                     .id = number,
                     .deadline_ns = to.deadline_ns},
                    std::string_view(body.data(), body.size()));
}

// ---- its end

bool process_link::state::await_over(time_point deadline) {
  bool late = false;
  while (!late && !has_ended && !shared->over.load(std::memory_order_acquire))
    greenroom::select(hung_up.on([](bool) {}), died.on([&](process_end how) { note(how); }),
                      at(deadline, [&] { late = true; }));
  return !late;
}

void process_link::state::await_end(time_point kill_at) {
  if (has_ended) return;
  kill_process(id, kill_at);
  if (const auto how = died.receive())
    note(*how);
  else
    throw_if_cancelled();
}

exit_reason process_link::state::reason(bool in_time) const {
  const shared_part& s = *shared;
  if (!in_time)
    return {exit_kind::killed,
            {.what = "killed: it went on for too long after its mailbox closed"}};
  if (!s.trouble.empty()) {
    const std::string text = "its process broke the protocol: " + s.trouble;
    return {exit_kind::failed, {.what = text.c_str()}};
  }
  if (!s.said_end) return reason_of(end);
  if (!s.end_is_failure) return exit_kind::normal;
  return {exit_kind::failed, {.what = s.end_text.c_str()}};
}

void process_link::finish(bool close) {
  state& s = *state_;
  bool in_time = true;
  if (close && !is_over()) {
    (void)write_frame(*s.shared->socket, {.kind = frame_kind::close}, {});
    in_time = s.await_over(deadline_after(s.plan.how.stop_within));
  }
  // `trouble` is the reader's until it is over.
  const bool is_bad =
      !in_time || (s.shared->over.load(std::memory_order_acquire) && !s.shared->trouble.empty());
  s.await_end(is_bad ? now() : deadline_after(exit_within));
  // It is dead; what it wrote before comes at once, unless a child of its own keeps the socket.
  if (!s.reader.join_for(drain_within)) s.shared->socket->close();
  s.reader.join();
  const exit_reason why = s.reason(in_time);
  s.shared->fail_all(error(error::failed, ended_text(s.plan.name, why)));
  if (why != exit_kind::normal) throw ended_with{why};
}

// ---- what can be refused before

namespace {

std::string with_value(const char* name, std::size_t value, const char* range) {
  return std::string("greenroom: process_options.") + name + " is " + std::to_string(value) +
         "; it must be " + range;
}

void check_duration(const char* name, duration d) {
  if (d <= duration::zero())
    throw std::invalid_argument(std::string("greenroom: process_options.") + name + " is " +
                                std::to_string(d.count()) + " ns; it must be above 0");
}

}  // namespace

bool main_began_well() noexcept;  // process_child.cpp

void check_plan(process_plan& plan, const char* type) {
  const process_options& how = plan.how;
  check_duration("cpu_max", how.cpu_max);
  check_duration("start_within", how.start_within);
  check_duration("stop_within", how.stop_within);
  if (how.message_size_max == 0 || how.message_size_max > message_size_highest)
    throw std::invalid_argument(
        with_value("message_size_max", how.message_size_max, "1 byte to 1 GiB"));
  constexpr std::size_t stack_min = std::size_t{16} << 10;
  constexpr std::size_t stack_max = std::size_t{256} << 20;
  if (how.stack_size < stack_min || how.stack_size > stack_max)
    throw std::invalid_argument(with_value("stack_size", how.stack_size, "16 KiB to 256 MiB"));
  plan.name = how.name;
  plan.how.name = {};
  if (plan.name.empty()) {
    if (plan.function != nullptr)
      plan.name = name_of_function(reinterpret_cast<void*>(plan.function));
    if (plan.name.empty()) plan.name = type;
  }
  if (plan.program.empty() && !main_began_well())
    throw std::logic_error(
        "greenroom: the first line of main must be greenroom::process_main(): "
        "the process for " +
        plan.name + " is this program, started again, and runs it from there");
}

}  // namespace greenroom::detail
