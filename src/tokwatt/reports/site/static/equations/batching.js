"use strict";
/* Batches of tokens, as tokwatt.equations.batching has them, by the same names. */

const Batching = (() => {
  function busiestRank(ranks, experts, tokens) {
    const missed = Math.exp(-tokens / 2),
      touched = (experts / ranks) * (1 - missed ** 2);
    const spread = missed / Math.sqrt(Math.max(0.3, touched));
    return Math.min(2, 1 + Math.sqrt(2 * Math.log(ranks)) * spread);
  }

  return { busiestRank };
})();
