%% SPDX-License-Identifier: Apache-2.0
%%
%% The workloads of greenroom-bench for Erlang: same names, parameters, defaults and output line,
%% `erlang WORKLOAD params value unit [name=value ...] peak_rss_mb=value`. This module is the frame
%% of a run; the workloads are in messages.erl, many.erl, hog.erl and ends.erl.
%%
%% An actor is a process. The emulator itself is started with `+S w:w`, and with `+P` where there
%% will be more processes than it allows by default. A mailbox has no bound, so `fanin` runs with
%% chan=0 alone; a timer counts milliseconds, so pace_us is a multiple of 1000.
-module(bench).
-export([main/1, fail/2, expect/3, status_kb/1, now_ns/0, warmed_up/2, collect/1, draw/2, times/2]).

workloads() ->
    #{"yield" => {fun messages:yield/1, #{n => 10000000}},
      "pingpong" => {fun messages:pingpong/1, #{n => 10000000}},
      "ring" => {fun messages:ring/1, #{n => 5000000, actors => 1000}},
      "spawn" => {fun many:spawn/1, #{n => 1000000}},
      "skynet" => {fun many:skynet/1, #{n => 1000000}},
      "fanin" => {fun messages:fanin/1, #{n => 1000000, producers => 8, chan => 0}},
      "idle" => {fun many:idle/1, #{n => 1000000, hibernate => 0}},
      "hog" => {fun hog:hog/1, #{ms => 3000, pace_us => 0}},
      "bigfan" => {fun messages:bigfan/1, #{n => 2000, actors => 1000}},
      "timers" => {fun many:timers/1, #{actors => 100000, n => 50, ms => 10}},
      "restart" => {fun ends:restart/1, #{n => 500000, kill => 0}},
      "monitor" => {fun ends:monitor/1, #{n => 1000000}},
      "ask" => {fun messages:ask/1, #{accounts => 1000, tellers => 2, n => 1000000}}}.

main([Name | Arguments]) ->
    case workloads() of
        #{Name := {Run, Defaults}} ->
            P = lists:foldl(fun set/2, Defaults#{w => 1}, Arguments),
            expect("schedulers (+S w:w)", erlang:system_info(schedulers), maps:get(w, P)),
            {_, Monitor} = spawn_monitor(fun() -> out(Name, Arguments, Run(P)) end),
            receive
                {'DOWN', Monitor, _, _, normal} -> halt(0);
                {'DOWN', Monitor, _, _, Why} -> fail("~p", [Why])
            end;
        _ -> fail("no such workload: ~s", [Name])
    end.

set(Argument, P) ->
    [Key | Value] = string:split(Argument, "="),
    case [K || K <- maps:keys(P), atom_to_list(K) =:= Key] of
        [] -> fail("no parameter `~s`", [Argument]);
        [Known] ->
            case string:to_integer(Value) of
                {Number, []} when is_integer(Number), Number >= 0 -> P#{Known := Number};
                _ -> fail("~s is no whole number", [Argument])
            end
    end.

-spec fail(string(), list()) -> no_return().
fail(Format, Arguments) ->
    io:format(standard_error, "erlang: " ++ Format ++ "~n", Arguments),
    halt(1).

expect(_, Right, Right) -> ok;
expect(What, Got, Right) -> fail("~s: ~p where ~p is right", [What, Got, Right]).

out(Name, Arguments, {Value, Unit}) -> out(Name, Arguments, {Value, Unit, ""});
out(Name, Arguments, {Value, Unit, Extras}) ->
    Given = case Arguments of [] -> "-"; _ -> lists:join(",", Arguments) end,
    io:format("erlang ~s ~s ~s ~s~s peak_rss_mb=~b~n",
              [Name, Given, float_to_list(float(Value), [{decimals, 4}, compact]), Unit, Extras,
               status_kb("VmHWM") div 1024]).

%% A kB field of /proc/self/status.
status_kb(Field) ->
    {ok, Text} = file:read_file("/proc/self/status"),
    {match, [Kb]} = re:run(Text, Field ++ ":\\s*(\\d+)", [{capture, all_but_first, list}]),
    list_to_integer(Kb).

now_ns() -> erlang:monotonic_time(nanosecond).

%% The nanoseconds of Run(N), after a warm-up of a tenth: all of it, or what Run says by
%% {took, Ns}. Each time it has a process of its own, which inherits no heap, and whose mailbox
%% lies outside of its heap: collecting garbage does not walk the messages.
warmed_up(N, Run) ->
    timed(fun() -> Run(N div 10) end),
    timed(fun() -> Run(N) end).

timed(Run) ->
    Me = self(),
    spawn_opt(fun() ->
                  Start = now_ns(),
                  Result = Run(),
                  All = now_ns() - Start,
                  Me ! case Result of {took, _} -> Result; _ -> {took, All} end
              end, [link, {message_queue_data, off_heap}]),
    receive {took, Ns} -> Ns end.

%% The sum of the numbers of Count messages {done, Number}.
collect(Count) -> collect(Count, 0).
collect(0, Sum) -> Sum;
collect(Count, Sum) -> receive {done, Number} -> collect(Count - 1, Sum + Number) end.

%% A random number below Below and the next state, the same row of them in every program.
draw(Below, State) ->
    Next = (State * 1664525 + 1013904223) band 16#ffffffff,
    {(Next bsr 8) rem Below, Next}.

%% Calls F with N, N - 1, ... 1.
times(0, _) -> ok;
times(N, F) -> F(N), times(N - 1, F).
