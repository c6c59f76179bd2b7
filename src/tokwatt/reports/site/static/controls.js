"use strict";
/* The form of the explorer: its state is kept in the address. */

const form = document.getElementById("controls");
const OFFER = EXPLORER.offer;
const START = {
  account: Object.keys(EXPLORER.accounts)[0],
  gpu: Object.keys(EXPLORER.gpus)[0],
  ...EXPLORER.start,
  window: OFFER.context_window,
  utilization: 1,
  workload: Object.keys(EXPLORER.workloads)[0],
  share: "",
  long_window: OFFER.longest_window,
  split: OFFER.split_length,
  overflow: OFFER.overflow_factor,
  arrivals: EXPLORER.demand.arrival_rate,
  limit: round(1e3 * EXPLORER.demand.latency_target),
  electricity: round(3.6e6 * EXPLORER.energy.electricity_price),
  grid: round(3.6e9 * EXPLORER.energy.grid_intensity),
};
/* What the workload is called that is read from a file; no record has a blank in its name. */
const OWN_TRACE = "own trace";
const NAMES = [...Object.keys(START), "basis", ...EXPLORER.adjustable];

function round(value) {
  return Number(value.toPrecision(12));
}

function fill(name, entries) {
  form.elements[name].replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
}

function buildControls() {
  const named = (entries) =>
    Object.entries(entries).map(([value, said]) => [value, said.name ?? said]);
  fill(
    "account",
    Object.keys(EXPLORER.accounts).map((name) => [name, name]),
  );
  fill("basis", [["", "as the preset has it"], ...alternatives("basis")]);
  fill(
    "gpu",
    Object.keys(EXPLORER.gpus).map((name) => [name, name]),
  );
  fill("llm", named(EXPLORER.llms));
  fill("precision", named(EXPLORER.precisions));
  fill(
    "tensor_parallel",
    OFFER.tensor_parallel.map((count) => [count, count === 1 ? "1 GPU" : `${count} GPUs`]),
  );
  fill("workload", [...named(EXPLORER.workloads), [OWN_TRACE, "Your own trace"]]);
  for (const name of EXPLORER.adjustable) {
    const label = element(
      "label",
      {},
      `${sentence(EXPLORER.choices[name].meaning)} `,
      element("select", { name }),
    );
    document.getElementById("assumptions").append(label);
    fill(name, [["", "as the preset has it"], ...alternatives(name)]);
  }
}

function alternatives(name) {
  return Object.entries(EXPLORER.choices[name].alternatives).map(([value, { meaning }]) => [
    value,
    `${value.replaceAll("_", " ")}: ${meaning}`,
  ]);
}

function setControls(state) {
  for (const name of NAMES) form.elements[name].value = state[name] ?? START[name] ?? "";
  form.querySelectorAll("input[data-for]").forEach(setSlider);
}

function setSlider(slider) {
  const value = Number(form.elements[slider.dataset.for].value);
  slider.value = slider.dataset.scale === "log" ? Math.log2(Math.max(1, value)) : value;
}

function slid(slider) {
  const value = Number(slider.value);
  form.elements[slider.dataset.for].value =
    slider.dataset.scale === "log" ? Math.round(2 ** value) : value;
}

/* ---- state ---- */

function controlsState() {
  return Object.fromEntries(NAMES.map((name) => [name, form.elements[name].value]));
}

function addressOf(state) {
  const set = NAMES.filter((name) => state[name] !== "").map((name) => [name, state[name]]);
  return `#${new URLSearchParams(set)}`;
}

function stateOf(address) {
  return Object.fromEntries(new URLSearchParams(address.slice(1)));
}

/* What the account takes, and what is wrong with it. */
function prepared(state) {
  const number = (name) => Number(state[name]);
  const changes = Object.fromEntries(
    EXPLORER.adjustable.filter((name) => state[name]).map((name) => [name, state[name]]),
  );
  if (state.share) changes.output_share = "fifth";
  const demand = {
    ...EXPLORER.demand,
    arrival_rate: number("arrivals"),
    latency_target: number("limit") / 1e3,
    output_share: number("share") || EXPLORER.demand.output_share,
  };
  const energy = {
    electricity_price: number("electricity") / 3.6e6,
    grid_intensity: number("grid") / 3.6e9,
  };
  const chosen = {
    ...state,
    window: number("window"),
    longWindow: number("long_window"),
    changes: state.basis ? { ...changes, basis: state.basis } : changes,
  };
  const workloads = { ...EXPLORER.workloads, [OWN_TRACE]: ownTrace };
  if (!workloads[state.workload]) return null;
  return Cases.prepare({ ...EXPLORER, workloads, demand, energy }, chosen);
}

function problemOf(state, ready) {
  const invalid = [...form.elements].find((control) => control.name && !control.validity.valid);
  if (invalid)
    return `${invalid.labels[0].firstChild.textContent.trim()}: ${invalid.validationMessage}`;
  if (state.workload === OWN_TRACE && !ownTrace)
    return "Your own trace: choose its file, or another workload.";
  if (!ready)
    return (
      `The account “${state.account}” does not describe ${EXPLORER.llms[state.llm]} in ` +
      `${EXPLORER.precisions[state.precision]}: choose another LLM, precision or preset.`
    );
  if (ready.unmeasured)
    return (
      `${EXPLORER.workloads[state.workload].name} has no measured output share: ` +
      `state that of every request, such as ${EXPLORER.demand.output_share}.`
    );
  const met = contradiction(ready.assumed);
  return met ? `These assumptions contradict each other: ${met.reason}.` : "";
}

function contradiction(assumed) {
  return EXPLORER.impossible.find(({ when }) =>
    Object.entries(when).every(([name, found]) => [found].flat().includes(assumed[name])),
  );
}
