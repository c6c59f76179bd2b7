"use strict";
/* Percentiles of waits and sums, as tokwatt.equations.percentiles has them, by the same names. */

const Percentiles = (() => {
  const meanWait = (used, rate, square) => (rate * square) / (2 * (1 - used));

  function waitScv(used, mean, square, cube) {
    const spread = (mean * cube) / Math.max(square, 1e-30) ** 2;
    return 2 * used - 1 + (4 / 3) * (1 - used) * spread;
  }

  function lateWait(delayed, wait, scv, probability) {
    const some = Math.max(delayed, 1e-12),
      mean = wait / some,
      within = 1 - (1 - probability) / some;
    return within > 0 ? gammaQuantile(mean, (1 + scv) * mean ** 2, within) : 0;
  }

  function quantileOfSum(mean, deviations) {
    const total = sum(deviations.map((each) => Math.sign(each) * each ** 2));
    return mean + Math.sign(total) * Math.sqrt(Math.abs(total));
  }

  /* Newton's steps on the series of the normal law, or on its tail. */
  function normalQuantile(share) {
    if (share < 0.5) return -normalQuantile(1 - share);
    const density = (z) => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
    const within = (z) => {
      let term = z,
        total = z;
      for (let k = 1; Math.abs(term) > 1e-17 * total; k += 1) {
        term *= (z * z) / (2 * k + 1);
        total += term;
      }
      return 0.5 + density(z) * total;
    };
    let z = 0;
    for (let round = 0; round < 60; round += 1) {
      const moved = (share - within(z)) / density(z);
      z += Math.min(moved, 1);
      if (Math.abs(moved) < 1e-13) break;
    }
    return z;
  }

  function gammaQuantile(mean, square, share) {
    const variation = Math.max(square / Math.max(mean, 1e-12) ** 2 - 1, 1e-12);
    const root = 1 - variation / 9 + (normalQuantile(share) * Math.sqrt(variation)) / 3;
    return mean * Math.max(root, 0) ** 3;
  }

  return { meanWait, waitScv, lateWait, quantileOfSum, gammaQuantile };
})();
