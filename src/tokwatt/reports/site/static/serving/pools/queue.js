"use strict";
/* Prompts that wait before an instance, as tokwatt.serving.pools.queue has them, by the same
   names. */

const Queue = (() => {
  const { shareOfBusy } = Busy,
    { meanWait, waitScv } = Percentiles,
    { LEAST_USED, waitInOrder, waitShared, waitingInOrder, waitingShared } = Routers,
    { MOST_QUEUED, filledShare } = Chunked;

  const LEAST = 1e-12;

  function promptQueue({ assumed, machine, own }, passes, rate, instances) {
    const { costs } = machine,
      { full, longer } = passes,
      prompt = Math.max(1, own.prompts);
    const quadratic = costs.prompt_math > 0 ? (longer - full) / (costs.chunk * prompt) : 0,
      linear = full / costs.chunk - quadratic * prompt;
    const mean = linear * own.prompts + quadratic * own.prompts2;
    const square =
      linear ** 2 * own.prompts2 +
      2 * linear * quadratic * own.prompts3 +
      quadratic ** 2 * own.prompts4;
    const cube =
      linear ** 3 * own.prompts3 +
      3 * linear ** 2 * quadratic * own.prompts4 +
      3 * linear * quadratic ** 2 * own.prompts5 +
      quadratic ** 3 * own.prompts6;
    const used = Math.min(MOST_QUEUED, rate * mean),
      scv = square / Math.max(mean, LEAST) ** 2 - 1,
      [waiting, shorter] = routed(assumed.router, used, scv, instances);
    return {
      quadratic,
      used,
      waiting,
      wait: shorter * meanWait(used, rate, square),
      waitScv: waitScv(used, mean, square, cube),
      mean,
      blocking: square / (2 * Math.max(mean, LEAST)),
      work: (length) => linear * length + quadratic * length ** 2,
    };
  }

  /* Share of output tokens that come of iterations with prompts. */
  function tokenShare({ machine, load, own }, passes, { used, mean, blocking }) {
    const scv = (2 * blocking) / Math.max(mean, LEAST) - 1,
      ending = (2 * own.steps) / Math.max(1, own.steps2);
    const slowed = shareOfBusy(used, mean, scv, ending / passes.mean, ending / passes.decoding);
    return Math.max(filledShare(machine.costs, load), slowed);
  }

  /* Share of prompts that find others before them, and their wait over that in M/G/1. */
  function routed(router, used, scv, instances) {
    if (router === "random") return [used, 1];
    const shared = waitingShared(used, instances);
    if (router === "least_work") return [shared, waitShared(used, instances)];
    const delayed = Math.max(shared, waitingInOrder(used, scv, instances)),
      least = delayed / (instances * Math.max(used, LEAST_USED)),
      shorter = Math.max(least, waitInOrder(used, scv, instances));
    return [Math.max(delayed, used * shorter), shorter];
  }

  return { promptQueue, tokenShare };
})();
