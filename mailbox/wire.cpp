// SPDX-License-Identifier: Apache-2.0
// MessagePack in and out, by msgpack-cxx, which is included here and nowhere else.
//
// The reader has the library sort all bytes into a flat row of items first; the walk then takes
// them one by one. Rejected: the library's tree of objects, which reserves room for each announced
// count before its elements are there, and again at every level.
#include <greenroom/detail/wire_walk.hpp>

#define MSGPACK_NO_BOOST 1
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
#include <msgpack.hpp>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <string>

namespace greenroom::detail {

namespace {

using packer = msgpack::packer<wire_writer>;

constexpr const char* too_big = "it is larger than the limit";
constexpr const char* too_deep = "it is nested deeper than the limit";
constexpr const char* cut_off = "its bytes end too early";
constexpr const char* not_that = "its bytes hold something of another type";
constexpr const char* no_memory_left = "there is no memory for it";

constexpr std::size_t wire_length_max = std::numeric_limits<std::uint32_t>::max();

}  // namespace

// ---- out

wire_writer::~wire_writer() { std::free(data_); }

void wire_writer::write(const char* more, std::size_t size) {
  if (trouble_ != nullptr) return;
  if (size > limits_.size_max - size_) return fail(too_big);
  if (size > room_ - size_) {
    const std::size_t wanted = (size_ + size) * 2;
    void* const grown = std::realloc(data_, wanted);
    if (grown == nullptr) return fail(no_memory_left);
    data_ = static_cast<char*>(grown);
    room_ = wanted;
  }
  if (size != 0) std::memcpy(data_ + size_, more, size);  // memcpy takes no null
  size_ += size;
}

void wire_writer::nil() { packer(*this).pack_nil(); }
void wire_writer::boolean(bool value) {
  value ? packer(*this).pack_true() : packer(*this).pack_false();
}
void wire_writer::integer(std::int64_t value) { packer(*this).pack_int64(value); }
void wire_writer::natural(std::uint64_t value) { packer(*this).pack_uint64(value); }

void wire_writer::real(double value) {
  // The library would send a whole number as an integer, and -0.0 as 0.
  char out[1 + sizeof value] = {static_cast<char>(0xcb)};
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  for (int i = 8; i != 0; --i, bits >>= 8) out[i] = static_cast<char>(bits & 0xff);
  write(out, sizeof out);
}

void wire_writer::text(const char* data, std::size_t size) {
  if (size > wire_length_max) return fail(too_big);
  packer(*this).pack_str(static_cast<std::uint32_t>(size));
  write(data, size);
}

void wire_writer::bytes(const void* data, std::size_t size) {
  if (size > wire_length_max) return fail(too_big);
  packer(*this).pack_bin(static_cast<std::uint32_t>(size));
  write(static_cast<const char*>(data), size);
}

void wire_writer::array(std::size_t count) {
  if (count > wire_length_max) return fail(too_big);
  packer(*this).pack_array(static_cast<std::uint32_t>(count));
}

bool wire_writer::enter() {
  ++depth_;
  if (depth_ <= limits_.depth_max) return ok();
  fail(too_deep);
  return false;
}

error sentence_on_wire(const char* type, const char* what, const char* trouble) {
  return {error::invalid, std::string("`") + type + "` " + what + ": " +
                              (trouble == nullptr ? "more comes after it" : trouble)};
}

// ---- in

namespace {
enum kind : unsigned char { nil, boolean, natural, negative, real, text, bytes, array };
}

struct wire_reader::item {
  kind is;
  std::uint32_t size;  // of text and bytes; of an array, how many items stand in it directly
  union {
    bool truth;
    std::uint64_t natural;
    std::int64_t negative;
    double real;
    const char* data;
  };
};

// What the library calls for each thing that it finds; false stops it.
struct wire_reader::sorter {
  wire_reader& to;
  std::size_t size;       // of all bytes
  std::size_t depth_max;  // of arrays
  std::size_t room = 0;
  std::size_t depth = 0;
  std::size_t announced = 1;  // items that must come, as far as counts have said

  item* add(kind is) {
    if (to.count_ == room) {
      const std::size_t wanted = room == 0 ? 16 : room * 2;
      void* const grown = std::realloc(to.items_, wanted * sizeof(item));
      if (grown == nullptr) {
        to.fail(no_memory_left);
        return nullptr;
      }
      to.items_ = static_cast<item*>(grown);
      room = wanted;
    }
    item* const made = ::new (static_cast<void*>(&to.items_[to.count_++])) item{};
    made->is = is;
    return made;
  }
  bool add_sized(kind is, const char* data, std::uint32_t length) {
    item* const made = add(is);
    if (made == nullptr) return false;
    made->size = length;
    made->data = data;
    return true;
  }

  bool visit_nil() { return add(kind::nil) != nullptr; }
  bool visit_boolean(bool v) {
    item* const made = add(kind::boolean);
    if (made != nullptr) made->truth = v;
    return made != nullptr;
  }
  bool visit_positive_integer(std::uint64_t v) {
    item* const made = add(kind::natural);
    if (made != nullptr) made->natural = v;
    return made != nullptr;
  }
  bool visit_negative_integer(std::int64_t v) {
    item* const made = add(kind::negative);
    if (made != nullptr) made->negative = v;
    return made != nullptr;
  }
  bool visit_float32(float v) { return visit_float64(static_cast<double>(v)); }
  bool visit_float64(double v) {
    item* const made = add(kind::real);
    if (made != nullptr) made->real = v;
    return made != nullptr;
  }
  bool visit_str(const char* v, std::uint32_t n) { return add_sized(kind::text, v, n); }
  bool visit_bin(const char* v, std::uint32_t n) { return add_sized(kind::bytes, v, n); }
  bool visit_ext(const char*, std::uint32_t) { return to.fail(not_that); }
  bool start_array(std::uint32_t n) {
    // SE1: each item takes a byte at least.
    if (n > size - announced) return to.fail(cut_off);
    announced += n;
    if (++depth > depth_max) return to.fail(too_deep);
    return add_sized(kind::array, nullptr, n);
  }
  bool start_array_item() { return true; }
  bool end_array_item() { return true; }
  bool end_array() {
    --depth;
    return true;
  }
  // Maps travel as arrays of their keys and values.
  bool start_map(std::uint32_t) { return to.fail(not_that); }
  bool start_map_key() { return false; }
  bool end_map_key() { return false; }
  bool start_map_value() { return false; }
  bool end_map_value() { return false; }
  bool end_map() { return false; }
  void parse_error(std::size_t, std::size_t) { to.fail("its bytes are not MessagePack"); }
  void insufficient_bytes(std::size_t, std::size_t) { to.fail(cut_off); }
  [[nodiscard]] bool referenced() const { return false; }
  void set_referenced(bool) {}
};

wire_reader::wire_reader(const char* data, std::size_t size, const unpack_limits& limits) {
  if (size > limits.size_max) {
    fail(too_big);
    return;
  }
  if (size == 0) {
    fail(cut_off);
    return;
  }
  sorter sorts{*this, size, limits.depth_max};
  std::size_t used = 0;
  bool well = false;
  try {
    well = msgpack::parse(data, size, used, sorts);
  } catch (const std::bad_alloc&) { fail(no_memory_left); }
  if (!well)
    fail(cut_off);
  else if (used != size)
    fail("more bytes come after it");
  if (!ok()) count_ = 0;
}

wire_reader::~wire_reader() { std::free(items_); }

const wire_reader::item* wire_reader::next(unsigned char kind) {
  if (trouble_ != nullptr) return nullptr;
  if (at_ == count_ || items_[at_].is != kind) {
    fail(not_that);
    return nullptr;
  }
  return &items_[at_++];
}

bool wire_reader::take_nil() {
  if (trouble_ != nullptr || at_ == count_ || items_[at_].is != kind::nil) return false;
  ++at_;
  return true;
}

bool wire_reader::boolean(bool& value) {
  const item* const i = next(kind::boolean);
  if (i != nullptr) value = i->truth;
  return i != nullptr;
}

bool wire_reader::natural(std::uint64_t most, std::uint64_t& value) {
  const item* const i = next(kind::natural);
  if (i == nullptr) return false;
  if (i->natural > most) return fail("a number in it is too large for its type");
  value = i->natural;
  return true;
}

bool wire_reader::integer(std::int64_t least, std::int64_t most, std::int64_t& value) {
  if (ok() && at_ != count_ && items_[at_].is == kind::natural) {
    std::uint64_t n = 0;
    if (!natural(static_cast<std::uint64_t>(most), n)) return false;
    value = static_cast<std::int64_t>(n);
    return true;
  }
  const item* const i = next(kind::negative);
  if (i == nullptr) return false;
  if (i->negative < least) return fail("a number in it is too small for its type");
  value = i->negative;
  return true;
}

bool wire_reader::real(double& value) {
  const item* const i = next(kind::real);
  if (i != nullptr) value = i->real;
  return i != nullptr;
}

bool wire_reader::text(const char*& data, std::size_t& size) {
  const item* const i = next(kind::text);
  if (i == nullptr) return false;
  data = i->data;
  size = i->size;
  return true;
}

bool wire_reader::bytes(const char*& data, std::size_t& size) {
  const item* const i = next(kind::bytes);
  if (i == nullptr) return false;
  data = i->data;
  size = i->size;
  return true;
}

bool wire_reader::array(std::size_t& count) {
  const item* const i = next(kind::array);
  if (i != nullptr) count = i->size;
  return i != nullptr;
}

bool wire_reader::array_of(std::size_t count) {
  std::size_t there = 0;
  if (!array(there)) return false;
  return there == count || fail(not_that);
}

}  // namespace greenroom::detail
