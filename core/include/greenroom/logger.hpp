// SPDX-License-Identifier: Apache-2.0
// Where the runtime's few sentences go: by default to spdlog's default logger; a host gives its
// own through <greenroom/spdlog.hpp> or any function.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

namespace greenroom {

enum class log_level : std::uint8_t { info, warning, error };

// A counted handle to a log target. Writing may come from any thread and must not wait for an
// actor (a sink that sends to an actor uses try_send).
class logger {
 public:
  struct operations {
    void (*write)(void* target, log_level level, std::string_view text);
    void* (*retain)(void* target);  // may be null: the target outlives the runtime
    void (*release)(void* target);  // may be null
  };

  logger() noexcept = default;  // spdlog's default logger
  logger(void* target, const operations* how) noexcept : target_(target), how_(how) {}
  logger(const logger& other) : target_(other.target_), how_(other.how_) {
    if (how_ != nullptr && how_->retain != nullptr) target_ = how_->retain(target_);
  }
  logger(logger&& other) noexcept
      : target_(std::exchange(other.target_, nullptr)), how_(std::exchange(other.how_, nullptr)) {}
  logger& operator=(logger other) noexcept {
    std::swap(target_, other.target_);
    std::swap(how_, other.how_);
    return *this;
  }
  ~logger() {
    if (how_ != nullptr && how_->release != nullptr) how_->release(target_);
  }

  // Never throws: a logger that does is left alone.
  void write(log_level level, std::string_view text) const noexcept;

 private:
  void* target_ = nullptr;
  const operations* how_ = nullptr;
};

}  // namespace greenroom
