"use strict";
/* Requests on their way, as tokwatt.simulation.requests has them, and the orders in which they wait
   and end. */

const Requests = (() => {
  /* The first of what is in it, by an order. */
  class Heap {
    constructor(isBefore) {
      this.isBefore = isBefore;
      this.items = [];
    }

    get size() {
      return this.items.length;
    }

    get first() {
      return this.items[0];
    }

    push(item) {
      const { items, isBefore } = this;
      let place = items.push(item) - 1;
      while (place > 0) {
        const above = (place - 1) >> 1;
        if (!isBefore(item, items[above])) break;
        items[place] = items[above];
        place = above;
      }
      items[place] = item;
    }

    pop() {
      const [first] = this.items,
        last = this.items.pop();
      if (this.items.length) this.sink(last);
      return first;
    }

    sink(item) {
      const { items, isBefore } = this;
      let place = 0;
      for (let below = 1; below < items.length; below = 2 * place + 1) {
        if (below + 1 < items.length && isBefore(items[below + 1], items[below])) below += 1;
        if (!isBefore(items[below], item)) break;
        items[place] = items[below];
        place = below;
      }
      items[place] = item;
    }
  }

  const cameBefore = (one, other) => one.number < other.number;
  const endsBefore = (one, other) =>
    one.finish < other.finish ||
    (one.finish === other.finish && one.request.number < other.request.number);

  /* A request on its way; `made` are output tokens before it was preempted, `joined` and `finish`
     steps between which it decodes, `began` the place of the segment in which it was admitted,
     `reused` prompt tokens that a cache holds, `hits` those that it was found to. */
  const requestOf = (number, arrival, prompt, output, reused = 0) => ({
    number,
    arrival,
    prompt,
    output,
    reused,
    hits: 0,
    pool: 0,
    made: 0,
    position: 0,
    joined: -1,
    finish: -1,
    began: -1,
    admitted: -1,
    first: -1,
    finished: -1,
    stopped: -1,
    preempted: 0,
    joules: 0,
  });

  return { Heap, cameBefore, endsBefore, requestOf };
})();
