// SPDX-License-Identifier: Apache-2.0
// The commands that are about the connection, its client and the server.
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <ranges>

#include "connection.hpp"

namespace kv {
namespace {

constexpr const char* redis_version = "7.0.15";  // whose replies these are

void ping(connection& c, arguments args) {
  if (args.size() > 2) throw wrong_arity("ping");
  const bool has_text = args.size() == 2;
  if (!c.only_listens()) return has_text ? c.out().bulk(args[1]) : c.out().simple("PONG");
  c.out().array(2);
  c.out().bulk("pong", has_text ? args[1] : "");
}

void quit(connection& c, arguments) {
  c.out().ok();
  c.flush();
  throw finished{};
}

void log_in(connection& c, std::string_view user, std::string_view password) {
  const std::string& wanted = c.all.config.password;
  // Takes as long wherever the difference is, so that time does not give the password away.
  bool differs = user != "default" || (!wanted.empty() && password.size() != wanted.size());
  for (std::size_t i = 0; i < std::min(wanted.size(), password.size()); ++i)
    differs |= password[i] != wanted[i];
  if (differs) throw refusal{"WRONGPASS invalid username-password pair or user is disabled."};
  c.parser.authenticated = true;
}

void auth(connection& c, arguments args) {
  if (args.size() > 3) throw refusal{syntax_error};
  if (args.size() == 2 && c.all.config.password.empty())
    throw refusal{
        "ERR AUTH <password> called without any password configured for the default user. Are "
        "you sure your configuration is correct?"};
  log_in(c, args.size() == 3 ? args[1] : "default", args.back());
  c.out().ok();
}

void set_name(connection& c, std::string_view name) {
  if (std::ranges::any_of(name, [](char x) { return x < '!' || x > '~'; }))
    throw refusal{"ERR Client names cannot contain spaces, newlines or special characters."};
  c.known.name = name;
}

void hello(connection& c, arguments args) {
  const auto protocol = args.size() > 1 ? to_integer(args[1]) : c.known.protocol;
  if (!protocol) throw refusal{"ERR Protocol version is not an integer or out of range"};
  if (*protocol != 2 && *protocol != 3) throw refusal{"NOPROTO unsupported protocol version"};
  for (std::size_t i = 2; i < args.size(); ++i) {
    if (is_word(args[i], "auth") && i + 2 < args.size()) {
      log_in(c, args[i + 1], args[i + 2]);
      i += 2;
    } else if (is_word(args[i], "setname") && i + 1 < args.size()) {
      set_name(c, args[++i]);
    } else {
      throw refusal{concat("ERR Syntax error in HELLO option '", args[i], "'")};
    }
  }
  if (!c.parser.authenticated)
    throw refusal{
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
        "protocol version at the same time"};
  c.known.protocol = static_cast<int>(*protocol);
  c.tell_hub();
  c.out().map(7);
  c.out().bulk("server", "redis", "version", redis_version, "proto");
  c.out().integer(*protocol);
  c.out().bulk("id");
  c.out().integer(c.id);
  c.out().bulk("mode", "standalone", "role", "master", "modules");
  c.out().array(0);
}

void select(connection& c, arguments args) {
  const std::int64_t db = integer_in(args[1]);
  if (db != static_cast<int>(db))
    throw refusal{"ERR value is out of range, value must between -2147483648 and 2147483647"};
  if (db < 0 || db >= std::int64_t{databases_max}) throw refusal{"ERR DB index is out of range"};
  c.known.db = static_cast<std::size_t>(db);
  c.tell_hub();
  c.out().ok();
}

void shutdown(connection& c, arguments args) {
  if (args.size() == 2 && is_word(args[1], "abort")) throw refusal{"ERR No shutdown in progress."};
  for (std::string_view word : args.subspan(1))
    if (!is_one_of(word, {"nosave", "save", "now", "force"})) throw refusal{syntax_error};
  c.flush();
  ::kill(::getpid(), SIGTERM);  // main waits for it.
  throw finished{};
}

template <bool Add, bool Pattern>
void subscribe(connection& c, arguments args) {
  c.flush();  // Until here the connection writes, from here on the pusher.
  if (!c.pusher)
    c.pusher = gr::spawn({.capacity = gr::unbounded}, push_to, c.id, c.io,
                         gr::address<written>(c.all.hub));
  const arguments names = args.subspan(1);
  c.subscriptions =
      reply_of(c.all.hub, subscription{c.id, Add, Pattern, {names.begin(), names.end()}, c.pusher});
}

void publish_message(connection& c, arguments args) {
  if (c.pusher) c.flush();  // What it publishes to itself comes behind what it asked before.
  c.out().integer(reply_of(c.all.hub, publish{std::string(args[1]), std::string(args[2])}));
}

// Whether it is this command in two words; refuses it if it has too few or too many arguments.
bool is_subcommand(arguments args, std::string_view name, std::size_t least, std::size_t most) {
  if (args.size() < 2 || !is_word(args[1], name)) return false;
  if (args.size() < least || args.size() > most) throw wrong_arity(concat(args[0], "|", name));
  return true;
}

refusal unknown_subcommand(arguments args, std::string_view name) {
  return {concat("ERR unknown subcommand '", args[1].substr(0, 128), "'. Try ", name, " HELP.")};
}

void client(connection& c, arguments args) {
  if (is_subcommand(args, "id", 2, 2)) return c.out().integer(c.id);
  if (is_subcommand(args, "getname", 2, 2))
    return c.out().bulk_or_null(c.known.name.empty() ? nullptr : &c.known.name);
  if (is_subcommand(args, "setname", 3, 3)) {
    set_name(c, args[2]);
    c.tell_hub();
    return c.out().ok();
  }
  describe wanted;
  if (is_subcommand(args, "info", 2, 2))
    wanted.ids = {c.id};
  else if (!is_subcommand(args, "list", 2, SIZE_MAX))
    throw unknown_subcommand(args, "CLIENT");
  if (args.size() == 3 || (args.size() > 3 && !is_word(args[2], "id"))) throw refusal{syntax_error};
  for (std::size_t i = 3; i < args.size(); ++i) {
    wanted.ids.push_back(to_integer(args[i]).value_or(0));
    if (wanted.ids.back() <= 0) throw refusal{"ERR Invalid client ID"};
  }
  c.out().verbatim(reply_of(c.all.hub, std::move(wanted)).lines);
}

// What clients and tools look for. This server keeps nothing on disk and has no replicas.
void config(connection& c, arguments args) {
  if (!is_subcommand(args, "get", 3, SIZE_MAX)) throw unknown_subcommand(args, "CONFIG");
  const settings& s = c.all.config;
  const std::pair<std::string, std::string> values[] = {
      {"appendonly", "no"},
      {"bind", s.bind},
      {"client-output-buffer-limit",
       "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"},
      {"databases", concat(databases_max)},
      {"maxclients", concat(s.clients_max)},
      {"maxmemory", "0"},
      {"maxmemory-policy", "noeviction"},
      {"port", concat(s.port)},
      {"proto-max-bulk-len", concat(request_parser::bulk_max)},
      {"requirepass", s.password},
      {"save", ""},
      {"timeout", "0"}};
  std::map<std::string, std::string> found;
  for (std::string_view pattern : args.subspan(2))
    for (const auto& [name, value] : values)
      if (glob_match(lower(pattern), name))  // A name in full comes back as it was spelled.
        found[is_word(pattern, name) ? std::string(pattern) : name] = value;
  c.out().map(found.size());
  for (const auto& [name, value] : found) c.out().bulk(name, value);
}

void debug(connection& c, arguments args) {
  if (!c.all.config.debug) throw refusal{"ERR DEBUG command not allowed (--enable-debug-command)"};
  if (!is_subcommand(args, "kill-shard", 3, 3)) throw unknown_subcommand(args, "DEBUG");
  const std::int64_t n = integer_in(args[2]);
  if (n < 0 || n >= std::ssize(c.all.shards)) throw refusal{"ERR no such shard"};
  c.keys.return_all();
  (void)c.all.shards[static_cast<std::size_t>(n)].ask_until(crash{}, gr::never);  // It fails.
  c.out().ok();
}

std::string databases_of(const loan& all) {
  std::string lines;
  for (std::size_t db = 0; db < databases_max; ++db) {
    std::size_t keys = 0, expiring = 0;
    for (const auto& shard : all.keyspaces) {
      keys += (*shard)[db].keys().size();
      expiring += (*shard)[db].expiring();
    }
    if (keys != 0)
      lines += concat("db", db, ":keys=", keys, ",expires=", expiring, ",avg_ttl=0\r\n");
  }
  return lines;
}

void info(connection& c, arguments args) {
  const census clients = reply_of(c.all.hub, describe{{c.id}});
  c.keys.obtain(all_of(c.all.shards.size()));
  std::size_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  const std::pair<std::string_view, std::string> sections[] = {
      {"Server", concat("redis_version:", redis_version, "\r\nredis_mode:standalone",
                        "\r\nprocess_id:", ::getpid(), "\r\ntcp_port:", c.all.config.port,
                        "\r\nuptime_in_seconds:", (steady_now() - c.all.started) / 1000, "\r\n")},
      {"Clients", concat("connected_clients:", clients.clients,
                         "\r\nmaxclients:", c.all.config.clients_max, "\r\n")},
      {"Memory", concat("used_memory:", resident * 4096, "\r\nmaxmemory:0\r\n")},
      {"Persistence", "loading:0\r\n"},
      {"Stats", concat("total_connections_received:", clients.joined, "\r\npubsub_channels:",
                       clients.channels, "\r\npubsub_patterns:", clients.patterns, "\r\n")},
      {"Replication", "role:master\r\nconnected_slaves:0\r\n"},
      {"Cluster", "cluster_enabled:0\r\n"},
      {"Shards", concat("shards:", c.all.shards.size(),
                        "\r\nshard_restarts:", c.all.tree.restart_count(), "\r\n")},
      {"Keyspace", databases_of(c.keys)}};
  std::string text;
  for (const auto& [title, lines] : sections) {
    const auto is_wanted = [&](std::string_view word) {
      return is_one_of(word, {lower(title), "all", "default", "everything"});
    };
    if (args.size() == 1 || std::ranges::any_of(args.subspan(1), is_wanted))
      text += concat(text.empty() ? "# " : "\r\n# ", title, "\r\n", lines);
  }
  c.out().verbatim(text);
}

void describe_command(reply out, const command* what) {
  if (what == nullptr) return out.null();
  const bool several = what->where == keys::many || what->where == keys::pairs;
  const bool keyed = several || what->where == keys::one;
  out.array(10);
  out.bulk(what->name);
  out.integer(what->arity);
  out.set(static_cast<std::size_t>(std::ranges::count(what->flags, ' ')) + !what->flags.empty());
  for (auto flag : what->flags | std::views::split(' ')) out.simple(std::string_view(flag));
  out.integer(keyed);
  out.integer(several ? -1 : keyed);
  out.integer(what->where == keys::pairs ? 2 : keyed);
  for (int i = 0; i < 4; ++i) out.set(0);  // categories, tips, key specifications, subcommands
}

void command_info(connection& c, arguments args) {
  if (is_subcommand(args, "count", 2, 2)) return c.out().integer(all_commands().size());
  if (args.size() > 1 && !is_subcommand(args, "info", 2, SIZE_MAX))
    throw unknown_subcommand(args, "COMMAND");
  std::vector<const command*> found;
  if (args.size() > 2)
    for (std::string_view name : args.subspan(2)) found.push_back(find_command(name));
  else
    for (const auto& [name, what] : all_commands()) found.push_back(what);
  c.out().array(found.size());
  for (const command* what : found) describe_command(c.out(), what);
}

constexpr const char* quick = "noscript loading stale fast no_auth allow_busy";
constexpr const char* listen = "pubsub noscript loading stale";
constexpr auto none = keys::none;
constexpr command table[] = {
    {"ping", -1, "fast", none, nullptr, ping},
    {"echo", 2, "loading stale fast", none, nullptr,
     [](connection& c, arguments args) { c.out().bulk(args[1]); }},
    {"hello", -1, quick, none, nullptr, hello},
    {"auth", -2, quick, none, nullptr, auth},
    {"select", 2, "loading stale fast", none, nullptr, select},
    {"quit", -1, quick, none, nullptr, quit},
    {"subscribe", -2, listen, none, nullptr, subscribe<true, false>},
    {"unsubscribe", -1, listen, none, nullptr, subscribe<false, false>},
    {"psubscribe", -2, listen, none, nullptr, subscribe<true, true>},
    {"punsubscribe", -1, listen, none, nullptr, subscribe<false, true>},
    {"publish", 3, "pubsub loading stale fast", none, nullptr, publish_message},
    {"client", -2, "", none, nullptr, client},
    {"config", -2, "", none, nullptr, config},
    {"info", -1, "loading stale", none, nullptr, info},
    {"command", -1, "loading stale", none, nullptr, command_info},
    {"debug", -2, "admin noscript loading stale", none, nullptr, debug},
    {"shutdown", -1, "admin noscript loading stale no_multi allow_busy", none, nullptr, shutdown},
};

}  // namespace

const command_index& all_commands() {
  static const command_index all = [] {
    command_index by_name;
    for (auto part : {string_commands(), generic_commands(), collection_commands(),
                      std::span<const command>(table)})
      for (const command& what : part) by_name.emplace(what.name, &what);
    return by_name;
  }();
  return all;
}

const command* find_command(std::string_view name) {
  constexpr std::size_t name_max = 16;  // No name is as long as that.
  const auto found = all_commands().find(lower(name.substr(0, name_max)));
  return found == all_commands().end() ? nullptr : found->second;
}

}  // namespace kv
