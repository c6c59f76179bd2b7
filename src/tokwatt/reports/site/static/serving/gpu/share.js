"use strict";
/* What one GPU holds, as tokwatt.serving.gpu.share has it, by the same names. */

const Share = (() => {
  const heldBytes = (machine, length) =>
    machine.held * length + machine.sliding * Math.min(length, machine.window) + machine.state;

  /* Tokens that the KV blocks of a GPU hold in sequences of a length. */
  function cachedTokens(machine, length) {
    const block = (heldBytes(machine, length) / length) * machine.block_size;
    return Math.floor(Math.max(0, machine.kv_budget) / block) * machine.block_size;
  }

  return { heldBytes, cachedTokens };
})();
