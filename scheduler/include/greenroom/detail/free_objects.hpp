// SPDX-License-Identifier: Apache-2.0
// Free objects, those freed last on top, and how slabs that are free as a whole go back to the
// system. What has been free for two calls of age() is looked through in small steps: first each
// slab's free objects are counted, then those of slabs that are free as a whole are left out and
// all others put where they are taken first, so that slabs in use fill up.
// Idea: jemalloc's decay, here by whole slabs and with no work when objects come and go.
#pragma once

#include <greenroom/detail/slabs.hpp>

#include <array>
#include <cstdint>
#include <utility>

namespace greenroom::detail {

// `Links` has: next(T*) and set_next(T*, T*) for what stands in these lists (single objects, or
// whole batches of them), and from(T*), a cursor over all objects of such a list: `bool more()`,
// `T* take()`.
template <class T, class Links>
class free_objects {
 public:
  [[nodiscard]] T* top() const noexcept { return fresh_; }
  void put(T* t) noexcept {
    Links::set_next(t, fresh_);
    fresh_ = t;
    ++put_;
  }
  // Null: there is none.
  T* take() noexcept {
    T*& from = fresh_ != nullptr ? fresh_ : scattered_ != nullptr ? scattered_ : old_;
    T* t = from;
    if (t != nullptr) from = Links::next(t);
    return t;
  }
  // What is worth to be looked through, in three lists: all that was free at the last call and has
  // not been taken since, or, with `all`, whatever is free. REQUIRES: what it returned before was
  // trimmed.
  std::array<T*, 3> age(bool all) noexcept {
    std::array<T*, 3> found{old_, nullptr, nullptr};
    old_ = fresh_;
    fresh_ = nullptr;
    if (all) found[1] = std::exchange(old_, nullptr);
    // Each look at the scattered ones is paid for by as many that were freed.
    if (put_ > kept_) {
      found[2] = std::exchange(scattered_, nullptr);
      kept_ = 0;
      put_ = 0;
    }
    return found;
  }
  void keep(T* t) noexcept {
    Links::set_next(t, scattered_);
    scattered_ = t;
    ++kept_;
  }

 private:
  T* fresh_ = nullptr;      // freed since the last call of age()
  T* old_ = nullptr;        // before
  T* scattered_ = nullptr;  // among others in use
  std::uint32_t put_ = 0;   // since the scattered ones were looked through
  std::uint32_t kept_ = 0;  // of these
};

// Looks through a list. One thread only; no lock is held.
template <class T, class Links>
class trimmer {
 public:
  static constexpr std::uint32_t objects_max = 8192;  // at a step, which then takes under 1 ms
  static constexpr std::uint32_t slabs_max = 64;

  [[nodiscard]] bool busy() const noexcept { return phase_ != phase::rests; }
  // REQUIRES: !busy().
  void begin(const std::array<T*, 3>& lists) noexcept {
    lists_ = lists;
    restart(phase::counts);
    if (!more()) phase_ = phase::rests;
  }
  // `keep(T*)` gets the objects that stay, `dropped(T*)` those that go, before they go, and
  // `emptied(slab*)` the slabs that were given back, whose `cut` is still as before.
  template <class Keep, class Dropped, class Emptied>
  void step(Keep&& keep, Dropped&& dropped, Emptied&& emptied) {
    for (std::uint32_t n = 0; n < objects_max && more(); ++n) {
      T* const t = at_.take();
      slab* const s = slab::of(t);
      if (phase_ == phase::counts) {
        ++s->idle;
      } else if (goes(s)) {
        dropped(t);
      } else {
        s->idle = 0;
        keep(t);
      }
    }
    if (more()) return;
    if (phase_ == phase::counts) {
      restart(phase::sorts);
      return;
    }
    phase_ = phase::gives_back;
    for (std::uint32_t n = 0; n < slabs_max && whole_ != nullptr; ++n) {
      slab* const s = whole_;
      whole_ = s->next_whole;
      give_back(s);
      s->idle = 0;
      s->used_before = true;
      emptied(s);
    }
    if (whole_ == nullptr) phase_ = phase::rests;
  }

 private:
  enum class phase : std::uint8_t { rests, counts, sorts, gives_back };
  static constexpr std::uint32_t marked = 0xffff'ffff;

  void restart(phase p) noexcept {
    phase_ = p;
    list_ = 0;
    at_ = Links::from(lists_[0]);
  }
  bool more() noexcept {
    while (!at_.more() && list_ + 1 < lists_.size()) at_ = Links::from(lists_[++list_]);
    return at_.more();
  }
  // An object of a slab that is not free as a whole has it counted anew (0), which does not make
  // it so for the next.
  bool goes(slab* s) noexcept {
    if (s->idle == marked) return true;
    if (s->idle != s->capacity()) return false;
    s->idle = marked;
    s->next_whole = whole_;
    whole_ = s;
    return true;
  }

  phase phase_ = phase::rests;
  std::array<T*, 3> lists_{};
  std::size_t list_ = 0;  // the one that `at_` is in
  typename Links::cursor at_{};
  slab* whole_ = nullptr;
};

}  // namespace greenroom::detail
