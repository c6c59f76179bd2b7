"use strict";
/* The best fleet of at most two pools, as tokwatt.planning chooses it: every configuration is sized
   for every class of lengths. */

const Plans = (() => {
  const TIE = 1e-12;
  const COSTS = {
    joules: (pool) => pool.power,
    dollars: (pool, ready) => pool.instances * Cases.rented(ready) * ready.machine.gpu.price,
    carbon: (pool, { data }) => pool.power * data.energy.grid_intensity,
    gpus: (pool, { machine }) => pool.instances * machine.gpus,
  };

  /* All requests as one class, then those on both sides of each split. */
  function classesOf(ready, splits) {
    const routes = [0, ...splits].map((split) => Cases.routedAt(ready, split, 1));
    return routes.flatMap(({ windows, pools }) =>
      pools.map((own, place) => ({ windows: [windows[place]], pools: [own], rejected: 0 })),
    );
  }

  /* The first of the cheapest configurations of each class. */
  function cheapest(readies, splits, objective) {
    const classes = new Map(),
      best = [];
    for (const ready of readies) {
      const alike = `${ready.machine.assumed}/${Cases.chunkOf(ready)}`;
      if (!classes.has(alike)) classes.set(alike, classesOf(ready, splits));
      classes.get(alike).forEach((own, place) => {
        if (!Cases.starts(ready, own.windows[0])) return;
        const [pool] = Cases.fleetOf(ready, own).pools,
          cost = COSTS[objective](pool, ready);
        if (!Number.isFinite(cost) || !Number.isFinite(pool.power)) return;
        if (!best[place] || cost < best[place].cost * (1 - TIE))
          best[place] = { ready, pool, cost };
      });
    }
    return best;
  }

  /* The pools of the least cost, of the fewest among equals, and the best single one; null where
     no fleet meets the targets. */
  function planOf(readies, splits, objective) {
    const best = cheapest(readies, splits, objective),
      [whole] = best;
    const cost = (pools) => sum(pools.map((pool) => pool?.cost ?? Infinity));
    const pairs = splits.map((_, place) => [best[1 + 2 * place], best[2 + 2 * place]]);
    const pools = pairs.reduce(
      (least, pair) => (cost(pair) < cost(least) * (1 - TIE) ? pair : least),
      [whole],
    );
    if (!Number.isFinite(cost(pools))) return null;
    return { pools, whole, cost: cost(pools), classes: 1 + 2 * splits.length };
  }

  return { planOf, objectives: Object.keys(COSTS) };
})();
