// SPDX-License-Identifier: Apache-2.0
#include <greenroom/exit_reason.hpp>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>

namespace greenroom {

const exit_reason::record exit_reason::records_[] = {
    {exit_kind::normal, false, "normal", {}},
    {exit_kind::stopped, false, "stopped", {}},
    {exit_kind::killed, false, "killed", {}},
    {exit_kind::failed, false, "failed by an exception", {}},
    {exit_kind::linked, false, "an actor that it was linked to ended", {}},
    {exit_kind::crashed, false, "its process died of a signal", {}},
    {exit_kind::exited, false, "its process ended", {}},
};

// When there was no memory for words of its own either.
const exit_reason::record exit_reason::out_of_memory_{
    exit_kind::failed,
    false,
    "std::bad_alloc: memory is out",
    {.what = "memory is out", .type = "std::bad_alloc"}};

struct exit_reason::counted_record : record {
  std::atomic<std::uint32_t> references{1};
};

namespace {

struct text_writer {
  char* at = nullptr;  // null: only counts
  std::size_t size = 0;
  void add(const char* text) noexcept {
    const std::size_t n = std::strlen(text);
    if (at != nullptr) std::memcpy(at + size, text, n);
    size += n;
  }
  void end() noexcept {
    if (at != nullptr) at[size] = '\0';
    ++size;
  }
};

const char* name_of_signal(int number) noexcept {
  const char* name = sigabbrev_np(number);
  return name == nullptr ? "?" : name;
}

void write_text(text_writer& to, exit_kind kind, const exit_reason::parts& w) noexcept {
  char number[64];
  if (kind == exit_kind::crashed) {
    std::snprintf(number, sizeof number, "signal %d (SIG%s)", w.number, name_of_signal(w.number));
    to.add(number);
  } else if (kind == exit_kind::exited) {
    std::snprintf(number, sizeof number, "exit status %d", w.number);
    to.add(number);
  }
  const bool numbered = kind == exit_kind::crashed || kind == exit_kind::exited;
  if (numbered && w.what[0] != '\0') to.add(": ");
  if (kind == exit_kind::linked && w.type[0] != '\0') {
    to.add("linked to ");
    to.add(w.type);
    to.add(", which ended: ");
  } else if (w.type[0] != '\0') {
    to.add(w.type);
    if (w.what[0] != '\0') to.add(": ");
  } else if (!numbered && w.what[0] == '\0') {
    to.add(name_of(kind));
  }
  to.add(w.what);
  if (w.where[0] != '\0') {
    to.add(" at ");
    to.add(w.where);
  }
  if (w.message[0] != '\0') {
    to.add(" (while handling `");
    to.add(w.message);
    to.add("`)");
  }
  to.end();
}

}  // namespace

exit_reason::exit_reason(exit_kind kind, const parts& words) noexcept : detail_(plain(kind)) {
  const char* const texts[] = {words.what, words.type, words.message, words.where, words.stack};
  text_writer count;
  write_text(count, kind, words);
  for (const char* text : texts) count.size += std::strlen(text) + 1;
  void* memory = ::operator new(sizeof(counted_record) + count.size, std::nothrow);
  if (memory == nullptr) {  // the plain sentence has to do, but for what is likely then
    if (kind == exit_kind::failed && std::strcmp(words.type, out_of_memory_.words.type) == 0)
      detail_ = &out_of_memory_;
    return;
  }
  text_writer to{static_cast<char*>(memory) + sizeof(counted_record)};
  const char* copies[std::size(texts)];
  for (std::size_t i = 0; i < std::size(texts); ++i) {
    copies[i] = to.at + to.size;
    to.add(texts[i]);
    to.end();
  }
  const char* text = to.at + to.size;
  write_text(to, kind, words);
  const parts kept{copies[0], copies[1], copies[2], copies[3], copies[4], words.number};
  detail_ = new (memory) counted_record{{kind, true, text, kept}};
}

void exit_reason::retain_counted() const noexcept {
  // relaxed: whoever copies holds a reference already.
  static_cast<counted_record*>(const_cast<record*>(detail_))
      ->references.fetch_add(1, std::memory_order_relaxed);
}

void exit_reason::release() const noexcept {
  auto* r = static_cast<counted_record*>(const_cast<record*>(detail_));
  // acq_rel: the last owner sees all use by the others before it frees.
  if (r->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    r->~counted_record();
    ::operator delete(r);
  }
}

const char* name_of(exit_kind kind) noexcept {
  static constexpr const char* names[] = {"normal", "stopped", "killed", "failed",
                                          "linked", "crashed", "exited"};
  return names[static_cast<std::uint8_t>(kind)];
}

}  // namespace greenroom
