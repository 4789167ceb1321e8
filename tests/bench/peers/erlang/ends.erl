%% SPDX-License-Identifier: Apache-2.0
%% The ends of processes: restarts by a supervisor, and monitors.
-module(ends).
-behaviour(supervisor).
-export([restart/1, monitor/1, init/1, start_child/1]).
-import(bench, [expect/3, warmed_up/2, times/2]).
-compile({no_auto_import, [monitor/1]}).

%% A supervisor goes through a list of its restarts within the last second at each, so after this
%% many there is a new one.
-define(RESTARTS, 100).

%% restart: one child of a supervisor ends n times; from the order to end to the first word of its
%% next life, which it says first of all. kill=1: by exit(Pid, kill); otherwise by an error.
restart(#{n := N, kill := Kill}) ->
    logger:set_primary_config(level, none),
    Ns = warmed_up(N, fun(Count) ->
        times(max(Count div ?RESTARTS, 1), fun(_) -> supervised(?RESTARTS, Kill) end)
    end),
    {Ns / N, "ns/restart"}.

supervised(Count, Kill) ->
    {ok, Supervisor} = supervisor:start_link(?MODULE, self()),
    receive {up, First} -> Last = restarts(Count, Kill, First) end,
    [{child, Now, _, _}] = supervisor:which_children(Supervisor),
    expect("restart", Now, Last),
    unlink(Supervisor),
    exit(Supervisor, shutdown).

restarts(0, _, Pid) -> Pid;
restarts(Left, Kill, Pid) ->
    case Kill of 0 -> Pid ! fall; _ -> exit(Pid, kill) end,
    receive {up, Next} -> restarts(Left - 1, Kill, Next) end.

init(Driver) ->
    {ok, {#{strategy => one_for_one, intensity => 100000000, period => 1},
          [#{id => child, start => {?MODULE, start_child, [Driver]}}]}}.

start_child(Driver) ->
    {ok, spawn_link(fun() -> Driver ! {up, self()}, receive fall -> error(told_to) end end)}.

%% monitor: n processes, one after the other: spawned, monitored, ended at once, and heard of by a
%% 'DOWN'; plain_ns: without a monitor, where each says a last word.
monitor(#{n := N}) ->
    Plain = warmed_up(N, fun(Count) -> expect("monitor", listened(Count, 0), Count) end),
    Ns = warmed_up(N, fun(Count) -> expect("monitor", watched(Count, 0), Count) end),
    {Ns / N, "ns/actor", io_lib:format(" plain_ns=~.1f", [Plain / N])}.

listened(0, Heard) -> Heard;
listened(Left, Heard) ->
    Me = self(),
    spawn(fun() -> Me ! bye end),
    receive bye -> listened(Left - 1, Heard + 1) end.

watched(0, Heard) -> Heard;
watched(Left, Heard) ->
    {_, Monitor} = spawn_monitor(fun() -> ok end),
    receive {'DOWN', Monitor, _, _, normal} -> watched(Left - 1, Heard + 1) end.
