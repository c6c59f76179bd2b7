"use strict";
/* A forward pass, as tokwatt.serving.steps.forward has it, by the same names. */

const Forward = (() => {
  const { expertCoverage } = Weights,
    { busiestRank } = Batching,
    { movedBytes } = KvCache;

  const SMALL_MESSAGE = 2e6;

  /* Arithmetic of a decoded token's attention. */
  function attentionTime({ costs, window }, length) {
    return (
      (costs.latent_math || 2 * costs.prompt_math) * length +
      2 * costs.sliding_math * Math.min(length, window)
    );
  }

  const EXPECTED = { touched: expertCoverage, dispatched: true };

  /* `loose` says how experts are touched, and whether tokens take time to reach them. */
  function forwardPass(machine, loose, batch, length, prompts, prompt) {
    const own = prompts / machine.costs.data_parallel;
    return pass(machine, loose, batch, length, prompts, own, prompt);
  }

  /* A pass that takes in one prompt, which stays on one rank of attention. */
  const lonePass = (machine, batch, length, prompt) =>
    pass(machine, EXPECTED, batch, length, prompt, prompt, prompt);

  /* A pass of which one rank of attention takes in `own` tokens of prompts. */
  function pass(machine, loose, batch, length, prompts, own, prompt) {
    const { costs } = machine;
    const tokens = batch + prompts,
      ownBatch = batch / costs.data_parallel,
      ownTokens = ownBatch + own;
    const independent = costs.independence * tokens + 1 - costs.independence;
    const read = loose.touched(costs.expert_share, independent);
    const uneven = busiestRank(costs.expert_parallel, costs.experts, tokens * costs.expert_share);
    const expertRead = costs.expert_read * read * (loose.dispatched ? uneven : 1);
    const denseMath = costs.dense_math * ownTokens + costs.head_math * (ownBatch + own / prompt);
    const expertMath = costs.expert_math * tokens;
    const scanned = ownBatch * movedBytes(machine, length);
    const scanTime = Math.hypot(scanned * costs.scan, ownBatch * length * costs.latent_math);
    const seen = Math.min(prompt, 2 * machine.window);
    const attention = own * (costs.prompt_math * prompt + costs.sliding_math * seen);
    const message = costs.message * ownTokens,
      repeated = (costs.tensor_parallel / 2 - 1) * Math.min(message, SMALL_MESSAGE);
    const links =
      costs.reduce * (message + repeated) + (loose.dispatched ? costs.exchange * message : 0);
    const launchTime = loose.dispatched ? costs.expert_launch : 0;
    const latency =
      Math.hypot(costs.dense_read, denseMath) +
      Math.hypot(expertRead, expertMath) +
      scanTime +
      attention +
      links +
      costs.launch +
      launchTime +
      (prompts > 0 ? costs.prompt_launch : 0) +
      costs.sequence * batch;
    return {
      latency,
      computeTime: denseMath + expertMath + attention + ownBatch * attentionTime(machine, length),
      scanTime,
      launchTime,
      moved: costs.streamed + costs.routed * read + scanned,
    };
  }
  return { EXPECTED, forwardPass, lonePass, attentionTime };
})();
