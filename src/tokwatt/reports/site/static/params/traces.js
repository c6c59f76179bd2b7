"use strict";
/* A trace of the reader's own as tokwatt.params.traces reads it, by the same names. */

const Traces = (() => {
  const { quoted } = Tables;

  /* ---- tokwatt.params.traces.traces, tokwatt.serving.demand.requests ---- */

  /* The smallest value that a share of the requests does not exceed. */
  function quantile(weight, values, share) {
    const masses = new Map();
    values.forEach((value, kind) => masses.set(value, (masses.get(value) ?? 0) + weight[kind]));
    const most = share * (1 - 1e-12) * sum(weight);
    let upto = 0;
    return Float64Array.from(masses.keys())
      .sort()
      .find((value) => (upto += masses.get(value)) >= most);
  }

  /* Kinds of request as the account takes them, by their length and then by their prompt. */
  function kindsOf(requests, total, most) {
    const counts = new Map(),
      base = 2 * most;
    for (const { prompt, output, count } of requests) {
      const key = (prompt + output) * base + prompt;
      counts.set(key, (counts.get(key) ?? 0) + count);
    }
    const keys = Float64Array.from(counts.keys()).sort();
    const prompt = keys.map((key) => key % base),
      length = keys.map((key, kind) => (key - prompt[kind]) / base);
    return {
      weight: keys.map((key) => counts.get(key) / total),
      prompt,
      output: length.map((tokens, kind) => tokens - prompt[kind]),
      promptShare: prompt.map((tokens, kind) => tokens / length[kind]),
    };
  }

  /* Requests as they arrived, in seconds since the first; as they stand where nothing says when. */
  function inOrder(served, unit) {
    if (unit) served.sort((one, other) => one.time - other.time);
    const [{ time: first }] = served,
      column = (valueOf) => Float64Array.from(served, valueOf);
    return {
      time: column(({ time }) => (unit ? time * unit - first * unit : 0)),
      prompt: column(({ prompt }) => prompt),
      output: column(({ output }) => output),
      cached: column(({ cached }) => cached),
      requests: column(({ count }) => count),
    };
  }

  /* How counts that stand beside others, or among them, were understood. */
  function besides(found, sums) {
    const parts = { cached: "prompt", reasoning: "output" };
    return Object.entries(parts).flatMap(([role, whole]) => {
      const added = sums[whole][0];
      if (!found[role] || !(added || role === "cached")) return [];
      const [part, count] = [found[role], found[whole]].map(([{ name }]) => quoted(name));
      return [`${role} tokens ${part} ${added ? "added to" : "part of"} ${count}`];
    });
  }

  /* All but the last arrivals over the time they span, of sums all that came with the last. */
  function rateOf(served, total, span) {
    if (!(span > 0)) return null;
    const ends = served.reduce((one, { time }) => Math.max(one, time), -Infinity);
    const single = served.every(({ count }) => count === 1);
    const last = single ? 1 : sum(served.map(({ time, count }) => (time === ends ? count : 0)));
    return (total - last) / span;
  }

  /* Squared variation of gaps between arrivals; null for sums, which do not say when each came. */
  function burstinessOf({ time }, counted, span) {
    if (counted || !(span > 0)) return null;
    const gaps = Array.from(time.subarray(1), (at, place) => at - time[place]),
      mean = sum(gaps) / gaps.length;
    return sum(gaps.map((gap) => (gap - mean) ** 2)) / gaps.length / mean ** 2;
  }

  /* A trace from the text of a file, refused in one sentence. */
  function read(known, file, text) {
    const table = Tables.tableOf(known, file, text, (names) => Columns.isComplete(known, names)),
      columns = Columns.columnsOf(known, file, table),
      { found, sums } = Sums.sumsOf(known, file, columns, table),
      { requests: served, leftOut, rows, dates } = Rows.rowsOf(known, file, table, found, sums);
    const times = served.map(({ time }) => time),
      [timed] = found.time ?? [];
    const arrivals = Times.arrivalTimes(known, file, table, timed, times, dates);
    const total = sum(served.map(({ count }) => count)),
      requests = kindsOf(served, total, known.most_tokens);
    const arrived = inOrder(served, arrivals.unit);
    const ends = (values) => [0.5, 0.99].map((share) => quantile(requests.weight, values, share));
    return {
      name: file,
      requests,
      count: total,
      rows,
      leftOut,
      span: arrivals.span ?? null,
      rate: rateOf(served, total, arrivals.span),
      arrived,
      burstiness: burstinessOf(arrived, found.count, arrivals.span),
      prompt: ends(requests.prompt),
      output: ends(requests.output),
      note: [arrivals.note, ...besides(found, sums)].join("; "),
    };
  }

  /* In one sentence, what was read; `shown` writes numbers that are not whole. */
  function said(trace, shown) {
    const whole = (count) => count.toLocaleString("en");
    const from = trace.rows === trace.count ? "" : ` of ${whole(trace.rows)} rows`;
    const why = Rows.reasons(trace.leftOut),
      without = why ? ` (left out: ${why})` : "";
    const rate = trace.rate ? [`${shown(trace.span)} s`, `${shown(trace.rate)} req/s`] : [];
    const lengths = ([median, late]) => `median ${whole(median)}, p99 ${whole(late)}`;
    const parts = [
      `${trace.name}: ${whole(trace.count)} requests${from}${without}`,
      ...rate,
      trace.note,
      `prompt tokens ${lengths(trace.prompt)}`,
      `output tokens ${lengths(trace.output)}`,
    ];
    return `${parts.join("; ")}.`;
  }

  return { read, said };
})();
