// SPDX-License-Identifier: Apache-2.0
// What the fuzzer has found worth keeping goes through its target in every build.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);

TEST_CASE("the fuzzer's corpus is parsed the same in pieces and whole") {
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(KV_CORPUS)) {
    CAPTURE(file.path());
    std::ifstream in(file.path(), std::ios::binary);
    const std::string data{std::istreambuf_iterator<char>(in), {}};
    REQUIRE(LLVMFuzzerTestOneInput(reinterpret_cast<const unsigned char*>(data.data()),
                                   data.size()) == 0);
    ++files;
  }
  CHECK(files > 50);
}
