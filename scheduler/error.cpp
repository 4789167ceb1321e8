// SPDX-License-Identifier: Apache-2.0
#include <greenroom/error.hpp>

#include <atomic>
#include <cstring>
#include <new>

namespace greenroom {

const error::record error::records_[] = {
    {closed, false, "closed: there is nobody at the other end any more"},
    {full, false, "full: the mailbox has no room"},
    {timeout, false, "timeout: the deadline passed"},
    {cancelled, false, "cancelled: the calling actor is being cancelled"},
    {deadlock, false, "deadlock: this wait would have closed a circle of waits"},
    {failed, false, "failed: the actor ended by an exception"},
    {dropped, false, "dropped: by a full mailbox, or with its promise, without an answer"},
    {no_memory, false, "no_memory: a memory, address space or map limit is reached"},
    {shutdown, false, "shutdown: the runtime is stopping or gone"},
    {end_of_stream, false, "end_of_stream: the peer closed its side"},
    {io, false, "io: the operating system reported an error"},
    {invalid, false, "invalid: an argument makes no sense"},
    {refused, false, "refused: the other side has reached a limit"},
    {empty, false, "empty: there is nothing to receive now"},
    {lagged, false, "lagged: values were missed"},
};

// Of an actor that std::bad_alloc ended when there was no memory for a text of its own either.
const error::record error::out_of_memory_{failed, false, "std::bad_alloc: memory is out"};
static constexpr std::size_t bad_alloc_size = sizeof "std::bad_alloc" - 1;

struct error::counted_record : record {
  std::atomic<std::uint32_t> references;
};

error::error(code_type code, const char* text) : error(code, text, std::strlen(text)) {}

error::error(code_type code, const char* text, std::size_t size) : detail_(plain(code)) {
  void* memory = ::operator new(sizeof(counted_record) + size + 1, std::nothrow);
  if (memory == nullptr) {  // the plain sentence has to do, but for what is likely then
    if (code == failed && std::strncmp(text, out_of_memory_.text, bad_alloc_size) == 0)
      detail_ = &out_of_memory_;
    return;
  }
  char* copy = static_cast<char*>(memory) + sizeof(counted_record);
  std::memcpy(copy, text, size);
  copy[size] = '\0';
  detail_ = new (memory) counted_record{{code, true, copy}, 1};
}

void error::retain_counted() const noexcept {
  // relaxed: whoever copies holds a reference already.
  static_cast<counted_record*>(const_cast<record*>(detail_))
      ->references.fetch_add(1, std::memory_order_relaxed);
}

void error::release() const noexcept {
  auto* r = static_cast<counted_record*>(const_cast<record*>(detail_));
  // acq_rel: the last owner sees all use by the others before it frees.
  if (r->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    r->~counted_record();
    ::operator delete(r);
  }
}

const char* name_of(error::code_type code) noexcept {
  static constexpr const char* names[] = {"closed",   "full",          "timeout", "cancelled",
                                          "deadlock", "failed",        "dropped", "no_memory",
                                          "shutdown", "end_of_stream", "io",      "invalid",
                                          "refused",  "empty",         "lagged"};
  return names[code];
}

}  // namespace greenroom
