"use strict";
/* The plan of the page: asked for by a button, and forgotten when the case changes. */

/* Its pools, once there is one. */
let planned = null;

/* What an objective is for each output token, from a plan's cost and tokens a second. */
const OBJECTIVES = {
  joules: ["J/tok", 1],
  dollars: ["USD/Mtok", 1e6],
  carbon: ["gCO₂/Mtok", 1e9],
  gpus: ["GPU for each tok/s", 1],
};

/* Every configuration of the LLM that is offered; the widths of an engine divide its heads. */
function configurations(state) {
  const found = [];
  for (const gpu of Object.keys(EXPLORER.gpus))
    for (const tensor_parallel of OFFER.tensor_parallel)
      for (const precision of Object.keys(EXPLORER.precisions))
        if (EXPLORER.heads[state.llm] % tensor_parallel === 0)
          found.push(prepared({ ...state, gpu, precision, tensor_parallel }));
  return found.filter((ready) => ready && !contradiction(ready.assumed));
}

function showPlan() {
  const state = controlsState(),
    objective = document.getElementById("objective").value,
    readies = configurations(state);
  const [{ longWindow, assumed }] = readies;
  if (!conserves(assumed))
    return tellPlan(
      "The pools of this account lose requests or tokens, so that no plan has a meaning: choose " +
        "the preset consistent.",
    );
  const splits = doublings(512, longWindow / 2, 1),
    found = Plans.planOf(readies, splits, objective);
  if (!found) return tellPlan("No fleet of one or two pools meets the targets.");
  const tokens = sum(found.pools.map(({ pool }) => pool.credited));
  const [unit, scale] = OBJECTIVES[objective];
  tellPlan(
    `${shown((scale * found.cost) / tokens)} ${unit}, the least of ${readies.length} ` +
      `configurations for ${found.classes} classes of lengths; ${besideOne(found)}.`,
  );
  table("plan-pools", "Pools of the plan", PLAN_HEADS, planRows(found.pools, tokens));
  showDoubts(
    "plan-doubts",
    readies[0],
    found.pools.map(({ pool }) => pool),
  );
  planned = found.pools;
}

/* Whether each request is served whole in one pool. */
const conserves = ({ long_pool, oversized }) =>
  long_pool === "from_split" && ["reject", "fitting_window"].includes(oversized);

function besideOne({ pools, whole, cost }) {
  if (!whole) return "no single pool meets the targets";
  if (pools.length === 1) return "two pools gain nothing";
  return `one pool of ${configured(whole)} costs ${shown(whole.cost / cost)} times as much`;
}

const configured = ({ ready: { state } }) =>
  `${state.gpu} TP${state.tensor_parallel}, ${EXPLORER.precisions[state.precision]}`;

const PLAN_HEADS = [
  "Up to [tok]",
  "Configuration",
  "Instances",
  "GPUs",
  "kW",
  "tok/J",
  "USD/Mtok",
  "TTFT, median [ms]",
  "TTFT, p99 [ms]",
  "ITL, median [ms]",
  "ITL, p99 [ms]",
];

/* Each pool, and all of them where there are two: latencies of all are the slowest pool's. */
function planRows(pools, tokens) {
  const numbers = ({ ready, pool }) => ({
    instances: pool.instances,
    gpus: pool.instances * ready.machine.gpus,
    power: pool.power,
    credited: pool.credited,
    rent: pool.instances * Cases.rented(ready) * ready.machine.gpu.price,
    latencies: [pool.medianFirstToken, pool.firstToken, pool.median, pool.late],
  });
  const cells = ({ instances, gpus, power, credited, rent, latencies }) => [
    instances,
    gpus,
    power / 1e3,
    credited / power,
    (1e6 * rent) / credited,
    ...latencies.map((seconds) => 1e3 * seconds),
  ];
  const each = pools.map(numbers);
  const rows = pools.map((own, place) => [
    own.pool.window,
    configured(own),
    ...cells(each[place]),
  ]);
  if (pools.length === 1) return rows;
  const total = (name) => sum(each.map((own) => own[name]));
  const all = Object.fromEntries(
    ["instances", "gpus", "power", "rent"].map((name) => [name, total(name)]),
  );
  const latencies = each[0].latencies.map((_, place) =>
    Math.max(...each.map((own) => own.latencies[place])),
  );
  return [...rows, ["all", "", ...cells({ ...all, credited: tokens, latencies })]];
}

function tellPlan(sentence) {
  planned = null;
  document.getElementById("plan-note").textContent = sentence;
  document.getElementById("plan-pools").replaceChildren();
  document.getElementById("plan-doubts").hidden = true;
}

/* Sizing every configuration takes a moment, before which the sentence is painted. */
document.getElementById("plan").addEventListener("click", () => {
  tellPlan("Being planned.");
  setTimeout(showPlan, 30);
});
document.getElementById("objective").addEventListener("change", () => tellPlan(""));
