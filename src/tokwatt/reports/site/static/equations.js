"use strict";
/* The last steps of tokwatt's account, for the explorer: what tokwatt.serving and
   tokwatt.equations.queueing compute, function by function and by the same names. Numbers are in
   SI units; NaN is what does not fit. */

const Tokwatt = (() => {
  function sum(values) {
    let total = 0;
    for (let place = 0; place < values.length; place += 1) total += values[place];
    return total;
  }

  /* ---- tokwatt.serving.instance, tokwatt.serving.steps.step: one instance ---- */

  const sequenceBytes = (machine, length, perToken) =>
    perToken * length +
    machine.sliding_read * Math.min(length, machine.window) +
    machine.state_moved;
  const heldBytes = (machine, length) =>
    machine.held * length + machine.sliding * Math.min(length, machine.window) + machine.state;

  function concurrency(assumed, machine, window, meanLength) {
    const budget = Math.max(0, machine.kv_budget);
    const reserved = Math.ceil(window / machine.block_size) * machine.block_size;
    const fitting = Math.min(
      machine.max_sequences,
      assumed.kv_allocation === "reserved"
        ? Math.min(
            Math.floor(budget / heldBytes(machine, reserved)),
            Math.floor(machine.max_tokens / window),
          )
        : budget / heldBytes(machine, meanLength),
    );
    if (assumed.misfit === "one_sequence") return Math.max(1, fitting);
    return machine.kv_budget < 0 ? NaN : fitting;
  }

  /* Tokens that the KV blocks of a GPU hold in sequences of a length. */
  function cachedTokens(machine, length) {
    const block = (heldBytes(machine, length) / length) * machine.block_size;
    return Math.floor(Math.max(0, machine.kv_budget) / block) * machine.block_size;
  }

  /* Whether an engine starts with a window: its cache holds one sequence as long. */
  const starts = ({ assumed, machine }, window) =>
    assumed.memory !== "measured" || cachedTokens(machine, window) >= window;

  const coverage = (share, tokens) => -Math.expm1(tokens * Math.log1p(-share));

  function touchedExperts(assumed, share, tokens) {
    if (assumed.experts === "all") return 1;
    return assumed.experts === "expected" ? coverage(share, tokens) : share;
  }

  /* ---- tokwatt.serving.steps.forward, chunked: passes of the measured step ---- */

  const SMALL_MESSAGE = 2e6;

  function busiestRank(ranks, experts, tokens) {
    const missed = Math.exp(-tokens / 2),
      touched = (experts / ranks) * (1 - missed ** 2);
    const spread = missed / Math.sqrt(Math.max(0.3, touched));
    return Math.min(2, 1 + Math.sqrt(2 * Math.log(ranks)) * spread);
  }

  /* Arithmetic of a decoded token's attention. */
  function attentionTime({ costs, window }, length) {
    return (
      (costs.latent_math || 2 * costs.prompt_math) * length +
      2 * costs.sliding_math * Math.min(length, window)
    );
  }

  /* `loose` says how experts are touched, and whether tokens take time to reach them. */
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
    const scanned = ownBatch * sequenceBytes(machine, length, machine.read);
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

  const EXPECTED = { touched: coverage, dispatched: true };
  const looseOf = (assumed) => ({
    touched: (share, tokens) => touchedExperts(assumed, share, tokens),
    dispatched: assumed.dispatch === "counted",
  });

  const promptOf = (load) =>
    Math.max(1, load.prompts / (load.prefills > 0 ? load.prefills : 1));

  function admitted({ costs }, load) {
    const share = Math.min(1, costs.chunk / Math.max(load.prompts, 1));
    return {
      batch: load.batch * share,
      prompts: load.prompts * share,
      prefills: load.prefills * share,
    };
  }

  const LATE_DEVIATIONS = 2.326,
    MOST_QUEUED = 0.95;

  const filledShare = (costs, running) =>
    Math.min(1, Math.max(-Math.expm1(-running.prefills), running.prompts / costs.chunk));

  function iterations(machine, load, loose) {
    const { costs } = machine,
      running = admitted(machine, load),
      prompt = promptOf(load);
    const filled = filledShare(costs, running);
    const each = running.prompts / (filled > 0 ? filled : 1);
    const takingIn = (tokens) => {
      const own = tokens / costs.data_parallel;
      return pass(machine, loose, running.batch, load.length, tokens, own, prompt);
    };
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
      running = admitted(machine, load);
    const { mean } = iterations(machine, load, EXPECTED);
    const alone = (batch, tokens, own, of) =>
      pass(machine, EXPECTED, batch, load.length, tokens, own, of).latency;
    const decoding = alone(running.batch, 0, 0, promptOf(load));
    const chunk = Math.min(prompt, costs.chunk);
    const own =
      alone(Math.max(0, running.batch - 1), chunk, chunk, chunk) *
      Math.max(1, prompt / costs.chunk);
    const beside = Math.min(1, (running.prefills * own) / decoding) / 2;
    const used = Math.min(MOST_QUEUED, load.prompts / costs.chunk);
    const fixed = costs.first_token + costs.first_token_prompt * prompt;
    return fixed + mean.latency / 2 + own * (1 + beside + used / (2 * (1 - used)));
  }

  /* ---- tokwatt.serving.steps.step: the mean iteration ---- */

  function step(assumed, machine, load) {
    return assumed.step === "measured"
      ? measuredStep(assumed, machine, load)
      : computedStep(assumed, machine, load);
  }

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
    const passing = (tokens) => {
      const own = tokens / machine.costs.data_parallel;
      return pass(machine, loose, load.batch, load.length, tokens, own, prompt);
    };
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
    const kv = batch * sequenceBytes(machine, length, machine.read);
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

  /* ---- tokwatt.serving.steps.power ---- */

  function boardPower(assumed, machine, used) {
    const { gpu, fractions } = machine;
    if (assumed.power === "utilization") return powerByUse(gpu, used);
    if (assumed.power === "logistic") {
      const above = Math.log2(used.batch) - machine.curve_log2_midpoint;
      const decoding =
        machine.curve_idle +
        (machine.curve_nominal - machine.curve_idle) /
          (1 + Math.exp(-machine.curve_steepness * above));
      const power = decoding + (machine.curve_nominal - decoding) * used.prefill;
      return { kept: used.latency, power };
    }
    const compute = (machine.token_flops * used.batch) / gpu.fp16_rate;
    const busy = Math.min(1, (used.scanTime + compute) / (used.idleTime + used.scanTime));
    const nominal = fractions.nominal_fraction * gpu.tdp;
    const decoding =
      fractions.idle_fraction * gpu.tdp +
      (fractions.nominal_fraction - fractions.idle_fraction) * gpu.tdp * busy;
    return { kept: used.latency, power: decoding + (nominal - decoding) * used.prefill };
  }

  function idlePower(assumed, machine) {
    const law = machine.gpu.utilization;
    if (assumed.power === "utilization") return Math.min(law.idle, law.limit);
    if (assumed.power === "logistic") return machine.curve_idle;
    return machine.fractions.idle_fraction * machine.gpu.tdp;
  }

  function powerByUse(gpu, used) {
    const law = gpu.utilization,
      reading = used.moved / gpu.hbm_bandwidth;
    const above =
      (law.memory * reading + law.launch * used.launchTime) / used.latency +
      law.compute * Math.sqrt(used.computeTime / used.latency);
    const spare = law.limit - law.idle;
    const stretch =
      spare > 0 ? Math.max(1, above / spare) ** (1 / law.clock_exponent) : Infinity;
    return { kept: used.latency * stretch, power: Math.min(law.idle + above, law.limit) };
  }

  function onBasis(assumed, constants, machine, watts) {
    if (assumed.basis === "gpu") return watts;
    if (assumed.basis === "instance") return machine.gpus * watts;
    const server = machine.gpus * (watts + (machine.gpu.host_power || NaN));
    return assumed.basis === "facility" ? server * constants.facility_factor : server;
  }

  function point(assumed, machine, constants, window, meanFill, promptRatio, utilization) {
    const length = meanFill * window;
    const held = concurrency(assumed, machine, window, length);
    const batch = utilization * held,
      output = length / (promptRatio + 0.5);
    const load = { batch, length, prompts: promptRatio * batch, prefills: batch / output };
    const mean = step(assumed, machine, load);
    const power = onBasis(assumed, constants, machine, mean.power);
    const throughput = mean.running / mean.latency;
    return {
      concurrency: held,
      batch,
      latency: mean.latency,
      median: mean.median,
      late: mean.late,
      throughput,
      power,
      limited: mean.limited,
      tokensPerJoule: throughput / power,
      missing: Math.max(0, -machine.kv_budget),
    };
  }

  /* ---- tokwatt.equations.roots ---- */

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

  /* ---- tokwatt.equations.queueing ---- */

  /* 1/B by 1/B_k = 1 + (k / a) / B_{k-1}; below the load it forgets where it began, so a fraction
     of a server may begin it. */
  function erlangB(servers, load) {
    if (load === 0) return 0;
    const whole = Math.floor(servers),
      begin = servers < 12 ? 0 : servers - whole;
    let inverse = 1 + begin / load;
    for (let k = 1; k <= whole && inverse < 1e300; k += 1)
      inverse = 1 + ((k + begin) / load) * inverse;
    return 1 / inverse;
  }

  function erlangC(servers, load) {
    const stable = Math.min(load, servers),
      blocked = erlangB(servers, stable),
      busy = stable / servers;
    return blocked / (1 - busy + busy * blocked);
  }

  function waitQuantile(servers, arrivalRate, serviceRate, scv, probability = 0.99) {
    const spare = servers * serviceRate - arrivalRate;
    if (!(spare > 0)) return Infinity;
    const delayed = Math.max(1, erlangC(servers, arrivalRate / serviceRate) / (1 - probability));
    return (Math.log(delayed) * (1 + scv)) / (2 * spare);
  }

  function instancesRequired(
    arrivalRate,
    serviceRate,
    scv,
    slots,
    target,
    maxUtilization,
    atLeast = 1,
  ) {
    const late = (instances) =>
      waitQuantile(instances * slots, arrivalRate, serviceRate / slots, scv) > target;
    const fewest = Math.max(atLeast, Math.ceil(arrivalRate / (serviceRate * maxUtilization)));
    if (target < 0 || !Number.isFinite(fewest)) return target < 0 ? Infinity : fewest;
    let [lower, upper] = [fewest - 1, fewest];
    while (late(upper)) {
      if (upper >= 2 ** 52) return Infinity;
      [lower, upper] = [upper, upper + 2 * (upper - lower)];
    }
    while (upper - lower > 1) {
      const middle = Math.floor((lower + upper) / 2);
      if (late(middle)) lower = middle;
      else upper = middle;
    }
    return upper;
  }

  function instancesSearched(arrivalRate, serviceRate, scv, slots, target, maxUtilization) {
    const first = Math.ceil(arrivalRate / serviceRate) + 1,
      most = Math.max(first, 5000);
    const byWait = instancesRequired(arrivalRate, serviceRate, scv, slots, target, Infinity, first);
    const byUtilization =
      maxUtilization < 1 ? Math.ceil(arrivalRate / (serviceRate * maxUtilization)) : 0;
    return byWait > most ? most + 1 : Math.max(byWait, byUtilization);
  }

  /* ---- tokwatt.equations.percentiles ---- */

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

  /* ---- tokwatt.serving.demand.routing: requests are kinds, one for each whole length ---- */

  /* A trace has its requests; a workload those of its law. */
  function requestsOf(workload, outputShares) {
    if (workload.requests) return workload.requests;
    const { lengths, fractions } = workload,
      last = fractions.findIndex((fraction) => fraction >= 1);
    const count = lengths[last];
    const requests = {
      weight: new Float64Array(count),
      prompt: new Float64Array(count),
      output: new Float64Array(count),
      promptShare: new Float64Array(count),
    };
    for (let bin = 0, length = 1; bin <= last; bin += 1) {
      const before = bin ? lengths[bin - 1] : 0,
        mass = (fractions[bin] - (bin ? fractions[bin - 1] : 0)) / (lengths[bin] - before);
      const share = 1 - (Array.isArray(outputShares) ? outputShares[bin] : outputShares);
      for (; length <= lengths[bin]; length += 1) {
        const prompt = Math.max(1, Math.trunc(share * length)),
          kind = length - 1;
        requests.weight[kind] = mass;
        requests.prompt[kind] = prompt;
        requests.output[kind] = Math.max(1, length - prompt);
        requests.promptShare[kind] = share;
      }
    }
    return requests;
  }

  /* Never falls from kind to kind. */
  const lengthOf = (requests, kind) => requests.prompt[kind] + requests.output[kind];

  /* The stretch of kinds that a pool gets any of, with the pool's own weights. */
  function withWeights(requests, weights) {
    let first = 0,
      end = weights.length;
    while (first < end && !(weights[first] > 0)) first += 1;
    while (end > first && !(weights[end - 1] > 0)) end -= 1;
    const taken = (values) => values.subarray(first, end);
    return {
      weight: taken(weights),
      prompt: taken(requests.prompt),
      output: taken(requests.output),
      promptShare: taken(requests.promptShare),
    };
  }

  function smallestWindow(requests) {
    let longest = 0;
    for (let kind = 0; kind < requests.weight.length; kind += 1) {
      if (requests.weight[kind] > 0) longest = Math.max(longest, lengthOf(requests, kind));
    }
    return 2 ** Math.ceil(Math.log2(longest));
  }

  function route(assumed, requests, knots, topology, chunk, compressible) {
    const { window, splitLength: split, overflow } = topology;
    if (!split) {
      const [arriving, served, rejected] = within(assumed, requests, requests.weight, window);
      return { windows: [window], pools: [traffic(assumed, arriving, served, chunk)], rejected };
    }
    const cut = Math.trunc(overflow * split),
      shortWindow = assumed.oversized === "fitting_window" ? cut : split;
    const overflowing = (kind) => {
      if (assumed.oversized === "reject") return 0;
      return assumed.oversized !== "compress"
        ? 1
        : requests.output[kind] < split
          ? compressible
          : 0;
    };
    const short = new Float64Array(requests.weight.length),
      long = requests.weight.slice();
    for (let kind = 0; kind < short.length && lengthOf(requests, kind) <= cut; kind += 1) {
      short[kind] = long[kind] * (lengthOf(requests, kind) <= split ? 1 : overflowing(kind));
      long[kind] -= short[kind];
    }
    if (assumed.long_pool === "from_one")
      fromOne(requests, long, knots, assumed.oversized === "reject" ? split : cut);
    const near = withWeights(requests, short),
      [far, served, rejected] = within(assumed, requests, long, window);
    const pools = [
      traffic(assumed, near, squeezed(assumed, near, shortWindow), chunk),
      traffic(assumed, far, served, chunk),
    ];
    return { windows: [shortWindow, window], pools, rejected };
  }

  /* Requests of the last pool as they arrive and as they are served, and the share that is not. */
  function within(assumed, requests, weights, window) {
    const arriving = withWeights(requests, weights);
    if (assumed.oversized === "clip" || assumed.oversized === "clip_credit_all")
      return [arriving, squeezed(assumed, arriving, window), 0];
    const fitting = arriving.weight.slice();
    for (let kind = fitting.length - 1; kind >= 0 && lengthOf(arriving, kind) > window; kind -= 1)
      fitting[kind] = 0;
    return [arriving, withWeights(arriving, fitting), sum(arriving.weight) - sum(fitting)];
  }

  function squeezed(assumed, requests, window) {
    const last = requests.weight.length - 1;
    if (last < 0 || lengthOf(requests, last) <= window) return requests;
    const served = {
      ...requests,
      prompt: requests.prompt.slice(),
      output: requests.output.slice(),
    };
    for (let kind = last; kind >= 0 && lengthOf(requests, kind) > window; kind -= 1) {
      if (assumed.oversized === "compress") {
        served.prompt[kind] = Math.max(1, window - served.output[kind]);
      } else {
        served.prompt[kind] = Math.max(1, Math.trunc(requests.promptShare[kind] * window));
        served.output[kind] = Math.max(1, window - served.prompt[kind]);
      }
    }
    return served;
  }

  /* Spreads the long requests of the cut's bin from one token to the bin's end, as the paper
     does. */
  function fromOne(requests, long, knots, cut) {
    const end = Math.min(...knots.filter((knot) => knot > cut));
    let mass = 0,
      kinds = 0;
    for (; kinds < long.length && lengthOf(requests, kinds) <= end; kinds += 1) mass += long[kinds];
    long.fill(mass / kinds, 0, kinds);
  }

  const NOBODY = {
    share: 0,
    credited: 0,
    prompts: 1,
    steps: 1,
    stepsEnds: 1,
    stepsMeans: 1,
    steps2: 1,
    steps2Ends: 1,
    steps2Ends2: 1,
    stepsMeans2: 1,
    prompts2: 1,
    prompts3: 1,
    prompts4: 1,
    prompts5: 1,
    prompts6: 1,
    longestPrompt: 1,
    medianPrompt: 1,
  };

  function traffic(assumed, arriving, served, chunk) {
    const share = sum(served.weight);
    if (share <= 0) return NOBODY;
    const answered = assumed.prefill === "chunked" ? 1 : 0;
    let prompts = 0,
      steps = 0,
      stepsEnds = 0,
      stepsMeans = 0,
      steps2 = 0,
      steps2Ends = 0,
      steps2Ends2 = 0,
      stepsMeans2 = 0,
      prompts2 = 0,
      prompts3 = 0,
      prompts4 = 0,
      prompts5 = 0,
      prompts6 = 0;
    for (let kind = 0; kind < served.weight.length; kind += 1) {
      const weight = served.weight[kind] / share,
        prompt = served.prompt[kind],
        output = served.output[kind];
      const count = Math.ceil(prompt / chunk) + output - answered,
        ends = prompt + output;
      prompts += weight * prompt;
      steps += weight * count;
      stepsEnds += weight * count * ends;
      stepsMeans += weight * count * (prompt + output / 2);
      steps2 += weight * count * count;
      steps2Ends += weight * count * count * ends;
      steps2Ends2 += weight * count * ends * count * ends;
      stepsMeans2 += weight * count * (prompt + output / 2) ** 2;
      prompts2 += weight * prompt ** 2;
      prompts3 += weight * prompt ** 3;
      prompts4 += weight * prompt ** 4;
      prompts5 += weight * prompt ** 5;
      prompts6 += weight * prompt ** 6;
    }
    const credited =
      share * creditedOf(assumed, assumed.oversized === "clip_credit_all" ? arriving : served);
    const longestPrompt = promptQuantile(served, 0.99 * (1 - 1e-12) * share),
      medianPrompt = promptQuantile(served, 0.5 * (1 - 1e-12) * share);
    return {
      share,
      credited,
      prompts,
      steps,
      stepsEnds,
      stepsMeans,
      steps2,
      steps2Ends,
      steps2Ends2,
      stepsMeans2,
      prompts2,
      prompts3,
      prompts4,
      prompts5,
      prompts6,
      longestPrompt,
      medianPrompt,
    };
  }

  function creditedOf(assumed, requests) {
    let mass = 0,
      output = 0,
      length = 0,
      share = 0;
    for (let kind = 0; kind < requests.weight.length; kind += 1) {
      const weight = requests.weight[kind];
      mass += weight;
      output += weight * requests.output[kind];
      length += weight * lengthOf(requests, kind);
      share += weight * requests.promptShare[kind];
    }
    if (assumed.output_rounding === "none") return output / mass;
    return Math.max(1, Math.trunc((1 - share / mass) * (length / mass - 0.5) + 1e-9));
  }

  function promptQuantile(requests, mass) {
    let longest = 0;
    for (let kind = 0; kind < requests.prompt.length; kind += 1)
      longest = Math.max(longest, requests.prompt[kind]);
    const masses = new Float64Array(longest + 1);
    for (let kind = 0; kind < requests.prompt.length; kind += 1)
      masses[requests.prompt[kind]] += requests.weight[kind];
    let prompt = 0;
    for (let below = masses[0]; below < mass && prompt < longest; below += masses[prompt])
      prompt += 1;
    return prompt;
  }

  /* ---- tokwatt.account: pools; tokwatt.cases: fleets ---- */

  function sizePool(assumed, machine, constants, own, window, demand) {
    const length = (assumed.context_length === "end" ? own.stepsEnds : own.stepsMeans) / own.steps;
    const at = (batch) => ({
      batch,
      length,
      prompts: (batch * own.prompts) / own.steps,
      prefills: batch / own.steps,
    });
    const held = concurrency(assumed, machine, window, length);
    const slots = slotsOf(assumed, machine, own, at, held, demand);
    const full = step(assumed, machine, at(slots));
    const serviceRate = full.running / (own.steps * full.latency),
      used = own.share > 0;
    const carried = used ? demand.arrival_rate * own.share : serviceRate;
    const most = batchWithin(assumed, machine, own, at, slots, carried, demand);
    const atMost = latenciesAt(assumed, machine, own, at, most, carried);
    const promptTime =
      assumed.target === "both"
        ? atMost.firstToken
        : firstToken(assumed, machine, at(slots), own.longestPrompt);
    const left = demand.latency_target - (assumed.target === "wait" ? 0 : promptTime);
    const kept = assumed.target === "both" ? Math.max(left, 0) : left,
      target = slots < 1 && held >= 1 ? -1 : kept;
    const scv = serviceScv(assumed, machine, own, full, slots, length),
      fromAbove = assumed.search_start === "one_too_many";
    const search = fromAbove ? instancesSearched : instancesRequired;
    const found = Math.max(
      search(carried, serviceRate, scv, slots, target, demand.max_utilization),
      Math.ceil((carried / atMost.rate) * (1 - 1e-9)),
    );
    const utilization = used ? carried / (found * serviceRate) : 0;
    const batch = batchOf(assumed, machine, own, at, slots, utilization, serviceRate);
    const busy = busyShare(assumed, batch, slots),
      running = step(assumed, machine, at(batch));
    const atWork = step(assumed, machine, at(batch / busy));
    const mean = busy * atWork.power + (1 - busy) * idlePower(assumed, machine);
    const watts = onBasis(assumed, constants, machine, mean);
    const instances = used ? found : fromAbove ? 1 : 0;
    const mostly = poolLatencies(assumed, machine, at(batch), own, running, carried / found, found);
    const chunked = assumed.prefill === "chunked",
      served = chunked && batch > 0 ? carried / (found * batch) : serviceRate / slots;
    const wait = (probability) =>
      waitQuantile(found * slots, carried, served, scv, probability);
    const spread = LATE_DEVIATIONS * Math.sqrt((batch * own.stepsMeans2) / own.steps);
    return {
      ...mostly.use(),
      kvPeak: chunked ? (batch * length + spread) / (held * length) : 0,
      window,
      share: own.share,
      concurrency: slots,
      latency: full.latency,
      median: running.median,
      late: mostly.late,
      promptTime,
      medianFirstToken: wait(0.5) + mostly.medianFirstToken,
      firstToken: wait(0.99) + (chunked ? mostly.firstToken : promptTime),
      instances,
      utilization,
      power: instances === 0 || instances === Infinity ? instances : instances * watts,
      credited: demand.arrival_rate * own.credited,
    };
  }

  function firstToken(assumed, machine, load, prompt) {
    if (assumed.prefill === "chunked") return firstTokenTime(machine, load, prompt);
    const mean = step(assumed, machine, load);
    return (prompt * machine.token_flops) / machine.prefill_rate + mean.latency - mean.prefillTime;
  }

  function slotsOf(assumed, machine, own, at, held, demand) {
    if (assumed.target !== "both") return held;
    const overTarget = (batch) => {
      const mean = step(assumed, machine, at(batch));
      const latency = demand.itl_quantile > 0.5 ? mean.late : mean.median;
      if (assumed.prefill === "chunked") return latency / demand.itl_target;
      const first = firstToken(assumed, machine, at(batch), own.longestPrompt);
      return Math.max(latency / demand.itl_target, first / demand.latency_target);
    };
    return lastWithin(overTarget, 1, held);
  }

  function latenciesAt(assumed, machine, own, at, batch, carried) {
    const mean = step(assumed, machine, at(batch)),
      rate = mean.running / (own.steps * mean.latency);
    const instances = Math.max(1, carried / rate);
    const found = poolLatencies(assumed, machine, at(batch), own, mean, rate, instances);
    return { ...found, rate, median: mean.median };
  }

  function batchWithin(assumed, machine, own, at, slots, carried, demand) {
    if (assumed.target !== "both" || assumed.prefill !== "chunked") return slots;
    const overTarget = (batch) => {
      const found = latenciesAt(assumed, machine, own, at, batch, carried);
      const latency = demand.itl_quantile > 0.5 ? found.late : found.median;
      return Math.max(latency / demand.itl_target, found.firstToken / demand.latency_target);
    };
    return lastWithin(overTarget, 1, slots);
  }

  /* ---- tokwatt.serving.steps.passes, prompts ---- */

  function poolLatencies(assumed, machine, load, own, iteration, rate, instances) {
    if (assumed.prefill !== "chunked") {
      const first = (prompt) => firstToken(assumed, machine, load, prompt);
      return {
        medianFirstToken: first(own.medianPrompt),
        firstToken: first(own.longestPrompt),
        late: iteration.late,
        use: () => NO_PREFILL,
      };
    }
    const { costs } = machine,
      { chunk } = costs,
      prompt = Math.max(1, own.prompts);
    const running = { ...load, ...admitted(machine, load) };
    const passing = (at, tokens, of) => {
      const apart = tokens / costs.data_parallel;
      const found = pass(machine, looseOf(assumed), at.batch, at.length, tokens, apart, of);
      const use = { ...found, batch: at.batch, idleTime: 1, prefill: 0 };
      return boardPower(assumed, machine, use).kept;
    };
    const spread = Math.sqrt((running.batch * own.stepsMeans2) / own.steps);
    const batch = running.batch + 1 + LATE_DEVIATIONS * Math.sqrt(running.batch);
    const tokens = (running.batch + 1) * running.length + LATE_DEVIATIONS * spread;
    const full = passing(running, chunk, prompt),
      longer = passing(running, chunk, 2 * prompt),
      decoding = passing(running, 0, prompt),
      crowded = passing({ batch, length: tokens / batch }, 0, prompt),
      typical = passing(running, Math.min(prompt, chunk), prompt);
    const quadratic = costs.prompt_math > 0 ? (longer - full) / (chunk * prompt) : 0,
      linear = full / chunk - quadratic * prompt;
    const square =
      linear ** 2 * own.prompts2 +
      2 * linear * quadratic * own.prompts3 +
      quadratic ** 2 * own.prompts4;
    const cube =
      linear ** 3 * own.prompts3 +
      3 * linear ** 2 * quadratic * own.prompts4 +
      3 * linear * quadratic ** 2 * own.prompts5 +
      quadratic ** 3 * own.prompts6;
    const each = linear * own.prompts + quadratic * own.prompts2,
      used = Math.min(MOST_QUEUED, rate * each);
    const spreadOfWork = square / Math.max(each, 1e-12) ** 2 - 1,
      [delayed, shorter] = routed(assumed.router, used, spreadOfWork, instances);
    const wait = (shorter * rate * square) / (2 * (1 - used)),
      scv = waitScv(used, each, square, cube),
      inChunks = Math.min(1, own.prompts2 / prompt / chunk),
      shared = delayed * inChunks;
    const lone = (length) =>
      passing(running, Math.min(length, chunk), length) * Math.max(1, length / chunk);
    const beside = (length) => costs.first_token + costs.first_token_prompt * length;
    const taken = (length, alone = lone(length)) =>
      alone + shared * (linear * length + quadratic * length ** 2 - alone);
    const mean =
        taken(prompt, typical * Math.max(1, prompt / chunk)) +
        quadratic * (own.prompts2 - own.prompts ** 2),
      rest = iteration.latency / 2,
      behind = Math.min(rest + wait / (1 + delayed), full / 2);
    const first = (length, probability) =>
      beside(length) +
      quantileOfSum(rest + wait + mean + delayed * behind, [
        taken(length) - mean,
        lateWait(delayed, wait, scv, probability) - wait,
        (2 * probability - 1) * rest,
      ]);
    const ending = (2 * own.steps) / Math.max(1, own.steps2),
      slow = shareOfBusy(used, each, spreadOfWork, ending / typical, ending / decoding),
      share = Math.max(filledShare(costs, running), slow);
    const [filled, seen] = lateTokens(costs, running, own, used, share, inChunks),
      filling = passing(running, filled, seen);
    const late = quantileOfSum(decoding, [filling - decoding, crowded - decoding]);
    const blocking = square / (2 * Math.max(each, 1e-12));
    return {
      medianFirstToken: first(own.medianPrompt, 0.5),
      firstToken: first(own.longestPrompt, 0.99),
      late: Math.max(iteration.median, late),
      use: () => ({
        prefillUtilization: used,
        prefillShare: filledShare(costs, running),
        tokenShare: share,
        blocking: blocking / (linear * own.longestPrompt + quadratic * own.longestPrompt ** 2),
        medianBlocking: blocking / (beside(own.medianPrompt) + lone(own.medianPrompt)),
        latencyRatio: ((1 - share) * decoding + share * typical) / iteration.latency,
      }),
    };
  }

  /* How much the prompts of a pool take of its instances, where the rules know none. */
  const NO_PREFILL = {
    prefillUtilization: 0,
    prefillShare: 0,
    tokenShare: 0,
    blocking: 0,
    medianBlocking: 0,
    latencyRatio: 0,
  };

  /* Share of prompts that find others before them, and their wait over that in M/G/1. */
  function routed(router, utilization, scv, instances) {
    if (router === "random") return [utilization, 1];
    const used = Math.max(utilization, 1e-12),
      delayed = used ** (Math.sqrt(2 * (instances + 1)) - 1),
      shorter = delayed / (instances * used);
    if (router === "least_work") return [delayed, shorter];
    const gaps = 1 / instances,
      below = 1 + used * (scv - 1) + used ** 2 * (4 * gaps + scv),
      inTurn = used * (1 - ((1 - gaps) * (1 - used) * (1 + gaps + used * scv)) / below),
      less = (2 * (1 - used) * (1 - gaps) ** 2) / (3 * used * (gaps + scv)),
      found = Math.max(delayed, inTurn),
      waited = Math.max(
        found / (instances * used),
        ((gaps + scv) / (1 + scv)) * Math.exp(-less),
      );
    return [Math.max(found, used * waited), waited];
  }

  /* Share of what a request gets while an instance takes in others' prompts. */
  function shareOfBusy(used, work, scv, leavingBusy, leavingIdle) {
    if (used <= 0) return 0;
    const mean = Math.max(work, 1e-12),
      spread = Math.max(scv, 1e-6),
      rate = used / mean;
    const transform = (at) => Math.exp(-Math.log1p(spread * mean * at) / spread);
    let busy = 0;
    for (let turn = 0; turn < 16; turn += 1) {
      const at = leavingBusy + rate * (1 - busy),
        value = transform(at);
      busy += (value - busy) / (1 - (used * value) / (1 + spread * mean * at));
    }
    const left = transform(rate * (1 - busy)),
      alone = ((1 - used) * (1 - busy) * left) / Math.max(left - busy, 1e-12),
      soon = rate / Math.max(rate + leavingIdle, 1e-12);
    return 1 - (alone * (1 - soon)) / (1 - soon * busy);
  }

  /* Prompt tokens that the late one of the iterations takes in, and of what prompts they are. */
  function lateTokens(costs, running, own, used, share, inChunks) {
    if (share <= 1 - 0.99) return [0, 1];
    const within = Math.max(1e-9, 1 - (1 - 0.99) / share),
      prompt = Math.max(1, own.prompts),
      some = Math.max(filledShare(costs, running), 1e-9);
    const square = (running.prefills * own.prompts2) / (1 - used ** 2) + running.prompts ** 2,
      tokens = gammaQuantile(running.prompts / some, square / some, within);
    const before = gammaQuantile(own.prompts2 / (2 * prompt), own.prompts3 / (3 * prompt), within);
    const whole = Math.min(2 * before, tokens),
      seen = whole + inChunks * (2 * before - whole);
    return [Math.min(costs.chunk, Math.max(1, tokens)), Math.max(1, seen)];
  }

  function batchOf(assumed, machine, own, at, slots, utilization, serviceRate) {
    if (assumed.prefill === "chunked") {
      const completed = (batch) => {
        const busy = busyShare(assumed, batch, slots),
          mean = step(assumed, machine, at(batch / busy));
        return (busy * mean.running) / (own.steps * mean.latency);
      };
      return lastWithin(completed, utilization * serviceRate, slots);
    }
    const mean = utilization * slots;
    return assumed.batch_rounding === "whole" ? Math.max(1, Math.trunc(mean)) : mean;
  }

  function busyShare(assumed, batch, slots) {
    if (assumed.prefill !== "chunked") return 1;
    const seldom = Math.max(batch, 1e-6);
    return Math.max(-Math.expm1(-seldom), seldom / Math.max(slots, seldom));
  }

  function serviceScv(assumed, machine, own, full, slots, length) {
    if (assumed.prefill === "chunked") return Math.max(0, own.steps2 / own.steps ** 2 - 1);
    const scan = (slots * machine.read * length) / machine.kv_bandwidth;
    const fixed = full.latency - scan,
      slope = (scan / own.stepsEnds) * own.steps;
    const square =
      fixed ** 2 * own.steps2 + 2 * fixed * slope * own.steps2Ends + slope ** 2 * own.steps2Ends2;
    return Math.max(0.01, square / (own.steps * full.latency) ** 2 - 1);
  }

  function fleet(assumed, machine, constants, demand, routed) {
    const pools = routed.pools.map((own, place) =>
      sizePool(assumed, machine, constants, own, routed.windows[place], demand),
    );
    const total = (name) => sum(pools.map((pool) => pool[name]));
    const power = total("power"),
      credited_ = total("credited");
    return {
      pools,
      instances: total("instances"),
      power,
      credited: credited_,
      tokensPerJoule: credited_ / power,
      rejected: routed.rejected,
    };
  }

  /* ---- one state of the explorer ---- */

  /* A machine by its key, its numbers named; null in the data is what has no bound. */
  function machineOf(data, key) {
    const row = data.machines[key];
    if (!row) return null;
    const machine = Object.fromEntries(
      data.fields.map((field, place) => [field, row[place] ?? Infinity]),
    );
    const costs = {};
    for (const [field, value] of Object.entries(machine))
      if (field.startsWith("pass_")) costs[field.slice(5)] = value;
    return { ...machine, costs, gpu: data.gpus[key.split("/")[1]], fractions: data.fractions };
  }

  function sharesOf(data, workload, assumed) {
    const { shares } = workload;
    return assumed.output_share === "trace" && shares ? shares : data.demand.output_share;
  }

  function promptRatio(assumed, requests, share) {
    if (assumed.output_share === "fifth") return (1 - share) / share;
    const mean = (values) => sum(requests.weight.map((weight, kind) => weight * values[kind]));
    return mean(requests.prompt) / mean(requests.output);
  }

  /* What all states of one workload and machine share. */
  function prepare(data, state) {
    const machine = machineOf(
      data,
      [state.account, state.gpu, state.llm, state.precision, state.tensor_parallel].join("/"),
    );
    if (!machine) return null;
    const workload = data.workloads[state.workload];
    const traced = workload.requests ? data.traced[state.account] : {};
    const preset = { ...data.assumed[machine.assumed], ...traced },
      assumed = { ...preset, ...state.changes };
    const requests = requestsOf(workload, sharesOf(data, workload, assumed));
    const unmeasured =
      assumed.output_share === "trace" && !workload.shares && !workload.requests;
    const longWindow =
      assumed.baseline === "smallest" ? smallestWindow(requests) : state.longWindow;
    return {
      data,
      state,
      machine,
      preset,
      assumed,
      unmeasured,
      requests,
      longWindow,
      ratio: promptRatio(assumed, requests, data.demand.output_share),
    };
  }

  const instanceAt = ({ data, machine, assumed, ratio }, window, utilization) =>
    point(assumed, machine, data.constants, window, data.offer.mean_fill, ratio, utilization);

  const chunkOf = ({ assumed, machine }) =>
    assumed.prefill === "chunked" ? machine.prefill_chunk : machine.chunk;

  function routedAt(ready, splitLength, overflow) {
    const { data, state, assumed, requests, longWindow } = ready;
    const topology = { window: longWindow, splitLength, overflow };
    const { lengths } = data.workloads[state.workload];
    const { compressible } = data.constants;
    return route(assumed, requests, lengths, topology, chunkOf(ready), compressible);
  }

  const fleetOf = ({ data, machine, assumed }, routed) =>
    fleet(assumed, machine, data.constants, data.demand, routed);

  const fleetAt = (ready, splitLength, overflow) =>
    fleetOf(ready, routedAt(ready, splitLength, overflow));

  /* GPUs of an instance that are paid for: those whose watts count. */
  const rented = ({ machine, assumed }) => (assumed.basis === "gpu" ? 1 : machine.gpus);

  /* Joules, dollars and grams of a million tokens. */
  function prices(ready, tokensPerJoule, tokensPerInstanceSecond) {
    const { data, machine } = ready,
      joules = 1 / tokensPerJoule;
    return {
      joulesPerToken: joules,
      rent: (1e6 * rented(ready) * machine.gpu.price) / tokensPerInstanceSecond,
      electricity: 1e6 * joules * data.energy.electricity_price,
      grams: 1e9 * joules * data.energy.grid_intensity,
    };
  }

  return {
    prepare,
    instanceAt,
    cachedTokens,
    starts,
    chunkOf,
    routedAt,
    fleetOf,
    fleetAt,
    rented,
    prices,
    concurrency,
    heldBytes,
    singleUse,
    boardPower,
    powerByUse,
    idlePower,
    onBasis,
    erlangB,
    waitQuantile,
    instancesRequired,
  };
})();
