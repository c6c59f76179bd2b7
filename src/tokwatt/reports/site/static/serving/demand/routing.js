"use strict";
/* Which pool serves a request, as tokwatt.serving.demand.routing has it, by the same names. */

const Routing = (() => {
  const { lengthOf, withWeights } = Kinds,
    { trafficOf } = Traffic;

  function route(assumed, requests, knots, topology, chunk, compressible) {
    const { window, splitLength: split, overflow } = topology;
    if (!split) {
      const [arriving, served, rejected] = within(assumed, requests, requests.weight, window);
      return { windows: [window], pools: [trafficOf(assumed, arriving, served, chunk)], rejected };
    }
    const cut = Math.trunc(overflow * split),
      shortWindow = assumed.oversized === "fitting_window" ? cut : split;
    const overflowing = (kind) => {
      if (assumed.oversized === "reject") return 0;
      return assumed.oversized !== "compress"
        ? 1
        : requests.output[kind] < split
          ? compressible
          : 0;
    };
    const short = new Float64Array(requests.weight.length),
      long = requests.weight.slice();
    for (let kind = 0; kind < short.length && lengthOf(requests, kind) <= cut; kind += 1) {
      short[kind] = long[kind] * (lengthOf(requests, kind) <= split ? 1 : overflowing(kind));
      long[kind] -= short[kind];
    }
    if (assumed.long_pool === "from_one")
      fromOne(requests, long, knots, assumed.oversized === "reject" ? split : cut);
    const near = withWeights(requests, short),
      [far, served, rejected] = within(assumed, requests, long, window);
    const pools = [
      trafficOf(assumed, near, squeezed(assumed, near, shortWindow), chunk),
      trafficOf(assumed, far, served, chunk),
    ];
    return { windows: [shortWindow, window], pools, rejected };
  }

  /* Requests of the last pool as they arrive and as they are served, and the share that is not. */
  function within(assumed, requests, weights, window) {
    const arriving = withWeights(requests, weights);
    if (assumed.oversized === "clip" || assumed.oversized === "clip_credit_all")
      return [arriving, squeezed(assumed, arriving, window), 0];
    const fitting = arriving.weight.slice();
    for (let kind = fitting.length - 1; kind >= 0 && lengthOf(arriving, kind) > window; kind -= 1)
      fitting[kind] = 0;
    return [arriving, withWeights(arriving, fitting), sum(arriving.weight) - sum(fitting)];
  }

  function squeezed(assumed, requests, window) {
    const last = requests.weight.length - 1;
    if (last < 0 || lengthOf(requests, last) <= window) return requests;
    const served = {
      ...requests,
      prompt: requests.prompt.slice(),
      output: requests.output.slice(),
    };
    for (let kind = last; kind >= 0 && lengthOf(requests, kind) > window; kind -= 1) {
      if (assumed.oversized === "compress") {
        served.prompt[kind] = Math.max(1, window - served.output[kind]);
      } else {
        served.prompt[kind] = Math.max(1, Math.trunc(requests.promptShare[kind] * window));
        served.output[kind] = Math.max(1, window - served.prompt[kind]);
      }
    }
    return served;
  }

  /* Spreads the long requests of the cut's bin from one token to the bin's end, as the paper
     does. */
  function fromOne(requests, long, knots, cut) {
    const end = Math.min(...knots.filter((knot) => knot > cut));
    let mass = 0,
      kinds = 0;
    for (; kinds < long.length && lengthOf(requests, kinds) <= end; kinds += 1) mass += long[kinds];
    long.fill(mass / kinds, 0, kinds);
  }

  return { route };
})();
