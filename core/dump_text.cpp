// SPDX-License-Identifier: Apache-2.0
// A dump in words: totals, workers, stacks by groups, then all actors, one a line.
#include "dump.hpp"

#include <cstdarg>
#include <cstdio>
#include <string>
#include <string_view>

namespace greenroom {

namespace detail {

namespace {

using contents = runtime_dump::contents;

constexpr std::size_t names_max = 6;  // of a group, in its heading

__attribute__((format(printf, 2, 3))) void add(std::string& text, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  text += line;
}

// 1204 is 1,204.
std::string with_commas(std::uint64_t n) {
  std::string digits = std::to_string(n);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string seconds(duration d) {
  const double s = std::chrono::duration<double>(d).count();
  char text[32];
  std::snprintf(text, sizeof text, s < 1 ? "%.0f ms" : "%.1f s", s < 1 ? s * 1000 : s);
  return text;
}

void add_frames(std::string& text, const char* const* frame, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) text.append("    ").append(frame[i]).push_back('\n');
}

void add_totals(std::string& text, const contents& all) {
  const dump_totals& t = all.totals;
  text += "greenroom: dump of runtime ";
  text += all.runtime;
  add(text, ": %s actors, %s messages in mailboxes, %s dead letters\n",
      with_commas(t.actors).c_str(), with_commas(t.messages).c_str(),
      with_commas(t.dead_letters).c_str());
  add(text, "stacks of the process: %s in use, %s kept (%.1f MiB)\n",
      with_commas(t.stacks_used).c_str(), with_commas(t.stacks_kept).c_str(),
      static_cast<double>(t.stack_bytes) / (1 << 20));
  if (t.queued != 0)
    add(text, "%s runnable wait for a worker to take them\n", with_commas(t.queued).c_str());
}

void add_worker(std::string& text, const dump_worker& w) {
  add(text, "%s %u (thread %ld): ", w.helper ? "helper" : "worker", w.index, w.thread);
  if (w.asleep) {
    text += "asleep";
  } else if (*w.runs == '\0') {
    text += "looks for work";
  } else {
    add(text, "runs %s (id %llu)", w.runs, static_cast<unsigned long long>(w.id));
    if (w.busy > duration::zero()) text += " for " + seconds(w.busy);
    if (w.announced)
      text += ", in gr::blocking";
    else if (w.stuck)
      text += ", stuck";
    if (*w.doing != '\0') text.append(", ").append(w.doing);
  }
  if (w.queued != 0) text += "; " + with_commas(w.queued) + " in its queue";
  text += '\n';
  add_frames(text, w.frame, w.frames);
}

// "1,204 green threads wait in receive: a (id 7), b (id 8), and 1,202 more".
void add_group(std::string& text, const dump_group& g, const std::vector<const dump_actor*>& some) {
  text += with_commas(g.size);
  text += g.size == 1 ? " green thread " : " green threads ";
  const char* plural = g.size == 1 ? "s" : "";
  if (g.state == actor_state::rests)
    add(text, "rest%s in receive: ", plural);
  else
    add(text, "wait%s in %s: ", plural, *g.waits == '\0' ? "?" : g.waits);
  for (std::size_t i = 0; i < some.size(); ++i) {
    if (i != 0) text += ", ";
    text += some[i]->name;
    add(text, " (id %llu)", static_cast<unsigned long long>(some[i]->id));
  }
  if (g.size > some.size()) text += ", and " + with_commas(g.size - some.size()) + " more";
  text += '\n';
  add_frames(text, g.frame, g.frames);
}

}  // namespace

static std::string head_of(const contents& all) {
  std::string text;
  add_totals(text, all);
  for (const dump_worker& w : all.workers) add_worker(text, w);
  std::vector<std::vector<const dump_actor*>> some(all.groups.size());
  for (const dump_actor& one : all.actors)
    if (one.group != no_group && some[one.group].size() < names_max)
      some[one.group].push_back(&one);
  for (std::size_t i = 0; i < all.groups.size(); ++i) add_group(text, all.groups[i], some[i]);
  return text;
}

static std::string line_of(const dump_actor& one) {
  std::string text = one.name;
  add(text, " (id %llu): %s", static_cast<unsigned long long>(one.id), name_of(one.state));
  if (one.state == actor_state::waits) text.append(": ").append(*one.waits == 0 ? "?" : one.waits);
  if (one.since > duration::zero()) text += " for " + seconds(one.since) + " or more";
  if (one.messages != 0) {
    text += ", " + with_commas(one.messages);
    if (one.more_messages) text += " or more";
    text += one.messages == 1 && !one.more_messages ? " message" : " messages";
    if (one.oldest > duration::zero())
      text += ", the oldest there for " + seconds(one.oldest) + " or more";
  }
  add(text, ", %u address%s%s", one.addresses, one.addresses == 1 ? "" : "es",
      one.detached ? ", detached" : "");
  return text;
}

void write_text(contents& all, bool is_down) {
  if (is_down) {
    all.text = std::string("greenroom: runtime ") + all.runtime + " has shut down\n";
    all.list_at = all.text.size();
    return;
  }
  all.text = head_of(all);
  all.list_at = all.text.size();
  for (const dump_actor& one : all.actors) all.text.append(line_of(one)).push_back('\n');
}

}  // namespace detail

static constexpr const char* no_memory =
    "greenroom: a dump was asked for, but there is no memory for it\n";

const char* runtime_dump::text() const noexcept {
  return all_ == nullptr ? no_memory : all_->text.c_str();
}

void runtime_dump::write(const logger& to, std::size_t actors_max) const {
  const std::string_view rest = text();
  if (all_ == nullptr) {
    to.write(log_level::warning, rest.substr(0, rest.size() - 1));
    return;
  }
  std::size_t listed = 0;
  for (std::size_t at = 0; at < rest.size();) {
    if (at >= all_->list_at && ++listed > actors_max) break;
    const std::size_t end = rest.find('\n', at);
    to.write(log_level::info, rest.substr(at, end - at));
    at = end + 1;
  }
  if (actors().size() > actors_max) {
    const std::string more = "and " + detail::with_commas(actors().size() - actors_max) + " more";
    to.write(log_level::info, more);
  }
}

}  // namespace greenroom
