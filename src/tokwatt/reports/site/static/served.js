"use strict";
/* What is said of a run: a sentence, its numbers beside the formula's, and the command for it. */

/* How many instances a pool has, of each kind. */
const sizeOf = ({ instances, decoding }) =>
  decoding === null
    ? shown(instances)
    : `${shown(instances)} prefill + ${shown(decoding)} decode`;

function servedSentence({ pools, requests }, estimates) {
  const { seeds } = requests,
    [count, duration] = [estimates.requests.value, estimates.duration.value],
    instances = pools.map(sizeOf).join(" + "),
    first =
      requests.of > count ? `The first ${shown(count)} of ${shown(requests.of)}` : shown(count);
  const served =
    `${first} requests, served by ${instances} ` +
    `${instances === "1" ? "instance" : "instances"} in ${shown(duration)} s`;
  const several =
    `${served}, in the mean of ${seeds} seeds; beside each mean its 90 % interval. ` +
    "The curves are of the first seed.";
  const apart = pools[0].decoding === null ? "" : " Extrapolated: prefill apart.";
  return `${seeds > 1 ? several : `${served}.`}${cachedSentence(requests)}${apart}`;
}

/* What became of prompt tokens that the trace calls cached, where there are any. */
function cachedSentence({ cached, isFound }) {
  if (!cached) return "";
  const share = ` Of the prompt tokens the trace calls ${shown(100 * cached)} % cached: they are`;
  return isFound
    ? `${share} found in a cache here, and taken in again by the formula.`
    : `${share} taken in again.`;
}

/* A file as a shell takes it. */
const quotedName = (name) => `'${name.replaceAll("'", "'\\''")}'`;

/* The command that gives the same numbers; "" where there is none. */
function commandOf({ pools, requests, ready, isPlan }) {
  const { state, assumed, longWindow, data } = ready,
    windows = pools.map(({ window }) => window);
  const isRising = windows.every((window, place) => !place || window > windows[place - 1]);
  const isPart = requests.of > requests.count;
  if (isPlan || state.account !== "consistent" || isPart || !isRising)
    return "";
  const workload = data.workloads[state.workload],
    rate = data.demand.arrival_rate,
    timed = requests.settled === 0;
  return [
    "tokwatt simulate",
    workload.arrived ? `--trace ${quotedName(workload.name)}` : `--workload ${state.workload}`,
    `--llm ${state.llm} --gpu ${state.gpu} --gpus ${state.tensor_parallel}`,
    `--precision ${state.precision}`,
    ...(state.share ? [`--output-share ${state.share}`] : []),
    ...(timed && Arrivals.isOwn(rate, workload) ? [] : [`--arrival-rate ${rate}`]),
    ...(timed ? [] : [`--arrivals ${control("arrivals").value} --requests ${requests.count}`]),
    ...windows.slice(0, -1).map((window) => `--split-length ${window}`),
    ...(assumed.baseline === "given" ? [`--context-window ${longWindow}`] : []),
    ...(pools[0].decoding === null ? [] : ["--disaggregated"]),
    ...pools
      .flatMap(({ instances, decoding }) => [instances, decoding])
      .filter((count) => count !== null)
      .map((count) => `--instances ${count}`),
    `--router ${control("router").value}`,
    ...(requests.isFound ? ["--cached found"] : []),
    ...(requests.seeds > 1 ? [`--seeds ${requests.seeds}`] : []),
    ...Object.entries(state.changes)
      .filter(([choice]) => choice !== "output_share" || !state.share)
      .map(([choice, value]) => `--set ${choice}=${value}`),
  ].join(" ");
}

/* What the formula says of pools; latencies are the slowest one's. */
function formulaOf(pools) {
  const used = pools.filter(({ share }) => share > 0),
    total = (name) => sum(used.map((pool) => pool[name])),
    slowest = (name) => Math.max(...used.map((pool) => pool[name]));
  return {
    firstToken: [slowest("medianFirstToken"), slowest("firstToken")],
    latency: [slowest("median"), slowest("late")],
    throughput: total("credited"),
    power: total("power"),
    tokensPerJoule: total("credited") / total("power"),
  };
}

const intervalOf = (low, high) =>
  high === Infinity ? `${shown(low)} or more` : `${shown(low)} – ${shown(high)}`;

/* A row of numbers: an estimate, with its interval where there is one, and what is beside it. */
const servedRow = (text, { value, low, high }, formula = NaN, target = NaN) => [
  text,
  value,
  ...(Number.isFinite(low) ? [intervalOf(low, high)] : []),
  formula,
  target,
];

/* An estimate of another number, that rises or falls with it. */
function changed(valueOf, { value, low, high }) {
  const ends = [low, high].map(valueOf);
  return { value: valueOf(value), low: Math.min(...ends), high: Math.max(...ends) };
}

function showServed({ formula, ready, requests: { seeds } }, estimates) {
  const { assumed, data } = ready,
    { demand } = data,
    both = assumed.target === "both";
  const target = (share, quantile, value) => (share === quantile ? 1e3 * value : NaN);
  const latencies = (text, name, targetOf) =>
    [0.5, 0.99].map((share, place) =>
      servedRow(
        `${text}, ${share === 0.5 ? "median" : "p99"} [ms]`,
        changed((seconds) => 1e3 * seconds, estimates[name][place]),
        1e3 * (formula?.[name]?.[place] ?? NaN),
        targetOf(share),
      ),
    );
  const beside = (text, name, valueOf) =>
    servedRow(text, changed(valueOf, estimates[name]), formula ? valueOf(formula[name]) : NaN);
  const heads = ["", "Simulated", ...(seeds > 1 ? ["90 % interval"] : []), "Formula", "Target"];
  table("served", "The fleet, request by request and by the formula", heads, [
    ...latencies("TTFT", "firstToken", (share) => target(share, 0.99, demand.latency_target)),
    ...latencies("ITL", "latency", (share) =>
      both ? target(share, demand.itl_quantile, demand.itl_target) : NaN,
    ),
    ...latencies("Wait", "queued", () => NaN),
    beside("Throughput [tok/s]", "throughput", (tokens) => tokens),
    beside("Power [kW]", "power", (power) => power / 1e3),
    beside("Energy [J/tok]", "tokensPerJoule", (tokens) => (tokens > 0 ? 1 / tokens : Infinity)),
    servedRow("Running requests, mean", estimates.running),
    servedRow(
      "KV cache in use, mean [%]",
      changed((share) => 100 * share, estimates.kvUse),
    ),
    servedRow("Preemptions for each request", estimates.preempted),
  ]);
}
