"use strict";
/* Percentiles of the time to first token, as tokwatt.serving.pools.prompts has them, by the same
   names. */

const Prompts = (() => {
  const { lateWait, quantileOfSum } = Percentiles,
    { LATE_DEVIATIONS, admitted, allPasses, besidePasses, filledShare } = Chunked,
    { chunkedShare, lateIteration, passOver, passesOf, residentDeviation } = Passes,
    { firstToken } = Step,
    { promptQueue, tokenShare } = Queue;

  function lateFirstToken(prefill, passes, queue, prompt, probability) {
    const { machine, own, iteration } = prefill,
      { costs } = machine,
      shared = queue.waiting * chunkedShare(prefill);
    const taken = (tokens, passing) => {
      const alone = allPasses(costs, tokens, passing);
      return alone + shared * (queue.work(tokens) - alone);
    };
    const mean =
        taken(Math.max(1, own.prompts), passes.mean) +
        queue.quadratic * (own.prompts2 - own.prompts ** 2),
      longest = taken(prompt, passOver(prefill, prompt));
    const rest = iteration.latency / 2,
      behind = Math.min(rest + queue.wait / (1 + queue.waiting), passes.full / 2),
      late = lateWait(queue.waiting, queue.wait, queue.waitScv, probability);
    const deviations = [longest - mean, late - queue.wait, (2 * probability - 1) * rest];
    return (
      besidePasses(costs, prompt) +
      quantileOfSum(rest + queue.wait + mean + queue.waiting * behind, deviations)
    );
  }

  /* How much the prompts of a pool take of its instances, where the rules know none. */
  const NO_PREFILL = {
    prefillUtilization: 0,
    prefillShare: 0,
    tokenShare: 0,
    blocking: 0,
    medianBlocking: 0,
    kvPeak: 0,
    latencyRatio: 0,
  };

  /* What a load takes of an instance whose KV cache pool holds so many mean requests. */
  function useOf(prefill, passes, queue, share, load, held) {
    const { machine, own, iteration } = prefill,
      { costs } = machine,
      { medianPrompt } = own;
    const alone =
      besidePasses(costs, medianPrompt) +
      allPasses(costs, medianPrompt, passOver(prefill, medianPrompt));
    const tokens = (1 - share) * passes.decoding + share * passes.mean,
      most = load.batch * load.length + LATE_DEVIATIONS * residentDeviation(load, own);
    return {
      prefillUtilization: queue.used,
      prefillShare: filledShare(costs, prefill.load),
      tokenShare: share,
      blocking: queue.blocking / queue.work(own.longPrompt),
      medianBlocking: queue.blocking / alone,
      kvPeak: most / (held * load.length),
      latencyRatio: tokens / iteration.latency,
    };
  }

  function poolLatencies(assumed, machine, load, own, iteration, rate, instances) {
    if (assumed.prefill !== "chunked")
      return {
        firstToken: (prompt) => firstToken(assumed, machine, load, prompt),
        late: iteration.late,
        use: () => NO_PREFILL,
      };
    const running = admitted(machine.costs, load),
      prefill = { assumed, machine, load: running, own, iteration };
    const passes = passesOf(prefill),
      queue = promptQueue(prefill, passes, rate, instances),
      share = tokenShare(prefill, passes, queue);
    return {
      firstToken: (prompt, probability) =>
        lateFirstToken(prefill, passes, queue, prompt, probability),
      late: lateIteration(prefill, passes, queue.used, share),
      use: (whole, held) => useOf(prefill, passes, queue, share, whole, held),
    };
  }

  return { poolLatencies };
})();
