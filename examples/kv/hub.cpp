// SPDX-License-Identifier: Apache-2.0
#include "hub.hpp"

#include "reply.hpp"
#include "text.hpp"

namespace kv {
namespace {

// Redis' client-output-buffer-limit pubsub: at once, or after having been over for a while.
constexpr std::size_t unread_max = 32 << 20, unread_soft_max = 8 << 20;
constexpr milliseconds_t over_max = 60'000;
constexpr std::size_t overhead = 64;  // what a waiting publication takes beside its bytes

// Begins a message: these texts, and `more` parts that the caller adds.
reply frame(std::string& bytes, int protocol, std::size_t more, const auto&... texts) {
  reply out(bytes, protocol);
  out.push(sizeof...(texts) + more);
  out.bulk(texts...);
  return out;
}

}  // namespace

void hub::on(join m) {
  if (draining_ || clients_.size() >= clients_max_) {
    m.io->write("-ERR max number of clients reached\r\n");  // Fits: it is the first to be written.
    return m.io->close();
  }
  const client_id id = ++last_id_;
  client& c = clients_[id];
  c.since = steady_now();
  c.io = m.io;
  c.thread = gr::spawn(serve, std::move(m.all), id, std::move(m.io));
  if (!c.thread) clients_.erase(id);  // Out of memory.
}

void hub::on(left m) {
  const auto gone = clients_.extract(m.id);
  for (const std::string& name : gone.mapped().channels) forget(channels_, name, m.id);
  for (const std::string& name : gone.mapped().patterns) forget(patterns_, name, m.id);
  if (draining_ && clients_.empty()) gone_.set();
}

void hub::on(changed m) { clients_.at(m.id).known = std::move(m.now); }

void hub::forget(topics& in, const std::string& name, client_id id) {
  const auto topic = in.find(name);
  topic->second.erase(id);
  if (topic->second.empty()) in.erase(topic);
}

std::size_t hub::on(subscription m) {
  client& c = clients_.at(m.id);
  c.pusher = std::move(m.to);
  std::set<std::string>& mine = m.pattern ? c.patterns : c.channels;
  topics& all = m.pattern ? patterns_ : channels_;
  const std::string kind = concat(m.pattern ? "p" : "", m.add ? "" : "un", "subscribe");
  std::string bytes;
  if (!m.add && m.names.empty()) m.names.assign(mine.begin(), mine.end());
  if (m.names.empty()) {
    reply out = frame(bytes, c.known.protocol, 2, kind);
    out.null();
    out.integer(c.subscriptions());
  }
  for (const std::string& name : m.names) {
    if (m.add && mine.insert(name).second) all[name].insert(m.id);
    if (!m.add && mine.erase(name) != 0) forget(all, name, m.id);
    frame(bytes, c.known.protocol, 1, kind, name).integer(c.subscriptions());
  }
  push(c, std::make_shared<const std::string>(std::move(bytes)));
  return c.subscriptions();
}

std::size_t hub::on(publish m) {
  std::size_t receivers = 0;
  const auto pass_on = [&](const std::set<client_id>& to, const auto&... kind) {
    std::shared_ptr<std::string> frames[2];
    for (client_id id : to) {
      client& c = clients_.at(id);
      auto& bytes = frames[c.known.protocol == 3];
      if (bytes == nullptr) {
        bytes = std::make_shared<std::string>();
        frame(*bytes, c.known.protocol, 0, kind..., m.channel, m.message);
      }
      push(c, bytes);
      ++receivers;
    }
  };
  if (const auto found = channels_.find(m.channel); found != channels_.end())
    pass_on(found->second, "message");
  for (const auto& [pattern, clients] : patterns_)
    if (glob_match(pattern, m.channel)) pass_on(clients, "pmessage", pattern);
  return receivers;
}

// A client that leaves too much unread is sent away, as Redis does.
void hub::push(client& to, std::shared_ptr<const std::string> bytes) {
  if (!to.pusher) return;
  to.unread += bytes->size() + overhead;
  const milliseconds_t now = to.unread > unread_soft_max ? steady_now() : never;
  to.over_since = now == never ? never : std::min(to.over_since, now);
  if (to.unread <= unread_max && now - to.over_since <= over_max) {
    to.pusher.send(publication{std::move(bytes)});
  } else {
    to.pusher = {};
    to.io->close();
  }
}

void hub::on(written m) {
  if (const auto found = clients_.find(m.id); found != clients_.end())
    found->second.unread -= m.bytes + overhead;
}

// As CLIENT LIST shows a client. What has no meaning here has always the same value.
std::string hub::line_of(client_id id, const client& c) const {
  return concat(
      "id=", id, " addr=", c.io->peer_name(), " laddr=", address_, " fd=0 name=", c.known.name,
      " age=", (steady_now() - c.since) / 1000,
      " idle=0 flags=", c.subscriptions() == 0 ? "N" : "P", " db=", c.known.db,
      " sub=", c.channels.size(), " psub=", c.patterns.size(),
      " ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 omem=",
      c.unread, " tot-mem=", c.unread + sizeof c,
      " events=r cmd=NULL user=default redir=-1 resp=", c.known.protocol, "\n");
}

census hub::on(describe m) {
  census all{{}, clients_.size(), channels_.size(), patterns_.size(), last_id_};
  if (m.ids.empty())
    for (const auto& [id, c] : clients_) all.lines += line_of(id, c);
  for (client_id id : m.ids)
    if (const auto found = clients_.find(id); found != clients_.end())
      all.lines += line_of(id, found->second);
  return all;
}

void hub::on(drain m, gr::promise<void> gone) {
  draining_ = true;
  gone_ = std::move(gone);
  if (clients_.empty()) gone_.set();
  for (auto& [id, c] : clients_) m.patiently ? c.thread.cancel() : c.io->close();
}

// Writes to one client, the only one to do so once it exists.
void push_to(gr::mailbox<publication, answer>& in, client_id id, peer io,
             gr::address<written> hub) {
  bool ok = true;
  const auto published = [&](publication m) {
    ok = io->write(*m.bytes).ok();
    hub.send(written{id, m.bytes->size()});
  };
  const auto answered = [&](answer m) { ok = io->write(m.bytes).ok(); };
  while (ok && in.receive(published, answered)) {}
  io->close();
}

}  // namespace kv
