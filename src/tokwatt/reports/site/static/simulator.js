"use strict";
/* The fleet of the page, or of its plan, served request by request: asked for by a button, and
   forgotten when the case changes. */

/* Most requests of a run in the browser: seconds on a laptop. */
const MOST_SERVED = 100_000;
/* Milliseconds that a run takes before the page may go on. */
const SLICE = 40;

const control = (name) => document.getElementById(`serve-${name}`);

/* The run that is going on; others have ended, or end. */
let serving = null;
let lastRun = null;

/* Pools that serve, the formula's numbers of them, and what their requests are of. */
function askedFleet() {
  if (control("fleet").value === "plan") return planFleet();
  const state = controlsState(),
    ready = prepared(state),
    fleet = fleetAt(ready, Number(state.split), Number(state.overflow));
  refuseAccount(ready);
  const apart = control("apart").value === "apart";
  if (apart) refuseApart(ready);
  const given = givenInstances(fleet.pools.length * (apart ? 2 : 1)),
    why = unserved(ready, fleet);
  if (Number.isNaN(fleet.instances) || (why && !given)) throw new Refusal(`${sentence(why)}.`);
  const pools = fleet.pools.map(({ window, instances }, place) => ({
    ready,
    window,
    instances: given ? given[apart ? 2 * place : place] : instances,
    decoding: apart ? given[2 * place + 1] : null,
  }));
  return { pools, isPlan: false, formula: given ? null : formulaOf(fleet.pools) };
}

/* Prefill and decode apart are of instances that the reader gives; the formula sizes no such. */
function refuseApart({ assumed }) {
  if (assumed.prefill !== "chunked")
    throw new Refusal(`Prefill apart: the account has it ${assumed.prefill}, choose chunked.`);
  if (!control("instances").value.trim())
    throw new Refusal(
      "Prefill apart: no such fleet is sized here. Give the instances of each pool, those that " +
        "prefill before those that decode, such as “2 3”.",
    );
}

function planFleet() {
  if (control("apart").value === "apart")
    throw new Refusal("Prefill apart: the plan has none, choose the fleet of the page.");
  if (!planned) throw new Refusal("There is no plan yet: press Plan first.");
  refuseAccount(planned[0].ready);
  const pools = planned.map(({ ready, pool: { window, instances } }) => ({
    ready,
    window,
    instances,
    decoding: null,
  }));
  return { pools, isPlan: true, formula: formulaOf(planned.map(({ pool }) => pool)) };
}

/* Numbers of instances that the reader gives, one for each pool; null where there are none. */
function givenInstances(pools) {
  const given = control("instances").value.trim();
  if (!given) return null;
  const numbers = given.split(/[\s,;+]+/).map(Number);
  if (numbers.length !== pools)
    throw new Refusal(
      `Instances: has ${numbers.length} numbers, wanted ${pools}, one for each pool` +
        `${control("apart").value === "apart" ? ", prefill before decode" : ""}.`,
    );
  if (!numbers.every((number) => Number.isInteger(number) && number >= 0))
    throw new Refusal(`Instances: is “${given}”, wanted a whole number for each pool.`);
  return numbers;
}

function refuseAccount({ assumed, requests, longWindow }) {
  if (!conserves(assumed))
    throw new Refusal(
      "The pools of this account lose requests or tokens, so that none can be served one by one: " +
        "choose the preset consistent.",
    );
  if (assumed.prefill === "overlapped")
    throw new Refusal(
      "Prefill is overlapped, which no step by itself tells: choose chunked, additive or free.",
    );
  const longest = requests.prompt.at(-1) + requests.output.at(-1);
  if (longest > longWindow)
    throw new Refusal(
      `The longest request has ${shown(longest)} tokens, more than the longest window of ` +
        `${shown(longWindow)}: choose a longer one.`,
    );
}

function refuseMany(pools, most) {
  const largest = Math.max(
    ...pools.flatMap(({ instances, decoding }) => [instances, decoding ?? 0]),
  );
  if (largest > most)
    throw new Refusal(
      `A pool has ${shown(largest)} instances, wanted at most ${shown(most)} to serve one by one.`,
    );
}

/* ---- the run ---- */

/* Requests of the case; of those that are drawn the first share does not count, as in the
   command. */
function askedRequests({ data, state }) {
  const { rate, count: all } = data.workloads[state.workload];
  if (rate) return { count: Math.min(all, MOST_SERVED), of: all, settled: 0 };
  const { count: least, beside_seconds: seconds, settled } = EXPLORER.running,
    some = Math.max(least, Math.trunc(seconds * data.demand.arrival_rate)),
    count = numberOf("count", "Drawn requests", Math.min(some, MOST_SERVED));
  return { count, of: count, settled };
}

/* A whole number of a control, or another one where there is none. */
function numberOf(name, what, otherwise) {
  const { value, validationMessage } = control(name);
  if (validationMessage) throw new Refusal(`${what}: ${validationMessage}`);
  return Number(value) || otherwise;
}

/* Share of prompt tokens that the trace calls cached, of its requests that are served; and whether
   the cache is to be found, which only requests at their own times can say. */
function askedCache({ data, state }, { count, settled }) {
  const { arrived } = data.workloads[state.workload],
    isFound = control("cached").value === "found",
    first = (name) => arrived[name].slice(0, settled ? undefined : count);
  const tokens = (name) =>
    first(name).reduce((all, each, row) => all + each * arrived.requests[row], 0);
  const cached = arrived ? tokens("cached") / tokens("prompt") : 0;
  if (isFound && !cached)
    throw new Refusal("Cached tokens: these requests name none, choose taken in again.");
  if (isFound && settled)
    throw new Refusal(
      "Cached tokens: requests that are drawn find no cache, choose taken in again.",
    );
  return { cached, isFound };
}

function beginRun() {
  const known = EXPLORER.running,
    asked = askedFleet(),
    { pools } = asked,
    [{ ready }] = pools,
    some = askedRequests(ready),
    seeds = numberOf("seeds", "Seeds", 1),
    requests = { ...some, seeds, ...askedCache(ready, some) },
    [process, rule] = ["arrivals", "router"].map((name) => control(name).value);
  refuseMany(pools, known.most_instances);
  const engines = Simulation.enginesOf(known, pools),
    batchesOf = (own) => Arrivals.of(own, ready, process, requests.count, requests.isFound);
  const run = Seeds.runs(known, engines, batchesOf, rule, requests);
  return { ...asked, run, requests, ready };
}

const total = ({ requests: { count, seeds } }) => count * seeds;

/* Goes on with a run for a moment, then leaves the page to its reader. */
function goOn(own) {
  if (own !== serving) return;
  const until = performance.now() + SLICE;
  try {
    let found = own.run.next();
    while (!found.done && performance.now() < until) found = own.run.next();
    if (found.done) return endRun(own, found.value);
    if (found.value !== undefined) tellProgress(found.value, total(own));
    setTimeout(goOn, 0, own);
  } catch (error) {
    refuseRun(error);
  }
}

function refuseRun(error) {
  if (!(error instanceof Refusal)) throw error;
  stopServing(sentence(error.message), true);
}

function endRun(own, found) {
  const name = nameOf(own.ready);
  if (found.overloaded)
    return stopServing(sentence(Simulation.said(name, found.overloaded, shown)), true);
  stopServing(servedSentence(own, found.estimates));
  control("results").hidden = false;
  lastRun = found.seconds;
  showServed(own, found.estimates);
  control("command").textContent = commandOf(own);
  control("by").hidden = !commandOf(own);
  drawRun(lastRun);
}

const nameOf = ({ data, state }) => data.workloads[state.workload].name;

/* ---- what it says ---- */

function tellServed(said, isProblem = false) {
  const note = control("note");
  note.textContent = said;
  note.classList.toggle("problem", isProblem);
}

function tellProgress(count, total) {
  const bar = control("progress");
  bar.max = total;
  bar.value = count;
}

/* Ends the run that is going on, if there is one, and says so. */
function stopServing(said = "", isProblem = false) {
  serving = lastRun = null;
  document.getElementById("serve").textContent = "Serve request by request";
  control("progress").hidden = true;
  control("results").hidden = true;
  tellServed(said, isProblem);
}

function serve() {
  stopServing();
  try {
    serving = beginRun();
  } catch (error) {
    return refuseRun(error);
  }
  document.getElementById("serve").textContent = "Stop";
  tellProgress(0, total(serving));
  control("progress").hidden = false;
  tellServed("Being served.");
  setTimeout(goOn, 30, serving);
}

/* Answers of another case. */
function forget() {
  tellPlan("");
  stopServing();
}

control("count").max = MOST_SERVED;
control("seeds").max = EXPLORER.running.seeds.length;
document.getElementById("serve").addEventListener("click", () => {
  if (serving) stopServing("Stopped.");
  else serve();
});
control("form").addEventListener("input", () => stopServing());
control("form").addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("resize", () => lastRun && drawRun(lastRun));
