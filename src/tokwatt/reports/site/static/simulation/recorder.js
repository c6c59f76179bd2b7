"use strict";
/* What is kept of engines' steps, and totals of a run, as tokwatt.simulation.recorder and summary
   have them, by the same names. */

const Recorders = (() => {
  /* One for all engines of a run. */
  class Recorder {
    constructor(known) {
      this.known = known;
      this.histogram = new Float64Array(known.bins);
      this.seconds = { running: [], waiting: [], blocks: [], power: [] };
      this.joules = 0;
      this.idle = 0;
    }

    /* An engine is there from the start, and draws what it idles at wherever it takes no step. */
    add(table) {
      this.idle += table.idle;
    }

    /* Takes what an engine has left since the last time, and rests after each window of time. */
    *read(engine) {
      const spent = [0];
      for (const window of this.windowsOf(engine.segments)) {
        this.readWindow(engine, window, spent);
        yield;
      }
      this.readSpans(engine, spent);
      for (const pause of engine.pauses) this.count(pause, 1);
      engine.pauses = [];
      engine.segments = [];
    }

    /* Segments that begin in the same window of time. */
    *windowsOf(segments) {
      const windowOf = ({ start }) => Math.floor(start / Power.WINDOW);
      for (let first = 0, last; first < segments.length; first = last) {
        const own = windowOf(segments[first]);
        for (last = first + 1; last < segments.length; last += 1)
          if (windowOf(segments[last]) !== own) break;
        yield segments.slice(first, last);
      }
    }

    /* `spent` becomes the joules of a request that ran in all segments up to each. */
    readWindow({ steps: table }, segments, spent) {
      const watts = table.wattsTogether(segments);
      segments.forEach((segment, place) => {
        const running = segment.batch + segment.filling,
          joules = watts[place] * segment.duration;
        spent.push(spent.at(-1) + joules / running);
        this.joules += joules - table.idle * segment.duration;
        this.count(segment.duration / segment.steps, segment.steps * segment.batch);
        this.addSeconds(segment, running, watts[place] - table.idle);
      });
    }

    /* Integrals of what holds during a segment, by the second. */
    addSeconds({ start, duration, waiting, blocks }, running, power) {
      const rates = Object.entries({ running, waiting, blocks, power }),
        end = start + duration;
      for (let second = Math.floor(start); second < end; second += 1) {
        const within = Math.min(end, second + 1) - Math.max(start, second);
        for (const [name, rate] of rates) {
          const sums = this.seconds[name];
          while (sums.length <= second) sums.push(0);
          sums[second] += rate * within;
        }
      }
    }

    readSpans(engine, spent) {
      const behind = engine.taken - engine.segments.length,
        upto = (place) => spent[Math.max(0, place - behind)];
      for (const { request, began, ended } of engine.spans)
        request.joules += upto(ended) - upto(began);
      for (const request of engine.running.values())
        request.joules += spent.at(-1) - upto(request.began);
      engine.spans = [];
    }

    /* An inter-token latency that so many tokens have. */
    count(latency, times) {
      const { shortest, bin, bins } = this.known,
        place = Math.log(latency / shortest) / bin;
      this.histogram[Math.trunc(Math.min(bins - 1, Math.max(0, place)))] += times;
    }

    /* A percentile of inter-token latencies, to within half a bin. */
    latencyQuantile(share) {
      const { shortest, bin } = this.known,
        total = sum(this.histogram);
      let upto = 0;
      const place = this.histogram.findIndex((count) => (upto += count) >= share * total);
      return total ? shortest * Math.exp((place + 0.5) * bin) : NaN;
    }
  }

  /* ---- tokwatt.simulation.summary ---- */

  /* A quantile between the two nearest values. */
  function quantile(values, share) {
    const sorted = Float64Array.from(values).sort(),
      place = share * (sorted.length - 1),
      below = Math.floor(place);
    return (
      sorted[below] +
      (place - below) * (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below])
    );
  }

  /* Totals of a run whose requests have `queued`, `firstToken` and `latency`; latencies of the
     first share of them, which found it empty, do not count, and rates are those from the next
     arrival to the last. */
  function totalsOf(recorder, requests, held, settled) {
    const all = requests.length,
      counted = requests.slice(Math.min(Math.ceil(settled * all), all - 1)),
      both = (name) =>
        [0.5, 0.99].map((share) =>
          quantile(
            counted.map((request) => request[name]),
            share,
          ),
        );
    const ended = requests.reduce((last, it) => Math.max(last, it.arrival + it.latency), 0),
      duration = ended - requests[0].arrival,
      begun = Math.ceil(counted[0].arrival),
      last = Math.trunc(counted.at(-1).arrival);
    const rates =
      settled > 0 && last > begun
        ? ratesWithin(recorder, requests, held, ended, begun, last)
        : ratesOf(recorder, requests, held, ended, duration);
    return {
      requests: requests.length,
      ended,
      duration,
      ...rates,
      queued: both("queued"),
      firstToken: both("firstToken"),
      latency: [0.5, 0.99].map((share) => recorder.latencyQuantile(share)),
      preempted: sum(requests.map((request) => request.preempted)) / requests.length,
    };
  }

  function ratesOf(recorder, requests, held, ended, duration) {
    const output = sum(requests.map((request) => request.output)),
      power = (recorder.joules + recorder.idle * ended) / ended;
    return {
      throughput: output / duration,
      power,
      tokensPerJoule: output / (power * ended),
      running: sum(recorder.seconds.running) / duration,
      kvUse: sum(recorder.seconds.blocks) / held / duration,
    };
  }

  /* Within some seconds, in which each request generates its tokens evenly. */
  function ratesWithin(recorder, requests, held, ended, begun, until) {
    let tokens = 0;
    for (const { arrival, firstToken, latency, output } of requests) {
      const first = arrival + firstToken,
        last = arrival + latency,
        inside = Math.min(last, until) - Math.max(first, begun);
      tokens += ((output - 1) * Math.max(inside, 0)) / Math.max(last - first, 1e-9);
      tokens += begun <= first && first < until ? 1 : 0;
    }
    const seconds = bySecond(recorder, held, ended),
      mean = (values) => sum(values.slice(begun, until)) / (until - begun),
      throughput = tokens / (until - begun),
      power = mean(seconds.power);
    return {
      throughput,
      power,
      tokensPerJoule: throughput / power,
      running: mean(seconds.running),
      kvUse: mean(seconds.kvUse),
    };
  }

  /* Means over each second of a run. */
  function bySecond(recorder, held, ended) {
    const length = Math.max(1, Math.ceil(ended)),
      { seconds } = recorder;
    const each = (name, valueOf) =>
      Array.from({ length }, (_, second) => valueOf(seconds[name][second] ?? 0));
    return {
      running: each("running", (value) => value),
      waiting: each("waiting", (value) => value),
      kvUse: each("blocks", (value) => value / held),
      power: each("power", (value) => value + recorder.idle),
    };
  }

  return { Recorder, totalsOf, bySecond };
})();
