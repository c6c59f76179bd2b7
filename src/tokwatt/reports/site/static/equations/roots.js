"use strict";
/* Roots of rising functions, as tokwatt.equations.roots finds them, by the same names. */

const Roots = (() => {
  const ROUNDS = 12;

  function lastWithin(rising, most, upper) {
    if (!Number.isFinite(upper)) return upper;
    const excess = (place) => rising(place) - most;
    let ends = {
      lower: 0,
      upper,
      below: Math.min(excess(1e-9 * upper), 0),
      above: excess(upper),
    };
    if (ends.above <= 0) return upper;
    const narrow = (place) => {
      const found = excess(place);
      ends =
        found <= 0
          ? { ...ends, lower: place, below: found }
          : { ...ends, upper: place, above: found };
    };
    for (let round = 0; round < ROUNDS; round += 1) {
      const share = ends.below / Math.min(ends.below - ends.above, -1e-300);
      const place = Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0.5;
      narrow(ends.lower + place * (ends.upper - ends.lower));
      narrow((ends.lower + ends.upper) / 2);
    }
    const place = ends.lower,
      slope = (excess(place) - excess(place * (1 - 1e-6))) / (1e-6 * place);
    const still = place - excess(place) / slope;
    return slope > 0 && place > 0 && still >= ends.lower && still <= ends.upper ? still : place;
  }

  return { lastWithin };
})();
