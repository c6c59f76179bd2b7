"use strict";
/* A trace of the reader's own as tokwatt.params.traces reads it, by the same names. */

const Traces = (() => {
  const { quoted, tableOf } = Tables;
  const { bareName, lastPart, listed, columnsOf, isBlank, numberOf, isFailure } = Columns;
  const sum = (values) => values.reduce((total, value) => total + value, 0);

  /* ---- tokwatt.params.traces.requests ---- */

  const isWhole = (value) => value >= 0 && value % 1 === 0 && value < 2 ** 53;
  const toEven = (value) =>
    Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value);

  function reader(known, found, dates) {
    const beside = known.beside[found.prompt.spelling];
    const added = ["cached", "written"].filter(
      (role) => found[role] && beside.includes(found[role].spelling),
    );
    const roles = Object.keys(found).filter((role) => role !== "status");
    const status = found.status && lastPart(found.status.name);

    function valueOf(role, cell) {
      if (role === "time" && dates) return Columns.dateSeconds(cell);
      const none = (role === "cached" || role === "written") && isBlank(known, cell);
      return none ? 0 : numberOf(cell);
    }

    function leftOut(cells, values) {
      if (status && isFailure(known, status, cells.status)) return "failed";
      if (isBlank(known, cells.prompt) || isBlank(known, cells.output))
        return "without token counts";
      if (values.output === 0) return "without output tokens";
      const whole = values.prompt + sum(added.map((role) => values[role] || 0));
      return whole === 0 ? "without prompt tokens" : "";
    }

    function problemOf(cells, values) {
      for (const role of roles) {
        const timed = role === "time";
        if (timed ? Number.isFinite(values[role]) : isWhole(values[role])) continue;
        const cell = cells[role] ?? "",
          written = String(cell).trim() ? quoted(cell) : "nothing";
        const wanted = timed ? known.wanted_time : known.wanted;
        return `${written} under ${quoted(found[role].name)}, wanted ${wanted}`;
      }
      const { prompt, output } = requestOf(values);
      return prompt + output <= known.most_tokens
        ? ""
        : `${prompt} prompt and ${output} output tokens, ` +
            `wanted from 1 to ${known.most_tokens} in all`;
    }

    /* A request of so many tokens; that of a bucket is as long as the mean of its own. */
    function requestOf(values) {
      const count = values.count ?? 1,
        each = Math.max(1, count);
      const mean = (tokens) => (found.count ? Math.max(1, toEven(tokens / each)) : tokens);
      const prompt = mean(values.prompt + sum(added.map((role) => values[role])));
      return { prompt, output: mean(values.output), count, time: values.time };
    }

    return { roles, valueOf, leftOut, problemOf, requestOf };
  }

  function rowsOf(known, file, table, found) {
    refuseSums(known, file, table, found);
    const dates = hasDates(known, table, found.time),
      read = reader(known, found, dates);
    const requests = [],
      leftOut = {},
      bad = [...table.problems];
    for (const row of table.rows) {
      const cells = {},
        values = {};
      for (const role of Object.keys(found)) cells[role] = table.at(row, found[role].place);
      for (const role of read.roles) values[role] = read.valueOf(role, cells[role]);
      const why = read.leftOut(cells, values),
        problem = why ? "" : read.problemOf(cells, values);
      if (why) leftOut[why] = (leftOut[why] ?? 0) + 1;
      else if (problem) bad.push([row.line, problem]);
      else requests.push(read.requestOf(values));
    }
    const rows = table.rows.length + table.problems.length;
    refuseBad(known, file, bad, rows);
    if (!requests.length)
      throw new Refusal(
        `${file}: holds no served request (${reasons(leftOut)}), ` +
          "wanted a row for each request that was served.",
      );
    return { requests, leftOut, rows, dates };
  }

  function refuseSums(known, file, table, found) {
    const buckets = known.buckets.map(bareName);
    const sums = table.names.filter((name) => buckets.includes(lastPart(name)));
    if (sums.length && !found.count)
      throw new Refusal(
        `${file}: holds sums over a time (${quoted(sums[0])}) without lengths, wanted a row for ` +
          "each request, or a column with the number of requests of each row.",
      );
  }

  /* Whether times are dates, by the first that is not blank. */
  function hasDates(known, table, column) {
    if (!column) return false;
    const cells = table.rows.slice(0, known.sample).map((row) => table.at(row, column.place));
    return Number.isNaN(numberOf(cells.find((cell) => !isBlank(known, cell)) ?? 0));
  }

  function refuseBad(known, file, bad, rows) {
    if (!bad.length) return;
    bad.sort(([one], [other]) => one - other);
    const lines = listed(
      known,
      bad.map(([line]) => line),
    );
    const many = bad.length > 1 ? `are bad (lines ${lines})` : "is bad";
    const [line, problem] = bad[0];
    throw new Refusal(
      `${file}: ${bad.length} of ${rows} rows ${many}: line ${line} has ${problem}.`,
    );
  }

  const reasons = (leftOut) =>
    Object.entries(leftOut)
      .map(([why, count]) => `${count} ${why}`)
      .join(", ");

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

  /* Kinds of request as equations.js takes them, by their length and then by their prompt. */
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
      requests: column(({ count }) => count),
    };
  }

  /* A trace from the text of a file, refused in one sentence. */
  function read(known, file, text) {
    const table = tableOf(file, text, known.sample),
      found = columnsOf(known, file, table),
      { requests: served, leftOut, rows, dates } = rowsOf(known, file, table, found);
    const times = served.map(({ time }) => time);
    const arrivals = Columns.arrivalTimes(known, file, table, found.time, times, dates);
    const total = sum(served.map(({ count }) => count)),
      requests = kindsOf(served, total, known.most_tokens);
    const arrived = inOrder(served, arrivals.unit),
      last = arrived.requests.at(-1);
    const ends = (values) => [0.5, 0.99].map((share) => quantile(requests.weight, values, share));
    return {
      name: file,
      requests,
      count: total,
      rows,
      leftOut,
      span: arrivals.span ?? null,
      rate: arrivals.span > 0 ? (total - last) / arrivals.span : null,
      arrived,
      prompt: ends(requests.prompt),
      output: ends(requests.output),
      note: arrivals.note,
    };
  }

  /* In one sentence, what was read; `shown` writes numbers that are not whole. */
  function said(trace, shown) {
    const whole = (count) => count.toLocaleString("en");
    const from = trace.rows === trace.count ? "" : ` of ${whole(trace.rows)} rows`;
    const why = reasons(trace.leftOut),
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
