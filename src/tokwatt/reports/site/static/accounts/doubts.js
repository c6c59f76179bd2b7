"use strict";
/* What of a fleet a formula cannot tell and must be simulated, as tokwatt.accounts.doubts says. */

const Doubts = (() => {
  const few = (number) => String(Number(number.toPrecision(3)));
  const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}%`;

  /* Percentiles of a pool, and the reason to doubt each. */
  function* doubtsOf(known, pool, burstiness) {
    const { first_token: first, inter_token: between } = known;
    function* each(names, reason) {
      for (const name of names) yield [name, reason];
    }
    if (burstiness > known.bursty)
      yield* each(
        [...first, between[1]],
        `arrivals come in bursts, whose gaps vary ${few(burstiness)} times as at random`,
      );
    if (pool.kvPeak > known.most_kv)
      yield* each(
        [...first, ...between],
        `running requests at times hold ${percent(pool.kvPeak)} of the KV cache pool`,
      );
    if (pool.prefillUtilization > known.most_used)
      yield* each(first, `prompts use ${percent(pool.prefillUtilization)} of the chunks`);
    if (pool.blocking > known.heavier * known.exponential && pool.prefillUtilization > known.often)
      yield [first[1], "prompts in progress hold up all others"];
    if (pool.medianBlocking > known.uneven && pool.prefillUtilization > known.seldom)
      yield* each(
        pool.utilization > known.busy ? first : first.slice(0, 1),
        "prompts differ, and those in progress still take " +
          `${few(pool.medianBlocking)} times as long as the median prompt alone`,
      );
    if (pool.latencyRatio > known.piled)
      yield* each(
        [first[0], ...(pool.tokenShare > known.held ? [between[0], first[1]] : [])],
        "prompts follow upon one another, so that tokens take " +
          `${few(pool.latencyRatio)} times the mean iteration`,
      );
    for (const [place, [least, most]] of [known.mixed, known.some].entries())
      if (least < pool.tokenShare && pool.prefillShare < most)
        yield [
          between[place],
          `${percent(pool.prefillShare, 1)} of the iterations take in prompts, ` +
            "and the others are shorter",
        ];
  }

  /* The same of all pools in words; a reason that is not that of all says whose it is. */
  function said(known, pools, burstiness) {
    const used = pools.filter(({ share }) => share > 0),
      reasons = new Map();
    for (const pool of used)
      for (const [name, reason] of doubtsOf(known, pool, burstiness)) {
        if (!reasons.has(reason)) reasons.set(reason, new Map());
        const of = reasons.get(reason);
        of.set(pool.window, [...(of.get(pool.window) ?? []), name.replaceAll("_", " ")]);
      }
    return [...reasons].map(([reason, of]) => {
      const names = [...new Set([...of.values()].flat())].join(", "),
        whose = [...of.keys()].map((window) => `of requests up to ${window}`).join(" and ");
      return `${names}${of.size === used.length ? "" : ` ${whose}`}: ${reason}`;
    });
  }

  return { said };
})();
