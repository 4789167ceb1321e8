%% SPDX-License-Identifier: Apache-2.0
%%
%% hog: w processes compute without a wait while two others play ping-pong, in a closed loop, or
%% (pace_us > 0) each round trip started by a timer and measured from when that was due. A round
%% trip counts if all spinners ran from its begin to its end.
-module(hog).
-export([hog/1]).
-import(bench, [fail/2, now_ns/0, times/2]).

-define(STARTED, 1).
-define(ENDED, 2).

hog(#{w := W, ms := Ms, pace_us := Pace}) ->
    Pace rem 1000 =:= 0 orelse fail("hog: pace_us is a multiple of 1000 here", []),
    Spins = spins_for(Ms),
    Progress = counters:new(2, [atomics]),
    Seen = histogram:new(),
    Me = self(),
    spawn_link(fun() ->
                   Ping = self(),
                   Pong = spawn_link(fun() -> pong(Ping) end),
                   ping(Pong, Progress, W, Pace div 1000, Seen),
                   Me ! at_end
               end),
    receive after 200 -> ok end,  % the pair is at speed before the first spinner starts
    Start = now_ns(),
    times(W, fun(_) ->
        spawn_link(fun() ->
                       counters:add(Progress, ?STARTED, 1),
                       spin(Spins, 88172645),
                       counters:add(Progress, ?ENDED, 1)
                   end)
    end),
    receive at_end -> ok end,
    Wall = now_ns() - Start,
    Count = histogram:count(Seen),
    Remark = if Count =:= 0 -> " hogs_never_parallel=1"; Count < 20 -> " starved=1"; true -> "" end,
    {histogram:us(Seen, 0.5), "us(p50)",
     io_lib:format(" p99_us=~.1f max_us=~b rtts=~b wall_s=~.2f~s",
                   [float(histogram:us(Seen, 0.99)), trunc(histogram:max_us(Seen)), Count,
                    Wall / 1.0e9, Remark])}.

pong(Back) -> receive Ball -> Back ! Ball, pong(Back) end.

ping(Pong, Progress, W, PaceMs, Seen) ->
    case counters:get(Progress, ?ENDED) of
        W -> ok;
        Ended ->
            Due = due(PaceMs),
            Pong ! 1,
            receive 1 -> ok end,
            Took = now_ns() - Due,
            Ended =:= 0 andalso counters:get(Progress, ?STARTED) =:= W
                andalso histogram:add(Seen, Took),
            ping(Pong, Progress, W, PaceMs, Seen)
    end.

due(0) -> now_ns();
due(PaceMs) ->
    Start = now_ns(),
    receive after PaceMs -> Start + PaceMs * 1000000 end.

spins_for(Ms) ->
    Sample = 50000000,
    Start = now_ns(),
    spin(Sample, 88172645),
    trunc(Sample * Ms * 1.0e6 / (now_ns() - Start)).

%% Pure computing, with numbers that fit a word.
spin(0, X) -> X;
spin(Rounds, X) -> spin(Rounds - 1, (X * 1103515245 + 12345) band 16#7fffffff).
