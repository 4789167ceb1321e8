// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: bytes read as a value of every kind. What is read is written and must then come
// back the same.
//
//   ninja -C build-clang tests/process/fuzz_wire && build-clang/tests/process/fuzz_wire WORK_DIR
#include <greenroom/serialize.hpp>

#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <variant>
#include <vector>

namespace gr = greenroom;

namespace {

enum class colour : unsigned char { red, green };

struct tree {
  std::string name;
  std::vector<tree> children;
};
struct all {
  bool truth;
  std::int16_t small;
  double real;
  colour paint;
  std::vector<std::byte> raw;
  std::optional<std::string> maybe;
  std::variant<int, std::string, tree> one_of;
  std::map<std::string, std::set<int>> sets;
  std::tuple<int, bool> both;
  char code[4];
  tree root;
};

void require(bool truth) {
  if (!truth) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto value = gr::deserialize<all>({reinterpret_cast<const char*>(data), size});
  if (!value) return 0;
  const auto written = gr::serialize(*value);
  require(written.has_value());
  const auto again = gr::deserialize<all>(*written);
  require(again.has_value() && gr::serialize(*again) == written);
  return 0;
}
