"use strict";
/* One state of the explorer, as tokwatt.accounts.cases has its cases. */

const Cases = (() => {
  const { cachedTokens } = Share,
    { operatingPoint } = Point,
    { requestsOf, smallestWindow } = Kinds,
    { route } = Routing;

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

  /* Whether an engine starts with a window: its cache holds one sequence as long. */
  const starts = ({ assumed, machine }, window) =>
    assumed.memory !== "measured" || cachedTokens(machine, window) >= window;

  function instanceAt({ data, machine, assumed, ratio }, window, utilization) {
    const { constants, offer } = data;
    return operatingPoint(assumed, machine, constants, window, offer.mean_fill, ratio, utilization);
  }

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
    Fleet.fleetOf(assumed, machine, data.constants, data.demand, routed);

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
    starts,
    chunkOf,
    routedAt,
    fleetOf,
    fleetAt,
    rented,
    prices,
  };
})();
