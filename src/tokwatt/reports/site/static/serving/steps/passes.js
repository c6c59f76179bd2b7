"use strict";
/* Passes that take in prompts, as tokwatt.serving.steps.passes has them, by the same names. */

const Passes = (() => {
  const { gammaQuantile, quantileOfSum } = Percentiles,
    { forwardPass } = Forward,
    { LATE_DEVIATIONS, filledShare } = Chunked,
    { boardPower } = Power,
    { looseOf } = Step;

  const LATE = 0.99;

  function passesOf(prefill) {
    const { load, own } = prefill,
      { chunk } = prefill.machine.costs,
      mean = Math.max(1, own.prompts);
    return {
      full: kept(prefill, load, chunk, mean),
      longer: kept(prefill, load, chunk, 2 * mean),
      mean: passOver(prefill, mean),
      decoding: kept(prefill, load, 0, mean),
    };
  }

  const passOver = (prefill, prompt) =>
    kept(prefill, prefill.load, Math.min(prompt, prefill.machine.costs.chunk), prompt);

  const passPower = (prefill, tokens) =>
    powered(prefill, prefill.load, tokens, Math.max(1, prefill.own.prompts));

  /* A pass that takes in so many tokens of prompts of a length, at the clock that is kept. */
  function powered({ assumed, machine }, { batch, length }, tokens, prompt) {
    const found = forwardPass(machine, looseOf(assumed), batch, length, tokens, prompt);
    return boardPower(assumed, machine, { ...found, batch, idleTime: 1, prefill: 0 });
  }

  const kept = (...pass) => powered(...pass).kept;

  function latePass(prefill, used, share) {
    const { machine, load, own } = prefill;
    if (share <= 1 - LATE) return kept(prefill, load, 0, 1);
    const prompt = Math.max(1, own.prompts),
      within = Math.max(1e-9, 1 - (1 - LATE) / share),
      filled = Math.max(filledShare(machine.costs, load), 1e-9);
    const square = (load.prefills * own.prompts2) / (1 - used ** 2) + load.prompts ** 2,
      tokens = gammaQuantile(load.prompts / filled, square / filled, within);
    const before = gammaQuantile(own.prompts2 / (2 * prompt), own.prompts3 / (3 * prompt), within);
    const whole = Math.min(2 * before, tokens),
      seen = whole + chunkedShare(prefill) * (2 * before - whole);
    const taken = Math.min(machine.costs.chunk, Math.max(1, tokens));
    return kept(prefill, load, taken, Math.max(1, seen));
  }

  const chunkedShare = ({ machine, own }) =>
    Math.min(1, own.prompts2 / Math.max(1, own.prompts) / machine.costs.chunk);

  function crowdedLoad({ load, own }) {
    const batch = load.batch + 1 + LATE_DEVIATIONS * Math.sqrt(load.batch),
      held = (load.batch + 1) * load.length + LATE_DEVIATIONS * residentDeviation(load, own);
    return { batch, length: held / batch };
  }

  function lateIteration(prefill, { decoding }, used, share) {
    const filling = latePass(prefill, used, share) - decoding,
      crowded = kept(prefill, crowdedLoad(prefill), 0, 1) - decoding;
    return Math.max(prefill.iteration.median, quantileOfSum(decoding, [filling, crowded]));
  }

  const residentDeviation = (load, own) =>
    Math.sqrt((load.batch * own.stepsMean2) / own.steps);

  return {
    LATE,
    passesOf,
    passOver,
    passPower,
    chunkedShare,
    lateIteration,
    residentDeviation,
  };
})();
