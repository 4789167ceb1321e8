// SPDX-License-Identifier: Apache-2.0
#include <greenroom/logger.hpp>

#include <algorithm>
#include <memory>
#include <spdlog/spdlog.h>
#include <string>

namespace greenroom {

static void write_to_spdlog(log_level level, std::string_view text) {
  // Held while it writes: at static destruction others may drop it.
  const std::shared_ptr<spdlog::logger> target = spdlog::default_logger();
  if (!target) return;
  const auto as = level == log_level::info      ? spdlog::level::info
                  : level == log_level::warning ? spdlog::level::warn
                                                : spdlog::level::err;
  target->log(as, spdlog::string_view_t(text.data(), text.size()));
}

static bool breaks_lines(char c) noexcept {
  return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
}

static void put_on_one_line(char* text, std::size_t size) noexcept {
  for (char* c = text; c != text + size; ++c)
    if (breaks_lines(*c)) *c = *c == '\n' || *c == '\t' ? ' ' : '?';
}

// Names and exception texts may come from outside: one entry stays one line. A sentence as it is,
// or a short one, takes no memory: that memory is out is one of those to be written.
void logger::write(log_level level, std::string_view raw) const noexcept {
  try {
    char few[512];
    std::string many;
    std::string_view text = raw;
    if (std::any_of(raw.begin(), raw.end(), breaks_lines)) {
      char* copy = few;
      if (raw.size() > sizeof few) {
        many.resize(raw.size());
        copy = many.data();
      }
      raw.copy(copy, raw.size());
      put_on_one_line(copy, raw.size());
      text = {copy, raw.size()};
    }
    if (how_ == nullptr)
      write_to_spdlog(level, text);
    else
      how_->write(target_, level, text);
  } catch (...) {
    // A log that fails must not end an actor.
  }
}

}  // namespace greenroom
