"use strict";
/* What an instance draws under its load, as tokwatt.serving.pools.power has it. */

const LoadPower = (() => {
  const { windowSpread } = Fluctuation,
    { WINDOW, idlePower } = Power,
    { step } = Step,
    { admitted } = Chunked,
    { passPower } = Passes,
    { busyShare } = Occupancy;

  function loadPower(assumed, machine, asked, own, batch, slots, rate) {
    const busy = busyShare(assumed, batch, slots),
      load = asked.at(batch / busy),
      { power } = step(assumed, machine, load);
    let watts = power;
    if (assumed.prefill === "chunked" && assumed.power === "utilization") {
      const prefill = { assumed, machine, load: admitted(machine.costs, load), own };
      const { chunk } = machine.costs,
        full = passPower(prefill, chunk),
        decoding = passPower(prefill, 0).power;
      const token = full.kept / chunk,
        filling = Math.min(1, (rate * own.prompts * token) / busy),
        each = (own.prompts2 / (2 * Math.max(1, own.prompts))) * token;
      const apart = Math.min(power, filling * full.power + (1 - filling) * decoding);
      watts += windowSpread(each / WINDOW) * (apart - power);
    }
    return busy * watts + (1 - busy) * idlePower(assumed, machine);
  }

  return { loadPower };
})();
