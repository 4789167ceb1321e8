// SPDX-License-Identifier: Apache-2.0
#include <greenroom/detail/sent_value.hpp>

#include <new>

namespace greenroom::detail {

void throw_no_memory() { throw std::bad_alloc(); }

}  // namespace greenroom::detail
