// SPDX-License-Identifier: Apache-2.0
// The host's spdlog logger for a runtime: `runtime rt{{.logger = greenroom::to(my_logger)}};`
#pragma once

#include <greenroom/logger.hpp>

#include <memory>
#include <spdlog/spdlog.h>

namespace greenroom {

inline logger to(std::shared_ptr<spdlog::logger> target) {
  using held = std::shared_ptr<spdlog::logger>;
  static constexpr logger::operations how{
      [](void* t, log_level level, std::string_view text) {
        const auto as = level == log_level::info      ? spdlog::level::info
                        : level == log_level::warning ? spdlog::level::warn
                                                      : spdlog::level::err;
        (*static_cast<held*>(t))->log(as, spdlog::string_view_t(text.data(), text.size()));
      },
      [](void* t) -> void* { return new held(*static_cast<held*>(t)); },
      [](void* t) { delete static_cast<held*>(t); }};
  return logger(new held(std::move(target)), &how);
}

}  // namespace greenroom
