// SPDX-License-Identifier: Apache-2.0
// The hub: the actor that knows every client. It lets them in and sends them away, lists them,
// and passes on what they publish.
//
// It never waits for a client: what it passes on goes to the client's pusher, an actor that a
// client gets when it first subscribes and that writes to it from then on. Pushers say what they
// have written, so the hub knows how much each client has left unread.
#pragma once

#include <greenroom/greenroom.hpp>
#include <greenroom/net.hpp>

#include <map>
#include <set>
#include <vector>

#include "keyspace.hpp"

namespace gr = greenroom;

namespace kv {

struct service;  // what every connection needs of the rest (connection.hpp)
using client_id = std::int64_t;
using peer = std::shared_ptr<gr::stream>;

}  // namespace kv

// Who holds a client's stream beside its connection only ever closes it, which anybody may do, or
// is its pusher, to which the connection leaves all writing.
template <>
inline constexpr bool greenroom::sendable<kv::peer> = true;

namespace kv {

// -- what a pusher receives

struct publication {
  std::shared_ptr<const std::string> bytes;  // one copy for all who get it
};
struct answer {  // to a command of its client; replied to when written, which holds the client back
  using reply = void;
  std::string bytes;
};
using pusher_address = gr::address<publication, answer>;

// -- what the hub receives

struct profile {  // what a client may change about itself
  std::string name;
  std::size_t db = 0;
  int protocol = 2;
};
struct join {
  peer io;
  std::shared_ptr<const service> all;
};
struct left {
  client_id id;
};
struct changed {
  client_id id;
  profile now;
};
struct subscription {  // replied to with the client's number of them, when they are pushed
  using reply = std::size_t;
  client_id id;
  bool add, pattern;
  std::vector<std::string> names;  // none and not `add`: all
  gr::address<publication> to;
};
struct publish {
  using reply = std::size_t;  // receivers
  std::string channel, message;
};
struct written {
  client_id id;
  std::size_t bytes;
};
struct census {
  std::string lines;  // one for each client that was asked for
  std::size_t clients, channels, patterns;
  client_id joined;
};
struct describe {
  using reply = census;
  std::vector<client_id> ids;  // none: all
};
struct drain {  // sends all clients away; replied to when they have gone
  using reply = void;
  bool patiently;  // each when what it asked for is written
};

class hub {
 public:
  using messages =
      gr::messages<join, left, changed, subscription, publish, written, describe, drain>;

  hub(std::size_t clients_max, std::string address)
      : clients_max_(clients_max), address_(std::move(address)) {}

  void on(join m);
  void on(left m);
  void on(changed m);
  std::size_t on(subscription m);
  std::size_t on(publish m);
  void on(written m);
  census on(describe m);
  void on(drain m, gr::promise<void> gone);

 private:
  struct client {
    peer io;
    gr::green_thread thread;
    profile known;
    milliseconds_t since;
    gr::address<publication> pusher;
    std::set<std::string> channels, patterns;
    std::size_t subscriptions() const { return channels.size() + patterns.size(); }
    std::size_t unread = 0;             // bytes that its pusher has not written yet
    milliseconds_t over_since = never;  // when that became more than the soft limit
  };
  using topics = std::map<std::string, std::set<client_id>, std::less<>>;

  void push(client& to, std::shared_ptr<const std::string> bytes);
  void forget(topics& in, const std::string& name, client_id id);
  std::string line_of(client_id id, const client& c) const;

  const std::size_t clients_max_;
  const std::string address_;
  std::map<client_id, client> clients_;
  topics channels_, patterns_;
  client_id last_id_ = 0;
  bool draining_ = false;
  gr::promise<void> gone_;
};

using hub_address =
    gr::address<join, left, changed, subscription, publish, written, describe, drain>;

// The actors of one client.
void serve(std::shared_ptr<const service> all, client_id id, peer io);
void push_to(gr::mailbox<publication, answer>& in, client_id id, peer io, gr::address<written> hub);

}  // namespace kv
