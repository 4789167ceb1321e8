// SPDX-License-Identifier: Apache-2.0
// Actors in processes of their own, for code that you do not trust: a segmentation fault there is
// the end of one actor here, with its reason. Behind the address stands a process; messages cross
// as bytes, so they must be plain values (<greenroom/serialize.hpp>).
//
//   void decode(gr::mailbox<jpeg>& in);                       // an actor like any other
//
//   int main() {
//     gr::process_main();                                     // the first line of main
//     return gr::run([] {
//       auto pictures = gr::spawn_process(decode, {.memory_max = 256 << 20, .cpu_max = 2s});
//       if (auto got = pictures.ask(jpeg{file}, 5s); !got)
//         std::puts(got.error().text());                      // decode ended: signal 11 (SIGSEGV)
//     });
//   }
//
// The process is this program, started again; its main gets as far as process_main(), which runs
// the function there. So the function can be a plain function or a lambda without captures; it
// shares nothing with us, not even what main does later. Asks that were with it when it died fail
// with error::failed and a sentence; the actor that stands for it ends with that exit_reason
// (crashed, exited, failed; killed for a limit of time), and its supervisor may start it again. A
// full mailbox there fills ours. Linux only. Idea: ports of Erlang, the sandboxed processes of
// browsers.
//
// It shares our standard output and error; its standard input is empty. Not in a Greenroom that was
// built without msgpack-cxx (-Dprocess=disabled).
#pragma once

#if defined(GREENROOM_NO_PROCESS)
#error "greenroom: built without msgpack-cxx (-Dprocess=disabled), so there is no spawn_process"
#endif

#include <greenroom/detail/process_link.hpp>
#include <greenroom/runtime.hpp>
#include <greenroom/select.hpp>

#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace greenroom {

namespace detail {

template <class M>
struct wire_type_of {
  using reply = typename asked<M>::reply;

  static node* make(wire_reader& in) {
    M value{};
    if (!read_value(in, value) || !in.at_end()) return nullptr;
    node* const n = make_node(std::move(value));
    if (n == nullptr) in.fail("there is no memory for it");
    return n;
  }
  static void write_reply(wire_writer& out, node* answer) {
    if constexpr (std::is_void_v<reply>) {
      free_node(answer, 0);
    } else {
      write_value(out, *body_of<reply>(answer));
      destroy_node<reply>(answer);
    }
  }
  static bool answer(const reply_to& to, wire_reader& in) {
    promise<reply> asker(to);
    if constexpr (std::is_void_v<reply>) {
      asker.set();
    } else {
      reply value{};
      if (!read_value(in, value) || !in.at_end()) {
        asker.fail(wire_error<reply>("cannot be read", in.trouble()));
        return false;
      }
      asker.set(std::move(value));
    }
    return true;
  }
  static constexpr wire_type type{
      &name_of_type<M>, schema_of<M>(), request<M> ? schema_of<reply>() : 0, make,
      write_reply,      answer};
};

template <class M>
consteval bool check_crosses() {
  return check_message<M>() && check_crossing<M>() && check_crossing<typename asked<M>::reply>();
}

template <class... Ms>
struct wire_types {
  static constexpr std::size_t count = sizeof...(Ms);
  static constexpr wire_type all[sizeof...(Ms) + 1] = {wire_type_of<Ms>::type..., {}};
};

template <class F>
void (*as_function(const F& f))() {
  if constexpr (std::is_pointer_v<F>)
    return reinterpret_cast<void (*)()>(f);
  else
    return nullptr;
}

template <class F, class... Ms>
struct entry_of {
  static cell* start(runtime& in, const spawn_options& how, void (*function)()) {
    address<Ms...> made;
    if constexpr (std::is_pointer_v<F>)
      made = in.spawn(how, reinterpret_cast<F>(function));
    else
      made = in.spawn(how, F{});
    cell* const c = access::cell_of(made);
    if (c != nullptr) add_address(c);
    return c;
  }
  static constexpr process_entry entry{wire_types<Ms...>::all, sizeof...(Ms), start};
};

template <class F, class... Ms>
consteval const process_entry& entry_for(message_list<Ms...>) {
  return entry_of<F, Ms...>::entry;
}

}  // namespace detail

// The actor that stands for a process: give it to spawn(), rt.spawn(), or a supervisor, which may
// start it again as often as it likes; each time it makes a process. Made by in_process().
template <class... Ms>
class process_actor {
 public:
  explicit process_actor(detail::process_plan plan) : plan_(std::move(plan)) {}

  void operator()(mailbox<Ms...>& in) const {
    try {
      detail::process_link link(plan_);
      serve(in, link);
    } catch (const detail::process_did_not_start& failed) {
      fail_requests(in, failed.why.text());
      throw detail::ended_with{failed.why};
    }
  }

  // For the library.
  [[nodiscard]] const detail::process_plan& plan() const noexcept { return plan_; }

 private:
  template <class M>
  struct forward {
    detail::process_link& link;
    std::uint32_t tag;

    void operator()(M message)
      requires(!request<M>)
    {
      detail::wire_writer body(link.limits());
      detail::write_value(body, message);
      link.send(tag, body);
    }
    template <class R>
      requires request<M>
    void operator()(M message, promise<R> answer) {
      detail::wire_writer body(link.limits());
      detail::write_value(body, message);
      link.ask(tag, body, detail::promise_access::take(answer));
    }
  };

  static void serve(mailbox<Ms...>& in, detail::process_link& link) {
    bool closed = false;
    while (!closed && !link.is_over())
      select(in.on(forward<Ms>{link, tag_of<Ms>}...), in.on_end([&] { closed = true; }),
             link.hung_up().on([](bool) {}),
             link.died().on([&](detail::process_end end) { link.note(end); }));
    link.finish(closed);
  }

  // Who asked already hears why; other messages stay for whoever starts it again.
  static void fail_requests(mailbox<Ms...>& in, const char* text) {
    if constexpr ((request<Ms> || ...)) {
      std::apply(
          [&](auto... refuse) {
            while (in.try_receive_only(refuse...) == received::message) {}
          },
          std::tuple_cat(refusal<Ms>(text)...));
    }
  }
  template <class M>
  static auto refusal(const char* text) {
    if constexpr (request<M>)
      return std::tuple{
          [text](M, promise<typename M::reply> asker) { asker.fail(error(error::failed, text)); }};
    else
      return std::tuple<>{};
  }
  template <class M>
  static constexpr auto tag_of = static_cast<std::uint32_t>(detail::index_of<M, Ms...>());

  detail::process_plan plan_;
};

namespace detail {

template <class F, class... Ms>
process_actor<Ms...> make_process_actor(F f, const process_options& how, message_list<Ms...>) {
  process_plan plan;
  plan.how = how;
  plan.entry = &entry_of<F, Ms...>::entry;
  plan.function = as_function(f);
  plan.types = wire_types<Ms...>::all;
  plan.type_count = sizeof...(Ms);
  check_plan(plan, name_of_type<F>());
  return process_actor<Ms...>(std::move(plan));
}

template <class... Ms>
consteval bool check_all_cross(message_list<Ms...>) {
  return (check_crosses<Ms>() && ...);
}

template <class F>
using messages_of = typename mailbox_parameter<typename first_of<F>::type>::list;

// True, or a sentence.
template <class F>
consteval bool check_isolated() {
  static_assert(is_function_actor<F>,
                "greenroom: what runs in another process is a function whose first parameter is "
                "mailbox<Ms...>&");
  if constexpr (is_function_actor<F>) {
    constexpr bool alone =
        std::is_pointer_v<F> || (std::is_empty_v<F> && std::is_default_constructible_v<F>);
    static_assert(alone,
                  "greenroom: what runs in another process is a function or a lambda without "
                  "captures: it shares nothing with this one");
    return alone && check_all_cross(messages_of<F>{});
  } else {
    return false;
  }
}

}  // namespace detail

// The first line of main in a program that uses spawn_process with functions of its own. Returns at
// once; in a process made by spawn_process it runs the function and ends the process.
void process_main();

// The whole main of a program made for spawn_process<Ms...>("program"): runs the function as the
// actor. Started by hand it says so and returns 2.
template <class F>
int serve_process(F function) {
  if constexpr (detail::check_isolated<F>())
    detail::run_if_child(&detail::entry_for<F>(detail::messages_of<F>{}),
                         detail::as_function(function));
  return detail::refuse_to_serve();
}

// A function actor that makes a process for `function` when it starts. Throws std::invalid_argument
// for options that make no sense, std::logic_error when main did not begin with process_main().
template <class F>
[[nodiscard]] auto in_process(F function, const process_options& how = {}) {
  if constexpr (detail::check_isolated<F>())
    return detail::make_process_actor(function, how, detail::messages_of<F>{});
}
// The same for a program, whose main is serve_process(). The path is not searched for. Ms must be
// the messages of its function's mailbox, in their order.
template <class... Ms>
  requires(sizeof...(Ms) != 0)
[[nodiscard]] process_actor<Ms...> in_process(const char* program,
                                              const process_options& how = {}) {
  detail::process_plan plan;
  if constexpr ((detail::check_crosses<Ms>() && ...)) {
    plan.how = how;
    plan.program = program;
    plan.types = detail::wire_types<Ms...>::all;
    plan.type_count = sizeof...(Ms);
    detail::check_plan(plan, program);
  }
  return process_actor<Ms...>(std::move(plan));
}

// Starts `function` in a process of its own; inside an actor or green thread (elsewhere
// rt.spawn(gr::in_process(function, how))). Returns its address at once, the process comes
// meanwhile: an ask waits for it. What keeps it from starting ends the actor with a reason that
// says so. Never parks. Throws as in_process, and as spawn.
template <class F>
  requires(!std::is_convertible_v<F, const char*>)
auto spawn_process(F function, const process_options& how = {}) {
  if constexpr (detail::check_isolated<F>()) {
    auto actor = in_process(function, how);
    const std::string name = actor.plan().name;
    const spawn_options options{.name = name, .capacity = how.capacity};
    return spawn(options, std::move(actor));
  }
}
template <class... Ms>
  requires(sizeof...(Ms) != 0)
[[nodiscard]] address<Ms...> spawn_process(const char* program, const process_options& how = {}) {
  auto actor = in_process<Ms...>(program, how);
  const std::string name = actor.plan().name;
  const spawn_options options{.name = name, .capacity = how.capacity};
  return spawn(options, std::move(actor));
}

}  // namespace greenroom
