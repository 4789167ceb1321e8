%% SPDX-License-Identifier: Apache-2.0
-module(messages).
-export([yield/1, pingpong/1, ring/1, fanin/1, bigfan/1, ask/1]).
-import(bench, [fail/2, expect/3, now_ns/0, warmed_up/2, collect/1, draw/2, times/2]).

%% yield: two processes take turns, n switches in all.
yield(#{n := N}) ->
    Ns = warmed_up(N, fun(Size) ->
        Me = self(),
        times(2, fun(_) -> spawn(fun() -> take_turns(Size div 2), Me ! {done, 1} end) end),
        expect("yield", collect(2), 2)
    end),
    {Ns / N, "ns/switch"}.

take_turns(0) -> ok;
take_turns(Left) -> erlang:yield(), take_turns(Left - 1).

%% pingpong: n messages between two processes.
pingpong(#{n := N}) ->
    Ns = warmed_up(N, fun(Size) ->
        Me = self(),
        spawn(fun() ->
                  Ping = self(),
                  Pong = spawn(fun() -> pong(Ping) end),
                  Me ! {done, ping(Pong, 0, Size div 2)},
                  Pong ! stop
              end),
        expect("pingpong", collect(1), Size div 2)
    end),
    {Ns / N, "ns/msg"}.

pong(Back) -> receive stop -> ok; Ball -> Back ! Ball + 1, pong(Back) end.

ping(_, Rounds, Rounds) -> Rounds;
ping(Pong, I, Rounds) ->
    Pong ! I,
    receive Ball when Ball =:= I + 1 -> ping(Pong, Ball, Rounds) end.

%% ring: processes in a circle pass one token, n hops.
ring(#{n := N, actors := Actors}) ->
    Ns = warmed_up(N, fun(Hops) ->
        Me = self(),
        First = spawn(fun() -> receive {follow, Next} -> node(Next, Me, 0) end end),
        All = lists:foldl(fun(_, [Next | _] = Nodes) ->
                              [spawn(fun() -> node(Next, Me, 0) end) | Nodes]
                          end, [First], lists:seq(2, Actors)),
        First ! {follow, hd(All)},
        Start = now_ns(),
        First ! Hops,
        receive at_end -> ok end,
        Took = now_ns() - Start,
        lists:foreach(fun(Node) -> Node ! stop end, All),
        expect("ring", collect(Actors), Hops),
        {took, Took}
    end),
    {Ns / N, "ns/hop"}.

node(Next, Main, Passed) ->
    receive
        0 -> Main ! at_end, node(Next, Main, Passed);
        stop -> Main ! {done, Passed};
        Left -> Next ! Left - 1, node(Next, Main, Passed + 1)
    end.

%% fanin: producers send n messages each into one mailbox.
fanin(#{n := N, producers := Producers, chan := Chan}) ->
    Chan =:= 0 orelse fail("fanin: chan=0 alone, a mailbox has no bound", []),
    Ns = warmed_up(N, fun(Each) ->
        Me = self(),
        times(Producers, fun(_) -> spawn(fun() -> produce(Me, 0, Each) end) end),
        expect("fanin", consume(Each * Producers, 0), Producers * (Each * (Each - 1) div 2))
    end),
    {N * Producers / Ns * 1.0e3, "Mmsg/s"}.

produce(_, Each, Each) -> ok;
produce(To, I, Each) -> To ! I, produce(To, I + 1, Each).

consume(0, Sum) -> Sum;
consume(Left, Sum) -> receive Item -> consume(Left - 1, Sum + Item) end.

%% bigfan: every process has one ping at a random other under way, n in a row, and answers the
%% pings of all others. All find each other in a persistent term: a message would be a copy each.
bigfan(#{n := N, actors := Actors}) ->
    Actors >= 2 orelse fail("bigfan: needs two actors or more", []),
    Ns = warmed_up(N, fun(Pings) ->
        Me = self(),
        All = [spawn(fun() -> meet(I, Pings, Me) end) || I <- lists:seq(0, Actors - 1)],
        persistent_term:put(?MODULE, list_to_tuple(All)),
        Start = now_ns(),
        lists:foreach(fun(Pid) -> Pid ! go end, All),
        times(Actors, fun(_) -> receive at_end -> ok end end),
        Took = now_ns() - Start,
        lists:foreach(fun(Pid) -> Pid ! stop end, All),
        expect("bigfan", collect(Actors), Pings * Actors),
        {took, Took}
    end),
    {2 * N * Actors / Ns * 1.0e3, "Mmsg/s"}.

meet(Index, Pings, Main) ->
    receive
        go when Pings > 0 ->
            {_, Random} = draw(1, Index + 1),
            fan(Index, Pings, send_ping(Index, Random), 0, Main);
        go -> Main ! at_end, fan(Index, 0, 0, 0, Main)
    end.

fan(Index, Left, Random, Answered, Main) ->
    receive
        {ping, From} -> From ! pong, fan(Index, Left, Random, Answered + 1, Main);
        pong when Left > 1 -> fan(Index, Left - 1, send_ping(Index, Random), Answered, Main);
        pong -> Main ! at_end, fan(Index, 0, Random, Answered, Main);
        stop -> Main ! {done, Answered}
    end.

%% Index counts from 0, elements of a tuple from 1.
send_ping(Index, Random) ->
    All = persistent_term:get(?MODULE),
    {Other, Next} = draw(tuple_size(All) - 1, Random),
    To = if Other >= Index -> Other + 2; true -> Other + 1 end,
    element(To, All) ! {ping, self()},
    Next.

%% ask: bank transfers, an ask inside the handler of an ask. No ask has a deadline.
ask(#{accounts := Accounts, tellers := Tellers, n := N}) ->
    Accounts >= 2 andalso Tellers >= 1 orelse fail("ask: needs two accounts and a teller", []),
    Ns = warmed_up(N, fun(Transfers) ->
        Me = self(),
        All = list_to_tuple([spawn(fun() -> account(0) end) || _ <- lists:seq(1, Accounts)]),
        Start = now_ns(),
        times(Tellers, fun(I) ->
            spawn(fun() ->
                      teller(All, I, Transfers div Tellers),
                      Me ! {done, Transfers div Tellers}
                  end)
        end),
        expect("ask", collect(Tellers), Transfers div Tellers * Tellers),
        Took = now_ns() - Start,
        Balances = [call(Account, stop) || Account <- tuple_to_list(All)],
        expect("ask: the sum of the balances", lists:sum(Balances), 0),
        {took, Took}
    end),
    {N / Ns * 1.0e6, "ktransfer/s"}.

%% The reference ties the answer to its question, and lets the receive skip what is older.
call(To, What) ->
    Question = make_ref(),
    To ! {What, self(), Question},
    receive {Question, Answer} -> Answer end.

account(Balance) ->
    receive
        {{transfer, Amount, To}, From, Question} ->
            call(To, {deposit, Amount}),
            From ! {Question, Balance - Amount},
            account(Balance - Amount);
        {{deposit, Amount}, From, Question} ->
            From ! {Question, Balance + Amount},
            account(Balance + Amount);
        {stop, From, Question} -> From ! {Question, Balance}
    end.

teller(_, _, 0) -> ok;
teller(All, Random, Left) ->
    Last = tuple_size(All) - 1,
    {From, Next} = draw(Last, Random),
    {Further, Then} = draw(Last - From, Next),
    call(element(From + 1, All), {transfer, 1, element(From + Further + 2, All)}),
    teller(All, Then, Left - 1).
