"use strict";
/* Busy periods, as tokwatt.equations.busy has them, by the same names. */

const Busy = (() => {
  const HALLEY_STEPS = 8;

  /* Share of what a request gets while an instance takes in others' prompts. */
  function shareOfBusy(used, work, scv, leavingBusy, leavingIdle) {
    if (used <= 0) return 0;
    const mean = Math.max(work, 1e-12),
      spread = Math.max(scv, 1e-6),
      rate = used / mean;
    const transform = (at) => Math.exp(-Math.log1p(spread * mean * at) / spread);
    let busy = 0;
    for (let turn = 0; turn < HALLEY_STEPS; turn += 1) {
      const at = leavingBusy + rate * (1 - busy),
        value = transform(at),
        eased = used / (1 + spread * mean * at);
      const over = value - busy,
        rising = 1 - value * eased,
        bent = value * eased ** 2 * (1 + spread);
      busy += (2 * over * rising) / (2 * rising ** 2 - over * bent);
    }
    const left = transform(rate * (1 - busy)),
      alone = ((1 - used) * (1 - busy) * left) / Math.max(left - busy, 1e-12),
      soon = rate / Math.max(rate + leavingIdle, 1e-12);
    return 1 - (alone * (1 - soon)) / (1 - soon * busy);
  }

  return { shareOfBusy };
})();
