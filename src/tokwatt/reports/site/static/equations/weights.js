"use strict";
/* Weights of an LLM that a pass reads, as tokwatt.equations.weights has them, by the same names. */

const Weights = (() => {
  const expertCoverage = (share, tokens) => -Math.expm1(tokens * Math.log1p(-share));

  return { expertCoverage };
})();
