// SPDX-License-Identifier: Apache-2.0
// Where something lies in the files of this program, so that the same program, started again, finds
// it at another address. Any thread; nothing parks.
#pragma once

#include <cstdint>
#include <string>

namespace greenroom::detail {

struct code_place {
  std::string file;          // "": the program itself
  std::uint64_t print = 0;   // of the file's segments and build id
  std::uint64_t offset = 0;  // from where the file is loaded; 0 with an empty print: null
};

// An empty print: it lies in no file.
code_place place_of(const void* at);
// Null, and a sentence: the file is not loaded, or is another one.
const void* find_place(const code_place& place, std::string& why);
// The function's name without its parameters; "" where the program has no symbols.
std::string name_of_function(const void* at);

}  // namespace greenroom::detail
