// SPDX-License-Identifier: Apache-2.0
// An interpreter of .eh_frame's call frame instructions (DWARF 5, 6.4), as far as rule_at needs
// them. What it does not understand makes the rule unknown, never wrong.
#include "frame_rules.hpp"

#include <cstddef>
#include <cstring>

namespace greenroom::detail {

struct dwarf_bases {
  void* text;
  void* data;
  void* function;
};
// Of the C++ runtime, which throws by the same tables.
extern "C" __attribute__((weak)) const void* _Unwind_Find_FDE(void* pc, dwarf_bases* bases);

namespace {

#if defined(__aarch64__)
constexpr std::uint64_t frame_register = 29, stack_register = 31;
#else
constexpr std::uint64_t frame_register = 6, stack_register = 7;
#endif

class bytes {
 public:
  bytes(const unsigned char* at, const unsigned char* end) : at_(at), end_(end) {}

  [[nodiscard]] bool more() const noexcept { return at_ < end_ && !bad_; }
  [[nodiscard]] bool bad() const noexcept { return bad_; }
  [[nodiscard]] const unsigned char* at() const noexcept { return at_; }
  void skip(std::uint64_t n) noexcept {
    if (n > static_cast<std::uint64_t>(end_ - at_)) {
      bad_ = true;
      at_ = end_;
    } else {
      at_ += n;
    }
  }
  template <class T>
  T take() noexcept {
    T value{};
    const unsigned char* from = at_;
    skip(sizeof value);
    if (!bad_) std::memcpy(&value, from, sizeof value);
    return value;
  }
  std::uint64_t unsigned_leb() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; more() && shift < 64; shift += 7) {
      const auto byte = take<std::uint8_t>();
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    bad_ = true;
    return 0;
  }
  std::int64_t signed_leb() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; more() && shift < 64;) {
      const auto byte = take<std::uint8_t>();
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      shift += 7;
      if ((byte & 0x80) != 0) continue;
      if ((byte & 0x40) != 0 && shift < 64) value |= ~std::uint64_t{0} << shift;
      return static_cast<std::int64_t>(value);
    }
    bad_ = true;
    return 0;
  }
  // A pointer in this encoding is stepped over.
  void skip_pointer(std::uint8_t encoding) noexcept {
    switch (encoding & 0x0F) {
      case 0x01: unsigned_leb(); return;
      case 0x09: signed_leb(); return;
      case 0x02:
      case 0x0A: skip(2); return;
      case 0x03:
      case 0x0B: skip(4); return;
      default: skip(8); return;
    }
  }

 private:
  const unsigned char* at_;
  const unsigned char* end_;
  bool bad_ = false;
};

// A record of the table, behind its length.
bytes record_at(const unsigned char* at) noexcept {
  std::uint32_t length = 0;
  std::memcpy(&length, at, sizeof length);
  at += sizeof length;
  if (length == 0xFFFF'FFFF) return {at, at};  // of 64 bits; no compiler makes them here
  return {at, at + length};
}

// What the functions of an object file have in common.
struct common {
  std::uint64_t code_unit = 1;
  std::int64_t data_unit = 1;
  std::uint64_t return_register = 0;
  std::uint8_t pointers = 0;
  bool has_more = false;  // data of its own in each function's record
  bool is_signal = false;
  bytes program{nullptr, nullptr};
};

bool read_common(const unsigned char* at, common& c) noexcept {
  bytes in = record_at(at);
  in.skip(4);
  const auto version = in.take<std::uint8_t>();
  const auto* more = reinterpret_cast<const char*>(in.at());
  while (in.more() && in.take<char>() != '\0') {}
  c.code_unit = in.unsigned_leb();
  c.data_unit = in.signed_leb();
  c.return_register = version == 1 ? in.take<std::uint8_t>() : in.unsigned_leb();
  if (in.bad() || (version != 1 && version != 3) || (*more != 'z' && *more != '\0')) return false;
  if (*more == 'z') {
    c.has_more = true;
    const std::uint64_t size = in.unsigned_leb();
    const unsigned char* const end = in.at() + size;
    for (++more; *more != '\0'; ++more) {
      if (*more == 'R') c.pointers = in.take<std::uint8_t>();
      if (*more == 'L') in.skip(1);
      if (*more == 'P') in.skip_pointer(in.take<std::uint8_t>());
      if (*more == 'S') c.is_signal = true;
    }
    in.skip(static_cast<std::uint64_t>(end - in.at()));
  }
  c.program = in;
  return !in.bad();
}

// Where a register of the caller is.
struct place {
  enum class kind : std::uint8_t { same, at_offset, undefined, odd } how = kind::same;
  std::int64_t offset = 0;
};

struct row {
  std::uint64_t base_register = stack_register;
  std::int64_t base_offset = 0;
  bool is_odd = false;  // the base is computed in a way that is not understood
  bool at_pointer = false;
  place frame, back;
};

class machine {
 public:
  machine(const common& c, std::uintptr_t begin, std::uintptr_t pc) : c_(c), at_(begin), pc_(pc) {}

  // False: something in it is not known.
  bool run(bytes program) noexcept {
    while (program.more() && at_ <= pc_)
      if (!step(program)) return false;
    return !program.bad();
  }
  void note_initial() noexcept { initial_ = now_; }
  [[nodiscard]] const row& result() const noexcept { return now_; }

 private:
  static constexpr std::size_t kept_max = 8;

  // What follows holds from here on: run() ends when that is behind pc.
  void advance(std::uint64_t units) noexcept { at_ += units * c_.code_unit; }
  void set(std::uint64_t which, place::kind how, std::int64_t offset = 0) noexcept {
    if (which == frame_register) now_.frame = {how, offset};
    if (which == c_.return_register) now_.back = {how, offset};
  }
  void restore(std::uint64_t which) noexcept {
    if (which == frame_register) now_.frame = initial_.frame;
    if (which == c_.return_register) now_.back = initial_.back;
  }
  void set_base(std::uint64_t which, std::int64_t offset) noexcept {
    now_.base_register = which;
    now_.base_offset = offset;
    now_.is_odd = now_.at_pointer = false;
  }
  // "What stands at register + n", of functions that align their stack.
  void set_base_by(bytes expression) noexcept {
    const auto what = expression.take<std::uint8_t>();
    now_.base_register = what - std::uint64_t{0x70};
    now_.base_offset = expression.signed_leb();
    now_.at_pointer = expression.take<std::uint8_t>() == 0x06;
    now_.is_odd =
        expression.bad() || expression.more() || what < 0x70 || what > 0x8F || !now_.at_pointer;
  }
  static bytes block(bytes& in) noexcept {
    const std::uint64_t size = in.unsigned_leb();
    const unsigned char* const from = in.at();
    in.skip(size);
    return {from, in.at()};
  }
  std::int64_t scaled(std::uint64_t n) const noexcept {
    return static_cast<std::int64_t>(n) * c_.data_unit;
  }

  bool step(bytes& in) noexcept {
    const auto what = in.take<std::uint8_t>();
    const std::uint8_t low = what & 0x3F;
    switch (what & 0xC0) {
      case 0x40: advance(low); return true;
      case 0x80: set(low, place::kind::at_offset, scaled(in.unsigned_leb())); return true;
      case 0xC0: restore(low); return true;
      default: return low < 0x0C || low > 0x16 ? step_plain(low, in) : step_of_base(low, in);
    }
  }

  bool step_plain(std::uint8_t what, bytes& in) noexcept {
    std::uint64_t which = 0;
    switch (what) {
      case 0x00: return true;
      case 0x02: advance(in.take<std::uint8_t>()); return true;
      case 0x03: advance(in.take<std::uint16_t>()); return true;
      case 0x04: advance(in.take<std::uint32_t>()); return true;
      case 0x05:
        which = in.unsigned_leb();
        set(which, place::kind::at_offset, scaled(in.unsigned_leb()));
        return true;
      case 0x06: restore(in.unsigned_leb()); return true;
      case 0x07: set(in.unsigned_leb(), place::kind::undefined); return true;
      case 0x08: set(in.unsigned_leb(), place::kind::same); return true;
      case 0x09:
        set(in.unsigned_leb(), place::kind::odd);
        in.unsigned_leb();
        return true;
      case 0x0A:
        if (kept_size_ == kept_max) return false;
        kept_[kept_size_++] = now_;
        return true;
      case 0x0B:
        if (kept_size_ == 0) return false;
        now_ = kept_[--kept_size_];
        return true;
      case 0x2D: return true;  // of return addresses that are signed
      case 0x2E: in.unsigned_leb(); return true;
      default: return false;
    }
  }

  bool step_of_base(std::uint8_t what, bytes& in) noexcept {
    std::uint64_t which = 0;
    switch (what) {
      case 0x0C:
        which = in.unsigned_leb();
        set_base(which, static_cast<std::int64_t>(in.unsigned_leb()));
        return true;
      case 0x0D: set_base(in.unsigned_leb(), now_.base_offset); return true;
      case 0x0E: now_.base_offset = static_cast<std::int64_t>(in.unsigned_leb()); return true;
      case 0x0F: set_base_by(block(in)); return true;
      case 0x10: return step_by_expression(in);
      case 0x11:
        which = in.unsigned_leb();
        set(which, place::kind::at_offset, in.signed_leb() * c_.data_unit);
        return true;
      case 0x12:
        which = in.unsigned_leb();
        set_base(which, in.signed_leb() * c_.data_unit);
        return true;
      case 0x13: now_.base_offset = in.signed_leb() * c_.data_unit; return true;
      case 0x14:
        set(in.unsigned_leb(), place::kind::odd);
        in.unsigned_leb();
        return true;
      case 0x15:
        set(in.unsigned_leb(), place::kind::odd);
        in.signed_leb();
        return true;
      default:
        set(in.unsigned_leb(), place::kind::odd);
        block(in);
        return true;
    }
  }

  // A register saved at "frame pointer + 0", by functions that align their stack.
  bool step_by_expression(bytes& in) noexcept {
    const std::uint64_t which = in.unsigned_leb();
    bytes e = block(in);
    const auto what = e.take<std::uint8_t>();
    const std::int64_t offset = e.signed_leb();
    const bool plain = !e.bad() && !e.more() && what == 0x70 + frame_register && offset == 0;
    if (which == frame_register && plain)
      now_.frame = {place::kind::at_offset, at_frame_pointer};
    else
      set(which, place::kind::odd);
    return true;
  }

 public:
  static constexpr std::int64_t at_frame_pointer = INT64_MIN;

 private:
  const common& c_;
  std::uintptr_t at_, pc_;
  row now_, initial_;
  row kept_[kept_max];
  std::size_t kept_size_ = 0;
};

bool fits(std::int64_t n) noexcept { return n == static_cast<std::int32_t>(n); }

frame_rule rule_of(const row& r) noexcept {
  frame_rule rule;
  if (r.back.how == place::kind::undefined) {
    rule.known = rule.outermost = true;
    return rule;
  }
  const bool by_frame = r.base_register == frame_register;
  if (r.is_odd || (!by_frame && r.base_register != stack_register)) return rule;
  if (r.back.how != place::kind::at_offset || !fits(r.back.offset) || !fits(r.base_offset))
    return rule;
  rule.by_frame = by_frame;
  rule.at_pointer = r.at_pointer;
  rule.base = static_cast<std::int32_t>(r.base_offset);
  rule.return_address = static_cast<std::int32_t>(r.back.offset);
  rule.keeps_frame_pointer = r.frame.how == place::kind::same;
  rule.known = true;
  if (r.frame.how == place::kind::at_offset) {
    rule.frame_at_itself = r.frame.offset == machine::at_frame_pointer;
    if (!rule.frame_at_itself) {
      if (!fits(r.frame.offset)) return {};
      rule.frame_pointer = static_cast<std::int32_t>(r.frame.offset);
    }
  } else if (r.frame.how == place::kind::odd) {
    return {};
  }
  return rule;
}

}  // namespace

frame_rule rule_at(std::uintptr_t pc) noexcept {
  dwarf_bases bases{};
  if (_Unwind_Find_FDE == nullptr) return {};
  const auto* at =
      static_cast<const unsigned char*>(_Unwind_Find_FDE(reinterpret_cast<void*>(pc), &bases));
  if (at == nullptr) return {};
  bytes in = record_at(at);
  const unsigned char* const link = in.at();
  common c;
  const auto back = in.take<std::uint32_t>();
  if (in.bad() || !read_common(link - back, c) || c.is_signal) return {};
  in.skip_pointer(c.pointers);
  in.skip_pointer(c.pointers & 0x0F);
  if (c.has_more) in.skip(in.unsigned_leb());
  machine m(c, reinterpret_cast<std::uintptr_t>(bases.function), pc);
  if (!m.run(c.program)) return {};
  m.note_initial();
  if (in.bad() || !m.run(in)) return {};
  return rule_of(m.result());
}

}  // namespace greenroom::detail
