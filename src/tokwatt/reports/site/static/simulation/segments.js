"use strict";
/* Steps of one kind that an engine takes one after the other, as tokwatt.simulation.engine has
   them. */

const Segments = (() => {
  /* The step, or as many as pass before anything else can happen, of which some want blocks. */
  function segmentOf(engine, until, wanted, taken) {
    const found = taken.prompts ? filling(engine, wanted, taken) : stretch(engine, until, wanted),
      { duration, steps, grows, total, prompts = 0, attended = 0 } = found;
    return {
      start: engine.now,
      duration,
      steps,
      batch: engine.batch,
      total,
      prompts,
      attended,
      filling: engine.partial.length + taken.filled.length,
      blocks: engine.used + grows,
      waiting: engine.waiting.size,
    };
  }

  function filling(engine, grows, { prompts, attended, filled }) {
    const { batch, steps: table } = engine,
      total = engine.total + batch;
    if (prompts === filled.length && !engine.partial.length) {
      // Of each prompt one token is left: it is as any other that is decoded.
      const all = total + (attended + prompts) / 2;
      return { steps: 1, grows, total: all, duration: table.decoding(batch + prompts, all) };
    }
    const duration = table.filling(batch, total, prompts, attended);
    return { steps: 1, grows, total, duration, prompts, attended };
  }

  function stretch(engine, until, wanted) {
    const { batch, total } = engine,
      decoding = (steps) => engine.steps.decoding(batch, total + batch * steps),
      first = decoding(1);
    const lasting = (steps) => (steps === 1 ? first : (steps * (first + decoding(steps))) / 2);
    let steps = Math.min(engine.ending.first.finish - engine.step, engine.most);
    if (!engine.waiting.size) steps = upTo(engine, until, steps, first, lasting);
    let grows = steps === 1 ? wanted : growth(engine, steps);
    while (engine.used + grows > engine.limits.blocks) {
      steps -= 1;
      grows = growth(engine, steps);
    }
    const duration = lasting(steps);
    return { steps, grows, total: total + (batch * (steps + 1)) / 2, duration };
  }

  /* As many steps as begin before somebody comes, or before a time if nobody does. */
  function upTo({ nextArrival, now }, until, most, first, lasting) {
    const next = nextArrival === Infinity ? until : nextArrival,
      left = next - now;
    if (!(left < most * first)) return most;
    let steps = Math.trunc(left / first) + 1;
    while (steps > 1 && left <= lasting(steps - 1)) steps -= 1;
    return steps;
  }

  /* Blocks that so many steps want beyond those in use. */
  function growth({ limits, batch, grown, step }, steps) {
    const { size } = limits,
      whole = Math.floor(steps / size);
    let found = whole * batch;
    for (let place = whole * size; place < steps; place += 1)
      found += grown[(step + place) % size];
    return found;
  }

  return { segmentOf };
})();
