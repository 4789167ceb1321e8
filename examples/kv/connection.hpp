// SPDX-License-Identifier: Apache-2.0
// A connection: one actor for each client, which reads its requests and writes the replies.
//
// It runs all commands that have come, on keyspaces that it borrows meanwhile, and writes the
// replies of the whole pipeline at once.
#pragma once

#include <greenroom/supervisor.hpp>

#include "hub.hpp"
#include "resp.hpp"
#include "shard.hpp"

namespace kv {

struct settings {
  std::string bind = "127.0.0.1", password;
  std::uint16_t port = 6379;
  std::size_t clients_max = 10000, workers = 1;
  bool debug = false;  // whether DEBUG is allowed
};

struct service {
  settings config;
  milliseconds_t started;
  gr::supervisor tree;  // of the shards
  std::vector<shard_address> shards;
  hub_address hub;
};

class connection {
 public:
  connection(const service& service, client_id own_id, peer stream);
  ~connection();

  void serve();  // until the client or the service goes

  // For the commands in session.cpp.
  reply out() { return {output_, known.protocol}; }
  void flush();  // Gives back the keys, then writes: a client that does not read waits alone.
  // A subscriber that speaks RESP2 cannot tell replies from messages.
  bool only_listens() const { return subscriptions > 0 && known.protocol == 2; }
  void tell_hub() { all.hub.send(changed{id, known}); }

  const service& all;
  const client_id id;
  const peer io;
  request_parser parser;  // knows whether the password was given
  loan keys;
  profile known;
  std::size_t subscriptions = 0;
  pusher_address pusher;  // once it has subscribed to something

 private:
  bool read();
  void answer_all();
  void run(arguments args);
  void check(const command* what, arguments args) const;

  std::string input_, output_;
  std::size_t filled_ = 0;  // how much of the input has come
};

using command_index = std::unordered_map<std::string_view, const command*>;
const command_index& all_commands();
const command* find_command(std::string_view name);  // nullptr: there is none

}  // namespace kv
