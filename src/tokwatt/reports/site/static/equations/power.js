"use strict";
/* Fluctuating loads, as tokwatt.equations.power has them, by the same names. */

const Fluctuation = (() => {
  const LEAST_CORRELATION = 1e-9;

  function windowSpread(correlation) {
    const most = Math.max(correlation, LEAST_CORRELATION);
    return 2 * most * (1 + most * Math.expm1(-1 / most));
  }

  return { windowSpread };
})();
