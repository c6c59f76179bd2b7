"use strict";
/* What is said of a run: a sentence, its numbers beside the formula's, and the command for it. */

function servedSentence({ pools, requests }, { requests: count, duration }) {
  const instances = pools.map((pool) => shown(pool.instances)).join(" + "),
    first =
      requests.of > count ? `The first ${shown(count)} of ${shown(requests.of)}` : shown(count);
  return (
    `${first} requests, served by ${instances} ` +
    `${instances === "1" ? "instance" : "instances"} in ${shown(duration)} s.`
  );
}

/* A file as a shell takes it. */
const quotedName = (name) => `'${name.replaceAll("'", "'\\''")}'`;

/* The command that gives the same numbers; "" where there is none. */
function commandOf({ pools, requests, ready, isPlan }) {
  const { state, assumed, longWindow, data } = ready,
    windows = pools.map(({ window }) => window);
  const isRising = windows.every((window, place) => !place || window > windows[place - 1]);
  if (isPlan || state.account !== "consistent" || requests.of > requests.count || !isRising)
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
    ...pools.map(({ instances }) => `--instances ${instances}`),
    `--router ${control("router").value}`,
    ...Object.entries(state.changes)
      .filter(([choice]) => choice !== "output_share" || !state.share)
      .map(([choice, value]) => `--set ${choice}=${value}`),
  ].join(" ");
}

/* What the formula says of pools; latencies are the slowest one's. */
function formulaOf(pools) {
  const used = pools.filter(({ share }) => share > 0),
    total = (name) => used.reduce((all, pool) => all + pool[name], 0),
    slowest = (name) => Math.max(...used.map((pool) => pool[name]));
  return {
    firstToken: [slowest("medianFirstToken"), slowest("firstToken")],
    latency: [slowest("median"), slowest("late")],
    throughput: total("credited"),
    power: total("power"),
    tokensPerJoule: total("credited") / total("power"),
  };
}

const SERVED_HEADS = ["", "Simulated", "Formula", "Target"];

function showServed({ formula, ready }, totals) {
  const { assumed, data } = ready,
    { demand } = data,
    both = assumed.target === "both";
  const target = (share, quantile, value) => (share === quantile ? 1e3 * value : NaN);
  const latencies = (text, name, targetOf) =>
    [0.5, 0.99].map((share, place) => [
      `${text}, ${share === 0.5 ? "median" : "p99"} [ms]`,
      1e3 * totals[name][place],
      1e3 * (formula?.[name]?.[place] ?? NaN),
      targetOf(share),
    ]);
  const beside = (text, valueOf) => [
    text,
    valueOf(totals),
    formula ? valueOf(formula) : NaN,
    NaN,
  ];
  table("served", "The fleet, request by request and by the formula", SERVED_HEADS, [
    ...latencies("TTFT", "firstToken", (share) => target(share, 0.99, demand.latency_target)),
    ...latencies("ITL", "latency", (share) =>
      both ? target(share, demand.itl_quantile, demand.itl_target) : NaN,
    ),
    ...latencies("Wait", "queued", () => NaN),
    beside("Throughput [tok/s]", ({ throughput }) => throughput),
    beside("Power [kW]", ({ power }) => power / 1e3),
    beside("Energy [J/tok]", ({ tokensPerJoule }) => 1 / tokensPerJoule),
    ["Running requests, mean", totals.running, NaN, NaN],
    ["KV cache in use, mean [%]", 100 * totals.kvUse, NaN, NaN],
    ["Preemptions for each request", totals.preempted, NaN, NaN],
  ]);
}
