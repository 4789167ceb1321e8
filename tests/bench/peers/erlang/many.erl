%% SPDX-License-Identifier: Apache-2.0
-module(many).
-export([spawn/1, skynet/1, idle/1, timers/1, answerer/1, rester/1]).
-import(bench, [expect/3, status_kb/1, now_ns/0, warmed_up/2, collect/1, times/2]).
-compile({no_auto_import, [spawn/1]}).

-define(UNANSWERED_MAX, 512).

%% spawn: a parent spawns n children, then takes the one message that each sends.
spawn(#{n := N}) ->
    Ns = warmed_up(N, fun(Children) ->
        Me = self(),
        times(Children, fun(_) -> erlang:spawn(fun() -> Me ! {done, 1} end) end),
        expect("spawn", collect(Children), Children)
    end),
    {Ns / N, "ns/actor"}.

%% skynet: a 10-ary tree of processes with n leaves; each parent adds up what ten children send.
skynet(#{n := N}) ->
    Ns = warmed_up(N, fun(Size) ->
        Me = self(),
        Leaves = max(Size, 1),
        erlang:spawn(fun() -> leaves(Me, 0, Leaves) end),
        expect("skynet", collect(1), Leaves * (Leaves - 1) div 2)
    end),
    {Ns / 1.0e6, "ms"}.

leaves(Up, First, 1) -> Up ! {done, First};
leaves(Up, First, Count) ->
    Me = self(),
    Share = Count div 10,
    times(10, fun(I) -> erlang:spawn(fun() -> leaves(Me, First + (I - 1) * Share, Share) end) end),
    Up ! {done, collect(10)}.

%% idle: resident memory of a process that has answered one message and waits for the next;
%% hibernate=1: it gives back its stack and what its heap has to spare.
idle(#{n := N, hibernate := Hibernate}) ->
    Kind = case Hibernate of 0 -> answerer; _ -> rester end,
    Before = status_kb("VmRSS"),
    Start = now_ns(),
    Sum = questions(0, N, Kind, 0),
    Took = now_ns() - Start,
    Bytes = (status_kb("VmRSS") - Before) * 1024,
    expect("idle", Sum, N * (N - 1) div 2),
    {Bytes / N, "B/actor", io_lib:format(" setup_ms=~b", [Took div 1000000])}.

questions(N, N, _, Sum) -> Sum + collect(min(N, ?UNANSWERED_MAX));
questions(I, N, Kind, Sum) ->
    erlang:spawn(?MODULE, Kind, [self()]) ! I,
    questions(I + 1, N, Kind, Sum + if I < ?UNANSWERED_MAX -> 0; true -> collect(1) end).

answerer(Back) -> receive Question -> Back ! {done, Question}, answerer(Back) end.

rester(Back) ->
    receive Question -> Back ! {done, Question}, erlang:hibernate(?MODULE, rester, [Back]) end.

%% timers: every process sleeps ms milliseconds, n times, and notes how late it woke.
timers(#{actors := Actors, n := N, ms := Ms}) ->
    run(Actors div 10, N div 10, Ms, histogram:new()),
    Late = histogram:new(),
    {CpuBefore, _} = statistics(runtime),
    Start = now_ns(),
    run(Actors, N, Ms, Late),
    Wall = now_ns() - Start,
    {CpuAfter, _} = statistics(runtime),
    expect("timers", histogram:count(Late), Actors * N),
    [Median, Late99] = [trunc(histogram:us(Late, Quantile)) || Quantile <- [0.5, 0.99]],
    {(CpuAfter - CpuBefore) / 1000, "cpu_s",
     io_lib:format(" wall_s=~.3f p50_late_us=~b p99_late_us=~b", [Wall / 1.0e9, Median, Late99])}.

run(Actors, N, Ms, Late) ->
    Me = self(),
    times(Actors, fun(_) ->
        erlang:spawn(fun() -> sleeper(N, Ms, Late), Me ! {done, 1} end)
    end),
    expect("timers", collect(Actors), Actors).

sleeper(0, _, _) -> ok;
sleeper(Left, Ms, Late) ->
    Start = now_ns(),
    receive after Ms -> ok end,
    histogram:add(Late, now_ns() - Start - Ms * 1000000),
    sleeper(Left - 1, Ms, Late).
