// SPDX-License-Identifier: Apache-2.0
#include <greenroom/stop_token.hpp>

#include <memory>
#include <new>

namespace greenroom {

namespace {

struct source_hook : detail::stop_hook {
  std::stop_source source;
  source_hook()
      : stop_hook{
            [](stop_hook* h) noexcept { static_cast<source_hook*>(h)->source.request_stop(); },
            [](stop_hook* h) noexcept { delete static_cast<source_hook*>(h); }, nullptr} {}
};

}  // namespace

std::stop_token stop_token() {
  detail::cell* c = detail::current_cell();
  if (c == nullptr) return {};
  auto* hook = static_cast<source_hook*>(detail::find_stop_hook(c));
  if (hook == nullptr) {
    auto made = std::make_unique<source_hook>();
    if (!detail::set_stop_hook(c, made.get())) throw std::bad_alloc();
    hook = made.release();
    if (detail::is_stopped(c)) hook->source.request_stop();
  }
  return hook->source.get_token();
}

}  // namespace greenroom
