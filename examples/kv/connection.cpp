// SPDX-License-Identifier: Apache-2.0
#include "connection.hpp"

#include <cstring>

namespace kv {
namespace {

constexpr std::size_t input_min = 1 << 10, input_usual = 16 << 10, input_max = 1 << 30;
constexpr std::size_t output_max = 1 << 20;  // before it is written, whatever else there is to do

refusal unknown_command(arguments args) {
  constexpr std::size_t text_max = 128;
  std::string beginning;
  for (std::size_t i = 1; i < args.size() && beginning.size() < text_max; ++i)
    beginning += concat("'", args[i].substr(0, text_max - beginning.size()), "' ");
  return {concat("ERR unknown command '", args[0].substr(0, text_max),
                 "', with args beginning with: ", beginning)};
}

shard_set shards_of(const command& what, arguments args, std::size_t shards) {
  if (shards == 1) return 1;
  if (what.where == keys::all) return all_of(shards);
  shard_set found = 0;
  const std::size_t end = what.where == keys::one ? 2 : args.size();
  for (std::size_t i = 1; i < end; i += what.where == keys::pairs ? 2 : 1)
    found |= shard_set{1} << shard_of(args[i], shards);
  return found;
}

}  // namespace

void serve(std::shared_ptr<const service> all, client_id id, peer io) {
  connection(*all, id, std::move(io)).serve();
}

connection::connection(const service& service, client_id own_id, peer stream)
    : all(service), id(own_id), io(std::move(stream)), keys(all.shards), input_(input_min, '\0') {
  parser.authenticated = all.config.password.empty();
}

connection::~connection() {
  const gr::shield leave;
  io->close();
  all.hub.send(left{id});
}

void connection::serve() {
  try {
    while (read()) {
      const gr::shield finish;  // A cancel ends the wait for requests, never a request.
      answer_all();
    }
  } catch (const finished&) {}
}

// Waits for more input. The half of a request that has come already moves to the front.
bool connection::read() {
  const bool was_full = filled_ == input_.size();
  const std::size_t done = parser.take_done();
  filled_ -= done;
  if (done > 0) std::memmove(input_.data(), input_.data() + done, filled_);
  if (filled_ > input_max) return false;
  if (filled_ == input_.size() || (was_full && input_.size() < input_usual))
    input_.resize(2 * input_.size());
  else if (filled_ == 0 && input_.size() > 4 * input_usual)
    std::string(input_usual, '\0').swap(input_);
  const auto got = io->read_some({input_.data() + filled_, input_.size() - filled_});
  filled_ += got.value_or(0);
  return got.has_value();
}

void connection::answer_all() {
  using outcome = request_parser::outcome;
  outcome got = parser.next({input_.data(), filled_});
  for (; got == outcome::command; got = parser.next({input_.data(), filled_})) run(parser.words());
  if (got == outcome::error) out().error("ERR " + parser.error_text());
  flush();
  if (got == outcome::error) throw finished{};
}

void connection::run(arguments args) {
  try {
    const command* const what = find_command(args[0]);
    check(what, args);
    if (what->serve != nullptr) {
      what->serve(*this, args);
    } else {
      keys.obtain(shards_of(*what, args, all.shards.size()));
      call c{args, out(), keys.keyspaces, known.db, steady_now()};
      what->run(c);
    }
  } catch (const refusal& why) { out().error(why.text); }
  if (output_.size() >= output_max) flush();
}

// Whether this client may run this command now.
void connection::check(const command* what, arguments args) const {
  if (what == nullptr) throw unknown_command(args);
  if (!what->accepts(args.size())) throw wrong_arity(what->name);
  if (!parser.authenticated && !what->is("no_auth"))
    throw refusal{"NOAUTH Authentication required."};
  if (only_listens() && !what->name.ends_with("subscribe") && what->name != "ping" &&
      what->name != "quit")
    throw refusal{concat(
        "ERR Can't execute '", what->name,
        "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
        "context")};
}

void connection::flush() {
  keys.return_all();
  if (output_.empty()) return;
  const bool ok = pusher ? pusher.ask_until(answer{std::move(output_)}, gr::never).has_value()
                         : io->write(output_).ok();
  if (!ok) throw finished{};
  if (output_.capacity() > 2 * output_max) std::string().swap(output_);
  output_.clear();
}

}  // namespace kv
