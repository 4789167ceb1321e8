// SPDX-License-Identifier: Apache-2.0
// Lines of a stream, one at a time, as values or as cases of a select:
//
//   gr::line_reader lines(*peer);
//   while (auto line = lines.read()) { ... }
//
//   gr::select(lines.on([&](std::string line) { ... }),
//              lines.on_end([&](gr::error why) { ... }),
//              in.on([&](say s) { ... }));                      // the actor's own mailbox
//
// A line comes without its "\n" or "\r\n". What is read beyond a line stays in the reader for the
// next, so a case that was not the one loses nothing; but nobody else should read from that stream.
// A last line that the peer did not end is delivered, unless the stream failed in the middle of it.
//
// One green or OS thread at a time uses a line_reader; several cases of one select may be of the
// same one. It must outlive them, and the stream must outlive it.
#pragma once

#include <greenroom/detail/select_case.hpp>
#include <greenroom/net.hpp>

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace greenroom {

namespace detail {
template <class F>
class line_case;
template <class F>
class lines_end_case;
}  // namespace detail

class line_reader {
 public:
  static constexpr std::size_t line_max_default = std::size_t{64} << 10;

  // Lines of more than `line_max` bytes are not taken: the reader then ends with error::refused.
  explicit line_reader(stream& from, std::size_t line_max = line_max_default)
      : from_(from), line_max_(line_max) {}
  line_reader(const line_reader&) = delete;
  line_reader& operator=(const line_reader&) = delete;

  // The next line. Parks. Errors: end_of_stream after the last one, refused (too long, for good),
  // and those of stream::read_some. Lines that are here already come before any of them.
  std::expected<std::string, error> read();

  // Happens with a line: f(std::string). Never once the lines have ended; a case object that met
  // the end, a deadline included, is over: call on() for each select.
  template <class F>
  [[nodiscard]] auto on(F&& f);
  // Happens when no line can be had, and none is left: f(), or f(error) to be told why. A passed
  // deadline of the stream is such an end (error::timeout), until the deadline is moved. In a
  // select without it such lines just do not happen. A select throws std::logic_error for a stream
  // that cannot be a case (stream::reading()).
  template <class F>
  [[nodiscard]] auto on_end(F&& f);

 private:
  template <class F>
  friend class detail::line_case;
  template <class F>
  friend class detail::lines_end_case;

  enum class found { line, nothing, end };

  // The last part of a select_case.
  found look();  // reads what is there
  [[nodiscard]] time_point due() const noexcept;
  bool line_up(const detail::wait_ticket& ticket, std::uint64_t value, bool for_end, bool& lined);
  void step_back() noexcept;

  bool find_line();
  std::string take_line();
  void note(const error& why);
  GREENROOM_COLD bool refuse_line();

  stream& from_;
  std::size_t line_max_;
  std::string buffer_;
  std::size_t begin_ = 0;    // of the next line, in buffer_
  std::size_t scanned_ = 0;  // bytes of it that hold no newline
  std::size_t length_ = 0;   // of the line that find_line() found
  std::size_t newline_ = 0;  // its "\n" or "\r\n"
  detail::side_line line_;
  std::size_t lined_ = 0;             // cases that stand in line
  std::optional<error> end_;          // for good
  error why_ = error::end_of_stream;  // of the last found::end
};

namespace detail {

template <class F>
class line_case : public select_case {
 public:
  line_case(line_reader& from, F f) : from_(from), f_(std::move(f)) { ops = &operations; }
  line_case kept() && { return std::move(*this); }

 private:
  static line_case& of(select_case* c) { return *static_cast<line_case*>(c); }
  static attempt try_now(select_case* c) {
    const line_reader::found found = of(c).from_.look();
    if (found == line_reader::found::line) return attempt::happened;
    if (found == line_reader::found::end) return attempt::never;
    c->due = of(c).from_.due();
    return attempt::not_now;
  }
  static bool enlist(select_case* c, const wait_ticket& ticket, std::uint64_t value) {
    return of(c).from_.line_up(ticket, value, false, of(c).lined_);
  }
  static void withdraw(select_case* c) noexcept {
    if (of(c).lined_) of(c).from_.step_back();
  }
  static bool run(select_case* c) {
    of(c).f_(of(c).from_.take_line());
    return true;
  }
  static constexpr select_ops operations{try_now, enlist, withdraw, try_now, nullptr, run};

  line_reader& from_;
  bool lined_ = false;
  F f_;
};

template <class F>
class lines_end_case : public select_case {
 public:
  lines_end_case(line_reader& from, F f) : from_(from), f_(std::move(f)) { ops = &operations; }
  lines_end_case kept() && { return std::move(*this); }

 private:
  static lines_end_case& of(select_case* c) { return *static_cast<lines_end_case*>(c); }
  static attempt try_now(select_case* c) {
    const line_reader::found found = of(c).from_.look();
    if (found == line_reader::found::end) return attempt::happened;
    c->due = found == line_reader::found::line ? never : of(c).from_.due();
    return attempt::not_now;
  }
  static bool enlist(select_case* c, const wait_ticket& ticket, std::uint64_t value) {
    return of(c).from_.line_up(ticket, value, true, of(c).lined_);
  }
  static void withdraw(select_case* c) noexcept {
    if (of(c).lined_) of(c).from_.step_back();
  }
  static bool run(select_case* c) {
    c->is_over = true;  // a set tells it once
    if constexpr (std::is_invocable_v<F&, error>)
      of(c).f_(of(c).from_.why_);
    else
      of(c).f_();
    return true;
  }
  static constexpr select_ops operations{try_now, enlist, withdraw, try_now, nullptr, run};

  line_reader& from_;
  bool lined_ = false;
  F f_;
};

}  // namespace detail

template <class F>
auto line_reader::on(F&& f) {
  using function = std::decay_t<F>;
  constexpr bool fits = std::is_invocable_v<function&, std::string>;
  static_assert(fits, "greenroom: the function of a case of lines takes a std::string");
  if constexpr (fits)
    return detail::line_case<function>(*this, std::forward<F>(f));
  else
    return detail::select_case();  // no more errors than that one
}

template <class F>
auto line_reader::on_end(F&& f) {
  using function = std::decay_t<F>;
  constexpr bool fits = std::is_invocable_v<function&, error> || std::is_invocable_v<function&>;
  static_assert(fits,
                "greenroom: the function for the end of lines takes a greenroom::error or nothing");
  if constexpr (fits)
    return detail::lines_end_case<function>(*this, std::forward<F>(f));
  else
    return detail::select_case();
}

}  // namespace greenroom
