"use strict";
/* Pools that carry all requests, as tokwatt.serving.pools.fleet has them, by the same names. */

const Fleet = (() => {
  const { sizePool } = Pool;

  function fleetOf(assumed, machine, constants, demand, routed) {
    const pools = routed.pools.map((own, place) =>
      sizePool(assumed, machine, constants, own, routed.windows[place], demand),
    );
    const total = (name) => sum(pools.map((pool) => pool[name])),
      power = total("power"),
      credited = total("credited");
    return {
      pools,
      instances: total("instances"),
      power,
      credited,
      tokensPerJoule: credited / power,
      rejected: routed.rejected,
    };
  }

  return { fleetOf };
})();
