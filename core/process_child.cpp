// SPDX-License-Identifier: Apache-2.0
// The other side: what process_main() does in a process that spawn_process made. A runtime of one
// worker runs the function as an ordinary actor; a reader puts messages into its mailbox, and each
// ask has a green thread that waits for the answer and writes it.
//
// PS6  The process ends when the other end of the socket is gone: a thread outside of the runtime
//     watches it, so whatever the function does. The kernel kills it when our nursery ends (PS2).
#include "process_frame.hpp"
#include "process_limits.hpp"
#include "process_nursery.hpp"
#include "process_order.hpp"

#include <greenroom/detail/adopt_socket.hpp>
#include <greenroom/green_thread.hpp>
#include <greenroom/latch.hpp>
#include <greenroom/mutex.hpp>
#include <greenroom/process.hpp>
#include <greenroom/runtime.hpp>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <poll.h>
#include <sys/prctl.h>
#include <thread>
#include <unistd.h>

namespace greenroom {

namespace detail {

namespace {

std::atomic<bool> began_well{false};

constexpr wait_reason answering{"answer for the process that made this one"};
constexpr duration full_pause = std::chrono::milliseconds(1);

class child_side {
 public:
  child_side(const process_order& order, const process_entry& entry, void (*function)())
      : order_(order), entry_(entry), function_(function) {
    limits_.size_max = order.message_size_max;
  }

  void run(runtime& rt, int fd);

 private:
  void read_all();
  // False: there is nothing more to read.
  bool handle(const frame& f);
  node* read_message(const frame& f, wire_reader& in);
  void deliver_ask(const frame& f);
  void await_answer(node* n, const frame_head& head, latch& posted);
  std::uint64_t post_ask(node* n, const frame_head& head, latch& posted);
  void write(const frame_head& head, std::string_view body);
  void write_error(std::uint64_t id, const error& why);
  [[noreturn]] void end(bool failed, std::string_view what);

  const process_order& order_;
  const process_entry& entry_;
  void (*const function_)();
  unpack_limits limits_;
  std::unique_ptr<stream> socket_;
  mutex writing_;
  wait_group asks_;
  cell* actor_ = nullptr;
};

// At once: threads of whatever the function uses may run, and destructors of static objects would
// meet them.
[[noreturn]] void leave(int code) {
  std::fflush(nullptr);
  ::_exit(code);
}

void child_side::write(const frame_head& head, std::string_view body) {
  const std::unique_lock guard(writing_);
  (void)write_frame(*socket_, head, body);  // if nobody reads it, this process is about to end
}

void child_side::write_error(std::uint64_t id, const error& why) {
  write({.kind = frame_kind::failed, .tag = static_cast<std::uint8_t>(why.code()), .id = id},
        std::string_view(why.text()).substr(0, sentence_max));
}

void child_side::end(bool failed, std::string_view what) {
  write({.kind = frame_kind::end, .tag = static_cast<std::uint8_t>(failed ? 1 : 0)},
        what.substr(0, sentence_max));
  leave(failed ? 1 : 0);
}

// ---- messages

node* child_side::read_message(const frame& f, wire_reader& in) {
  if (f.head.tag >= entry_.type_count) end(true, "a message of a type that there is not");
  try {
    return entry_.types[f.head.tag].make(in);
  } catch (const std::bad_alloc&) {
    in.fail("there is no memory for it");
    return nullptr;
  }
}

bool child_side::handle(const frame& f) {
  if (f.head.kind == frame_kind::close) {
    drop_address(actor_);
    return false;
  }
  if (f.head.kind == frame_kind::ask) {
    deliver_ask(f);
    return true;
  }
  wire_reader in(f.body.data(), f.body.size(), limits_);
  node* const n = read_message(f, in);
  if (n == nullptr)
    end(true, std::string("a message `") + entry_.types[f.head.tag].name() +
                  "` cannot be read: " + (in.trouble() == nullptr ? "more comes" : in.trouble()));
  post(actor_, n, f.head.tag, never, false);
  return true;
}

void child_side::deliver_ask(const frame& f) {
  wire_reader in(f.body.data(), f.body.size(), limits_);
  node* const n = read_message(f, in);
  if (n == nullptr) {
    write_error(f.head.id,
                error(error::no_memory, std::string("`") + entry_.types[f.head.tag].name() +
                                            "` cannot be read: no memory for it"));
    return;
  }
  // What comes next must stand behind it in the mailbox.
  latch posted(1);
  asks_.add(1);
  const green_thread waits =
      spawn([this, n, head = f.head, &posted] { await_answer(n, head, posted); });
  if (!waits) end(true, "there is no memory for another ask");
  posted.wait();
}

// Parks until there is an answer; `posted` tells that it stands in the mailbox, or never will.
std::uint64_t child_side::post_ask(node* n, const frame_head& head, latch& posted) {
  for (;;) {
    const wait_ticket ticket = begin_wait(answering);
    *reply_of(n) = {ticket, head.deadline_ns};
    const status sent = try_post(actor_, n, head.tag);
    if (sent) {
      posted.count_down();
      return park(time_point(duration(head.deadline_ns)));
    }
    if (!abandon()) park();
    if (sent.error() == error::full) {
      sleep_for(full_pause);  // who waits in line has no ticket of its own to leave
      continue;
    }
    const message_type& type = *ops_of(actor_).types[head.tag];
    if (type.destroy != nullptr) type.destroy(reinterpret_cast<char*>(n) + type.body_at);
    free_node(n, type.size_class);
    posted.count_down();
    return 0;
  }
}

void child_side::await_answer(node* n, const frame_head& head, latch& posted) {
  const std::uint64_t value = post_ask(n, head, posted);
  if (value == 0) {
    write_error(head.id, error::closed);
  } else if (value == outcome_timeout || value == outcome_cancelled) {
    write_error(head.id, error::timeout);
  } else if (!is_value(value)) {
    write_error(head.id, error_in(value));
  } else {
    wire_writer out(limits_);
    entry_.types[head.tag].write_reply(out, reinterpret_cast<node*>(value));
    if (out.ok())
      write({.kind = frame_kind::reply, .id = head.id}, std::string_view(out.data(), out.size()));
    else
      write_error(head.id, sentence_on_wire(entry_.types[head.tag].name(),
                                            "has a reply that cannot be sent", out.trouble()));
  }
  asks_.done();
}

void child_side::read_all() {
  frame f;
  while (read_frame(*socket_, f, frame_max(limits_.size_max)))
    if (!handle(f)) return;
  ::kill(::getpid(), SIGKILL);  // PS6
}

// ---- its life

void child_side::run(runtime& rt, int fd) {
  auto socket = adopt_socket(fd, "the process that made this one");
  if (!socket) leave(1);
  socket_ = std::move(*socket);
  // The memory of its stack is ours, not the function's.
  spawn({.stack_size = order_.stack_size}, [] {}).join();
  if (const std::string why = set_limits(order_); !why.empty()) {
    write({.kind = frame_kind::refuse}, why);
    leave(1);
  }
  write({.kind = frame_kind::ready}, {});
  actor_ = entry_.start(rt, {.name = order_.name, .stack_size = order_.stack_size}, function_);
  if (actor_ == nullptr) end(true, "there is no memory to start it");
  add_reference(actor_);
  spawn([this] { read_all(); });
  const status how = join_actor(actor_);
  asks_.wait();
  end(!how.ok(), how.ok() ? "" : how.error().text());
}

void watch_socket(int fd) {
  std::thread([fd] {
    pollfd what{fd, 0, 0};
    while (::poll(&what, 1, -1) < 0 || what.revents == 0) {}
    ::kill(::getpgrp() == ::getpid() ? 0 : ::getpid(), SIGKILL);
  }).detach();
}

[[noreturn]] void refuse(int fd, const std::string& why) {
  write_frame(fd, {.kind = frame_kind::refuse}, why);
  leave(1);
}

void check_types(int fd, const process_order& order, const process_entry& entry) {
  if (order.types.size() != entry.type_count)
    refuse(fd, "its mailbox has " + std::to_string(entry.type_count) + " types of messages, not " +
                   std::to_string(order.types.size()));
  for (std::size_t i = 0; i < entry.type_count; ++i) {
    const wire_type& ours = entry.types[i];
    if (order.types[i].hash != ours.hash)
      refuse(fd, "message `" + order.types[i].name + "` is of another shape there (`" +
                     ours.name() + "`): build both programs from the same types");
    if (order.types[i].reply_hash != ours.reply_hash)
      refuse(fd, "the reply to `" + order.types[i].name +
                     "` is of another shape there: build both programs from the same types");
  }
}

[[noreturn]] void serve(int fd, const process_entry* own, void (*own_function)()) {
  frame first;
  if (!read_frame(fd, first, order_size_max) || first.head.kind != frame_kind::start) leave(1);
  static process_order order;
  wire_reader in(first.body.data(), first.body.size());
  if (!read_value(in, order) || !in.at_end())
    refuse(fd, "it was built with another version of Greenroom");
  if (order.is_program != (own != nullptr))
    refuse(fd, order.is_program ? "its main does not call greenroom::serve_process"
                                : "its main calls greenroom::serve_process");
  if (own == nullptr) {
    std::string why;
    own = static_cast<const process_entry*>(find_place(order.entry, why));
    if (own == nullptr) refuse(fd, why);
    if (order.function.print != 0) {
      own_function =
          reinterpret_cast<void (*)()>(const_cast<void*>(find_place(order.function, why)));
      if (own_function == nullptr) refuse(fd, why);
    }
  }
  check_types(fd, order, *own);
  ::prctl(PR_SET_NAME, order.name.substr(0, 15).c_str());
  watch_socket(fd);
  runtime rt({.workers = 1, .report_stuck_after = duration::max(), .name = order.name});
  child_side side(order, *own, own_function);
  rt.spawn([&] { side.run(rt, fd); }).join();
  leave(1);
}

}  // namespace

bool main_began_well() noexcept { return began_well.load(std::memory_order_relaxed); }

void run_if_child(const process_entry* own, void (*function)()) {
  const char* const mark = std::getenv(child_variable);
  if (mark == nullptr) return;
  unsigned version = 0;
  int parent = 0;
  const bool is_ours = std::sscanf(mark, "%u %d", &version, &parent) == 2;
  ::unsetenv(child_variable);
  if (!is_ours) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) leave(1);  // it went before that
  ::fcntl(child_socket, F_SETFD, FD_CLOEXEC);
  if (version != process_version)
    refuse(child_socket, "it was built with another version of Greenroom");
  serve(child_socket, own, function);
}

int refuse_to_serve() noexcept {
  std::fputs("greenroom: this program is started by greenroom::spawn_process only\n", stderr);
  return 2;
}

}  // namespace detail

void process_main() {
  detail::began_well.store(true, std::memory_order_relaxed);
  detail::run_if_child(nullptr, nullptr);
}

}  // namespace greenroom
