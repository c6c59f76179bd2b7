"use strict";
/* The mean iteration, as tokwatt.serving.steps.step has it, by the same names. */

const Step = (() => {
  const { movedBytes } = KvCache,
    { touchedExperts } = Instance,
    { attentionTime, forwardPass } = Forward,
    { firstTokenTime, iterations, promptOf } = Chunked,
    { boardPower } = Power;

  function step(assumed, machine, load) {
    return assumed.step === "measured"
      ? measuredStep(assumed, machine, load)
      : computedStep(assumed, machine, load);
  }

  const looseOf = (assumed) => ({
    touched: (share, tokens) => touchedExperts(assumed, share, tokens),
    dispatched: assumed.dispatch === "counted",
  });

  function measuredStep(assumed, machine, load) {
    const chunked = assumed.prefill === "chunked";
    const passing = chunked ? load : { ...load, prompts: 0, prefills: 0 };
    const found = iterations(machine, passing, looseOf(assumed));
    const running = { ...load, batch: found.running };
    const used = measuredUse(assumed, machine, running, found.mean, found.decoding);
    const { kept, power } = boardPower(assumed, machine, used);
    const longer = kept / used.latency;
    return {
      latency: kept,
      limited: longer > 1,
      median: (chunked ? found.median : used.latency) * longer,
      late: (chunked ? found.late : used.latency) * longer,
      prefillTime: used.prefillTime,
      running: found.running,
      power,
    };
  }

  /* What a pass uses that takes in prompts beside one that only decodes. */
  function measuredUse(assumed, machine, load, passing, decoding) {
    let { latency, computeTime } = passing,
      prefillTime = latency - decoding.latency;
    if (assumed.prefill !== "chunked") {
      [latency, prefillTime] = prefilled(assumed, machine, load, decoding.latency);
      computeTime = decoding.computeTime + prefillTime;
    }
    return {
      latency,
      moved: passing.moved,
      computeTime,
      launchTime: passing.launchTime,
      batch: load.batch,
      idleTime: decoding.latency - decoding.scanTime,
      scanTime: decoding.scanTime,
      prefillTime,
      prefill: prefillTime / latency,
    };
  }

  /* What one iteration uses that takes in just the prompt tokens of a load, not their mean. */
  function singleUse(assumed, machine, load) {
    if (assumed.step !== "measured") return computedUse(assumed, machine, load);
    const prompt = promptOf(load),
      loose = looseOf(assumed);
    const passing = (tokens) =>
      forwardPass(machine, loose, load.batch, load.length, tokens, prompt);
    const decoding = passing(0),
      chunked = assumed.prefill === "chunked" && load.prompts > 0;
    const filling = chunked ? passing(load.prompts) : decoding;
    return measuredUse(assumed, machine, load, filling, decoding);
  }

  function computedStep(assumed, machine, load) {
    const used = computedUse(assumed, machine, load),
      { kept, power } = boardPower(assumed, machine, used);
    return {
      latency: kept,
      limited: kept > used.latency,
      median: kept,
      late: kept,
      prefillTime: used.prefillTime,
      running: load.batch,
      power,
    };
  }

  function computedUse(assumed, machine, load) {
    const { batch, length } = load;
    const touched = touchedExperts(assumed, machine.expert_share, batch);
    const read = machine.streamed + machine.routed * touched;
    const kv = batch * movedBytes(machine, length);
    const weightTime = read / machine.weight_bandwidth,
      scanTime = kv / machine.kv_bandwidth,
      decoded = (machine.token_flops * batch) / machine.prefill_rate,
      attended = (batch / machine.costs.data_parallel) * attentionTime(machine, length);
    const overhead =
      machine.overhead + machine.dispatch_overhead + machine.dispatch_time * batch;
    const [latency, prefillTime] = prefilled(
      assumed,
      machine,
      load,
      weightTime + scanTime + overhead,
    );
    return {
      latency,
      moved: read + kv,
      computeTime: decoded + attended + prefillTime,
      launchTime: 0,
      batch,
      idleTime: machine.idle_time > 0 ? machine.idle_time : weightTime + machine.overhead,
      scanTime,
      prefillTime,
      prefill: prefillTime / latency,
    };
  }

  function prefilled(assumed, machine, load, decoding) {
    if (assumed.prefill === "free") return [decoding, 0];
    const prefill = (machine.token_flops * load.prompts) / machine.prefill_rate;
    const hidden = assumed.prefill === "overlapped";
    return [hidden ? Math.max(decoding, prefill) : decoding + prefill, prefill];
  }

  function firstToken(assumed, machine, load, prompt) {
    if (assumed.prefill === "chunked") return firstTokenTime(machine, load, prompt);
    const mean = step(assumed, machine, load);
    return (prompt * machine.token_flops) / machine.prefill_rate + mean.latency - mean.prefillTime;
  }

  return { step, looseOf, singleUse, firstToken };
})();
