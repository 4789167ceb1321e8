// SPDX-License-Identifier: Apache-2.0
#include <greenroom/logger.hpp>

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

// Names and exception texts may come from outside: one entry stays one line.
static std::string on_one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = c == '\n' || c == '\t' ? ' ' : '?';
  return line;
}

void logger::write(log_level level, std::string_view raw) const noexcept {
  try {
    const std::string text = on_one_line(raw);
    if (how_ == nullptr)
      write_to_spdlog(level, text);
    else
      how_->write(target_, level, text);
  } catch (...) {
    // A log that fails must not end an actor.
  }
}

}  // namespace greenroom
