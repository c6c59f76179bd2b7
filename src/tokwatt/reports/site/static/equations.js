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

  /* ---- tokwatt.serving.instance, tokwatt.serving.step: one instance ---- */

  const sequenceBytes = (machine, length, perToken) =>
    perToken * length + machine.sliding * Math.min(length, machine.window) + machine.state;

  function concurrency(assumed, machine, window, meanLength) {
    const budget = Math.max(0, machine.kv_budget);
    const reserved = Math.ceil(window / machine.block_size) * machine.block_size;
    const fitting = Math.min(
      machine.max_sequences,
      assumed.kv_allocation === "reserved"
        ? Math.min(
            Math.floor(budget / sequenceBytes(machine, reserved, machine.held)),
            Math.floor(machine.max_tokens / window),
          )
        : budget / sequenceBytes(machine, meanLength, machine.held),
    );
    if (assumed.misfit === "one_sequence") return Math.max(1, fitting);
    return machine.kv_budget < 0 ? NaN : fitting;
  }

  function weightBytes(assumed, machine, batch) {
    if (assumed.experts === "all") return machine.streamed + machine.routed;
    const share = machine.expert_share;
    return (
      machine.streamed +
      machine.routed * (assumed.experts === "expected" ? 1 - (1 - share) ** batch : share)
    );
  }

  function step(assumed, machine, batch, length, prompts) {
    const read = weightBytes(assumed, machine, batch);
    const kv = batch * sequenceBytes(machine, length, machine.read);
    const memoryTime = read / machine.weight_bandwidth + kv / machine.kv_bandwidth;
    const computeTime = (machine.token_flops * batch) / machine.decode_rate;
    const overhead =
      machine.overhead +
      machine.dispatch_overhead +
      (machine.sequence_overhead + machine.dispatch_time) * batch;
    const decoding = Math.max(memoryTime, computeTime) + overhead;
    const prefillTime =
      assumed.prefill === "free" ? 0 : (machine.token_flops * prompts) / machine.prefill_rate;
    const latency =
      assumed.prefill === "overlapped" ? Math.max(decoding, prefillTime) : decoding + prefillTime;
    const power = boardPower(assumed, machine, {
      batch,
      idleTime:
        machine.idle_time > 0
          ? machine.idle_time
          : read / machine.weight_bandwidth + machine.overhead,
      scanTime: kv / machine.kv_bandwidth,
      bandwidth: (read + kv) / latency / machine.gpu.hbm_bandwidth,
      arithmetic:
        (machine.token_flops * (assumed.prefill === "free" ? batch : batch + prompts)) /
        latency /
        machine.gpu.fp16_rate,
      prefill: prefillTime / latency,
    });
    return { latency, prefillTime, power };
  }

  function boardPower(assumed, machine, used) {
    const { gpu, fractions } = machine;
    if (assumed.power === "utilization") {
      const curve = gpu.utilization;
      return Math.min(
        gpu.tdp,
        curve.idle + curve.memory * used.bandwidth + curve.compute * Math.sqrt(used.arithmetic),
      );
    }
    if (assumed.power === "logistic") {
      const above = Math.log2(used.batch) - machine.curve_log2_midpoint;
      const decoding =
        machine.curve_idle +
        (machine.curve_nominal - machine.curve_idle) /
          (1 + Math.exp(-machine.curve_steepness * above));
      return decoding + (machine.curve_nominal - decoding) * used.prefill;
    }
    const compute = (machine.token_flops * used.batch) / gpu.fp16_rate;
    const busy = Math.min(1, (used.scanTime + compute) / (used.idleTime + used.scanTime));
    const nominal = fractions.nominal_fraction * gpu.tdp;
    const decoding =
      fractions.idle_fraction * gpu.tdp +
      (fractions.nominal_fraction - fractions.idle_fraction) * gpu.tdp * busy;
    return decoding + (nominal - decoding) * used.prefill;
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
    const batch = utilization * held;
    const pass = step(assumed, machine, batch, length, promptRatio * batch);
    const power = onBasis(assumed, constants, machine, pass.power);
    const throughput = batch / pass.latency,
      limited = assumed.power === "utilization" && pass.power >= machine.gpu.tdp;
    const missing = Math.max(0, -machine.kv_budget);
    return {
      concurrency: held,
      batch,
      latency: pass.latency,
      throughput,
      power,
      limited,
      tokensPerJoule: throughput / power,
      missing,
    };
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
    if (target < 0 || !Number.isFinite(fewest)) return target < 0 ? Infinity : NaN;
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

  /* ---- tokwatt.serving.routing: requests are kinds, one for each whole length ---- */

  function requestsOf(workload, outputShares) {
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
    longestPrompt: 1,
  };

  function traffic(assumed, arriving, served, chunk) {
    const share = sum(served.weight);
    if (share <= 0) return NOBODY;
    let prompts = 0,
      steps = 0,
      stepsEnds = 0,
      stepsMeans = 0,
      steps2 = 0,
      steps2Ends = 0,
      steps2Ends2 = 0;
    for (let kind = 0; kind < served.weight.length; kind += 1) {
      const weight = served.weight[kind] / share,
        prompt = served.prompt[kind],
        output = served.output[kind];
      const count = Math.ceil(prompt / chunk) + output,
        ends = prompt + output;
      prompts += weight * prompt;
      steps += weight * count;
      stepsEnds += weight * count * ends;
      stepsMeans += weight * count * (prompt + output / 2);
      steps2 += weight * count * count;
      steps2Ends += weight * count * count * ends;
      steps2Ends2 += weight * count * ends * count * ends;
    }
    const credited =
      share * creditedOf(assumed, assumed.oversized === "clip_credit_all" ? arriving : served);
    const longestPrompt = promptQuantile(served, 0.99 * (1 - 1e-12) * share);
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
      longestPrompt,
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
    const length = (assumed.context_length === "end" ? own.stepsEnds : own.stepsMeans) / own.steps,
      prompts = own.prompts / own.steps;
    const slots = concurrency(assumed, machine, window, length);
    const full = step(assumed, machine, slots, length, slots * prompts);
    const serviceRate = slots / (own.steps * full.latency),
      used = own.share > 0;
    const carried = used ? demand.arrival_rate * own.share : serviceRate;
    const promptTime =
      (own.longestPrompt * machine.token_flops) / machine.prefill_rate +
      full.latency -
      full.prefillTime;
    const target = demand.latency_target - (assumed.target === "first_token" ? promptTime : 0);
    const scv = serviceScv(machine, own, full, slots, length),
      fromAbove = assumed.search_start === "one_too_many";
    const search = fromAbove ? instancesSearched : instancesRequired;
    const found = search(carried, serviceRate, scv, slots, target, demand.max_utilization);
    const utilization = used ? carried / (found * serviceRate) : 0,
      mean = utilization * slots;
    const batch = assumed.batch_rounding === "whole" ? Math.max(1, Math.trunc(mean)) : mean;
    const watts = onBasis(
      assumed,
      constants,
      machine,
      step(assumed, machine, batch, length, batch * prompts).power,
    );
    const instances = used ? found : fromAbove ? 1 : 0;
    return {
      window,
      share: own.share,
      concurrency: slots,
      latency: full.latency,
      promptTime,
      instances,
      utilization,
      power: instances === 0 ? 0 : instances * watts,
      credited: demand.arrival_rate * own.credited,
    };
  }

  function serviceScv(machine, own, full, slots, length) {
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
    return { ...machine, gpu: data.gpus[key.split("/")[1]], fractions: data.fractions };
  }

  function sharesOf(data, state, assumed) {
    const shares = data.workloads[state.workload].shares;
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
    const assumed = { ...data.assumed[machine.assumed], ...state.changes };
    const requests = requestsOf(data.workloads[state.workload], sharesOf(data, state, assumed));
    const unmeasured =
      assumed.output_share === "trace" && !data.workloads[state.workload].shares;
    const longWindow =
      assumed.baseline === "smallest" ? smallestWindow(requests) : state.longWindow;
    return {
      data,
      state,
      machine,
      assumed,
      unmeasured,
      requests,
      longWindow,
      ratio: promptRatio(assumed, requests, data.demand.output_share),
    };
  }

  const instanceAt = ({ data, machine, assumed, ratio }, window, utilization) =>
    point(assumed, machine, data.constants, window, data.offer.mean_fill, ratio, utilization);

  function fleetAt({ data, state, machine, assumed, requests, longWindow }, splitLength, overflow) {
    const topology = { window: longWindow, splitLength, overflow };
    const routed = route(
      assumed,
      requests,
      data.workloads[state.workload].lengths,
      topology,
      machine.chunk,
      data.constants.compressible,
    );
    return fleet(assumed, machine, data.constants, data.demand, routed);
  }

  /* Joules, dollars and grams of a million tokens, with `powered` GPUs rented for each instance
     counted. */
  function prices({ data, machine, assumed }, tokensPerJoule, tokensPerInstanceSecond) {
    const joules = 1 / tokensPerJoule,
      rented = assumed.basis === "gpu" ? 1 : machine.gpus;
    return {
      joulesPerToken: joules,
      rent: (1e6 * rented * machine.gpu.price) / tokensPerInstanceSecond,
      electricity: 1e6 * joules * data.energy.electricity_price,
      grams: 1e9 * joules * data.energy.grid_intensity,
    };
  }

  return { prepare, instanceAt, fleetAt, prices, erlangB, waitQuantile, instancesRequired };
})();
