"use strict";
/* Steps of an instance that is simulated, as tokwatt.simulation.steps, energy and limits have them,
   by the same names: durations are tabulated once and looked up, watts are those of the account. */

const Steps = (() => {
  /* ---- tokwatt.simulation.limits ---- */

  /* What the engine of an instance holds; `length` is the mean length of a sequence. */
  function limitsOf(known, { assumed, machine }, window, length) {
    const ranks = machine.costs.data_parallel,
      size = machine.block_size;
    let most = Math.min(known.most_sequences, ranks * machine.max_sequences),
      blocks = machine.kv_budget / (Share.heldBytes(machine, length) / length) / size;
    if (assumed.kv_allocation === "reserved") {
      most = Math.min(most, Instance.concurrency(assumed, machine, window, length));
      blocks = most * Math.ceil(window / size);
    }
    const sequences = Math.trunc(most);
    return {
      sequences,
      tokens: Math.max(machine.costs.chunk, sequences),
      blocks: Math.trunc(Math.max(0, blocks * ranks)),
      size,
    };
  }

  /* ---- tokwatt.simulation.steps ---- */

  /* A number to the digits that processors agree on. */
  function agreed(known, value) {
    if (!value) return 0;
    const scale = 10 ** (known.digits - Math.ceil(Math.log10(Math.abs(value))));
    return Math.round(value * scale) / scale;
  }

  /* What of an iteration is a sum over its tokens, or nearly. */
  const partsOf = (use) => [use.latency, use.moved, use.computeTime, use.launchTime];

  function knotsOf(known, longest, window) {
    let width = Math.max(1, longest / known.knots);
    if (window > 0 && window < longest) width = window / Math.max(1, Math.round(window / width));
    return { width, count: Math.trunc(longest / width) + 3 };
  }

  const between = (row, knot, share) => row[knot] + share * (row[knot + 1] - row[knot]);

  /* Steps of an instance whose requests have at most so many tokens. Rows of the tables are made
     as they are asked for: decoding by batch size and length, the rest by tokens. */
  class StepTable {
    constructor(known, ready, longest) {
      const { assumed, machine } = ready,
        { costs } = machine,
        chunked = assumed.prefill === "chunked" ? 1 : 0;
      this.known = known;
      this.ready = ready;
      this.knots = knotsOf(known, longest, machine.window);
      this.decodingRows = [];
      this.addedRows = [[0, 0, 0, 0].map(() => ({ least: 0, slope: 0, base: 0 }))];
      this.chunked = chunked;
      this.attention = (chunked * costs.prompt_math) / costs.data_parallel;
      this.sliding = (chunked * costs.sliding_math) / costs.data_parallel;
      this.firstToken = chunked * costs.first_token;
      this.firstTokenPrompt = chunked * costs.first_token_prompt;
      this.idle = this.onBasis(Power.idlePower(assumed, machine));
    }

    onBasis(watts) {
      const { data, assumed, machine } = this.ready;
      return Account.onBasis(assumed, data.constants, machine, watts);
    }

    /* A step that decodes a batch of so many tokens in all. */
    decoding(batch, total) {
      const place = total / (batch * this.knots.width),
        knot = Math.trunc(place);
      return between(this.decodingRow(batch)[0], knot, place - knot);
    }

    /* One that also takes in prompt tokens; they attend to half of `attended` tokens. */
    filling(batch, total, prompts, attended) {
      const tokens = batch + prompts,
        answered = batch + (prompts * prompts) / attended;
      const pairs = this.attention * attended + this.slidingTime(prompts, attended);
      const place = batch ? total / (batch * this.knots.width) : 0,
        knot = Math.trunc(place),
        rows = batch ? this.decodingRow(batch) : null;
      const added = this.added(tokens),
        own = this.added(batch);
      const part = (which) =>
        added[which].least +
        added[which].slope * answered -
        own[which].base +
        (rows ? between(rows[which + 1], knot, place - knot) : 0);
      const latency = part(0) + pairs;
      if (this.ready.assumed.power !== "utilization") return latency;
      return this.stretched(latency, part(1), part(2) + pairs, part(3));
    }

    slidingTime(prompts, attended) {
      const reach = 2 * this.ready.machine.window;
      return this.sliding ? this.sliding * Math.min(attended, reach * prompts) : 0;
    }

    /* As long as the board's limit of power wants. */
    stretched(latency, moved, computeTime, launchTime) {
      const use = { latency, moved, computeTime, launchTime };
      return Power.powerByUse(this.ready.machine.gpu, use).kept;
    }

    /* Duration, and what it consists of, at each knot of length. */
    decodingRow(batch) {
      return (this.decodingRows[batch] ??= this.decodingRowOf(batch));
    }

    decodingRowOf(batch) {
      const { assumed, machine } = this.ready,
        { width, count } = this.knots;
      const rows = Array.from({ length: 5 }, () => new Float64Array(count));
      for (let knot = 0; knot < count; knot += 1) {
        const load = { batch, length: width * knot, prompts: 0, prefills: 0 };
        const use = Step.singleUse(assumed, machine, load),
          { kept } = Power.boardPower(assumed, machine, use);
        [kept, ...partsOf(use)].forEach((value, part) => {
          rows[part][knot] = agreed(this.known, value);
        });
      }
      return rows;
    }

    /* For each part what so many tokens take, what each that is answered adds, and what decoding
       has of that already. */
    added(tokens) {
      return (this.addedRows[tokens] ??= this.addedRowOf(tokens));
    }

    addedRowOf(tokens) {
      const many = Math.min(tokens, this.known.answered);
      const one = this.takenIn(tokens, 1),
        several = this.takenIn(tokens, many);
      const launches = [this.chunked * this.ready.machine.costs.prompt_launch, 0, 0, 0];
      return one.map((value, part) => {
        const slope = (several[part] - value) / Math.max(many - 1, 1),
          least = value - slope,
          base = least + slope * tokens - launches[part];
        return {
          least: agreed(this.known, least),
          slope: agreed(this.known, slope),
          base: agreed(this.known, base),
        };
      });
    }

    /* What a step takes of so many prompt tokens alone, but for what they attend to. */
    takenIn(tokens, answered) {
      const { assumed, machine } = this.ready;
      const load = { batch: 0, length: 1, prompts: tokens, prefills: answered };
      const parts = partsOf(Step.singleUse(assumed, machine, load));
      const prompt = tokens / answered,
        seen = Math.min(prompt, 2 * machine.window);
      const attention = tokens * (this.attention * prompt + this.sliding * seen);
      parts[0] -= attention;
      parts[2] -= attention;
      return parts;
    }

    /* ---- tokwatt.simulation.energy ---- */

    /* A step by the account itself, with the watts of an instance. */
    exact({ prompts, attended, batch, filling, total }) {
      const { assumed, machine } = this.ready,
        decoding = prompts > 0 ? batch : batch + filling;
      const use = Step.singleUse(assumed, machine, {
        batch: decoding,
        length: decoding > 0 ? total / decoding : 1,
        prompts,
        prefills: prompts > 0 ? prompts ** 2 / Math.max(attended, 1) : 0,
      });
      const { kept, power } = Power.boardPower(assumed, machine, use);
      return { use, duration: kept, watts: this.onBasis(power) };
    }

    /* Watts of each of the steps of a window of time: what their mean draws, shared among them as
       they would draw alone. */
    wattsTogether(segments) {
      const steps = segments.map((segment) => this.exact(segment)),
        alone = steps.map(({ watts }) => watts);
      if (this.ready.assumed.power !== "utilization") return alone;
      const total = (valueOf) =>
        sum(steps.map((own, place) => segments[place].steps * valueOf(own)));
      const time = total(({ use }) => use.latency) || 1,
        mean = (name) => total(({ use }) => use[name]) / time;
      const { power } = Power.powerByUse(this.ready.machine.gpu, {
        latency: 1,
        moved: mean("moved"),
        computeTime: mean("computeTime"),
        launchTime: mean("launchTime"),
      });
      const each =
        total(({ duration, watts }) => duration * watts) / total(({ duration }) => duration);
      const factor = this.onBasis(power) / each;
      return alone.map((watts) => watts * factor);
    }
  }

  return { limitsOf, StepTable };
})();
