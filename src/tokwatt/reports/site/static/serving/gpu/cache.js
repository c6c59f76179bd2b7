"use strict";
/* What a step moves of the KV cache, as tokwatt.serving.gpu.cache has it, by the same names. */

const KvCache = (() => {
  const movedBytes = (machine, length) =>
    machine.read * length +
    machine.sliding_read * Math.min(length, machine.window) +
    machine.state_moved;

  return { movedBytes };
})();
