// SPDX-License-Identifier: Apache-2.0
// Places in the source, in words. Any thread; called when a report is made.
#include <greenroom/detail/place.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <dlfcn.h>

namespace greenroom::detail {

namespace {

constexpr std::uint64_t is_address = std::uint64_t{1} << 63;
constexpr const char* system_headers = "/usr/";

const char* last_part(const char* path) noexcept {
  const char* last = path == nullptr ? nullptr : std::strrchr(path, '/');
  return last == nullptr ? (path == nullptr ? "?" : path) : last + 1;
}

void describe_address(std::uint64_t address, char* text, std::size_t size) noexcept {
  // One less, for the call itself: the place it returns to may be the next line's.
  const std::uint64_t call = address - 1;
  Dl_info where{};
  if (::dladdr(reinterpret_cast<void*>(call), &where) == 0) {
    std::snprintf(text, size, " at 0x%llx", static_cast<unsigned long long>(call));
    return;
  }
  const char* file = last_part(where.dli_fname);
  const unsigned long long offset = call - reinterpret_cast<std::uint64_t>(where.dli_fbase);
  if (where.dli_sname == nullptr) {
    std::snprintf(text, size, " at %s+0x%llx", file, offset);
    return;
  }
  int rc = 0;
  char* plain = abi::__cxa_demangle(where.dli_sname, nullptr, nullptr, &rc);
  std::snprintf(text, size, " in %s (%s+0x%llx)", rc == 0 ? plain : where.dli_sname, file, offset);
  std::free(plain);
}

}  // namespace

std::uint64_t place_number(const std::source_location& at, void* back) noexcept {
  if (std::strncmp(at.file_name(), system_headers, std::strlen(system_headers)) != 0)
    return place_number(at);
  return reinterpret_cast<std::uint64_t>(back) | is_address;
}

void describe_place(std::uint64_t place, char* text, std::size_t size) noexcept {
  text[0] = '\0';
  if (place == 0) return;
  if ((place & is_address) != 0) {
    describe_address(place & ~is_address, text, size);
    return;
  }
  const auto at = std::bit_cast<std::source_location>(place);
  std::snprintf(text, size, " at %s:%u", last_part(at.file_name()),
                static_cast<unsigned>(at.line()));
}

}  // namespace greenroom::detail
