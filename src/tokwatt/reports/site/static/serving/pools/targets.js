"use strict";
/* Latencies that are targets, as tokwatt.serving.pools.targets has them, by the same names. */

const Targets = (() => {
  const { lastWithin } = Roots,
    { firstToken, step } = Step,
    { LATE } = Passes,
    { poolLatencies } = Prompts;

  const MEDIAN = 0.5,
    SELDOM = 1e-6;

  /* The mean request of a pool, and the load of so many of them. */
  function askedOf(assumed, own) {
    const { steps } = own,
      length = (assumed.context_length === "end" ? own.stepsLength : own.stepsMean) / steps;
    const at = (batch) => ({
      batch,
      length,
      prompts: (batch * own.prompts) / steps,
      prefills: batch / steps,
    });
    return { steps, length, at };
  }

  function latenciesAt(assumed, machine, asked, own, batch, arriving) {
    const load = asked.at(batch),
      found = step(assumed, machine, load),
      rate = found.running / (asked.steps * found.latency);
    const instances = Math.max(1, arriving / rate),
      mostly = poolLatencies(assumed, machine, load, own, found, rate, instances);
    return {
      rate,
      median: found.median,
      late: mostly.late,
      firstToken: mostly.firstToken(own.longPrompt, LATE),
    };
  }

  const interToken = (demand, { median, late }) =>
    demand.itl_quantile > MEDIAN ? late : median;

  /* Most running requests beside which a request is within the targets, and on the average. */
  function batchLimits(assumed, machine, own, held, demand) {
    if (assumed.target !== "both") return { concurrency: held, batch: held };
    const asked = askedOf(assumed, own),
      arriving = demand.arrival_rate * own.share;
    const beside = (batch) => {
      const load = asked.at(batch),
        over = interToken(demand, step(assumed, machine, load)) / demand.itl_target;
      if (assumed.prefill === "chunked") return over;
      const first = firstToken(assumed, machine, load, own.longPrompt);
      return Math.max(over, first / demand.latency_target);
    };
    const ofPool = (batch) => {
      const found = latenciesAt(assumed, machine, asked, own, batch, arriving),
        over = interToken(demand, found) / demand.itl_target;
      return Math.max(over, found.firstToken / demand.latency_target);
    };
    const slots = lastWithin(beside, 1, held),
      mean = assumed.prefill === "chunked" ? lastWithin(ofPool, 1, slots) : slots;
    return { concurrency: slots, batch: mean };
  }

  return { MEDIAN, SELDOM, askedOf, batchLimits, latenciesAt };
})();
