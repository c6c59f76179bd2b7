"use strict";
/* Rows of a table that are served requests, and how many are not, as tokwatt.params.traces has them
   in requests, status and repeats. */

const Rows = (() => {
  const { quoted } = Tables;
  const { bareName, lastPart, listed, isBlank, numberOf, countOf } = Columns;
  const { firstTold, partOf, wholes } = Sums;

  /* ---- tokwatt.params.traces.status ---- */

  const lettersOf = (word) => word.replace(/[^a-z]/g, "");

  /* Whether a status, success or error in small letters tells of a request not served. */
  function isFailure(known, name, word) {
    if (known.nothing.includes(word)) return false;
    const parts = name.split("."),
      flag = [parts.slice(-2).join("."), parts.at(-1)].find((part) => part in known.flags);
    if (flag) return !known.no.includes(word) === Boolean(known.flags[flag]);
    const number = numberOf(word.split(" ")[0]);
    if (Number.isNaN(number))
      return known.failures.some((failure) => lettersOf(word).startsWith(failure));
    const otel = name.endsWith("status.code") && number === 2;
    return otel || number >= known.least_http_error || number < 0;
  }

  /* Whether a cell says that its row is no served request. */
  function isOut(known, role, name, cell) {
    const word = String(cell).trim().toLowerCase();
    if (role === "status") return isFailure(known, bareName(name), word);
    return known[role === "kind" ? "others" : "hits"].includes(lettersOf(word));
  }

  /* ---- tokwatt.params.traces.requests ---- */

  const isWhole = (value) => value >= 0 && value % 1 === 0 && value < 2 ** 53;
  const toEven = (value) =>
    Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value);

  function reader(known, found, sums, timeOf) {
    const said = Object.keys(known.reasons).filter((role) => found[role]),
      counted = Object.keys(found).filter((role) => !(role in known.reasons) && role !== "id");

    function numberIn(role, cell) {
      if (role === "time") return timeOf(cell);
      return known.caches.includes(role) && isBlank(known, cell) ? 0 : countOf(cell);
    }

    /* Numbers of all columns, and the tokens of the row, those that stand beside others added. */
    function valuesOf(cells) {
      const told = {};
      for (const role of counted) told[role] = cells[role].map((cell) => numberIn(role, cell));
      const whole = (role) => firstTold(wholes(known, role, told, sums));
      return { told, prompt: whole("prompt"), output: whole("output") };
    }

    function leftOut(cells, { prompt, output }) {
      for (const role of said)
        if (found[role].some(({ name }, place) => isOut(known, role, name, cells[role][place])))
          return known.reasons[role];
      const isEmpty = (role) => cells[role].every((cell) => isBlank(known, cell));
      if ((isEmpty("prompt") && prompt !== 0) || isEmpty("output")) return "without token counts";
      if (output === 0) return "without output tokens";
      return prompt === 0 ? "without prompt tokens" : "";
    }

    function problemOf(cells, { told }, { prompt, output }) {
      for (const role of counted)
        for (const [place, { name }] of found[role].entries()) {
          const value = told[role][place],
            cell = cells[role][place],
            timed = role === "time";
          if (timed ? Number.isFinite(value) : isWhole(value)) continue;
          if (!timed && role !== "count" && isBlank(known, cell)) continue;
          const written = String(cell ?? "").trim() ? quoted(cell) : "nothing";
          const wanted = timed ? known.wanted_time : known.wanted;
          return `${written} under ${quoted(name)}, wanted ${wanted}`;
        }
      return prompt + output <= known.most_tokens
        ? ""
        : `${prompt} prompt and ${output} output tokens, ` +
            `wanted from 1 to ${known.most_tokens} in all`;
    }

    /* A request of so many tokens; that of a bucket is as long as the mean of its own. */
    function requestOf(cells, { told, prompt, output }) {
      const [count] = told.count ?? [1],
        each = Math.max(1, count);
      const mean = (tokens) => (found.count ? Math.max(1, toEven(tokens / each)) : tokens);
      const kept = partOf(told, "cached"),
        cached = Math.min(mean(prompt), found.count ? toEven(kept / each) : kept);
      const id = found.id && !isBlank(known, cells.id[0]) ? cells.id[0] : null;
      const tokens = { prompt: mean(prompt), output: mean(output), cached };
      return { ...tokens, count, time: told.time?.[0], id };
    }

    return { valuesOf, leftOut, problemOf, requestOf };
  }

  function rowsOf(known, file, table, found, sums) {
    const { dates, timeOf } = found.time ? Times.timeReader(known, table, found.time[0]) : {};
    refuseSums(known, file, table, found, dates ? timeOf : () => NaN);
    const read = reader(known, found, sums, timeOf),
      entries = Object.entries(found);
    const served = [],
      leftOut = {},
      bad = [...table.problems];
    for (const row of table.rows) {
      const cells = {};
      for (const [role, own] of entries) cells[role] = own.map(({ place }) => table.at(row, place));
      const values = read.valuesOf(cells),
        why = read.leftOut(cells, values);
      if (why) {
        leftOut[why] = (leftOut[why] ?? 0) + 1;
        continue;
      }
      const request = read.requestOf(cells, values),
        problem = read.problemOf(cells, values, request);
      if (problem) bad.push([row.line, problem]);
      else served.push(request);
    }
    const rows = table.rows.length + table.problems.length;
    refuseBad(known, file, bad, rows);
    const requests = found.id ? lastOfEach(served) : served;
    if (requests.length < served.length) leftOut.repeated = served.length - requests.length;
    if (!requests.length)
      throw new Refusal(
        `${file}: holds no served request (${reasons(leftOut)}), ` +
          "wanted a row for each request that was served.",
      );
    return { requests, leftOut, rows, dates };
  }

  /* The last of the rows of one name and prompt; all that have no name. */
  function lastOfEach(served) {
    const seen = new Set();
    const isLast = ({ id, prompt }) => {
      if (id === null) return true;
      const identity = `${prompt} ${id}`;
      return !seen.has(identity) && Boolean(seen.add(identity));
    };
    return served.slice().reverse().filter(isLast).reverse();
  }

  /* Refuse sums over a time that do not say of how many requests. */
  function refuseSums(known, file, table, found, timeOf) {
    if (found.count) return;
    const buckets = known.buckets.map(bareName);
    const sums = table.names.filter((name) => buckets.includes(lastPart(name)));
    const cells = found.time ? table.sample.map((row) => table.at(row, found.time[0].place)) : [];
    const isDay = (cell) => /^\s*\d{4}-\d\d-\d\d\s*$/.test(cell) && Number.isFinite(timeOf(cell));
    if (cells.length > 1 && cells.every(isDay) && new Set(cells).size === cells.length)
      sums.push(found.time[0].name);
    if (sums.length)
      throw new Refusal(
        `${file}: holds sums over a time (${quoted(sums[0])}) without lengths, wanted a row for ` +
          "each request, or a column with the number of requests of each row.",
      );
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

  return { rowsOf, reasons };
})();
