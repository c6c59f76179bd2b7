"use strict";
/* The explorer: a form whose state stands in the address, numbers by equations.js, curves drawn as SVG. */

const form = document.getElementById("controls");
const OFFER = EXPLORER.offer;
const START = {
  account: Object.keys(EXPLORER.accounts)[0], gpu: Object.keys(EXPLORER.gpus)[0], ...EXPLORER.start, window: OFFER.context_window, utilization: 1,
  workload: Object.keys(EXPLORER.workloads)[0], long_window: OFFER.longest_window, split: OFFER.split_length, overflow: OFFER.overflow_factor,
  arrivals: EXPLORER.demand.arrival_rate, limit: round(1e3 * EXPLORER.demand.latency_target),
  electricity: round(3.6e6 * EXPLORER.energy.electricity_price), grid: round(3.6e9 * EXPLORER.energy.grid_intensity),
};
const NAMES = [...Object.keys(START), "basis", ...EXPLORER.adjustable];

function round(value) { return Number(value.toPrecision(12)); }

/* ---- controls ---- */

function fill(name, entries) {
  form.elements[name].replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
}

function buildControls() {
  const named = (entries) => Object.entries(entries).map(([value, said]) => [value, said.name ?? said]);
  fill("account", Object.keys(EXPLORER.accounts).map((name) => [name, name]));
  fill("basis", [["", "as the preset has it"], ...alternatives("basis")]);
  fill("gpu", Object.keys(EXPLORER.gpus).map((name) => [name, name]));
  fill("llm", named(EXPLORER.llms));
  fill("precision", named(EXPLORER.precisions));
  fill("tensor_parallel", OFFER.tensor_parallel.map((count) => [count, count === 1 ? "1 GPU" : `${count} GPUs`]));
  fill("workload", named(EXPLORER.workloads));
  for (const name of EXPLORER.adjustable) {
    const label = element("label", {}, `${sentence(EXPLORER.choices[name].meaning)} `, element("select", { name }));
    document.getElementById("assumptions").append(label);
    fill(name, [["", "as the preset has it"], ...alternatives(name)]);
  }
}

function alternatives(name) {
  return Object.entries(EXPLORER.choices[name].alternatives).map(([value, { meaning }]) => [value, `${value.replaceAll("_", " ")}: ${meaning}`]);
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
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
  form.elements[slider.dataset.for].value = slider.dataset.scale === "log" ? Math.round(2 ** value) : value;
}

/* ---- state ---- */

function controlsState() {
  return Object.fromEntries(NAMES.map((name) => [name, form.elements[name].value]));
}

function addressOf(state) {
  return `#${new URLSearchParams(NAMES.filter((name) => state[name] !== "").map((name) => [name, state[name]]))}`;
}

function stateOf(address) {
  return Object.fromEntries(new URLSearchParams(address.slice(1)));
}

/* What equations.js takes, and what is wrong with it. */
function prepared(state) {
  const number = (name) => Number(state[name]);
  const changes = Object.fromEntries(EXPLORER.adjustable.filter((name) => state[name]).map((name) => [name, state[name]]));
  const demand = { ...EXPLORER.demand, arrival_rate: number("arrivals"), latency_target: number("limit") / 1e3 };
  const energy = { electricity_price: number("electricity") / 3.6e6, grid_intensity: number("grid") / 3.6e9 };
  const chosen = { ...state, window: number("window"), longWindow: number("long_window"), changes: state.basis ? { ...changes, basis: state.basis } : changes };
  return Tokwatt.prepare({ ...EXPLORER, demand, energy }, chosen);
}

function problemOf(state, ready) {
  const invalid = [...form.elements].find((control) => control.name && !control.validity.valid);
  if (invalid) return `${invalid.labels[0].firstChild.textContent.trim()}: ${invalid.validationMessage}`;
  if (!ready) return `The account “${state.account}” does not describe ${EXPLORER.llms[state.llm]}: choose another LLM or preset.`;
  const met = contradiction(ready.assumed);
  return met ? `These assumptions contradict each other: ${met.reason}.` : "";
}

function contradiction(assumed) {
  return EXPLORER.impossible.find(({ when }) => Object.entries(when).every(([name, found]) => [found].flat().includes(assumed[name])));
}

/* ---- numbers ---- */

function shown(value, digits = 4) {
  if (!Number.isFinite(value)) return "–";
  if (value !== 0 && (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-3)) return value.toExponential(digits - 1).replace("e", " × 10^").replace("+", "");
  return value.toLocaleString("en", { maximumSignificantDigits: Math.max(digits, Math.trunc(Math.abs(value)).toString().length) });
}

function list(id, entries) {
  document.getElementById(id).replaceChildren(...entries.map(([name, text, value, unit]) => element(
    "div", {}, element("dt", {}, text),
    element("dd", { "data-name": name, "data-value": value }, element("b", {}, shown(value)), ` ${Number.isFinite(value) ? unit : ""}`),
  )));
}

function costs(ready, tokensPerJoule, rate) {
  const found = Tokwatt.prices(ready, tokensPerJoule, rate);
  return [
    ["joules", "Energy", found.joulesPerToken, "J/tok"],
    ["rent", "Rent", found.rent, "USD/Mtok"],
    ["electricity", "Electricity", found.electricity, "USD/Mtok"],
    ["carbon", "Emissions", found.grams, "gCO₂/Mtok"],
  ];
}

const watts = ({ assumed }) => `watts of ${EXPLORER.choices.basis.alternatives[assumed.basis].meaning}`;

function showInstance(ready, point) {
  list("instance", [
    ["tokens_per_joule", "Tokens per joule", point.tokensPerJoule, "tok/J"],
    ["concurrency", "Concurrency", point.concurrency, "sequences"],
    ["batch", "In flight", point.batch, "sequences"],
    ["latency", "Time of a step", 1e3 * point.latency, "ms"],
    ["throughput", "Throughput", point.throughput, "tok/s"],
    ["power", sentence(watts(ready)), point.power, point.limited ? "W, the board’s limit" : "W"],
    ["prompts", "Prompt for each output token", ready.ratio, "tokens"],
    ...costs(ready, point.tokensPerJoule, point.throughput),
    ...(point.missing > 0 ? [["missing", "Missing memory on each GPU", point.missing / 2 ** 30, "GiB"]] : []),
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
  const heads = ["Window [tok]", "Requests [%]", "Instances", "Concurrency", "In use [%]", "Step [ms]", "Prompts, p99 [ms]"];
  table("pools", "Pools", heads, fleet.pools.filter((pool) => pool.share > 0).map((pool) => [
    pool.window, 100 * pool.share, pool.instances, pool.concurrency, 100 * pool.utilization, 1e3 * pool.latency, 1e3 * pool.promptTime,
  ]));
}

function table(id, caption, heads, rows) {
  const row = (kind, cells) => element("tr", {}, ...cells.map((cell) => element(kind, kind === "th" ? { scope: "col" } : { class: "number" }, cell)));
  document.getElementById(id).replaceChildren(
    element("caption", {}, caption), element("thead", {}, row("th", heads)), element("tbody", {}, ...rows.map((cells) => row("td", cells.map((cell) => shown(cell))))),
  );
}

function summarise(ready, point, fleet) {
  const instance = Number.isFinite(point.tokensPerJoule) ? `By the ${watts(ready)}, an instance gives ${shown(point.tokensPerJoule)} tokens per joule` : "The LLM does not fit on these GPUs";
  const served = fleet.instances === Infinity ? late(ready, fleet) : `a fleet of ${shown(fleet.instances)} instances ${shown(fleet.tokensPerJoule)}`;
  document.getElementById("summary").textContent = Number.isFinite(point.tokensPerJoule) ? `${instance}; ${served}.` : `${instance}.`;
}

/* Why no number of instances is enough: prompts that take longer than the target by themselves, or steps that do. */
function late({ assumed, data }, fleet) {
  const slowest = fleet.pools.reduce((one, other) => (other.share > 0 && other.promptTime > one.promptTime ? other : one));
  const prompts = assumed.target === "first_token" && slowest.promptTime >= data.demand.latency_target;
  const why = prompts ? `: in the pool of ${shown(slowest.window)} tokens one prompt in a hundred takes ${shown(1e3 * slowest.promptTime)} ms or more by itself` : "";
  return `no number of instances meets the latency target of ${shown(1e3 * data.demand.latency_target)} ms${why}`;
}

/* ---- curves ---- */

const SVG = "http://www.w3.org/2000/svg";
const FRAME = { height: 340, left: 64, right: 16, top: 14, bottom: 48 };

function drawn(tag, attributes, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function chart(id, title, xLabel, lines, marks) {
  const points = lines.flatMap((line) => line.points).filter(([, y]) => y > 0 && Number.isFinite(y));
  const holder = document.getElementById(id);
  if (!points.length) return holder.replaceChildren(element("p", { class: "note" }, "Nothing to draw: no point of the curve can be served."));
  FRAME.width = Math.min(640, Math.max(300, holder.clientWidth));
  const svg = drawn("svg", { viewBox: `0 0 ${FRAME.width} ${FRAME.height}`, role: "img", "aria-label": title });
  const x = scale(points.map(([value]) => value), FRAME.left, FRAME.width - FRAME.right), y = scale(points.map(([, value]) => value), FRAME.height - FRAME.bottom, FRAME.top, 1.08);
  drawAxes(svg, x, y, xLabel);
  for (const line of lines) svg.append(drawn("path", { d: path(line.points, x, y), class: `line ${line.look}` }));
  for (const [px, py] of marks.filter(([, value]) => value > 0 && Number.isFinite(value))) svg.append(drawn("circle", { cx: x.at(px), cy: y.at(py), r: 6, class: "mark" }));
  holder.replaceChildren(svg, legend(lines));
}

function scale(values, from, to, room = 1) {
  let [low, high] = [Math.min(...values) / room, Math.max(...values) * room];
  if (high / low < 1.5) [low, high] = [low / 1.25, high * 1.25];
  return { low, high, at: (value) => from + ((to - from) * Math.log(value / low)) / Math.log(high / low) };
}

function path(points, x, y) {
  let pen = "M";
  return points.map(([px, py]) => {
    if (!(py > 0 && Number.isFinite(py))) { pen = "M"; return ""; }
    const piece = `${pen}${x.at(px).toFixed(1)},${Math.min(FRAME.height - FRAME.bottom, Math.max(FRAME.top, y.at(py))).toFixed(1)}`;
    pen = "L";
    return piece;
  }).join("");
}

function drawAxes(svg, x, y, xLabel) {
  const bottom = FRAME.height - FRAME.bottom;
  const sparse = FRAME.width < 450 ? 4 : 2;
  for (let tick = 2 ** Math.ceil(Math.log2(x.low)); tick <= x.high * 1.001; tick *= sparse) {
    svg.append(drawn("line", { x1: x.at(tick), x2: x.at(tick), y1: FRAME.top, y2: bottom, class: "tick" }));
    svg.append(drawn("text", { x: x.at(tick), y: bottom + 18, "text-anchor": "middle" }, tick < 1024 ? tick : `${tick / 1024}K`));
  }
  for (const tick of niceTicks(y.low, y.high)) {
    svg.append(drawn("line", { x1: FRAME.left, x2: FRAME.width - FRAME.right, y1: y.at(tick), y2: y.at(tick), class: "tick" }));
    svg.append(drawn("text", { x: FRAME.left - 8, y: y.at(tick) + 4, "text-anchor": "end" }, shown(tick, 3)));
  }
  svg.append(drawn("text", { x: (FRAME.left + FRAME.width) / 2, y: FRAME.height - 8, "text-anchor": "middle" }, xLabel));
  svg.append(drawn("text", { transform: `translate(14 ${bottom / 2}) rotate(-90)`, "text-anchor": "middle" }, "Tokens per joule"));
}

function niceTicks(low, high) {
  const steps = high / low > 30 ? [1] : high / low > 4 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) found.push(...steps.map((step) => step * 10 ** power));
  return found.filter((tick) => tick >= low && tick <= high);
}

function legend(lines) {
  return element("p", { class: "legend" }, ...lines.filter((line) => line.name).map((line) => element("span", { class: line.look }, line.name)));
}

const doublings = (from, to, perDoubling) => {
  const count = Math.floor(perDoubling * Math.log2(to / from) + 1e-9);
  return Array.from({ length: count + 1 }, (_, place) => Math.round(from * 2 ** (place / perDoubling)));
};

function drawLaw(state, ready, point) {
  const windows = doublings(1024, 262144, 2);
  const lines = Object.keys(EXPLORER.accounts).map((account) => {
    const own = account === state.account ? ready : prepared({ ...state, account });
    const points = own && !contradiction(own.assumed) ? windows.map((window) => [window, Tokwatt.instanceAt(own, window, Number(state.utilization)).tokensPerJoule]) : [];
    return { name: own ? `${account}, ${watts(own)}` : account, look: account === state.account ? "chosen" : "other", points };
  });
  const slope = windows.map((window) => [window, (point.tokensPerJoule * ready.state.window) / window]);
  chart("law", "Tokens per joule against the context window", "Context window [tok]", [...lines, { name: "slope −1", look: "guide", points: slope }], [[ready.state.window, point.tokensPerJoule]]);
  table("law-numbers", "Tokens per joule by context window", ["Window [tok]", ...lines.map((line) => line.name)], windows.map((window, place) => [window, ...lines.map((line) => line.points[place]?.[1] ?? NaN)]));
}

function drawSplits(state, ready, fleet, alone) {
  const splits = doublings(256, ready.longWindow, 4);
  const points = splits.map((split) => [split, Tokwatt.fleetAt(ready, split, Number(state.overflow)).tokensPerJoule]);
  const lines = [{ name: "two pools", look: "chosen", points }, { name: "one pool", look: "guide", points: splits.map((split) => [split, alone.tokensPerJoule]) }];
  chart("splits", "Tokens per joule of the fleet against the split length", "Split length [tok]", lines, Number(state.split) ? [[Number(state.split), fleet.tokensPerJoule]] : []);
  table("splits-numbers", "Tokens per joule by split length", ["Split [tok]", "two pools"], points);
}

/* ---- all of it ---- */

function showPreset(ready) {
  const smallest = ready.assumed.baseline === "smallest";
  form.elements.long_window.disabled = smallest;
  document.getElementById("window-note").hidden = !smallest;
  for (const name of ["basis", ...EXPLORER.adjustable]) {
    const preset = EXPLORER.assumed[ready.machine.assumed][name].replaceAll("_", " ");
    form.elements[name].options[0].textContent = `as the preset has it: ${preset}`;
  }
}

let pending = 0;

function update() {
  const state = controlsState(), ready = form.checkValidity() ? prepared(state) : null, problem = problemOf(state, ready);
  const note = document.getElementById("problem");
  note.textContent = problem;
  note.hidden = !problem;
  document.getElementById("account-note").textContent = `${EXPLORER.accounts[state.account]}.`;
  document.querySelector(".results").classList.toggle("stale", Boolean(problem));
  if (ready) showPreset(ready);
  if (problem) return;
  const point = Tokwatt.instanceAt(ready, ready.state.window, Number(state.utilization));
  const alone = Tokwatt.fleetAt(ready, 0, 1), fleet = Number(state.split) ? Tokwatt.fleetAt(ready, Number(state.split), Number(state.overflow)) : alone;
  showInstance(ready, point);
  showFleet(ready, fleet, alone);
  summarise(ready, point, fleet);
  document.getElementById("link").href = addressOf(state);
  history.replaceState(null, "", addressOf(state));
  clearTimeout(pending);
  pending = setTimeout(() => { drawLaw(state, ready, point); drawSplits(state, ready, fleet, alone); }, 30);
}

buildControls();
setControls(stateOf(location.hash));
form.addEventListener("input", ({ target }) => {
  if (target.dataset.for) slid(target);
  form.querySelectorAll("input[data-for]").forEach((slider) => { if (slider !== target) setSlider(slider); });
  update();
});
form.addEventListener("reset", (event) => { event.preventDefault(); setControls({}); update(); });
form.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("resize", update);
window.addEventListener("hashchange", () => { setControls(stateOf(location.hash)); update(); });
update();
