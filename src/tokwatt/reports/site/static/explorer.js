"use strict";
/* The explorer: numbers of the account for the state of the form, and what they mean. */

function costs(ready, tokensPerJoule, rate) {
  const found = Cases.prices(ready, tokensPerJoule, rate);
  return [
    ["joules", "Energy", found.joulesPerToken, "J/tok"],
    ["rent", "Rent", found.rent, "USD/Mtok"],
    ["electricity", "Electricity", found.electricity, "USD/Mtok"],
    ["carbon", "Emissions", found.grams, "gCO₂/Mtok"],
  ];
}

const watts = ({ assumed }) =>
  `watts of ${EXPLORER.choices.basis.alternatives[assumed.basis].meaning}`;

function showInstance(ready, point) {
  list("instance", [
    ["tokens_per_joule", "Tokens per joule", point.tokensPerJoule, "tok/J"],
    ["concurrency", "Concurrency", point.concurrency, "sequences"],
    ["batch", "Running requests", point.batch, "sequences"],
    ["latency", "Inter-token latency, mean", 1e3 * point.latency, "ms"],
    ["median", "Inter-token latency, median", 1e3 * point.median, "ms"],
    ["late", "Inter-token latency, p99", 1e3 * point.late, "ms"],
    ["throughput", "Throughput", point.throughput, "tok/s"],
    ["power", sentence(watts(ready)), point.power, point.limited ? "W, the board’s limit" : "W"],
    ["prompts", "Prompt tokens for each output token", ready.ratio, "tokens"],
    ...costs(ready, point.tokensPerJoule, point.throughput),
    ...(point.missing > 0
      ? [["missing", "Missing memory on each GPU", point.missing / 2 ** 30, "GiB"]]
      : []),
  ]);
}

function showFleet(ready, fleet, alone) {
  list("fleet", [
    ["tokens_per_joule", "Tokens per joule", fleet.tokensPerJoule || NaN, "tok/J"],
    ["gain", "Over one pool", (fleet.tokensPerJoule || NaN) / alone.tokensPerJoule, "times"],
    ["instances", "Instances", fleet.instances, ""],
    ["gpus", "GPUs", fleet.instances * ready.machine.gpus, ""],
    ["power", sentence(watts(ready)), fleet.power / 1e3, "kW"],
    ["throughput", "Output credited", fleet.credited, "tok/s"],
    ["rejected", "Requests too long to serve", 100 * fleet.rejected, "%"],
    ...costs(ready, fleet.tokensPerJoule, fleet.credited / fleet.instances),
  ]);
  const heads = [
    "Window [tok]",
    "Requests [%]",
    "Instances",
    "Concurrency",
    "In use [%]",
    "ITL, median [ms]",
    "ITL, p99 [ms]",
    "TTFT, median [ms]",
    "TTFT, p99 [ms]",
  ];
  table(
    "pools",
    "Pools",
    heads,
    fleet.pools
      .filter((pool) => pool.share > 0)
      .map((pool) => [
        pool.window,
        100 * pool.share,
        pool.instances,
        pool.concurrency,
        100 * pool.utilization,
        1e3 * pool.median,
        1e3 * pool.late,
        1e3 * pool.medianFirstToken,
        1e3 * pool.firstToken,
      ]),
  );
}

/* What of a fleet must be simulated, if anything. */
function showDoubts(id, { data, state }, pools) {
  const { burstiness } = data.workloads[state.workload],
    doubts = Doubts.said(data.doubts, pools, burstiness ?? 1);
  const note = document.getElementById(id);
  note.textContent = doubts.length ? `Must be simulated: ${doubts.join("; ")}.` : "";
  note.hidden = !doubts.length;
}

/* No fleet, where an engine does not start with the longest window. */
const NO_FLEET = {
  pools: [],
  instances: NaN,
  power: NaN,
  credited: NaN,
  tokensPerJoule: NaN,
  rejected: NaN,
};

const fleetAt = (ready, split, overflow) =>
  Cases.starts(ready, ready.longWindow) ? Cases.fleetAt(ready, split, overflow) : NO_FLEET;

function unstarted({ machine, longWindow }) {
  const held = Share.cachedTokens(machine, longWindow);
  return (
    `no engine starts with a window of ${shown(longWindow)} tokens, of which the KV cache ` +
    `holds ${shown(held)}`
  );
}

function summarise(ready, point, fleet) {
  const instance = Number.isFinite(point.tokensPerJoule)
    ? `By the ${watts(ready)}, an instance gives ${shown(point.tokensPerJoule)} tokens per joule`
    : "The LLM does not fit on these GPUs";
  const served =
    unserved(ready, fleet) ||
    `a fleet of ${shown(fleet.instances)} instances ${shown(fleet.tokensPerJoule)}`;
  document.getElementById("summary").textContent = Number.isFinite(point.tokensPerJoule)
    ? `${instance}; ${served}.`
    : `${instance}.`;
}

/* Why there is no fleet; "" where there is one. */
function unserved(ready, fleet) {
  if (Number.isNaN(fleet.instances)) return unstarted(ready);
  return fleet.instances === Infinity ? late(ready, fleet) : "";
}

/* Why no number of instances is enough: prompts, or steps, that alone exceed the target. */
function late({ assumed, data }, fleet) {
  const slowest = fleet.pools.reduce((one, other) =>
    other.share > 0 && other.promptTime > one.promptTime ? other : one,
  );
  const prompts =
    assumed.target !== "wait" && slowest.promptTime >= data.demand.latency_target;
  const why = prompts
    ? `: in the pool of ${shown(slowest.window)} tokens one prompt in a hundred takes ` +
      `${shown(1e3 * slowest.promptTime)} ms or more by itself`
    : "";
  const target = shown(1e3 * data.demand.latency_target);
  return `no number of instances meets the latency target of ${target} ms${why}`;
}

/* ---- all of it ---- */

function showPreset(ready) {
  const smallest = ready.assumed.baseline === "smallest";
  form.elements.long_window.disabled = smallest;
  document.getElementById("window-note").hidden = !smallest;
  for (const name of ["basis", ...EXPLORER.adjustable]) {
    const preset = ready.preset[name].replaceAll("_", " ");
    form.elements[name].options[0].textContent = `as the preset has it: ${preset}`;
  }
}

/* What an output share that is left out is; one that is stated stands for any alternative. */
function showShare({ unmeasured, assumed, state }) {
  const { share, output_share } = form.elements,
    measured = unmeasured ? "none measured" : "as measured";
  share.placeholder =
    assumed.output_share === "trace" ? measured : EXPLORER.demand.output_share;
  output_share.disabled = Boolean(state.share);
}

let pending = 0;

function update() {
  const state = controlsState(),
    ready = form.checkValidity() ? prepared(state) : null,
    problem = problemOf(state, ready);
  const note = document.getElementById("problem");
  note.textContent = problem;
  note.hidden = !problem;
  document.getElementById("account-note").textContent = `${EXPLORER.accounts[state.account]}.`;
  document.querySelector(".explorer").classList.toggle("stale", Boolean(problem));
  if (ready) {
    showPreset(ready);
    showShare(ready);
  }
  if (location.hash !== addressOf(state)) forget();
  for (const id of ["plan", "serve"]) document.getElementById(id).disabled = Boolean(problem);
  if (problem) return;
  const point = Cases.instanceAt(ready, ready.state.window, Number(state.utilization));
  const alone = fleetAt(ready, 0, 1),
    fleet = Number(state.split)
      ? fleetAt(ready, Number(state.split), Number(state.overflow))
      : alone;
  showInstance(ready, point);
  showFleet(ready, fleet, alone);
  showDoubts("doubts", ready, Number.isFinite(fleet.instances) ? fleet.pools : []);
  summarise(ready, point, fleet);
  document.getElementById("link").href = addressOf(state);
  history.replaceState(null, "", addressOf(state));
  clearTimeout(pending);
  pending = setTimeout(() => {
    drawLaw(state, ready, point);
    drawSplits(state, ready, fleet, alone);
  }, 30);
}

buildControls();
setControls(stateOf(location.hash));
form.addEventListener("input", ({ target }) => {
  if (target.dataset.for) slid(target);
  form.querySelectorAll("input[data-for]").forEach((slider) => {
    if (slider !== target) setSlider(slider);
  });
  update();
});
form.addEventListener("reset", (event) => {
  event.preventDefault();
  setControls({});
  update();
});
form.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("resize", update);
window.addEventListener("hashchange", () => {
  setControls(stateOf(location.hash));
  update();
});
update();
