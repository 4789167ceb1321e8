// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: the request parser, fed in pieces. The first bytes choose the pieces; however
// they are cut, the outcome must be that of the whole, and every argument must lie in the input.
//
//   clang++-19 -std=c++23 -g -O1 -fsanitize=fuzzer,address,undefined -I examples/kv
//       tests/kv/fuzz_resp.cpp examples/kv/resp.cpp examples/kv/text.cpp -o fuzz_resp
//   ./fuzz_resp -use_value_profile=1 -dict=tests/kv/resp.dict WORK_DIR tests/kv/corpus
#include <cstdlib>
#include <string>
#include <vector>

#include "resp.hpp"

namespace {

using outcome = kv::request_parser::outcome;

void require(bool truth) {
  if (!truth) std::abort();
}

// All that was parsed, as one text: arguments, ends of commands, and the error.
std::string parse(const std::string& input, const std::vector<std::size_t>& ends, bool known) {
  kv::request_parser parser;
  parser.authenticated = known;
  std::string buffer, result;
  std::size_t fed = 0;
  for (std::size_t end : ends) {
    buffer.append(input, fed, end - fed);
    fed = end;
    while (true) {
      const outcome got = parser.next(buffer);
      if (got == outcome::error) return result + "E" + std::string(parser.error_text());
      if (got == outcome::more) break;
      require(!parser.words().empty());
      for (std::string_view word : parser.words()) {
        require(word.data() >= buffer.data());
        require(word.data() + word.size() <= buffer.data() + buffer.size());
        result.append("A").append(word);
      }
      result += "C";
    }
    const std::size_t done = parser.take_done();
    require(done <= buffer.size());
    buffer.erase(0, done);
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  constexpr std::size_t cuts_max = 4;
  if (size < 1 + cuts_max) return 0;
  const std::string input(reinterpret_cast<const char*>(data) + 1 + cuts_max, size - 1 - cuts_max);
  std::vector<std::size_t> ends;
  std::size_t at = 0;
  for (std::size_t i = 0; i < cuts_max; ++i) {
    at = std::min(at + data[1 + i], input.size());
    ends.push_back(at);
  }
  ends.push_back(input.size());
  const bool known = data[0] % 2 == 0;
  require(parse(input, ends, known) == parse(input, {input.size()}, known));
  return 0;
}
