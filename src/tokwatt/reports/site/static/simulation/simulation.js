"use strict";
/* Engines side by side behind a router, as tokwatt.simulation.run, routers and summary have them,
   by the same names. A run rests now and then, so that a page can go on in between. */

const Simulation = (() => {
  /* Rounds of an engine, and requests that are routed, between two rests. */
  const ROUNDS = 500,
    ROUTED = 50;

  /* ---- tokwatt.simulation.routers ---- */

  const RULES = {
    *round_robin(pool) {
      return pool.engines[pool.turns++ % pool.engines.length];
    },
    *least_loaded(pool, time) {
      return yield* least(pool, time, (engine) => [engine.load(time)]);
    },
    *least_work(pool, time) {
      return yield* least(pool, time, (engine) => [engine.work(time), engine.load(time)]);
    },
  };

  /* The engine that has least at a time: of the first of some numbers, of equals of the next. */
  function* least({ engines }, time, numbers) {
    for (const engine of engines) while (!engine.advance(time, ROUNDS)) yield;
    const each = engines.map((engine) => ({ engine, of: numbers(engine) }));
    const isLess = (one, other) => {
      const place = one.of.findIndex((number, index) => number !== other.of[index]);
      return place >= 0 && one.of[place] < other.of[place];
    };
    return each.reduce((best, it) => (isLess(it, best) ? it : best)).engine;
  }

  /* Engines at random of the requests of a batch, drawn pool by pool as the package draws them. */
  function drawnEngines(pools, batch, draws) {
    const drawn = pools.flatMap(({ engines }, place) =>
      batch
        .filter(({ pool }) => pool === place)
        .map((request) => [request, engines[draws.below(engines.length)]]),
    );
    return new Map(drawn);
  }

  /* The first pool that holds a request; the last holds all that are served. */
  function poolOf(pools, { prompt, output }) {
    const place = pools.findIndex(({ window }) => prompt + output <= window),
      pool = place < 0 ? pools.length - 1 : place;
    if (!pools[pool].engines.length)
      throw new Refusal(
        `instances: is 0 in pool ${pool + 1}, wanted 1 or more, as requests come to it.`,
      );
    return pool;
  }

  /* ---- tokwatt.simulation.run ---- */

  function* advanced(engine, until) {
    while (!engine.advance(until, ROUNDS)) yield;
  }

  /* Tokens that a request holds on the average while it runs. */
  function meanLength({ weight, prompt, output }) {
    const length = (mass, kind) => mass * (prompt[kind] + output[kind] / 2);
    return sum(weight.map(length)) / sum(weight);
  }

  /* Engines of pools `{ready, window, instances}` by rising windows; `decoding` are instances that
     decode what those prefill, where there are any. */
  function enginesOf(known, pools) {
    const length = meanLength(pools[0].ready.requests);
    return pools.map(({ ready, window, instances, decoding = null }) => {
      const limits = Steps.limitsOf(known, ready, window, length),
        table = new Steps.StepTable(known, ready, window);
      const engines = enginesAs(known, { table, limits }, instances);
      return { ready, table, limits, window, engines, decoding, turns: 0 };
    });
  }

  const enginesAs = (known, { table, limits }, count) =>
    Array.from({ length: count }, () => new Engines.Engine(table, limits, known.stretch));

  /* The same pools before anything came. */
  const emptied = (known, pools) =>
    pools.map((pool) => ({
      ...pool,
      engines: enginesAs(known, pool, pool.engines.length),
      turns: 0,
    }));

  /* Serves requests in the order of arrival, a few at a time, up to the last arrival; pools that
     only prefill, `isPrefill`, make one token of each. */
  function* offered(known, recorder, pools, batches, rule) {
    const engines = pools.flatMap((pool) => pool.engines),
      requests = [],
      draws = new Arrivals.Generator(known.router);
    for (const { table, engines: own } of pools) own.forEach(() => recorder.add(table));
    for (const batch of batches) {
      for (const request of batch) {
        request.pool = poolOf(pools, request);
        if (pools[request.pool].isPrefill) request.output = 1;
      }
      const drawn = rule === "random" && drawnEngines(pools, batch, draws);
      for (const request of batch) {
        const engine = drawn
          ? drawn.get(request)
          : yield* RULES[rule](pools[request.pool], request.arrival);
        engine.offer(request);
        requests.push(request);
        if (request.number % ROUTED === 0) yield doneBy(engines);
      }
      yield* readAll(known, recorder, engines, batch.at(-1).arrival);
    }
    return { engines, requests, blocked: blockedOf(engines) };
  }

  /* Goes on with them to the last token. */
  function* ended(known, recorder, pools, { engines, requests }) {
    yield* readAll(known, recorder, engines, Infinity);
    for (const request of requests) timed(pools[request.pool].table, request);
  }

  /* A run; where the queue grows without end it ends with what is `overloaded`. */
  function* run(known, pools, batches, rule, settled) {
    const recorder = new Recorders.Recorder(known),
      all = yield* offered(known, recorder, pools, batches, rule),
      found = overloaded(known, all.blocked, all.requests);
    if (found) return { overloaded: found };
    yield* ended(known, recorder, pools, all);
    return summaryOf(recorder, pools, all.requests, settled);
  }

  function summaryOf(recorder, pools, requests, settled) {
    const held = sum(pools.map(({ limits, engines: own }) => limits.blocks * own.length)),
      totals = Recorders.totalsOf(recorder, requests, held, settled);
    return { requests, totals, seconds: Recorders.bySecond(recorder, held, totals.ended) };
  }

  const doneBy = (engines) => sum(engines.map(({ done }) => done));

  /* Advances engines, and reads what they leave where it is much. Rests say how many requests
     ended. */
  function* readAll(known, recorder, engines, until) {
    let ended = doneBy(engines);
    for (const engine of engines) {
      const others = ended - engine.done;
      for (const _ of advanced(engine, until)) yield others + engine.done;
      ended = others + engine.done;
    }
    if (until < Infinity && sum(engines.map(({ segments }) => segments.length)) <= known.left)
      return;
    for (const engine of engines) for (const _ of recorder.read(engine)) yield ended;
  }

  /* Times of a request since it arrived, with what it spends beside the steps. */
  function timed(table, request) {
    const beside = table.firstToken + table.firstTokenPrompt * request.prompt;
    request.queued = request.admitted - request.arrival;
    request.firstToken = request.first - request.arrival + beside;
    request.latency = request.finished - request.arrival + beside;
  }

  /* What kept requests waiting when the last one arrived, by the queue that is there longest. */
  function blockedOf(engines) {
    const queues = engines.filter(({ blocked }) => blocked.size);
    if (!queues.length) return null;
    const worst = queues.reduce((one, other) => (other.since < one.since ? other : one)),
      [reason] = [...worst.blocked].reduce((one, other) => (other[1] > one[1] ? other : one));
    const waiting = sum(engines.map(({ inFlight, running }) => inFlight - running.size));
    return { reason, since: worst.since, waiting };
  }

  /* ---- tokwatt.simulation.summary ---- */

  /* What saturates first and when, where the queue grows without end; null elsewhere. */
  function overloaded(known, blocked, requests) {
    if (!blocked || blocked.waiting < known.fewest) return null;
    const begun = requests[0].arrival,
      arriving = requests.at(-1).arrival - begun,
      [half, late, end] = [0.5, 0.75, 1].map((share) => begun + share * arriving);
    const waitingIn = (low, high) => {
      const within = ({ arrival, admitted }) =>
        Math.min(admitted < 0 ? Infinity : admitted, high) - Math.max(arrival, low);
      const all = sum(requests.map((request) => Math.max(within(request), 0)));
      return all / Math.max(high - low, 1e-9);
    };
    if (blocked.since > late || waitingIn(late, end) < known.growing * waitingIn(half, late))
      return null;
    const { reason, since, waiting } = blocked;
    return { reason, since: since - begun, waiting, arriving };
  }

  /* In the words of the command; `shown` writes numbers. */
  const said = (name, { reason, since, waiting, arriving }, shown) =>
    `requests of ${name}: cannot be served, the ${reason} is full from ${shown(since)} s on, and ` +
    `${shown(waiting)} requests wait when the last one arrives after ${shown(arriving)} s, ` +
    "wanted more instances, a lower arrival rate or shorter requests.";

  return { enginesOf, enginesAs, emptied, offered, ended, overloaded, summaryOf, run, said };
})();
