"use strict";
/* One engine that batches continuously, as tokwatt.simulation.engine has it, by the same names: a
   queue, running requests, a KV cache pool in blocks. No blocks are kept for later requests: what a
   cache holds is given by request; and all requests are of one priority. */

const Engines = (() => {
  const { Heap, cameBefore, endsBefore } = Requests;

  /* Segments are steps of one kind, one after the other; spans the segments during which a request
     ran; pauses times between two tokens of requests that were preempted in between. */
  class Engine {
    constructor(steps, limits, most) {
      this.steps = steps;
      this.limits = limits;
      this.most = most; // steps at once where nothing but decoding happens
      this.arriving = [];
      this.arrived = 0;
      this.segments = [];
      this.taken = 0;
      this.spans = [];
      this.pauses = [];
      this.running = new Map();
      this.partial = []; // of whose prompts a part is taken in
      this.waiting = new Heap(cameBefore);
      this.ending = new Heap(endsBefore);
      this.grown = new Int32Array(limits.size); // decoding requests by when they want a new block
      this.now = this.total = this.step = this.batch = this.used = 0;
      this.blocked = new Map();
      this.since = 0;
      this.inFlight = this.done = 0;
      this.ended = []; // requests, by when they finish
      this.prompts = 0; // tokens of requests without a first token, as of the last step taken
      this.filled = []; // whose prompts that step ends, if it takes in any
    }

    /* Requests that have not ended at a time, up to which it advanced: not all of a step. */
    load(time) {
      let still = 0;
      while (still < this.ended.length && this.ended.at(-1 - still).finished > time) still += 1;
      return this.inFlight + still;
    }

    /* Prompt tokens of requests that have no first token at a time, up to which it advanced. */
    work(time) {
      const late = this.filled.filter(({ first }) => first > time);
      return late.reduce((sum, { prompt }) => sum + prompt, this.prompts);
    }

    /* A request that arrives later than all before it. */
    offer(request) {
      const { blocks, size } = this.limits,
        length = request.prompt + request.output;
      if (this.blocksOf(length) > blocks)
        throw new Refusal(
          `request ${request.number}: has ${length} tokens, wanted at most ${blocks * size}, ` +
            "what the KV cache pool holds.",
        );
      this.inFlight += 1;
      this.prompts += request.prompt;
      this.arriving.push(request);
    }

    /* Takes all steps that begin before a time, up to which every request has been offered, or a
       number of them; whether that were all. */
    advance(until, most) {
      for (let round = 0; round < most; round += 1) {
        this.receive();
        if (this.now >= until) return true;
        if (this.batch || this.partial.length || this.waiting.size) this.iterate(until);
        else if (this.nextArrival < until) this.now = this.nextArrival;
        else return true;
      }
      return false;
    }

    get nextArrival() {
      return this.arriving[this.arrived]?.arrival ?? Infinity;
    }

    receive() {
      for (; this.nextArrival <= this.now; this.arrived += 1)
        this.waiting.push(this.arriving[this.arrived]);
    }

    iterate(until) {
      const preempting = this.preempt(),
        wanted = this.grown[this.step % this.limits.size];
      const taken = this.takeIn(wanted, preempting);
      this.pass(until, wanted, taken);
      this.end();
      this.filled = taken.filled;
      this.filled.forEach((request) => this.answer(request));
    }

    /* Blocks for the tokens to come; the last admitted give theirs away if there are none. */
    preempt() {
      const { blocks, size } = this.limits,
        isFull = () => this.used + this.grown[this.step % size] > blocks;
      const preempting = isFull();
      while (isFull()) {
        const request = [...this.running.values()].at(-1);
        this.running.delete(request.number);
        const held = request.prompt + request.made + this.decoded(request);
        if (request.joined < 0) this.partial.splice(this.partial.indexOf(request), 1);
        else this.leave(request, held);
        this.release(request, held);
        if (request.joined >= 0) request.made += 1 + this.decoded(request);
        request.joined = request.finish = -1;
        request.position = 0;
        request.preempted += 1;
        request.stopped = this.now;
        this.waiting.push(request);
      }
      return preempting;
    }

    decoded({ joined }) {
      return joined < 0 ? 0 : this.step - joined;
    }

    blocksOf(tokens) {
      return Math.ceil(tokens / this.limits.size);
    }

    /* When, by the step, a request that decodes wants its next block. */
    turn(request) {
      const { size } = this.limits;
      return (((request.joined - request.prompt - request.made) % size) + size) % size;
    }

    /* A request decodes no longer. */
    leave(request, held) {
      this.batch -= 1;
      this.total -= held;
      this.grown[this.turn(request)] -= 1;
    }

    /* A request runs no longer, and gives its blocks away. */
    release(request, held) {
      this.spans.push({ request, began: request.began, ended: this.taken });
      this.used -= this.blocksOf(held);
    }

    /* Prompts: those begun, then those that wait, as far as tokens and blocks go. */
    takeIn(wanted, preempting) {
      const taken = {
        prompts: 0,
        attended: 0,
        filled: [],
        budget: this.limits.tokens - this.batch,
      };
      if (!this.partial.length && !this.waiting.size) return taken;
      this.used += wanted;
      const begun = this.partial;
      this.partial = [];
      for (const request of begun) this.fill(request, taken);
      const reason = preempting ? "KV cache pool" : this.admit(taken);
      this.used -= wanted;
      this.note(reason);
      return taken;
    }

    fill(request, taken) {
      const length = request.prompt + request.made,
        tokens = Math.min(length - request.position, taken.budget);
      taken.attended += tokens * (2 * request.position + tokens);
      taken.prompts += tokens;
      taken.budget -= tokens;
      request.position += tokens;
      (request.position === length ? taken.filled : this.partial).push(request);
    }

    /* Admits requests that wait, and says what keeps the next one from being admitted. */
    admit(taken) {
      while (this.waiting.size) {
        if (this.running.size >= this.limits.sequences) return "batch";
        if (taken.budget <= 0) return "prefill";
        const { first: request } = this.waiting,
          needed = this.blocksOf(request.prompt + request.made);
        if (this.used + needed > this.limits.blocks) return "KV cache pool";
        this.waiting.pop();
        this.used += needed;
        request.began = this.taken;
        request.position = request.made ? 0 : Math.min(request.reused, request.prompt - 1);
        if (request.admitted < 0) {
          request.admitted = this.now;
          request.hits = request.position;
        }
        this.running.set(request.number, request);
        this.fill(request, taken);
      }
      return "";
    }

    /* For how many steps what has kept somebody waiting without a break. */
    note(reason) {
      if (!this.waiting.size) return this.blocked.clear();
      if (!this.blocked.size) this.since = this.now;
      this.blocked.set(reason, (this.blocked.get(reason) ?? 0) + 1);
    }

    /* The step, or as many as pass before anything else can happen. */
    pass(until, wanted, taken) {
      const found = taken.prompts ? this.filling(wanted, taken) : this.stretch(until, wanted),
        { duration, steps, grows, total, prompts = 0, attended = 0 } = found;
      this.used += grows;
      this.segments.push({
        start: this.now,
        duration,
        steps,
        batch: this.batch,
        total,
        prompts,
        attended,
        filling: this.partial.length + taken.filled.length,
        blocks: this.used,
        waiting: this.waiting.size,
      });
      this.taken += 1;
      this.now += duration;
      this.step += steps;
      this.total += this.batch * steps;
    }

    filling(grows, { prompts, attended, filled }) {
      const { batch } = this,
        total = this.total + batch;
      if (prompts === filled.length && !this.partial.length) {
        // Of each prompt one token is left: it is as any other that is decoded.
        const all = total + (attended + prompts) / 2;
        const duration = this.steps.decoding(batch + prompts, all);
        return { steps: 1, grows, total: all, duration };
      }
      const duration = this.steps.filling(batch, total, prompts, attended);
      return { steps: 1, grows, total, duration, prompts, attended };
    }

    stretch(until, wanted) {
      const { batch, total } = this,
        decoding = (steps) => this.steps.decoding(batch, total + batch * steps),
        first = decoding(1);
      const lasting = (steps) => (steps === 1 ? first : (steps * (first + decoding(steps))) / 2);
      let steps = Math.min(this.ending.first.finish - this.step, this.most);
      if (!this.waiting.size) steps = this.upTo(until, steps, first, lasting);
      let grows = steps === 1 ? wanted : this.growth(steps);
      while (this.used + grows > this.limits.blocks) {
        steps -= 1;
        grows = this.growth(steps);
      }
      const duration = lasting(steps);
      return { steps, grows, total: total + (batch * (steps + 1)) / 2, duration };
    }

    /* As many steps as begin before somebody comes, or before a time if nobody does. */
    upTo(until, most, first, lasting) {
      const next = this.nextArrival === Infinity ? until : this.nextArrival,
        left = next - this.now;
      if (!(left < most * first)) return most;
      let steps = Math.trunc(left / first) + 1;
      while (steps > 1 && left <= lasting(steps - 1)) steps -= 1;
      return steps;
    }

    /* Blocks that so many steps want beyond those in use. */
    growth(steps) {
      const { size } = this.limits,
        whole = Math.floor(steps / size);
      let found = whole * this.batch;
      for (let place = whole * size; place < steps; place += 1)
        found += this.grown[(this.step + place) % size];
      return found;
    }

    /* Requests whose last token came. */
    end() {
      while (this.ending.size && this.ending.first.finish <= this.step) {
        const { request } = this.ending.pop();
        if (request.finish !== this.step || request.joined < 0) continue; // preempted since
        const held = request.prompt + request.output - 1;
        this.leave(request, held);
        this.finish(request, held);
      }
    }

    /* A request whose prompt is taken in: its first token, or the next one after a pause. */
    answer(request) {
      if (request.first < 0) {
        request.first = this.now;
        this.prompts -= request.prompt;
      } else if (request.made) this.pauses.push(this.now - request.stopped);
      const held = request.prompt + request.made,
        left = request.output - request.made - 1;
      request.joined = this.step;
      if (!left) return this.finish(request, held);
      request.finish = this.step + left;
      this.batch += 1;
      this.total += held;
      this.grown[this.turn(request)] += 1;
      this.ending.push({ finish: request.finish, request });
    }

    finish(request, held) {
      this.release(request, held);
      request.finished = this.now;
      this.ended.push(request);
      request.finish = -1;
      this.inFlight -= 1;
      this.done += 1;
      this.running.delete(request.number);
    }
  }

  return { Engine };
})();
