// SPDX-License-Identifier: Apache-2.0
#include "symbols.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <mutex>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace greenroom::detail {

namespace {

const char* file_of(const Dl_info& where) noexcept {
  const char* file = where.dli_fname == nullptr ? "?" : where.dli_fname;
  const char* last = std::strrchr(file, '/');
  return last == nullptr ? file : last + 1;
}

std::string readable(const char* symbol) {
  int rc = 0;
  char* plain = abi::__cxa_demangle(symbol, nullptr, nullptr, &rc);
  std::string name = rc == 0 ? plain : symbol;
  std::free(plain);
  return name;
}

// The program's own symbols, which the dynamic linker does not know of those that it does not
// export. Read once, from the file that this process was started from even if another one stands in
// its place by now.
class own_symbols {
 public:
  own_symbols() {
    const int fd = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (!read(fd)) functions_.clear();
    ::close(fd);
    std::sort(functions_.begin(), functions_.end(),
              [](const function& a, const function& b) { return a.at < b.at; });
    dl_iterate_phdr(
        [](dl_phdr_info* first, std::size_t, void* base) {
          *static_cast<std::uintptr_t*>(base) = first->dlpi_addr;
          return 1;  // the program comes first
        },
        &base_);
  }

  // Null: there is none.
  [[nodiscard]] const char* name_of(std::uintptr_t pc) const noexcept {
    const std::uintptr_t at = pc - base_;
    const auto after =
        std::upper_bound(functions_.begin(), functions_.end(), at,
                         [](std::uintptr_t a, const function& f) { return a < f.at; });
    if (after == functions_.begin() || at - after[-1].at >= after[-1].size) return nullptr;
    return names_.data() + after[-1].name;
  }

 private:
  using header = ElfW(Ehdr);
  using section = ElfW(Shdr);
  using symbol = ElfW(Sym);
  struct function {
    std::uintptr_t at, size;
    std::size_t name;
  };
  static constexpr std::size_t bytes_max = std::size_t{64} << 20;

  static bool fill(int fd, void* to, std::size_t size, std::uint64_t at) {
    auto* out = static_cast<char*>(to);
    while (size != 0) {
      const ssize_t n = ::pread(fd, out, size, static_cast<off_t>(at));
      if (n <= 0) return false;
      out += n;
      at += static_cast<std::uint64_t>(n);
      size -= static_cast<std::size_t>(n);
    }
    return true;
  }

  bool read(int fd) {
    header head;
    if (!fill(fd, &head, sizeof head, 0)) return false;
    if (std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_shentsize != sizeof(section))
      return false;
    std::vector<section> sections(head.e_shnum);
    if (!fill(fd, sections.data(), sections.size() * sizeof(section), head.e_shoff)) return false;
    for (const section& s : sections)
      if (s.sh_type == SHT_SYMTAB && s.sh_link < sections.size())
        return read_table(fd, s, sections[s.sh_link]);
    return false;
  }

  bool read_table(int fd, const section& table, const section& names) {
    if (table.sh_size > bytes_max || names.sh_size > bytes_max || names.sh_size == 0) return false;
    names_.resize(names.sh_size);
    std::vector<symbol> symbols(table.sh_size / sizeof(symbol));
    if (!fill(fd, names_.data(), names_.size(), names.sh_offset)) return false;
    names_.back() = '\0';
    if (!fill(fd, symbols.data(), symbols.size() * sizeof(symbol), table.sh_offset)) return false;
    for (const symbol& s : symbols)
      if ((s.st_info & 15) == STT_FUNC && s.st_size != 0 && s.st_name < names_.size())
        functions_.push_back({s.st_value, s.st_size, s.st_name});
    return true;
  }

  std::uintptr_t base_ = 0;
  std::vector<function> functions_;
  std::vector<char> names_;
};

}  // namespace

std::string function_name(void* pc) {
  // A return address may be the first one behind a function that does not return.
  auto* const in = static_cast<char*>(pc) - 1;
  Dl_info where{};
  if (::dladdr(in, &where) != 0 && where.dli_sname != nullptr) return readable(where.dli_sname);
  static const own_symbols ours;
  const char* name = ours.name_of(reinterpret_cast<std::uintptr_t>(in));
  return name == nullptr ? std::string() : readable(name);
}

std::string place_in_file(void* pc) {
  Dl_info where{};
  const bool known = ::dladdr(pc, &where) != 0;
  const auto base = known ? reinterpret_cast<std::uintptr_t>(where.dli_fbase) : 0;
  char line[32];
  std::snprintf(line, sizeof line, "+0x%llx",
                static_cast<unsigned long long>(reinterpret_cast<std::uintptr_t>(pc) - base));
  return std::string(file_of(where)) + line;
}

bool is_of_system(void* pc) noexcept {
  Dl_info where{};
  if (::dladdr(pc, &where) == 0) return false;
  const char* file = file_of(where);
  for (const char* name : {"linux-vdso", "libc.so", "libstdc++", "libc++", "libm.so", "ld-linux"})
    if (std::strncmp(file, name, std::strlen(name)) == 0) return true;
  return false;
}

}  // namespace greenroom::detail
