"use strict";
/* Whose watts count, as tokwatt.serving.account has it, by the same names. */

const Account = (() => {
  function onBasis(assumed, constants, machine, watts) {
    if (assumed.basis === "gpu") return watts;
    if (assumed.basis === "instance") return machine.gpus * watts;
    const server = machine.gpus * (watts + (machine.gpu.host_power || NaN));
    return assumed.basis === "facility" ? server * constants.facility_factor : server;
  }

  return { onBasis };
})();
