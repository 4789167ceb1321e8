// SPDX-License-Identifier: Apache-2.0
// Names of functions for reports: what the dynamic linker exports, and for the program itself what
// its own symbol table says, if it was not stripped. Any thread; not for signal handlers.
#pragma once

#include <string>

namespace greenroom::detail {

// Of the function around an address, demangled; "" when it is not known.
std::string function_name(void* pc);
// Name of the file that holds an address, without its folder, and the offset in it, for addr2line:
// "server+0x4711".
std::string place_in_file(void* pc);
// Is it code of the system's libraries?
bool is_of_system(void* pc) noexcept;

}  // namespace greenroom::detail
