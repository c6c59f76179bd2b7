"use strict";
/* Watts of a GPU, as tokwatt.serving.steps.power has them, by the same names. */

const Power = (() => {
  const WINDOW = 1;

  function boardPower(assumed, machine, used) {
    const { gpu, fractions } = machine;
    if (assumed.power === "utilization") return powerByUse(gpu, used);
    if (assumed.power === "logistic") {
      const above = Math.log2(used.batch) - machine.curve_log2_midpoint;
      const decoding =
        machine.curve_idle +
        (machine.curve_nominal - machine.curve_idle) /
          (1 + Math.exp(-machine.curve_steepness * above));
      const power = decoding + (machine.curve_nominal - decoding) * used.prefill;
      return { kept: used.latency, power };
    }
    const compute = (machine.token_flops * used.batch) / gpu.fp16_rate;
    const busy = Math.min(1, (used.scanTime + compute) / (used.idleTime + used.scanTime));
    const nominal = fractions.nominal_fraction * gpu.tdp;
    const decoding =
      fractions.idle_fraction * gpu.tdp +
      (fractions.nominal_fraction - fractions.idle_fraction) * gpu.tdp * busy;
    return { kept: used.latency, power: decoding + (nominal - decoding) * used.prefill };
  }

  function idlePower(assumed, machine) {
    const law = machine.gpu.utilization;
    if (assumed.power === "utilization") return Math.min(law.idle, law.limit);
    if (assumed.power === "logistic") return machine.curve_idle;
    return machine.fractions.idle_fraction * machine.gpu.tdp;
  }

  function powerByUse(gpu, used) {
    const law = gpu.utilization,
      reading = used.moved / gpu.hbm_bandwidth;
    const above =
      (law.memory * reading + law.launch * used.launchTime) / used.latency +
      law.compute * Math.sqrt(used.computeTime / used.latency);
    const spare = law.limit - law.idle;
    const stretch =
      spare > 0 ? Math.max(1, above / spare) ** (1 / law.clock_exponent) : Infinity;
    return { kept: used.latency * stretch, power: Math.min(law.idle + above, law.limit) };
  }

  return { WINDOW, boardPower, idlePower, powerByUse };
})();
