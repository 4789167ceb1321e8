%% SPDX-License-Identifier: Apache-2.0
%%
%% Durations: buckets of 100 ns below 1 ms, then of 10 us up to 10 s. Any process may add.
-module(histogram).
-export([new/0, add/2, count/1, us/2, max_us/1]).

-define(FINE, 10000).
-define(LAST, 1010000).

new() -> {counters:new(?LAST + 1, [atomics]), atomics:new(1, [{signed, true}])}.

add({Buckets, Max}, Ns) ->
    counters:add(Buckets, index(Ns) + 1, 1),
    raise(Max, Ns, atomics:get(Max, 1)).

index(Ns) when Ns < 0 -> bench:fail("somebody woke ~b ns too early", [-Ns]);
index(Ns) when Ns < 1000000 -> Ns div 100;
index(Ns) -> min(?FINE + Ns div 10000, ?LAST).

raise(_, Ns, Seen) when Ns =< Seen -> ok;
raise(Max, Ns, Seen) ->
    case atomics:compare_exchange(Max, 1, Seen, Ns) of
        ok -> ok;
        Other -> raise(Max, Ns, Other)
    end.

count({Buckets, _}) -> count(Buckets, ?LAST + 1, 0).
count(_, 0, Sum) -> Sum;
count(Buckets, I, Sum) -> count(Buckets, I - 1, Sum + counters:get(Buckets, I)).

us({Buckets, _} = Histogram, Quantile) ->
    us(Histogram, trunc(Quantile * count({Buckets, none})), 0, counters:get(Buckets, 1)).

us(Histogram, _, I, _) when I > ?LAST -> max_us(Histogram);
us(_, Wanted, I, Seen) when Seen > Wanted, I < ?FINE -> I / 10;
us(_, Wanted, I, Seen) when Seen > Wanted -> (I - ?FINE) * 10.0;
us(Histogram, _, ?LAST, _) -> max_us(Histogram);
us({Buckets, _} = Histogram, Wanted, I, Seen) ->
    us(Histogram, Wanted, I + 1, Seen + counters:get(Buckets, I + 2)).

max_us({_, Max}) -> atomics:get(Max, 1) / 1000.
