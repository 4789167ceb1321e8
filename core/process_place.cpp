// SPDX-License-Identifier: Apache-2.0
#include "process_place.hpp"

#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace greenroom::detail {

namespace {

std::uint64_t stirred(std::uint64_t hash, const void* data, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i)
    hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 1099511628211u;  // FNV-1a
  return hash;
}

std::uint64_t print_of(const dl_phdr_info& file) {
  std::uint64_t hash = 14695981039346656037u;
  for (int i = 0; i < file.dlpi_phnum; ++i) {
    const auto& part = file.dlpi_phdr[i];
    const std::uint64_t shape[] = {part.p_type, part.p_flags, part.p_vaddr, part.p_memsz};
    hash = stirred(hash, shape, sizeof shape);
    if (part.p_type == PT_NOTE)  // the build id, if there is one
      hash =
          stirred(hash, reinterpret_cast<const void*>(file.dlpi_addr + part.p_vaddr), part.p_memsz);
  }
  return hash;
}

bool holds(const dl_phdr_info& file, std::uintptr_t at, std::uint64_t* room = nullptr) {
  for (int i = 0; i < file.dlpi_phnum; ++i) {
    const auto& part = file.dlpi_phdr[i];
    const std::uintptr_t begin = file.dlpi_addr + part.p_vaddr;
    if (part.p_type != PT_LOAD || at < begin || at >= begin + part.p_memsz) continue;
    if (room != nullptr) *room = begin + part.p_memsz - at;
    return true;
  }
  return false;
}

template <class Visit>
void each_file(Visit visit) {
  dl_iterate_phdr([](dl_phdr_info* file, std::size_t,
                     void* to) { return (*static_cast<Visit*>(to))(*file) ? 1 : 0; },
                  &visit);
}

// A file mapped for reading, as long as it lives.
class mapped_file {
 public:
  explicit mapped_file(const char* path) {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    struct stat about{};
    if (::fstat(fd, &about) == 0 && about.st_size > 0) {
      void* const at =
          ::mmap(nullptr, static_cast<std::size_t>(about.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
      if (at != MAP_FAILED) {
        at_ = static_cast<const char*>(at);
        size_ = static_cast<std::size_t>(about.st_size);
      }
    }
    ::close(fd);
  }
  mapped_file(const mapped_file&) = delete;
  mapped_file& operator=(const mapped_file&) = delete;
  ~mapped_file() {
    if (at_ != nullptr) ::munmap(const_cast<char*>(at_), size_);
  }
  // Null where the file does not reach so far.
  template <class T>
  const T* at(std::uint64_t offset, std::uint64_t count = 1) const {
    const std::uint64_t bytes = count * sizeof(T);
    if (offset > size_ || bytes > size_ - offset || offset % alignof(T) != 0) return nullptr;
    return reinterpret_cast<const T*>(at_ + offset);
  }

 private:
  const char* at_ = nullptr;
  std::size_t size_ = 0;
};

// From the symbol table of a file that was not stripped.
std::string symbol_at(const char* path, std::uint64_t address) {
  const mapped_file file(path);
  const auto* head = file.at<ElfW(Ehdr)>(0);
  if (head == nullptr || std::memcmp(head->e_ident, ELFMAG, SELFMAG) != 0) return {};
  const auto* sections = file.at<ElfW(Shdr)>(head->e_shoff, head->e_shnum);
  if (sections == nullptr) return {};
  for (unsigned i = 0; i < head->e_shnum; ++i) {
    const auto& table = sections[i];
    if ((table.sh_type != SHT_SYMTAB && table.sh_type != SHT_DYNSYM) ||
        table.sh_link >= head->e_shnum)
      continue;
    const auto& names = sections[table.sh_link];
    const std::uint64_t count = table.sh_size / sizeof(ElfW(Sym));
    const auto* symbols = file.at<ElfW(Sym)>(table.sh_offset, count);
    const char* text = file.at<char>(names.sh_offset, names.sh_size);
    if (symbols == nullptr || text == nullptr) continue;
    for (std::uint64_t n = 0; n < count; ++n) {
      if ((symbols[n].st_info & 0xf) != STT_FUNC || symbols[n].st_value != address) continue;
      if (symbols[n].st_name >= names.sh_size) continue;
      return {text + symbols[n].st_name,
              ::strnlen(text + symbols[n].st_name, names.sh_size - symbols[n].st_name)};
    }
  }
  return {};
}

}  // namespace

code_place place_of(const void* at) {
  code_place found;
  const auto address = reinterpret_cast<std::uintptr_t>(at);
  each_file([&](const dl_phdr_info& file) {
    if (!holds(file, address)) return false;
    found = {file.dlpi_name, print_of(file), address - file.dlpi_addr};
    return true;
  });
  return found;
}

const void* find_place(const code_place& place, std::string& why) {
  const std::string file_name = place.file.empty() ? "the program" : place.file;
  const void* found = nullptr;
  why = file_name + " is not loaded in the new process";
  each_file([&](const dl_phdr_info& file) {
    if (place.file != file.dlpi_name) return false;
    if (print_of(file) != place.print || !holds(file, file.dlpi_addr + place.offset))
      why = file_name + " is another one in the new process";
    else
      found = reinterpret_cast<const void*>(file.dlpi_addr + place.offset);
    return true;
  });
  return found;
}

std::string name_of_function(const void* at) {
  const code_place place = place_of(at);
  if (place.print == 0) return {};
  const char* const path = place.file.empty() ? "/proc/self/exe" : place.file.c_str();
  std::string name = symbol_at(path, place.offset);
  int rc = 0;
  if (char* const plain = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &rc)) {
    name = plain;
    std::free(plain);
  }
  // The parameters; a name in parentheses stands for a namespace without one.
  std::size_t from = 0;
  for (std::size_t at_open; (at_open = name.find('(', from)) != std::string::npos;) {
    if (name.compare(at_open, 11, "(anonymous ") == 0) {
      from = at_open + 1;
      continue;
    }
    name.resize(at_open);
    break;
  }
  const std::size_t colon = name.rfind("::");
  return colon == std::string::npos ? name : name.substr(colon + 2);
}

}  // namespace greenroom::detail
