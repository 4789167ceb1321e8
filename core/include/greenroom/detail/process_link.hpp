// SPDX-License-Identifier: Apache-2.0
// What <greenroom/process.hpp> calls: the untyped, compiled side of actors in other processes. The
// protocol and the invariants PS1-PS6 stand in core/README.md.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/detail/keeper.hpp>
#include <greenroom/detail/wire_walk.hpp>
#include <greenroom/exit_reason.hpp>
#include <greenroom/oneshot.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace greenroom {

class runtime;

inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

// How a process is made, and what it may use. Limits are those of the kernel (setrlimit), set when
// the process is ready and before the first line of the function.
struct process_options {
  // Shown in reports; default: the function's own name where the program has symbols, or the
  // program's.
  std::string_view name = {};
  // Messages that wait here while the process is busy; 0: the runtime's.
  std::uint32_t capacity = 0;
  // Bytes of heap and stacks that the function may add to what its process starts with. What is
  // beyond is std::bad_alloc or a null pointer there.
  std::size_t memory_max = no_limit;
  // Processor time of the process, rounded up to whole seconds: then it dies of SIGXCPU.
  duration cpu_max = duration::max();
  // Descriptors that it may open at once.
  std::size_t files_max = no_limit;
  // Bytes of a file that it writes: then it dies of SIGXFSZ.
  std::size_t file_size_max = no_limit;
  // Bytes of a message or a reply, at most 1 GiB. A message that is larger is a dead letter, an ask
  // fails with error::invalid, in either direction.
  std::size_t message_size_max = std::size_t{64} << 20;
  // Bytes of the stack that the function runs on: C libraries want more than a green thread.
  std::size_t stack_size = std::size_t{8} << 20;
  // From the start to the process's first word; then it is killed.
  duration start_within = std::chrono::seconds(30);
  // How long the function may go on when nobody can send to it any more; then it is killed. A
  // cancel, so the end of a runtime's shutdown too, kills it at once.
  duration stop_within = duration::max();
  // The process gets no environment variable of ours.
  bool clean_environment = false;
};

namespace detail {

// How a process ended.
struct process_end {
  int signal = 0;  // or 0
  int status = 0;
  bool is_known = true;  // false: somebody else in this program waited for it
};

// What is known of a message type on both sides.
struct wire_type {
  const char* (*name)();
  std::uint64_t hash;        // of the message
  std::uint64_t reply_hash;  // 0: it is no request
  // There: a message for a mailbox; null: not its bytes, or no memory, said in the reader.
  node* (*make)(wire_reader& in);
  // There: an answer as bytes; frees it.
  void (*write_reply)(wire_writer& out, node* answer);
  // Here: answers the ask. False: not its bytes, and the ask has failed.
  bool (*answer)(const reply_to& to, wire_reader& in);
};

// A function actor that can be started in another process. It lies in static memory, so both
// processes find it at the same place of the same file.
struct process_entry {
  const wire_type* types;
  std::size_t type_count;
  // `function` is null for a lambda. A cell with an address counted, or null.
  cell* (*start)(runtime& in, const spawn_options& how, void (*function)());
};

struct process_plan {
  process_options how;
  std::string name;
  std::string program;  // "": this one again
  const process_entry* entry = nullptr;
  void (*function)() = nullptr;
  const wire_type* types = nullptr;
  std::size_t type_count = 0;
};
// Checks the options, and that main began as it must, and finds a name; throws
// std::invalid_argument and std::logic_error. `type`: the function's type.
void check_plan(process_plan& plan, const char* type);

// There is no process.
struct process_did_not_start {
  exit_reason why;
};

// The process behind an actor, for the time that it is alive. Only that actor. All of it may park.
class process_link {
 public:
  // Makes the process and waits until it is ready. Throws process_did_not_start.
  explicit process_link(const process_plan& plan);
  process_link(const process_link&) = delete;
  process_link& operator=(const process_link&) = delete;
  // Kills it if it is still there, and fails the asks that it has not answered.
  ~process_link();

  // Nothing that is sent now would arrive.
  [[nodiscard]] bool is_over() const noexcept;
  void send(std::uint32_t tag, const wire_writer& body);
  void ask(std::uint32_t tag, const wire_writer& body, const reply_to& to);
  [[nodiscard]] const unpack_limits& limits() const noexcept;
  // It closed its end; it died, which note() must be told.
  oneshot_receiver<bool>& hung_up() noexcept;
  oneshot_receiver<process_end>& died() noexcept;
  void note(const process_end& end) noexcept;
  // Waits for its end (after `close`: its mailbox closes first). Returns if that was normal; throws
  // ended_with.
  void finish(bool close);

 private:
  struct state;
  state* state_;
};

// In a process made by spawn_process, runs what was asked for (or `own`) and ends the process; in
// any other, returns.
void run_if_child(const process_entry* own, void (*function)());
int refuse_to_serve() noexcept;

}  // namespace detail
}  // namespace greenroom
