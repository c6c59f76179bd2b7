"use strict";
/* Waits behind routers, as tokwatt.equations.routers has them, by the same names. */

const Routers = (() => {
  const LEAST_USED = 1e-12;

  const waitingShared = (used, instances) => used ** (Math.sqrt(2 * (instances + 1)) - 1);

  function waitShared(utilization, instances) {
    const used = Math.max(utilization, LEAST_USED);
    return waitingShared(used, instances) / (instances * used);
  }

  function waitingInOrder(used, scv, instances) {
    const gaps = 1 / instances,
      below = 1 + used * (scv - 1) + used ** 2 * (4 * gaps + scv);
    return used * (1 - ((1 - gaps) * (1 - used) * (1 + gaps + used * scv)) / below);
  }

  function waitInOrder(utilization, scv, instances) {
    const used = Math.max(utilization, LEAST_USED),
      gaps = 1 / instances,
      less = (2 * (1 - used) * (1 - gaps) ** 2) / (3 * used * (gaps + scv));
    return ((gaps + scv) / (1 + scv)) * Math.exp(-less);
  }

  return { LEAST_USED, waitingShared, waitShared, waitingInOrder, waitInOrder };
})();
