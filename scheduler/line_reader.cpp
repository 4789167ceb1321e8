// SPDX-License-Identifier: Apache-2.0
// line_reader: what has been read and not yet been taken, and how it stands in line.
#include <greenroom/line_reader.hpp>

#include <cstring>

namespace greenroom {

namespace {

constexpr std::size_t chunk_size = 4096;

}  // namespace

// ---- the buffer

// Finds the end of the next line; notes it when that line is too long.
bool line_reader::find_line() {
  if (end_ && *end_ == error::refused) return false;
  const char* const first = buffer_.data() + begin_;
  const std::size_t size = buffer_.size() - begin_;
  const void* const at =
      size == scanned_ ? nullptr : std::memchr(first + scanned_, '\n', size - scanned_);
  newline_ = at != nullptr ? 1 : 0;
  length_ = at != nullptr ? static_cast<std::size_t>(static_cast<const char*>(at) - first) : size;
  scanned_ = length_;  // at the newline, if there is one
  const bool is_last = at == nullptr && end_ && *end_ == error::end_of_stream;
  if (!is_last && length_ > 0 && first[length_ - 1] == '\r') {
    --length_;
    ++newline_;
  }
  if (length_ > line_max_) return refuse_line();
  return at != nullptr || (is_last && size > 0);
}

bool line_reader::refuse_line() {
  note({error::refused, "read a line from " + from_.peer_name() + ": it has more than " +
                            std::to_string(line_max_) + " bytes"});
  return false;
}

std::string line_reader::take_line() {
  std::string line(buffer_, begin_, length_);
  begin_ += length_ + newline_;
  scanned_ = 0;
  if (begin_ == buffer_.size()) {
    begin_ = 0;
    buffer_.clear();
    if (buffer_.capacity() > chunk_size) buffer_.shrink_to_fit();
  } else if (begin_ >= chunk_size && begin_ > buffer_.size() / 2) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  return line;
}

void line_reader::note(const error& why) {
  why_ = why;
  if (why == error::end_of_stream || why == error::closed || why == error::io ||
      why == error::refused)
    end_ = why;
}

// ---- reading

std::expected<std::string, error> line_reader::read() {
  for (;;) {
    if (find_line()) return take_line();
    if (end_) return std::unexpected(*end_);
    char chunk[chunk_size];
    const auto n = from_.read_some(chunk);
    if (n)
      buffer_.append(chunk, *n);
    else if (note(n.error()); !end_)
      return std::unexpected(n.error());
  }
}

line_reader::found line_reader::look() {
  line_.check(from_.reading(), [this] { return from_.peer_name(); });
  for (;;) {
    if (find_line()) return found::line;
    if (end_) {
      why_ = *end_;
      return found::end;
    }
    char chunk[chunk_size];
    const auto n = from_.try_read_some(chunk);
    if (n)
      buffer_.append(chunk, *n);
    else if (n.error() == error::empty)
      return found::nothing;
    else if (note(n.error()); !end_)
      return found::end;
  }
}

// ---- select

time_point line_reader::due() const noexcept { return from_.reading()->due(); }

// The first case stands in line for all: whoever is decided looks, and the select then looks at the
// others (X3). While a line is here the end cannot come, so there is nothing to line up for.
bool line_reader::line_up(const detail::wait_ticket& ticket, std::uint64_t value, bool for_end,
                          bool& lined) {
  lined = false;
  if (lined_ == 0) {
    // The look of another case may have read it, after the one that wants it had looked.
    if (find_line()) return for_end;
    if (!line_.line_up(*from_.reading(), ticket, value)) return false;
  }
  ++lined_;
  lined = true;
  return true;
}

void line_reader::step_back() noexcept {
  if (--lined_ == 0) from_.reading()->step_back();
}

}  // namespace greenroom
