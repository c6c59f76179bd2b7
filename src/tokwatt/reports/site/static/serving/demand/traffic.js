"use strict";
/* What requests ask of an instance, as tokwatt.serving.demand.traffic has it, by the same names. */

const Traffic = (() => {
  const { lengthOf } = Kinds;

  const means = (value) => ({
    prompts: value,
    steps: value,
    stepsLength: value,
    stepsMean: value,
    steps2: value,
    steps2Length: value,
    steps2Length2: value,
    stepsMean2: value,
    prompts2: value,
    prompts3: value,
    prompts4: value,
    prompts5: value,
    prompts6: value,
  });

  const NOBODY = { ...means(1), share: 0, credited: 0, longPrompt: 1, medianPrompt: 1 };

  function trafficOf(assumed, arriving, served, chunk) {
    const share = sum(served.weight);
    if (share <= 0) return NOBODY;
    const paid = assumed.oversized === "clip_credit_all" ? arriving : served,
      quantile = (part) => promptQuantile(served, part * (1 - 1e-12) * share);
    return {
      ...meansOf(served, share, chunk, assumed.prefill === "chunked" ? 1 : 0),
      share,
      credited: share * creditedOf(assumed, paid),
      longPrompt: quantile(0.99),
      medianPrompt: quantile(0.5),
    };
  }

  function meansOf({ weight, prompt, output }, share, chunk, answered) {
    const found = means(0);
    for (let kind = 0; kind < weight.length; kind += 1) {
      const part = weight[kind] / share,
        tokens = prompt[kind],
        steps = Math.ceil(tokens / chunk) + output[kind] - answered,
        length = tokens + output[kind],
        mean = tokens + output[kind] / 2;
      found.prompts += part * tokens;
      found.steps += part * steps;
      found.stepsLength += part * steps * length;
      found.stepsMean += part * steps * mean;
      found.steps2 += part * steps * steps;
      found.steps2Length += part * steps * steps * length;
      found.steps2Length2 += part * steps * length * steps * length;
      found.stepsMean2 += part * steps * mean ** 2;
      found.prompts2 += part * tokens ** 2;
      found.prompts3 += part * tokens ** 3;
      found.prompts4 += part * tokens ** 4;
      found.prompts5 += part * tokens ** 5;
      found.prompts6 += part * tokens ** 6;
    }
    return found;
  }

  function creditedOf(assumed, requests) {
    let mass = 0,
      output = 0,
      length = 0,
      share = 0;
    for (let kind = 0; kind < requests.weight.length; kind += 1) {
      const weight = requests.weight[kind];
      mass += weight;
      output += weight * requests.output[kind];
      length += weight * lengthOf(requests, kind);
      share += weight * requests.promptShare[kind];
    }
    if (assumed.output_rounding === "none") return output / mass;
    return Math.max(1, Math.trunc((1 - share / mass) * (length / mass - 0.5) + 1e-9));
  }

  function promptQuantile(requests, mass) {
    let longest = 0;
    for (let kind = 0; kind < requests.prompt.length; kind += 1)
      longest = Math.max(longest, requests.prompt[kind]);
    const masses = new Float64Array(longest + 1);
    for (let kind = 0; kind < requests.prompt.length; kind += 1)
      masses[requests.prompt[kind]] += requests.weight[kind];
    let prompt = 0;
    for (let below = masses[0]; below < mass && prompt < longest; below += masses[prompt])
      prompt += 1;
    return prompt;
  }

  return { trafficOf };
})();
