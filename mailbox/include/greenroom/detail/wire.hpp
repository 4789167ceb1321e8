// SPDX-License-Identifier: Apache-2.0
//
// Values as bytes, without their types: what the walk of `detail/wire_walk.hpp` calls. The format
// is MessagePack; the library that knows it is included by mailbox/wire.cpp alone.
//
// SE1  Nothing that is read makes memory that its bytes do not pay for: an announced count is at
// most
//     the bytes that are left, however the counts are nested, and nothing recurses over the input.
// SE2  After the first failure all calls fail, and `trouble` is the sentence of the first.
// One thread at a time. Nothing here parks.
#pragma once

#include <greenroom/config.hpp>

#include <cstddef>
#include <cstdint>

namespace greenroom {

// What is taken from bytes that somebody else may have made up.
struct unpack_limits {
  std::size_t size_max = std::size_t{64} << 20;  // bytes of one value, with all that it holds
  std::uint32_t depth_max = 64;                  // containers and structs inside each other
};

namespace detail {

class wire_writer {
 public:
  explicit wire_writer(const unpack_limits& limits = {}) noexcept : limits_(limits) {}
  wire_writer(const wire_writer&) = delete;
  wire_writer& operator=(const wire_writer&) = delete;
  ~wire_writer();

  void nil();
  void boolean(bool value);
  void integer(std::int64_t value);
  void natural(std::uint64_t value);
  void real(double value);
  void text(const char* data, std::size_t size);
  void bytes(const void* data, std::size_t size);
  void array(std::size_t count);
  // Around what a struct or container holds. False: too deep.
  bool enter();
  void leave() noexcept { --depth_; }
  void fail(const char* sentence) noexcept {
    if (trouble_ == nullptr) trouble_ = sentence;
  }

  // What was written; REQUIRES: ok().
  [[nodiscard]] const char* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool ok() const noexcept { return trouble_ == nullptr; }
  [[nodiscard]] const char* trouble() const noexcept { return trouble_; }
  // For the format's own library.
  void write(const char* more, std::size_t size);

 private:
  unpack_limits limits_;
  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t room_ = 0;
  std::uint32_t depth_ = 0;
  const char* trouble_ = nullptr;
};

// Each call takes the next thing, which must be of that kind; false: it is not, or SE2.
class wire_reader {
 public:
  // The bytes must outlive the reader.
  wire_reader(const char* data, std::size_t size, const unpack_limits& limits = {});
  wire_reader(const wire_reader&) = delete;
  wire_reader& operator=(const wire_reader&) = delete;
  ~wire_reader();

  bool boolean(bool& value);
  bool integer(std::int64_t least, std::int64_t most, std::int64_t& value);
  bool natural(std::uint64_t most, std::uint64_t& value);
  bool real(double& value);
  bool text(const char*& data, std::size_t& size);
  bool bytes(const char*& data, std::size_t& size);
  bool array(std::size_t& count);
  bool array_of(std::size_t count);  // exactly
  // Takes a nil if one is next; else nothing, and that is no failure.
  bool take_nil();
  bool fail(const char* sentence) noexcept {
    if (trouble_ == nullptr) trouble_ = sentence;
    return false;
  }

  [[nodiscard]] bool ok() const noexcept { return trouble_ == nullptr; }
  // All was taken, and it was well.
  [[nodiscard]] bool at_end() const noexcept { return ok() && at_ == count_; }
  [[nodiscard]] const char* trouble() const noexcept { return trouble_; }

 private:
  struct item;
  struct sorter;
  const item* next(unsigned char kind);

  item* items_ = nullptr;  // all that the bytes hold, in their order
  std::size_t count_ = 0;
  std::size_t at_ = 0;
  const char* trouble_ = nullptr;
};

}  // namespace detail
}  // namespace greenroom
