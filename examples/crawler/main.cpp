// SPDX-License-Identifier: Apache-2.0
// Serves a small site on a loopback port and crawls it, a few pages at a time, each of which must
// come in time. One page of the site never comes; one link is broken.
//
//   crawler [AT_ONCE [MILLISECONDS]]
#include <greenroom/greenroom.hpp>
#include <greenroom/net.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gr = greenroom;

namespace {

// --- The site

const std::map<std::string, std::string, std::less<>> site{
    {"/", R"(<a href="/about">About</a> <a href="/news/1">News</a> <a href="/shop">Shop</a>)"},
    {"/about", R"(<a href="/">Home</a> <a href="/people">People</a> <a href="/gone">Old</a>)"},
    {"/news/1", R"(<a href="/news/2">Older</a> <a href="/">Home</a>)"},
    {"/news/2", R"(<a href="/news/3">Older</a> <a href="/news/1">Newer</a>)"},
    {"/news/3", R"(<a href="/news/2">Newer</a> <a href="/never">More</a>)"},
    {"/people", R"(<a href="/about">About</a>)"},
    {"/shop", R"(<a href="/shop/tea">Tea</a> <a href="/shop/cup">Cups</a> <a href="/">Home</a>)"},
    {"/shop/tea", R"(<a href="/shop">Shop</a> <a href="/shop/cup">A cup for it</a>)"},
    {"/shop/cup", R"(<a href="/shop">Shop</a> <a href="/shop/tea">Tea for it</a>)"}};

// Reads until `done` says that it is enough, or the peer has written its last.
template <class F>
std::expected<std::string, gr::error> read_until(gr::stream& peer, F done) {
  std::string text;
  char data[4096];
  while (!done(text)) {
    const auto n = peer.read_some(data);
    if (!n && n.error() == gr::error::end_of_stream) break;
    if (!n) return std::unexpected(n.error());
    text.append(data, *n);
  }
  return text;
}

void answer(std::unique_ptr<gr::stream> peer) {
  const auto request = read_until(*peer, [](const std::string& text) {
    return text.size() > 8192 || text.find("\r\n\r\n") != text.npos;
  });
  if (!request || !request->starts_with("GET ")) return;
  const std::string path = request->substr(4, request->find(' ', 4) - 4);
  if (path == "/never") {  // until the client has enough of it
    (void)read_until(*peer, [](const std::string&) { return false; });
    return;
  }
  const auto page = site.find(path);
  peer->write(page == site.end() ? "HTTP/1.0 404 Not Found\r\n\r\n"
                                 : "HTTP/1.0 200 OK\r\n\r\n" + page->second);
}

void serve(gr::listener& door) {
  while (auto peer = door.accept()) gr::spawn(answer, std::move(*peer));
}

// --- The crawler

struct page {
  std::string path;
  std::string result;  // the status, or why there is none
  std::vector<std::string> links;
};

std::expected<std::string, gr::error> get(std::uint16_t port, const std::string& path) {
  auto peer = gr::connect_tcp("127.0.0.1", port);
  if (!peer) return std::unexpected(peer.error());
  if (const auto s = (*peer)->write("GET " + path + " HTTP/1.0\r\n\r\n"); !s)
    return std::unexpected(s.error());
  return read_until(**peer, [](const std::string&) { return false; });
}

page fetch(std::uint16_t port, std::string path, gr::duration limit) {
  const auto reply = gr::with_deadline(limit, [&] { return get(port, path); });
  if (!reply) return {std::move(path), gr::name_of(reply.error().code()), {}};
  page p{std::move(path), reply->substr(reply->find(' ') + 1, 3), {}};
  constexpr std::string_view link = "href=\"";
  for (auto at = reply->find(link); at != reply->npos; at = reply->find(link, at)) {
    at += link.size();
    p.links.push_back(reply->substr(at, reply->find('"', at) - at));
  }
  return p;
}

int crawl(int at_once, gr::duration limit) {
  const auto door = gr::listen_tcp("127.0.0.1", 0);
  if (!door) {
    std::fprintf(stderr, "crawler: %s\n", door.error().text());
    return 1;
  }
  const gr::green_thread server = gr::spawn(serve, std::ref(**door));

  auto [paths, to_fetch] = gr::channel<std::string>(0);
  auto [done, pages] = gr::channel<page>(0);
  for (int i = 0; i < at_once; ++i)
    gr::spawn([to_fetch, done, limit, port = (*door)->port()] {
      for (std::string path : to_fetch) done.send(fetch(port, std::move(path), limit));
    });
  done.close();  // ours: `pages` ends with the last fetcher

  std::set<std::string> seen{"/"};
  std::deque<std::string> queue{"/"};
  std::map<std::string, page> results;
  int fetching = 0, most = 0;
  while (fetching > 0 || !queue.empty()) {
    // With nothing to fetch, an empty sender: its case never happens.
    const auto next = queue.empty() ? gr::sender<std::string>() : paths;
    const std::string path = queue.empty() ? "" : queue.front();
    const auto sent = [&] {
      queue.pop_front();
      most = std::max(most, ++fetching);
    };
    const auto fetched = [&](page p) {
      --fetching;
      for (const std::string& link : p.links)
        if (seen.insert(link).second) queue.push_back(link);
      results.emplace(p.path, std::move(p));
    };
    if (!gr::select(next.on(path, sent), pages.on(fetched))) return 1;  // all fetchers failed
  }
  for (const auto& [path, p] : results)
    std::printf("%-7s %-9s %zu links\n", p.result.c_str(), path.c_str(), p.links.size());
  std::printf("%zu pages, at most %d at a time\n", results.size(), most);
  (*door)->close();
  return server.join().ok() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const int at_once = argc > 1 ? std::atoi(argv[1]) : 4;
  const std::chrono::milliseconds limit(argc > 2 ? std::atoi(argv[2]) : 500);
  return gr::run([&] { return crawl(at_once, limit); });
}
