"use strict";
/* Queues of many servers, as tokwatt.equations.erlang has them, by the same names. */

const Erlang = (() => {
  /* 1/B by 1/B_k = 1 + (k / a) / B_{k-1}; below the load it forgets where it began, so a fraction
     of a server may begin it. */
  function erlangB(servers, load) {
    if (load === 0) return 0;
    const whole = Math.floor(servers),
      begin = servers < 12 ? 0 : servers - whole;
    let inverse = 1 + begin / load;
    for (let k = 1; k <= whole && inverse < 1e300; k += 1)
      inverse = 1 + ((k + begin) / load) * inverse;
    return 1 / inverse;
  }

  function erlangC(servers, load) {
    const stable = Math.min(load, servers),
      blocked = erlangB(servers, stable),
      busy = stable / servers;
    return blocked / (1 - busy + busy * blocked);
  }

  return { erlangC };
})();
