"use strict";
/* Prefill on instances of its own, whose KV cache goes over a link to those that decode, as
   tokwatt.simulation.disaggregated has it, by the same names. */

const Disaggregated = (() => {
  const { Recorder } = Recorders;

  /* Serves requests by pools that prefill, and then by as many that decode. The token that prefill
     makes is dropped, as the instance that decodes computes the last token of the prompt again. */
  function* run(known, pools, batches, rule, settled) {
    const recorder = new Recorder(known),
      first = pools.map((pool) => ({ ...pool, isPrefill: true })),
      decode = pools.map((pool) => ({
        ...pool,
        engines: Simulation.enginesAs(known, pool, pool.decoding),
        turns: 0,
      })),
      outputs = [];
    const filled = yield* half(known, recorder, first, kept(batches, outputs), rule, 0);
    const stream = filled.requests
      .map((request) => ({ request, ready: readyOf(known, first[request.pool], request) }))
      .sort((one, other) => one.ready - other.ready);
    const decoded = yield* half(
      known,
      recorder,
      decode,
      onward(known, stream, outputs),
      rule,
      filled.requests.length,
    );
    decoded.requests.forEach((request, place) => join(stream[place].request, request));
    const blocked = filled.blocked ?? decoded.blocked,
      found = Simulation.overloaded(known, blocked, filled.requests);
    if (found) return { overloaded: found };
    return Simulation.summaryOf(recorder, [...first, ...decode], filled.requests, settled);
  }

  /* One of both parts; rests say how many requests ended, each of which has two. */
  function* half(known, recorder, pools, batches, rule, before) {
    const rests = (function* () {
      const all = yield* Simulation.offered(known, recorder, pools, batches, rule);
      yield* Simulation.ended(known, recorder, pools, all);
      return all;
    })();
    let found = rests.next();
    for (; !found.done; found = rests.next())
      yield found.value === undefined ? undefined : (before + found.value) / 2;
    return found.value;
  }

  /* Requests, of which the output is kept that they ask for. */
  function* kept(batches, outputs) {
    for (const batch of batches) {
      for (const { output } of batch) outputs.push(output);
      yield batch;
    }
  }

  /* When the KV cache of a prompt has come; transfers do not wait for each other. */
  function readyOf(known, { ready: { machine } }, { arrival, latency, prompt }) {
    return arrival + latency + Share.heldBytes(machine, prompt) / known.transfer;
  }

  /* Requests as they come to decode, which find their prompts, a few at a time. */
  function* onward(known, stream, outputs) {
    for (let start = 0; start < stream.length; start += known.batch)
      yield stream
        .slice(start, start + known.batch)
        .map(({ request: { number, prompt }, ready }, place) =>
          Requests.requestOf(start + place, ready, prompt, outputs[number], prompt),
        );
  }

  /* A request with both its halves. */
  function join(request, decoded) {
    const before = decoded.arrival - request.arrival;
    for (const name of ["queued", "preempted", "joules"]) request[name] += decoded[name];
    for (const name of ["firstToken", "latency"]) request[name] = before + decoded[name];
    request.output = decoded.output;
    request.admitted = request.arrival + request.queued;
  }

  return { run };
})();
