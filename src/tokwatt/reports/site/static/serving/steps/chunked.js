"use strict";
/* Iterations with chunked prefill, as tokwatt.serving.steps.chunked has them, by the same names. */

const Chunked = (() => {
  const { EXPECTED, forwardPass, lonePass } = Forward;

  const LATE_DEVIATIONS = 2.326,
    MOST_QUEUED = 0.95;

  const promptOf = (load) =>
    Math.max(1, load.prompts / (load.prefills > 0 ? load.prefills : 1));

  function admitted(costs, load) {
    const share = Math.min(1, costs.chunk / Math.max(load.prompts, 1));
    return {
      ...load,
      batch: load.batch * share,
      prompts: load.prompts * share,
      prefills: load.prefills * share,
    };
  }

  const filledShare = (costs, running) =>
    Math.min(1, Math.max(-Math.expm1(-running.prefills), running.prompts / costs.chunk));

  function iterations(machine, load, loose) {
    const { costs } = machine,
      running = admitted(costs, load),
      prompt = promptOf(load);
    const filled = filledShare(costs, running);
    const each = running.prompts / (filled > 0 ? filled : 1);
    const takingIn = (tokens) =>
      forwardPass(machine, loose, running.batch, load.length, tokens, prompt);
    const decoding = takingIn(0),
      filling = takingIn(each);
    const mean = Object.fromEntries(
      Object.keys(decoding).map((name) => [
        name,
        (1 - filled) * decoding[name] + filled * filling[name],
      ]),
    );
    const waiting = -Math.log1p(-Math.min(filled, 1 - 1e-9));
    const odds = (waiting / Math.LN2) ** 3,
      mostly = odds / (1 + odds);
    const typical =
      takingIn(costs.median_share * each).latency -
      (each > 0 ? 1 - costs.median_share : 0) * costs.prompt_launch;
    const median = (1 - mostly) * decoding.latency + mostly * typical;
    const most = Math.min(costs.chunk, each + LATE_DEVIATIONS * Math.sqrt(each * prompt));
    const late = filled > 0.01 ? takingIn(most).latency : decoding.latency;
    return { decoding, mean, median, late: Math.max(median, late), running: running.batch };
  }

  function firstTokenTime(machine, load, prompt) {
    const { costs } = machine,
      running = admitted(costs, load);
    const { mean } = iterations(machine, load, EXPECTED);
    const { batch } = running,
      { length } = load;
    const decoding = forwardPass(machine, EXPECTED, batch, length, 0, promptOf(load)).latency,
      alone = lonePass(machine, Math.max(0, batch - 1), length, Math.min(prompt, costs.chunk)),
      own = allPasses(costs, prompt, alone.latency);
    const beside = Math.min(1, (running.prefills * own) / decoding) / 2;
    const used = Math.min(MOST_QUEUED, load.prompts / costs.chunk);
    const queued = used / (2 * (1 - used));
    return besidePasses(costs, prompt) + mean.latency / 2 + own * (1 + beside + queued);
  }

  /* Passes over a whole prompt, from one that takes in as much of it as a chunk takes. */
  const allPasses = (costs, prompt, passing) => passing * Math.max(1, prompt / costs.chunk);

  const besidePasses = (costs, prompt) => costs.first_token + costs.first_token_prompt * prompt;

  return {
    LATE_DEVIATIONS,
    MOST_QUEUED,
    promptOf,
    admitted,
    filledShare,
    iterations,
    firstTokenTime,
    allPasses,
    besidePasses,
  };
})();
