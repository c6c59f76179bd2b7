"use strict";
/* Instances by their wait, as tokwatt.equations.queueing has them, by the same names. */

const Queueing = (() => {
  const { erlangC } = Erlang;

  function waitQuantile(servers, arrivalRate, serviceRate, scv, probability = 0.99) {
    const spare = servers * serviceRate - arrivalRate;
    if (!(spare > 0)) return Infinity;
    const delayed = Math.max(1, erlangC(servers, arrivalRate / serviceRate) / (1 - probability));
    return (Math.log(delayed) * (1 + scv)) / (2 * spare);
  }

  function instancesRequired(
    arrivalRate,
    serviceRate,
    scv,
    slots,
    target,
    maxUtilization,
    atLeast = 1,
  ) {
    const late = (instances) =>
      waitQuantile(instances * slots, arrivalRate, serviceRate / slots, scv) > target;
    const fewest = Math.max(atLeast, Math.ceil(arrivalRate / (serviceRate * maxUtilization)));
    if (target < 0 || !Number.isFinite(fewest)) return target < 0 ? Infinity : fewest;
    let [lower, upper] = [fewest - 1, fewest];
    while (late(upper)) {
      if (upper >= 2 ** 52) return Infinity;
      [lower, upper] = [upper, upper + 2 * (upper - lower)];
    }
    while (upper - lower > 1) {
      const middle = Math.floor((lower + upper) / 2);
      if (late(middle)) lower = middle;
      else upper = middle;
    }
    return upper;
  }

  function instancesSearched(arrivalRate, serviceRate, scv, slots, target, maxUtilization) {
    const first = Math.ceil(arrivalRate / serviceRate) + 1,
      most = Math.max(first, 5000);
    const byWait = instancesRequired(arrivalRate, serviceRate, scv, slots, target, Infinity, first);
    const byUtilization =
      maxUtilization < 1 ? Math.ceil(arrivalRate / (serviceRate * maxUtilization)) : 0;
    return byWait > most ? most + 1 : Math.max(byWait, byUtilization);
  }

  return { waitQuantile, instancesRequired, instancesSearched };
})();
