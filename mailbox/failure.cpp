// SPDX-License-Identifier: Apache-2.0
// From the exception that leaves an actor to the reason of its end. All of it in memory of its own,
// for memory may be what was out.
#include "end.hpp"

#include <greenroom/error.hpp>
#include <greenroom/green_thread.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <exception>
#include <new>
#include <typeinfo>

namespace greenroom::detail {

namespace {

constexpr int nested_max = 8;  // exceptions in exceptions that are told

// Names of types as they stand in the source. Finding one costs a microsecond, so those of the
// first few types are kept, for good.
class plain_names {
 public:
  // Valid until the process ends, or null: there is no room for more.
  const char* find_or_add(const std::type_info& type) noexcept {
    const std::size_t begin = type.hash_code() % size;
    for (std::size_t i = 0; i < tries_max; ++i) {
      sync::atomic<known*>& place = places_[(begin + i) % size];
      known* there = place.load(sync::memory_order_acquire);
      if (there == nullptr) {
        known* made = make(type);
        if (made == nullptr) return nullptr;
        // release: others see it whole.
        if (place.compare_exchange_strong(there, made, sync::memory_order_release,
                                          sync::memory_order_acquire))
          return made->name;
        drop(made);
      }
      if (std::strcmp(there->key, type.name()) == 0) return there->name;
    }
    return nullptr;
  }

 private:
  // Both by malloc: the type's own name may go with a library that is unloaded.
  struct known {
    char* key;
    char* name;
  };
  static constexpr std::size_t size = 256, tries_max = 8;

  static known* make(const std::type_info& type) noexcept {
    int rc = 0;
    auto* made = new (std::nothrow) known{};
    if (made == nullptr) return nullptr;
    made->key = strdup(type.name());
    made->name = abi::__cxa_demangle(type.name(), nullptr, nullptr, &rc);
    if ((made->key != nullptr && made->name != nullptr)) return made;
    drop(made);
    return nullptr;
  }
  static void drop(known* k) noexcept {
    std::free(k->key);
    std::free(k->name);
    delete k;
  }

  sync::atomic<known*> places_[size]{};
};

const char* plain_name(const std::type_info& type) noexcept {
  static plain_names names;
  const char* name = names.find_or_add(type);
  if (name != nullptr) return name;
  // That one is known when there is no memory to find out.
  return type == typeid(std::bad_alloc) ? "std::bad_alloc" : type.name();
}

struct short_text {
  char text[640] = "";
  std::size_t size = 0;
  void add(const char* more) noexcept {
    const std::size_t room = sizeof text - 1 - size;
    const std::size_t n = strnlen(more, room);
    std::memcpy(text + size, more, n);
    size += n;
    text[size] = '\0';
  }
  void add_type(const std::type_info& type) noexcept { add(plain_name(type)); }
};

struct words {
  exit_kind kind = exit_kind::failed;
  short_text type, what, where;
};

void add_nested(words& w, const std::exception& outer, int depth) noexcept {
  const auto* nested = dynamic_cast<const std::nested_exception*>(&outer);
  if (nested == nullptr || nested->nested_ptr() == nullptr || depth == nested_max) return;
  w.what.add("; because of ");
  try {
    nested->rethrow_nested();
  } catch (const std::exception& e) {
    w.what.add_type(typeid(e));
    w.what.add(": ");
    w.what.add(e.what());
    add_nested(w, e, depth + 1);
  } catch (...) { w.what.add_type(*abi::__cxa_current_exception_type()); }
}

void describe_standard(words& w, const std::exception& e) noexcept {
  w.type.add_type(typeid(e));
  w.what.add(e.what());
  add_nested(w, e, 0);
  if (const auto* known = dynamic_cast<const failure*>(&e)) {
    char line[16];
    std::snprintf(line, sizeof line, ":%u", static_cast<unsigned>(known->where().line()));
    w.where.add(known->where().file_name());
    w.where.add(line);
  }
}

exit_reason reason_of(const words& w, const char* message) noexcept {
  return {exit_kind::failed,
          {.what = w.what.text, .type = w.type.text, .message = message, .where = w.where.text}};
}

// The exception that the catch block has, as a Base; null: it is none, or only a throw can tell.
template <class Base>
const Base* caught([[maybe_unused]] const std::type_info* type) noexcept {
#if defined(__GLIBCXX__)
  if (type == nullptr) return nullptr;
  // As a catch does it: an exception_ptr is one pointer, to the object that was thrown.
  const std::exception_ptr held = std::current_exception();
  void* object = nullptr;
  static_assert(sizeof object == sizeof held);
  std::memcpy(&object, &held, sizeof object);
  if (object != nullptr && typeid(Base).__do_catch(type, &object, 1))
    return static_cast<const Base*>(object);
#endif
  return nullptr;
}

// Of the message whose handler this very exception has left; "" where there is none.
const char* message_handled(cell* c) noexcept {
  cold* more = c->more.load(sync::memory_order_acquire);
  if (more == nullptr || more->crashed == nullptr) return "";
  const bool is_it = more->crashed_by == std::current_exception();
  const message_type* type = is_it ? more->crashed : nullptr;
  more->crashed = nullptr;
  more->crashed_by = nullptr;
  if (type == nullptr) return "";
  count_dead(c, dead_letter::crashed, type);
  return type->name();
}

exit_reason order_to(const cell* c) noexcept {
  cold* more = c->more.load(sync::memory_order_acquire);
  if (more == nullptr) return exit_kind::killed;
  const spin_guard guard(more->lock);
  return more->order == exit_kind::normal ? exit_reason(exit_kind::killed) : more->order;
}

}  // namespace

// In a catch block. Kept in the cold record, for what is in the handler's frames is gone when the
// reason is asked for. Without memory for it the message is not named.
void note_crash(cell* c, const message_type& type) noexcept {
  cold* more = cold_of(c);
  if (more == nullptr) return;
  more->crashed = &type;
  more->crashed_by = std::current_exception();
}

exit_reason reason_of_exception(cell* c) noexcept {
  const char* message = message_handled(c);
  words w;
  // The usual ones without another throw, which costs as much as the first one.
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type != nullptr && *type == typeid(cancelled)) return order_to(c);
  if (const auto* e = caught<std::exception>(type)) {
    describe_standard(w, *e);
    return reason_of(w, message);
  }
  try {
    throw;
  } catch (const cancelled&) { return order_to(c); } catch (const ended_with& e) {
    return e.why;
  } catch (const error& e) {
    w.type.add("greenroom::error");
    w.what.add(e.text());
  } catch (const std::exception& e) { describe_standard(w, e); } catch (...) {
    w.type.add_type(*abi::__cxa_current_exception_type());
    w.what.add("not a std::exception");
  }
  return reason_of(w, message);
}

exit_reason reason_without_exception(const cell* c) noexcept {
  // relaxed: what it obeyed it has seen.
  const std::uint32_t bits = c->control.load(sync::memory_order_relaxed);
  if ((bits & control_cancel) != 0 && ops_of(c).handle != nullptr) return order_to(c);
  return (bits & control_stop) != 0 ? exit_kind::stopped : exit_kind::normal;
}

}  // namespace greenroom::detail
