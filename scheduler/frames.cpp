// SPDX-License-Identifier: Apache-2.0
#include "frames.hpp"

#include <algorithm>
#include <cstring>
#include <link.h>
#include <unwind.h>

namespace greenroom::detail {

namespace {

constexpr std::uintptr_t looked_at = 16;  // bytes before and after an address

#if defined(__x86_64__)
// A jump through a table, as calls into other libraries make it.
bool is_jump_through_table(std::uintptr_t pc) noexcept {
  const auto* code = reinterpret_cast<const unsigned char*>(pc);
  constexpr unsigned char landing[] = {0xF3, 0x0F, 0x1E, 0xFA};  // endbr64
  if (std::memcmp(code, landing, sizeof landing) == 0) code += sizeof landing;
  if (code[0] == 0xF2) ++code;  // bnd
  return code[0] == 0xFF && code[1] == 0x25;
}
#elif defined(__aarch64__)
bool is_jump_through_table(std::uintptr_t pc) noexcept {
  std::uint32_t code[2];
  std::memcpy(code, reinterpret_cast<const void*>(pc), sizeof code);
  const std::uint32_t first = code[0] == 0xD503'245F ? code[1] : code[0];  // bti c
  return (first & 0x9F00'001F) == 0x9000'0010;                             // adrp x16
}
#endif

// 64-bit ARM may sign return addresses in bits that an address does not need.
std::uintptr_t without_signature(std::uintptr_t pc) noexcept {
#if defined(__aarch64__)
  return pc & 0x0000'FFFF'FFFF'FFFF;
#else
  return pc;
#endif
}

}  // namespace

std::uintptr_t function_of(std::uintptr_t pc) noexcept {
  return reinterpret_cast<std::uintptr_t>(
      _Unwind_FindEnclosingFunction(reinterpret_cast<void*>(pc)));
}

frame_reader::frame_reader() noexcept {
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* argument) {
        auto& self = *static_cast<frame_reader*>(argument);
        for (int i = 0; i < object->dlpi_phnum && self.size_ < parts_max; ++i) {
          constexpr unsigned flags = PF_R | PF_X;
          const auto& p = object->dlpi_phdr[i];
          if (p.p_type != PT_LOAD || (p.p_flags & flags) != flags) continue;
          if (p.p_memsz <= 2 * looked_at) continue;
          const std::uintptr_t from = object->dlpi_addr + p.p_vaddr;
          self.parts_[self.size_++] = {from + looked_at, from + p.p_memsz - looked_at};
        }
        return 0;
      },
      this);
  std::sort(parts_, parts_ + size_, [](const part& a, const part& b) { return a.from < b.from; });
}

bool frame_reader::is_code(std::uintptr_t pc) const noexcept {
  const part* at = std::upper_bound(parts_, parts_ + size_, pc,
                                    [](std::uintptr_t a, const part& p) { return a < p.from; });
  return at != parts_ && pc < at[-1].to;
}

// REQUIRES: is_code(pc).
frame_reader::call_site frame_reader::call_before(std::uintptr_t pc) const noexcept {
  call_site call;
#if defined(__x86_64__)
  const auto* code = reinterpret_cast<const unsigned char*>(pc);
  if (code[-5] == 0xE8) {
    std::int32_t distance = 0;
    std::memcpy(&distance, code - 4, sizeof distance);
    const std::uintptr_t target = pc + static_cast<std::uintptr_t>(std::int64_t{distance});
    if (is_code(target)) {
      call.back = pc;
      if (!is_jump_through_table(target)) call.called = function_of(target + 1);
    }
  }
  // FF /2, by the length of its address: the second byte's middle bits are 010.
  if (call.back == 0)
    for (const int length : {2, 3, 4, 6, 7})
      if (code[-length] == 0xFF && (code[1 - length] & 0x38) == 0x10) call.back = pc;
#elif defined(__aarch64__)
  std::uint32_t code = 0;
  std::memcpy(&code, reinterpret_cast<const void*>(pc - 4), sizeof code);
  if ((code & 0xFC00'0000) == 0x9400'0000) {  // bl
    const auto distance = static_cast<std::int32_t>(code << 6) >> 4;
    const std::uintptr_t target = pc - 4 + static_cast<std::uintptr_t>(std::int64_t{distance});
    if (is_code(target)) {
      call.back = pc;
      if (!is_jump_through_table(target)) call.called = function_of(target + 1);
    }
  } else if ((code & 0xFFFF'FC1F) == 0xD63F'0000) {  // blr
    call.back = pc;
  }
#else
  call.back = pc;
#endif
  if (call.back != 0) call.function = function_of(call.back);
  return call;
}

const frame_reader::call_site& frame_reader::look_at(std::uintptr_t pc) {
  const auto [at, is_new] = known_.try_emplace(pc);
  if (is_new) at->second = call_before(pc);
  return at->second;
}

const frame_rule& frame_reader::rule_before(std::uintptr_t pc, bool is_call) {
  const std::uintptr_t at = is_call ? pc - 1 : pc;
  const auto [found, is_new] = rules_.try_emplace(at);
  if (is_new && is_code(pc)) found->second = rule_at(at);
  return found->second;
}

unsigned frame_reader::unwind(const stack_words& stack, void** frames, bool& whole) {
  std::uintptr_t pc = stack.pc, sp = stack.sp, fp = stack.frame;
  whole = false;
  bool inside = true;
  const auto word_at = [&](std::uintptr_t at) -> std::uintptr_t {
    const std::uintptr_t i = (at - stack.sp) / sizeof *stack.words;
    inside = inside && at % sizeof *stack.words == 0 && i < stack.count;
    return inside ? stack.words[i] : 0;
  };
  const auto plus = [](std::uintptr_t at, std::int32_t n) {
    return at + static_cast<std::uintptr_t>(std::intptr_t{n});
  };
  unsigned depth = 0;
  while (depth < depth_max) {
    const frame_rule& rule = rule_before(pc, depth != 0);
    if (!rule.known) break;
    frames[depth++] = reinterpret_cast<void*>(pc);
    whole = rule.outermost;
    if (whole) break;
    std::uintptr_t base = plus(rule.by_frame ? fp : sp, rule.base);
    if (rule.at_pointer) base = word_at(base);
    const std::uintptr_t back = without_signature(word_at(plus(base, rule.return_address)));
    if (!rule.keeps_frame_pointer)
      fp = rule.frame_at_itself ? word_at(fp) : word_at(plus(base, rule.frame_pointer));
    if (!inside || base <= sp) break;
    sp = base;
    pc = back;
  }
  return depth;
}

// The caller of a function is the first that calls that very function, or one that calls through a
// pointer; a jump at a function's end hides it, then it is any.
unsigned frame_reader::follow(const stack_words& stack, void** frames) {
  constexpr std::size_t calls_max = 512;
  const call_site* calls[calls_max];
  std::size_t n = 0;
  for (std::size_t i = 0; i < stack.count && n < calls_max; ++i)
    if (is_code(stack.words[i]))
      if (const call_site& call = look_at(stack.words[i]); call.back != 0) calls[n++] = &call;
  unsigned depth = 0;
  std::uintptr_t inner = 0;
  if (stack.pc != 0) {
    frames[depth++] = reinterpret_cast<void*>(stack.pc);
    inner = is_code(stack.pc) ? look_at(stack.pc).function : 0;
    if (inner == 0) inner = function_of(stack.pc + 1);
  }
  for (std::size_t i = 0; i < n && depth < depth_max; ++i) {
    const auto fits = [inner](const call_site* c) { return c->called == 0 || c->called == inner; };
    const call_site** const caller = std::find_if(calls + i, calls + n, fits);
    if (caller != calls + n) i = static_cast<std::size_t>(caller - calls);
    frames[depth++] = reinterpret_cast<void*>(calls[i]->back);
    inner = calls[i]->function;
  }
  return depth;
}

}  // namespace greenroom::detail
