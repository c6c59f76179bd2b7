"use strict";
/* What an instance holds and reads, as tokwatt.serving.instance has it, by the same names. */

const Instance = (() => {
  const { expertCoverage } = Weights,
    { heldBytes } = Share;

  function touchedExperts(assumed, share, tokens) {
    if (assumed.experts === "all") return 1;
    return assumed.experts === "expected" ? expertCoverage(share, tokens) : share;
  }

  function concurrency(assumed, machine, window, meanLength) {
    const budget = Math.max(0, machine.kv_budget);
    const reserved = Math.ceil(window / machine.block_size) * machine.block_size;
    const fitting = Math.min(
      machine.max_sequences,
      assumed.kv_allocation === "reserved"
        ? Math.min(
            Math.floor(budget / heldBytes(machine, reserved)),
            Math.floor(machine.max_tokens / window),
          )
        : budget / heldBytes(machine, meanLength),
    );
    if (assumed.misfit === "one_sequence") return Math.max(1, fitting);
    return machine.kv_budget < 0 ? NaN : fitting;
  }

  return { touchedExperts, concurrency };
})();
