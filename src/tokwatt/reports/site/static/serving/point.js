"use strict";
/* An operating point, as tokwatt.serving.point has it, by the same names. */

const Point = (() => {
  const { concurrency } = Instance,
    { onBasis } = Account,
    { step } = Step;

  function operatingPoint(assumed, machine, constants, window, meanFill, promptRatio, utilization) {
    const length = meanFill * window;
    const held = concurrency(assumed, machine, window, length);
    const batch = utilization * held,
      output = length / (promptRatio + 0.5);
    const load = { batch, length, prompts: promptRatio * batch, prefills: batch / output };
    const mean = step(assumed, machine, load);
    const power = onBasis(assumed, constants, machine, mean.power);
    const throughput = mean.running / mean.latency;
    return {
      concurrency: held,
      batch,
      latency: mean.latency,
      median: mean.median,
      late: mean.late,
      throughput,
      power,
      limited: mean.limited,
      tokensPerJoule: throughput / power,
      missing: Math.max(0, -machine.kv_budget),
    };
  }

  return { operatingPoint };
})();
