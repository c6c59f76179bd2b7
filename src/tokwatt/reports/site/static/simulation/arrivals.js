"use strict";
/* When requests come, and what they ask, as tokwatt.simulation.arrivals has it: the requests of a
   trace at its own times, or those that NumPy's generator draws of a workload. */

const Arrivals = (() => {
  /* ---- numpy.random.Generator(PCG64): its numbers from a state, of which the data has one ---- */

  const WORD = 2n ** 64n - 1n,
    DOUBLE_WORD = 2n ** 128n - 1n,
    HALF_RANGE = 2n ** 32n,
    HALF_WORD = HALF_RANGE - 1n,
    MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

  class Generator {
    constructor({ state, inc }) {
      this.state = BigInt(state);
      this.increment = BigInt(inc);
      this.half = null; // the upper 32 of the last 64 bits, where only the lower were used
      this.ziggurat = zigguratOf();
    }

    /* 64 bits: the state's halves together, turned by its first six bits. */
    next() {
      this.state = (this.state * MULTIPLIER + this.increment) & DOUBLE_WORD;
      const mixed = (this.state >> 64n) ^ (this.state & WORD),
        turn = this.state >> 122n;
      return ((mixed >> turn) | (mixed << (64n - turn))) & WORD;
    }

    next32() {
      const half = this.half ?? this.next();
      this.half = this.half === null ? half >> 32n : null;
      return half & HALF_WORD;
    }

    /* A whole number below a bound: doi:10.1145/3230636. */
    below(bound) {
      const least = HALF_RANGE % BigInt(bound);
      if (bound === 1) return 0;
      for (;;) {
        const product = this.next32() * BigInt(bound);
        if ((product & HALF_WORD) >= least) return Number(product >> 32n);
      }
    }

    /* From 0 to 1. */
    random() {
      return Number(this.next() >> 11n) / BITS;
    }

    /* Of mean 1: a place in a layer of the ziggurat; or its tail, or the edge of the layer. */
    exponential() {
      for (;;) {
        const bits = this.next() >> 3n,
          layer = Number(bits & 255n),
          place = Number(bits >> 8n),
          { within, width, height } = this.ziggurat,
          x = place * width[layer];
        if (place < within[layer]) return x;
        if (layer === 0) return TAIL - Math.log1p(-this.random());
        const above = (height[layer - 1] - height[layer]) * this.random() + height[layer];
        if (above < Math.exp(-x)) return x;
      }
    }

    /* Of mean `shape`, below 1: a power of a uniform number, or a tail; Ahrens and Dieter 1974. */
    gamma(shape) {
      for (;;) {
        const uniform = this.random(),
          most = this.exponential(),
          isTail = uniform > 1 - shape,
          beyond = isTail ? -Math.log((1 - uniform) / shape) : 0;
        const x = (isTail ? 1 - shape + shape * beyond : uniform) ** (1 / shape);
        if (x <= most + beyond) return x;
      }
    }
  }

  const BITS = 2 ** 53,
    LAYERS = 256,
    TAIL = 7.69711747013104972,
    AREA = 3.949659822581572e-3;

  /* Layers of equal area under the exponential law: doi:10.18637/jss.v005.i08. */
  function zigguratOf() {
    const within = new Float64Array(LAYERS),
      width = new Float64Array(LAYERS),
      height = new Float64Array(LAYERS);
    const base = AREA / Math.exp(-TAIL);
    within[0] = (TAIL / base) * BITS;
    width[0] = base / BITS;
    height[0] = 1;
    for (let layer = LAYERS - 1, edge = TAIL; layer > 0; layer -= 1) {
      width[layer] = edge / BITS;
      height[layer] = Math.exp(-edge);
      const inner = layer > 1 ? -Math.log(AREA / edge + Math.exp(-edge)) : 0;
      within[layer] = (inner / edge) * BITS;
      edge = inner;
    }
    return { within, width, height };
  }

  /* ---- tokwatt.simulation.arrivals ---- */

  const GAPS = {
    poisson: (draws) => draws.exponential(),
    constant: () => 1,
    gamma: (draws, { burstiness }) => draws.gamma(burstiness) / burstiness,
    daily: (draws) => draws.exponential(),
  };

  /* A time of an even rate at that of a rate that swings, by the share of a day's arrivals, which
     is known by the minute. */
  function byDay({ day, swing }, time) {
    const turn = (2 * Math.PI) / day,
      due = (minute) => 60 * minute - (swing / turn) * Math.sin(60 * minute * turn),
      rest = time % day;
    let low = 0,
      high = day / 60;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (due(middle) <= rest) low = middle;
      else high = middle;
    }
    return time - rest + 60 * (low + (rest - due(low)) / (due(high) - due(low)));
  }

  /* The kind whose share of the weights holds a number. */
  function drawnKind(law, share) {
    let low = 0,
      high = law.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (law[middle] > share) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /* Requests of some kinds, drawn and timed at random, a few at a time. */
  function* drawn(known, kinds, process, rate, count) {
    const draws = new Generator(known.seed),
      law = summed(kinds.weight);
    let time = 0;
    for (let start = 0; start < count; start += known.batch) {
      const places = Array.from({ length: Math.min(known.batch, count - start) }, (_, at) => at),
        gaps = summed(places.map(() => GAPS[process](draws, known))),
        last = time;
      yield places.map((place) => {
        const kind = drawnKind(law, draws.random() * law.at(-1));
        time = last + gaps[place];
        return Requests.requestOf(
          start + place,
          process === "daily" ? byDay(known, time / rate) : time / rate,
          kinds.prompt[kind],
          kinds.output[kind],
        );
      });
    }
  }

  function summed(values) {
    let total = 0;
    return Float64Array.from(values, (value) => (total += value));
  }

  /* Whether a rate is a trace's own, of which a form shows twelve digits. */
  const isOwn = (rate, { rate: own }) => Math.abs(own / rate - 1) < 1e-11;

  /* The first requests of a trace, at an arrival rate, a few at a time; a cache that is found
     holds the prompt tokens that the trace calls cached. */
  function* timed(known, trace, rate, count, isFound) {
    const { time, prompt, output, cached } = trace.arrived,
      slower = isOwn(rate, trace) ? 1 : trace.rate / rate,
      most = Math.min(time.length, count);
    let batch = [];
    for (let row = 0; row < most; row += 1) {
      const reused = isFound ? cached[row] : 0;
      batch.push(Requests.requestOf(row, time[row] * slower, prompt[row], output[row], reused));
      if (batch.length === known.batch) {
        yield batch;
        batch = [];
      }
    }
    if (batch.length) yield batch;
  }

  /* The requests of a case: at most so many of a trace, or as many of its kinds where rows are sums
     or without times, or of those of a workload, drawn. */
  function of(known, { data, state, requests }, process, count, isFound = false) {
    const { rate, arrived, count: total } = data.workloads[state.workload],
      asked = data.demand.arrival_rate;
    const sums = arrived?.requests.some((each) => each > 1);
    if (rate && !sums) return timed(known, { rate, arrived }, asked, count, isFound);
    if (!arrived) return drawn(known, requests, process, asked, count);
    const weight = arrived.requests.map((each) => each / total);
    return drawn(known, { ...arrived, weight }, process, asked, count);
  }

  return { Generator, of, isOwn };
})();
