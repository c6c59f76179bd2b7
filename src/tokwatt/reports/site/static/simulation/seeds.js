"use strict";
/* Runs of several seeds, and the mean of each of their totals with its 90 % interval, as
   tokwatt.accounts.simulated and answers.simulated have them. */

const Seeds = (() => {
  /* A mean over seeds and its 90 % interval; none of a single seed. */
  function estimateOf(known, values) {
    const count = values.length,
      value = sum(values) / count;
    if (count < 2) return { value, low: NaN, high: NaN };
    const spread = Math.sqrt(sum(values.map((each) => (each - value) ** 2)) / (count - 1)),
      half = known.half_widths[count - 2] * spread;
    return { value, low: value - half, high: value + half };
  }

  /* Estimates by the names of totals, of each number where a total has two. */
  function estimatesOf(known, totals) {
    const estimate = (valueOf) => estimateOf(known, totals.map(valueOf));
    return Object.fromEntries(
      Object.entries(totals[0]).map(([name, value]) => [
        name,
        Array.isArray(value)
          ? value.map((_, place) => estimate((each) => each[name][place]))
          : estimate((each) => each[name]),
      ]),
    );
  }

  /* A run for each seed, by pools of engines of which nothing is kept in between; the first one
     that is overloaded ends it. Rests say how many requests of all seeds ended. */
  function* runs(known, pools, batchesOf, rule, { settled, seeds, count }) {
    const totals = [],
      { run: runOf } = pools[0].decoding === null ? Simulation : Disaggregated;
    let first = null;
    for (let place = 0; place < seeds; place += 1) {
      const own = { ...known, ...known.seeds[place] },
        run = runOf(own, Simulation.emptied(own, pools), batchesOf(own), rule, settled);
      let found = run.next();
      for (; !found.done; found = run.next())
        yield found.value === undefined ? undefined : place * count + found.value;
      if (found.value.overloaded) return found.value;
      first ??= found.value;
      totals.push(found.value.totals);
    }
    return { ...first, each: totals, estimates: estimatesOf(known, totals) };
  }

  return { runs };
})();
