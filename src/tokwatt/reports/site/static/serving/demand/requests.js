"use strict";
/* Requests by kinds, one for each whole length, as tokwatt.serving.demand.requests has them. */

const Kinds = (() => {
  /* A trace has its requests; a workload those of its law. */
  function requestsOf(workload, outputShares) {
    if (workload.requests) return workload.requests;
    const { lengths, fractions } = workload,
      last = fractions.findIndex((fraction) => fraction >= 1);
    const count = lengths[last];
    const requests = {
      weight: new Float64Array(count),
      prompt: new Float64Array(count),
      output: new Float64Array(count),
      promptShare: new Float64Array(count),
    };
    for (let bin = 0, length = 1; bin <= last; bin += 1) {
      const before = bin ? lengths[bin - 1] : 0,
        mass = (fractions[bin] - (bin ? fractions[bin - 1] : 0)) / (lengths[bin] - before);
      const share = 1 - (Array.isArray(outputShares) ? outputShares[bin] : outputShares);
      for (; length <= lengths[bin]; length += 1) {
        const prompt = Math.max(1, Math.trunc(share * length)),
          kind = length - 1;
        requests.weight[kind] = mass;
        requests.prompt[kind] = prompt;
        requests.output[kind] = Math.max(1, length - prompt);
        requests.promptShare[kind] = share;
      }
    }
    return requests;
  }

  /* Never falls from kind to kind. */
  const lengthOf = (requests, kind) => requests.prompt[kind] + requests.output[kind];

  /* The stretch of kinds that a pool gets any of, with the pool's own weights. */
  function withWeights(requests, weights) {
    let first = 0,
      end = weights.length;
    while (first < end && !(weights[first] > 0)) first += 1;
    while (end > first && !(weights[end - 1] > 0)) end -= 1;
    const taken = (values) => values.subarray(first, end);
    return {
      weight: taken(weights),
      prompt: taken(requests.prompt),
      output: taken(requests.output),
      promptShare: taken(requests.promptShare),
    };
  }

  function smallestWindow(requests) {
    let longest = 0;
    for (let kind = 0; kind < requests.weight.length; kind += 1) {
      if (requests.weight[kind] > 0) longest = Math.max(longest, lengthOf(requests, kind));
    }
    return 2 ** Math.ceil(Math.log2(longest));
  }

  return { requestsOf, lengthOf, withWeights, smallestWindow };
})();
