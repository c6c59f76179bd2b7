"use strict";
/* One engine that batches continuously, as tokwatt.simulation.engine has it, by the same names: a
   queue, running requests, a KV cache pool in blocks. No blocks are kept for later requests: what a
   cache holds is given by request; and all requests are of one priority. */

const Engines = (() => {
  const { Heap, cameBefore, endsBefore } = Requests,
    { segmentOf } = Segments;

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
      this.pass(segmentOf(this, until, wanted, taken));
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
      const budget = this.limits.tokens - this.batch,
        taken = { prompts: 0, attended: 0, filled: [], budget };
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

    pass(segment) {
      this.segments.push(segment);
      this.taken += 1;
      this.used = segment.blocks;
      this.now += segment.duration;
      this.step += segment.steps;
      this.total += this.batch * segment.steps;
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
