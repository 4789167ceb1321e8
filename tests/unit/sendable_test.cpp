// SPDX-License-Identifier: Apache-2.0
//
// What `greenroom::sendable` accepts and refuses, and the reason it gives. All of it is decided
// while this file compiles; that the file compiles at all is half of the test, since a shape which
// the walk cannot see must never be a hard error.
#include <greenroom/sendable.hpp>

#include <doctest/doctest.h>

#include <any>
#include <array>
#include <atomic>
#include <bitset>
#include <chrono>
#include <cstdio>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

using greenroom::sendable;
using greenroom::detail::flaw;

namespace {

template <class T>
constexpr flaw why = greenroom::detail::flaw_of<T>();

int anybody = 0;

// Field types that make a walk stumble.
struct no_default {
  no_default(int) {}
  no_default(no_default&&) {}
};
struct explicit_only {
  explicit explicit_only(int);
  explicit_only(explicit_only&&) = default;
};
struct explicit_default {
  explicit explicit_default() {}
};
struct two_ways {
  two_ways(int);
  two_ways(int, int);
};
struct takes_all {
  template <class T>
  takes_all(T&&) {}
  takes_all(takes_all&&) = default;
};
struct takes_all_explicitly {
  template <class T>
  explicit takes_all_explicitly(T&&) {}
};
struct pinned {
  pinned() = default;
  pinned(const pinned&) = delete;
};
class secretive {
  [[maybe_unused]] int* hidden_ = nullptr;

 public:
  secretive();
  secretive(secretive&&);
};
// Looks like a reference_wrapper, but owns what it gives out.
struct strong_int {
  using type = int;
  int value;
  int& get();
  const int& get() const;
  operator int&();
};

struct incomplete;

struct tree {
  std::vector<tree> children;
  std::map<std::string, tree> named;
  int value;
};
struct bad_tree {
  std::vector<bad_tree> children;
  int* value;
};
struct second;
struct first {
  std::vector<second> seconds;
};
struct second {
  std::vector<first> firsts;
  int count;
};
struct bad_second;
struct bad_first {
  std::vector<bad_second> seconds;
};
struct bad_second {
  std::vector<bad_first> firsts;
  std::string_view name;
};
struct json;
struct json {
  std::variant<std::monostate, bool, double, std::string, std::vector<json>,
               std::map<std::string, json>>
      value;
};

template <class T>
struct box {
  T content;
};

// Decided on by their authors.
struct has_locks {
  int* shared;
};
struct do_not_send {
  int number;
};
template <class T>
struct my_view {
  T* first;
};
struct tuple_like {
  int* hidden;
  int shown;
};

}  // namespace

template <>
inline constexpr bool greenroom::sendable<has_locks> = true;
template <>
inline constexpr bool greenroom::sendable<do_not_send> = false;
template <>
inline constexpr bool greenroom::sendable<std::FILE*> = true;
template <class T>
inline constexpr bool greenroom::sendable<my_view<T>> = greenroom::sendable<T>;

template <>
struct std::tuple_size<tuple_like> : std::integral_constant<std::size_t, 1> {};
template <>
struct std::tuple_element<0, tuple_like> {
  using type = int;
};

// The structs below are a table, a line each.
// clang-format off

TEST_CASE("a plain struct is sendable, whatever its fields are made of") {
  struct empty {};
  struct plain { int a; std::string s; };
  struct with_defaults { int a = 1; std::string s = "x"; };
  struct with_const { const int a; };
  struct bits { int a : 3; int b : 5; };
  struct owning { std::unique_ptr<int> p; int a; };
  struct kinds { bool b; char c; long double d; std::nullptr_t n; volatile int v; };
  CHECK(sendable<int>);
  CHECK(sendable<empty>);
  CHECK(sendable<plain>);
  CHECK(sendable<const plain>);
  CHECK(sendable<with_defaults>);
  CHECK(sendable<with_const>);
  CHECK(sendable<bits>);
  CHECK(sendable<owning>);
  CHECK(sendable<kinds>);
}

TEST_CASE("a raw pointer is refused") {
  struct alone { int* p; };
  struct to_const { int n; const char* const p; };
  struct after_bits { int a : 3; int b : 5; int* p; };
  struct inner { int* p; };
  struct nested { inner i; int n; };
  struct twice_nested { std::string s; nested i; };
  struct with_default { int a = 1; int* p = nullptr; };
  struct to_pointer { void (**p)(); };
  CHECK(why<int*> == flaw::pointer);
  CHECK(why<alone> == flaw::pointer);
  CHECK(why<to_const> == flaw::pointer);
  CHECK(why<after_bits> == flaw::pointer);
  CHECK(why<nested> == flaw::pointer);
  CHECK(why<twice_nested> == flaw::pointer);
  CHECK(why<with_default> == flaw::pointer);
  CHECK(why<to_pointer> == flaw::pointer);
  CHECK_FALSE(sendable<alone>);
  CHECK_FALSE(sendable<nested>);
}

TEST_CASE("pointers to functions and to members share nothing, and are sendable") {
  CHECK(sendable<void (*)(int)>);
  CHECK(sendable<int tree::*>);
}

TEST_CASE("a reference is refused") {
  struct alone { int& r; };
  struct second_of_two { int a; int& r; };
  struct among_strings { std::string a; const std::string& r; std::string b; };
  struct to_const { const int& r; };
  struct to_rvalue { int&& r; };
  struct to_function { void (&f)(); };
  struct to_array { int a[3]; int (&f)[3]; int b[2]; };
  struct with_default { int a = 1; int& r = anybody; int b = 2; };
  struct after_array { char text[16]; std::string s; char more[16]; int& r; };
  CHECK(why<int&> == flaw::reference);
  CHECK(why<alone> == flaw::reference);
  CHECK(why<second_of_two> == flaw::reference);
  CHECK(why<among_strings> == flaw::reference);
  CHECK(why<to_const> == flaw::reference);
  CHECK(why<to_rvalue> == flaw::reference);
  CHECK(why<to_function> == flaw::reference);
  CHECK(why<to_array> == flaw::reference);
  CHECK(why<with_default> == flaw::reference);
  CHECK(why<after_array> == flaw::reference);
  CHECK(why<box<box<int&>>> == flaw::reference);
}

TEST_CASE("what refers without owning is refused, each by its name") {
  struct wraps { std::reference_wrapper<int> r; };
  struct wraps_const { std::vector<std::reference_wrapper<const int>> r; };
  struct views { std::string_view s; int n; };
  struct views_wide { const std::wstring_view s; };
  struct spans { std::span<int> s; };
  struct spans_fixed { int n; std::span<const char, 4> s; };
  struct lists { std::initializer_list<int> l; int n; };
  CHECK(why<wraps> == flaw::reference_wrapper);
  CHECK(why<wraps_const> == flaw::reference_wrapper);
  CHECK(why<views> == flaw::string_view);
  CHECK(why<views_wide> == flaw::string_view);
  CHECK(why<spans> == flaw::span);
  CHECK(why<spans_fixed> == flaw::span);
  CHECK(why<lists> == flaw::span);
  CHECK(sendable<box<strong_int>>);
}

TEST_CASE("shared ownership is refused unless of what is const") {
  struct shares { std::shared_ptr<int> s; };
  struct shares_anything { std::shared_ptr<void> s; };
  struct shares_array { std::shared_ptr<int[]> s; };
  struct watches { std::weak_ptr<int> w; };
  struct deep { std::array<std::vector<std::shared_ptr<std::string>>, 3> all; };
  struct shares_const {
    std::shared_ptr<const int> s;
    std::shared_ptr<const int[]> a;
    std::shared_ptr<const incomplete> i;
    std::weak_ptr<const std::string> w;
  };
  CHECK(why<shares> == flaw::shared_ptr);
  CHECK(why<shares_anything> == flaw::shared_ptr);
  CHECK(why<shares_array> == flaw::shared_ptr);
  CHECK(why<watches> == flaw::shared_ptr);
  CHECK(why<deep> == flaw::shared_ptr);
  CHECK(sendable<shares_const>);
}

TEST_CASE("arrays in a message are one field each, of any size") {
  struct inner { int k; int* p; };
  struct text { char b[16]; int n; };
  struct big { char b[4096]; int n; };
  struct pointers { char* b[2]; };
  struct pointer_after { char b[16]; int* p; };
  struct pointer_after_big { char a[4096]; std::string s; char b[64]; int* p; };
  struct pointer_after_matrix { int k; char b[2][3]; int* p; };
  struct of_structs { inner i[3]; int n; };
  struct no_defaults { int a; no_default n[3]; int* p; };
  CHECK(sendable<text>);
  CHECK(sendable<big>);
  CHECK(why<pointers> == flaw::pointer);
  CHECK(why<pointer_after> == flaw::pointer);
  CHECK(why<pointer_after_big> == flaw::pointer);
  CHECK(why<pointer_after_matrix> == flaw::pointer);
  CHECK(why<of_structs> == flaw::pointer);
  CHECK(why<no_defaults> == flaw::pointer);
}

TEST_CASE("the walk goes through containers and their like") {
  CHECK(why<box<std::vector<std::string_view>>> == flaw::string_view);
  CHECK(why<box<std::map<int, char*>>> == flaw::pointer);
  CHECK(why<box<std::map<char*, int>>> == flaw::pointer);
  CHECK(why<box<std::unordered_map<std::string_view, int>>> == flaw::string_view);
  CHECK(why<box<std::queue<int*>>> == flaw::pointer);
  CHECK(why<box<std::array<char*, 2>>> == flaw::pointer);
  CHECK(why<box<std::array<std::array<int*, 4>, 300>>> == flaw::pointer);
  CHECK(why<box<std::optional<int*>>> == flaw::pointer);
  CHECK(why<box<std::expected<int*, int>>> == flaw::pointer);
  CHECK(why<box<std::expected<int, int*>>> == flaw::pointer);
  CHECK(why<box<std::pair<int, char*>>> == flaw::pointer);
  CHECK(why<box<std::pair<int&, int>>> == flaw::reference);
  CHECK(why<box<std::tuple<int, std::tuple<std::span<int>>>>> == flaw::span);
  CHECK(why<box<std::variant<int, std::string_view>>> == flaw::string_view);
  CHECK(why<box<std::atomic<int*>>> == flaw::pointer);
  CHECK(sendable<box<std::vector<std::map<std::string, std::optional<int>>>>>);
  CHECK(sendable<box<std::tuple<int, std::pair<int, std::string>>>>);
  CHECK(sendable<box<std::array<char, 4096>>>);
  CHECK(sendable<box<std::vector<bool>>>);
}

TEST_CASE("a struct that calls itself a container is walked all the same") {
  struct claims { using value_type = int; int* p; };
  CHECK(why<claims> == flaw::pointer);
}

TEST_CASE("types that hold themselves are walked once") {
  CHECK(sendable<tree>);
  CHECK(sendable<first>);
  CHECK(sendable<second>);
  CHECK(sendable<json>);
  CHECK(why<bad_tree> == flaw::pointer);
  CHECK(why<bad_first> == flaw::string_view);
  CHECK(why<bad_second> == flaw::string_view);
}

TEST_CASE("fields that cannot be made from nothing are counted too") {
  struct moves { no_default n; int a; };
  struct moves_bad { no_default n; int* p; };
  struct explicit_first { explicit_only x; std::string s; };
  struct explicit_bad { int a; explicit_only x; int* p; };
  struct default_bad { int a; explicit_default x; int* p; };
  struct two_ways_bad { two_ways a; two_ways b; int* p; };
  struct any_like { takes_all a; int n; };
  struct any_like_bad { takes_all a; takes_all_explicitly b; int* p; };
  struct pinned_bad { pinned a; int* p; };
  struct own_default { int a; no_default n = no_default(1); int b = 3; };
  struct own_default_bad { int a; no_default n = no_default(1); int* p = nullptr; };
  struct own_defaults { int a; no_default n[2] = {no_default(1), no_default(2)}; int b = 3; };
  CHECK(sendable<moves>);
  CHECK(why<moves_bad> == flaw::pointer);
  CHECK(sendable<explicit_first>);
  CHECK(why<explicit_bad> == flaw::pointer);
  CHECK(why<default_bad> == flaw::pointer);
  CHECK(why<two_ways_bad> == flaw::pointer);
  CHECK(sendable<any_like>);
  CHECK(why<any_like_bad> == flaw::pointer);
  CHECK(why<pinned_bad> == flaw::pointer);
  CHECK(sendable<own_default>);
  CHECK(why<own_default_bad> == flaw::pointer);
  CHECK(sendable<own_defaults>);
}

TEST_CASE("base classes are looked into as far as can be seen") {
  struct harmless { int p; };
  struct harmful { int* p; };
  struct nothing {};
  struct on_harmless : harmless { int n; };
  struct on_harmful : harmful { int n; };
  struct on_nothing : nothing { int* p; };
  struct on_two : nothing, harmful { int n; };
  struct bad_itself : harmless { std::string s; std::vector<std::span<int>> v; };
  struct fine_itself : harmless { std::string s; std::vector<harmless> v; };
  struct array_in_base : harmless { char c[4]; int* p; };
  struct referring { int& r; };
  struct on_referring : referring { int n; };
  struct on_secretive : secretive { int n; };
  struct on_vector : std::vector<int> { int n; };
  CHECK(sendable<on_harmless>);
  CHECK(why<on_harmful> == flaw::pointer);
  CHECK(why<on_nothing> == flaw::pointer);
  CHECK(why<on_two> == flaw::pointer);
  CHECK(why<bad_itself> == flaw::span);
  CHECK(sendable<fine_itself>);
  CHECK(why<array_in_base> == flaw::pointer);
  CHECK(why<on_referring> == flaw::reference);
  CHECK(sendable<on_secretive>);
  CHECK(sendable<on_vector>);
}

TEST_CASE("unions are not looked into, but what stands beside them is") {
  union either { int a; int* b; };
  struct named { either e; int n; };
  struct beside_named { either e; int* p; };
  struct nameless { int k; union { int a; float b; }; };
  struct beside_nameless { int k; union { int a; float b; }; std::vector<int*> p; };
  struct deep { nameless n; int k; };
  struct deep_beside { std::string s; beside_nameless n; };
  struct type_without_name { struct { int a; float b; } pair; int k; };
  struct bad_without_name { struct { int a; float* b; } pair; int k; };
  CHECK(sendable<either>);
  CHECK(sendable<named>);
  CHECK(why<beside_named> == flaw::pointer);
  CHECK(sendable<nameless>);
  CHECK(why<beside_nameless> == flaw::pointer);
  CHECK(sendable<deep>);
  CHECK(why<deep_beside> == flaw::pointer);
  CHECK(sendable<type_without_name>);
  CHECK(why<bad_without_name> == flaw::pointer);
}

TEST_CASE("a pointer is found as the last of 32 fields, and of more the walk never fails") {
  struct eight { int a, b, c, d, e, f, g, h; };
  struct thirty_two {
    int a1, a2, a3, a4, a5, a6, a7, a8, b1, b2, b3, b4, b5, b6, b7, b8;
    int c1, c2, c3, c4, c5, c6, c7, c8, d1, d2, d3, d4, d5, d6, d7;
    int* p;
  };
  struct thirty_two_sound {
    int a1, a2, a3, a4, a5, a6, a7, a8, b1, b2, b3, b4, b5, b6, b7, b8;
    int c1, c2, c3, c4, c5, c6, c7, c8, d1, d2, d3, d4, d5, d6, d7;
    eight e;
  };
  struct with_reference {
    int a1, a2, a3, a4, a5, a6, a7, a8, b1, b2, b3, b4, b5, b6, b7, b8;
    int c1, c2, c3, c4, c5, c6, c7, c8, d1, d2, d3, d4, d5, d6, d7;
    int& r;
  };
  struct sixty {
    int a1, a2, a3, a4, a5, a6, a7, a8, b1, b2, b3, b4, b5, b6, b7, b8;
    int c1, c2, c3, c4, c5, c6, c7, c8, d1, d2, d3, d4, d5, d6, d7, d8;
    int e1, e2, e3, e4, e5, e6, e7, e8, f1, f2, f3, f4, f5, f6, f7, f8;
    int g1, g2, g3, g4, g5, g6, g7, g8, h1, h2, h3, h4;
  };
  CHECK(sendable<eight>);
  CHECK(why<thirty_two> == flaw::pointer);
  CHECK(sendable<thirty_two_sound>);
  CHECK(why<with_reference> == flaw::reference);
  CHECK(sendable<sixty>);
}

TEST_CASE("what cannot be seen is accepted") {
  struct no_way_to_make { no_way_to_make() = delete; int k; };
  auto lambda = [](int n) { return n; };
  struct opaque {
    secretive a;
    std::any b;
    std::bitset<4> c;
    std::function<void()> d;
    std::chrono::system_clock::time_point e;
    std::mutex f;
  };
  CHECK(sendable<opaque>);
  CHECK(sendable<decltype(lambda)>);
  CHECK(sendable<box<decltype(lambda)>>);
  CHECK(sendable<no_way_to_make>);
  CHECK(sendable<incomplete>);
  CHECK(sendable<tuple_like>);
}

TEST_CASE("an author's word counts wherever the type is met") {
  struct in_field { has_locks l; std::vector<std::FILE*> files; };
  struct in_base : has_locks { std::string s; };
  struct beside_base : tree { has_locks l; int n; };
  struct refused { std::vector<do_not_send> v; };
  struct refused_in_base : do_not_send { std::string s; };
  struct refused_beside_base : tree { std::string s; do_not_send d; };
  CHECK(sendable<has_locks>);
  CHECK(sendable<const has_locks>);
  CHECK(sendable<in_field>);
  CHECK(sendable<in_base>);
  CHECK(sendable<beside_base>);
  CHECK_FALSE(sendable<do_not_send>);
  CHECK(why<refused> == flaw::opted_out);
  CHECK(why<refused_in_base> == flaw::opted_out);
  CHECK(why<refused_beside_base> == flaw::opted_out);
  CHECK(sendable<box<my_view<int>>>);
  CHECK(why<box<my_view<int*>>> == flaw::opted_out);
}

template <class T>
  requires sendable<T>
constexpr bool chosen(box<T>) {
  return true;
}
template <class T>
constexpr bool chosen(box<T>) {
  return false;
}
template <class... T>
  requires(sendable<T> && ...)
constexpr bool all_chosen() {
  return true;
}
template <class... T>
constexpr bool can_choose = requires { all_chosen<T...>(); };

TEST_CASE("sendable stands in constraints as it is") {
  CHECK(chosen(box<int>{}));
  CHECK_FALSE(chosen(box<int*>{}));
  CHECK(all_chosen<int, tree, has_locks>());
  CHECK(can_choose<int, tree>);
  CHECK_FALSE(can_choose<int, int*>);
  CHECK(greenroom::sendable_type<tree>);
  CHECK_FALSE(greenroom::sendable_type<bad_tree>);
  CHECK(greenroom::detail::check_sendable<tree>());
}
