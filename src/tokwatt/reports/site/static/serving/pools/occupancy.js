"use strict";
/* How many requests run, as tokwatt.serving.pools.occupancy has it, by the same names. */

const Occupancy = (() => {
  const { lastWithin } = Roots,
    { step } = Step,
    { SELDOM } = Targets;

  function batchAt(assumed, machine, asked, slots, utilization, serviceRate) {
    if (assumed.prefill === "chunked") {
      const completed = (batch) => {
        const busy = busyShare(assumed, batch, slots),
          mean = step(assumed, machine, asked.at(batch / busy));
        return (busy * mean.running) / (asked.steps * mean.latency);
      };
      return lastWithin(completed, utilization * serviceRate, slots);
    }
    const mean = utilization * slots;
    return assumed.batch_rounding === "whole" ? Math.max(1, Math.trunc(mean)) : mean;
  }

  function busyShare(assumed, batch, slots) {
    if (assumed.prefill !== "chunked") return 1;
    const seldom = Math.max(batch, SELDOM);
    return Math.max(-Math.expm1(-seldom), seldom / Math.max(slots, seldom));
  }

  return { batchAt, busyShare };
})();
