// SPDX-License-Identifier: Apache-2.0
// What is said when a cancel ends the program, because it was thrown where nothing may be thrown.
#include "scheduler.hpp"

#include <greenroom/green_thread.hpp>

#include <cstdio>
#include <cxxabi.h>
#include <exception>
#include <typeinfo>

namespace greenroom::detail {

namespace {

std::terminate_handler before = nullptr;

[[noreturn]] void explain_and_terminate() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  task* t = current_task();
  if (type != nullptr && *type == typeid(cancelled) && t != nullptr) {
    char name[96];
    std::uint64_t id = 0;
    t->ops->describe(t, name, sizeof name, id);
    std::fprintf(stderr,
                 "greenroom: %s (id %llu) was cancelled at a wait in a destructor or a noexcept "
                 "function, which must not throw; put a gr::shield around that wait\n",
                 name, static_cast<unsigned long long>(id));
  }
  before();
  std::abort();
}

}  // namespace

void explain_cancel_in_terminate() {
  static const bool once = (before = std::set_terminate(explain_and_terminate), true);
  (void)once;
}

}  // namespace greenroom::detail
