"use strict";
/* Whole instances that keep the targets, as tokwatt.serving.pools.pool sizes them. */

const Pool = (() => {
  const { instancesRequired, instancesSearched, waitQuantile } = Queueing,
    { concurrency } = Instance,
    { onBasis } = Account,
    { firstToken, step } = Step,
    { LATE } = Passes,
    { poolLatencies } = Prompts,
    { MEDIAN, askedOf, batchLimits, latenciesAt } = Targets,
    { batchAt } = Occupancy,
    { loadPower } = LoadPower;

  const LEAST_VARIABILITY = 0.01,
    ROUNDING = 1e-9;

  function sizePool(assumed, machine, constants, own, window, demand) {
    const asked = askedOf(assumed, own),
      held = concurrency(assumed, machine, window, asked.length),
      limits = batchLimits(assumed, machine, own, held, demand),
      slots = limits.concurrency;
    const full = step(assumed, machine, asked.at(slots));
    const serviceRate = full.running / (asked.steps * full.latency),
      used = own.share > 0;
    const arriving = used ? demand.arrival_rate * own.share : serviceRate;
    const atMost = latenciesAt(assumed, machine, asked, own, limits.batch, arriving);
    const promptTime =
      assumed.target === "both"
        ? atMost.firstToken
        : firstToken(assumed, machine, asked.at(slots), own.longPrompt);
    const left = demand.latency_target - (assumed.target === "wait" ? 0 : promptTime);
    const kept = assumed.target === "both" ? Math.max(left, 0) : left,
      target = slots < 1 && held >= 1 ? -1 : kept;
    const scv = serviceScv(assumed, machine, own, full, slots, asked.length),
      fromAbove = assumed.search_start === "one_too_many";
    const search = fromAbove ? instancesSearched : instancesRequired;
    const found = Math.max(
      search(arriving, serviceRate, scv, slots, target, demand.max_utilization),
      Math.ceil((arriving / atMost.rate) * (1 - ROUNDING)),
    );
    const utilization = used ? arriving / (found * serviceRate) : 0;
    const batch = batchAt(assumed, machine, asked, slots, utilization, serviceRate);
    const load = asked.at(batch),
      running = step(assumed, machine, load);
    const mean = loadPower(assumed, machine, asked, own, batch, slots, arriving / found);
    const watts = onBasis(assumed, constants, machine, mean);
    const instances = used ? found : fromAbove ? 1 : 0;
    const mostly = poolLatencies(assumed, machine, load, own, running, arriving / found, found);
    const chunked = assumed.prefill === "chunked",
      served = chunked && batch > 0 ? arriving / (found * batch) : serviceRate / slots;
    const latePrompt = chunked ? mostly.firstToken(own.longPrompt, LATE) : promptTime;
    const wait = (probability) =>
      waitQuantile(found * slots, arriving, served, scv, probability);
    return {
      ...mostly.use(load, held),
      window,
      share: own.share,
      concurrency: slots,
      latency: full.latency,
      median: running.median,
      late: mostly.late,
      promptTime,
      medianFirstToken: wait(MEDIAN) + mostly.firstToken(own.medianPrompt, MEDIAN),
      firstToken: wait(LATE) + latePrompt,
      instances,
      utilization,
      power: instances === 0 || instances === Infinity ? instances : instances * watts,
      credited: demand.arrival_rate * own.credited,
    };
  }

  function serviceScv(assumed, machine, own, full, slots, length) {
    if (assumed.prefill === "chunked") return Math.max(0, own.steps2 / own.steps ** 2 - 1);
    const scan = (slots * machine.read * length) / machine.kv_bandwidth;
    const fixed = full.latency - scan,
      slope = (scan / own.stepsLength) * own.steps;
    const square =
      fixed ** 2 * own.steps2 +
      2 * fixed * slope * own.steps2Length +
      slope ** 2 * own.steps2Length2;
    return Math.max(LEAST_VARIABILITY, square / (own.steps * full.latency) ** 2 - 1);
  }

  return { sizePool };
})();
