"use strict";
/* Columns of a table of requests and what their cells mean, as tokwatt.params has it, by the same
   names; which columns, units and words are known comes with the explorer's data. */

const Columns = (() => {
  const { quoted } = Tables;

  /* ---- tokwatt.params.traces.columns ---- */

  const bareName = (name) => name.toLowerCase().replace(/[^a-z0-9.]/g, "");
  const lastPart = (name) => bareName(name).split(".").at(-1);

  function listed(known, items) {
    const more = items.length - known.shown,
      some = items.slice(0, known.shown).join(", ");
    return more > 0 ? `${some} and ${more} more` : some;
  }

  /* What a column holds by its name, and how early its spelling stands among those known. */
  function matched(known, name) {
    const written = bareName(name);
    let best = { length: 0 };
    for (const [role, spellings] of Object.entries(known.names)) {
      const units = role === "time" ? ["", ...Object.keys(known.units)] : [""];
      spellings.forEach((spelling, rank) => {
        const wanted = bareName(spelling),
          ends = units.map((unit) => wanted + unit);
        if (wanted.length <= best.length) return;
        if (ends.some((end) => written === end || written.endsWith(`.${end}`)))
          best = { length: wanted.length, role, rank, spelling };
      });
    }
    return best;
  }

  function columnsOf(known, file, table) {
    const columns = table.names.map((name, place) => ({ name, place, ...matched(known, name) }));
    const found = {};
    for (const role of Object.keys(known.names)) {
      const own = columns.filter((column) => column.role === role);
      own.sort((one, other) => one.rank - other.rank || one.place - other.place);
      if (known.required[role]) requireOne(known, file, table, role, own);
      if (own.length) found[role] = own[0];
    }
    return found;
  }

  function requireOne(known, file, table, role, columns) {
    const what = known.required[role],
      [first, ...others] = columns;
    if (!first)
      throw new Refusal(
        `${file}: no column of ${what} among ${listed(known, table.names.map(quoted))}, ` +
          `wanted one of ${known.names[role].join(", ")}.`,
      );
    const differs = (row, { place }) => {
      const [one, other] = [table.at(row, first.place), table.at(row, place)];
      return one !== other && other !== null && other !== "";
    };
    const sample = table.rows.slice(0, known.sample);
    if (bareName(first.name).startsWith(known.preferred)) return;
    if (others.some((other) => sample.some((row) => differs(row, other)))) {
      const names = listed(
        known,
        columns.map(({ name }) => quoted(name)),
      );
      throw new Refusal(
        `${file}: has ${columns.length} columns of ${what} (${names}) that differ, wanted one.`,
      );
    }
  }

  /* ---- tokwatt.params.traces.numbers, status, times ---- */

  const NUMBER = /^\s*[+-]?\d{1,25}(\.\d*)?([eE][+-]?\d{1,3})?\s*$/;
  const isBlank = (known, cell) => cell === null || known.blank.includes(cell);

  function numberOf(cell) {
    if (typeof cell === "string") return NUMBER.test(cell) ? Number(cell) : NaN;
    return typeof cell === "number" ? cell : NaN;
  }

  function isFailure(known, name, cell) {
    const word = String(cell).trim().toLowerCase();
    if (known.nothing.includes(word)) return false;
    if (name in known.flags) return !known.no.includes(word) === Boolean(known.flags[name]);
    const number = numberOf(word);
    if (!Number.isNaN(number)) return number >= known.least_http_error || number < 0;
    return known.failures.includes(word);
  }

  const DATE = new RegExp(
    "^(\\d{4})-(\\d\\d)-(\\d\\d)(?:[T ](\\d\\d)(?::?(\\d\\d)(?::?(\\d\\d)(?:[.,](\\d+))?)?)?" +
      " ?(Z|UTC|[+-]\\d\\d(?::?\\d\\d)?)?)?$",
  );

  /* Seconds since 1970 of an ISO date, UTC unless it says otherwise, to the microsecond. */
  function dateSeconds(cell) {
    const found = typeof cell === "string" && DATE.exec(cell);
    if (!found) return NaN;
    const [year, month, day, hour, minute, second] = found
        .slice(1, 7)
        .map((part) => Number(part ?? 0)),
      [fraction = "", zone = ""] = found.slice(7);
    const midnight = new Date(Date.UTC(year, month - 1, day));
    if (midnight.getUTCMonth() !== month - 1 || hour > 23 || minute > 59 || second > 59)
      return NaN;
    const [, sign, hours = 0, minutes = 0] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? [];
    const ahead = (sign === "-" ? -60 : 60) * (60 * Number(hours) + Number(minutes));
    const micro = Number(fraction.padEnd(6, "0").slice(0, 6));
    const seconds = midnight / 1e3 + 3600 * hour + 60 * minute + second - ahead;
    return (1e6 * seconds + micro) * 1e-6;
  }

  /* The unit of times since a start that a name or a layout says. */
  function toldUnit(known, name, times, names) {
    const written = bareName(name),
      units = Object.keys(known.units);
    const named =
      units.find((unit) => written.endsWith(`time${unit}`) || written.endsWith(`stamp${unit}`)) ??
      units.find((unit) => name.toLowerCase().endsWith(`_${unit}`));
    if (named) return named;
    const bare = names.map(bareName);
    const mooncake =
      known.mooncake.every((column) => bare.includes(column)) && !bare.includes(known.bailian);
    return mooncake && times.every((time) => time % 1 === 0) ? "ms" : undefined;
  }

  /* Their span in seconds, the seconds of one of their units, and how they were understood. */
  function arrivalTimes(known, file, table, column, times, dates) {
    if (!column) return { note: "without arrival times" };
    const least = times.reduce((one, other) => Math.min(one, other)),
      most = times.reduce((one, other) => Math.max(one, other));
    const name = quoted(column.name);
    if (dates) return { span: most - least, unit: 1, note: `times by ${name}, dates` };
    const told = toldUnit(known, column.name, times, table.names);
    const edges = Object.values(known.since_1970);
    const above = (time) => edges.filter((edge) => edge <= Math.abs(time)).length;
    const since = Object.keys(known.since_1970)[above(least) - 1];
    const mixed = above(least) !== above(most);
    const unit = (mixed ? told : since) ?? told ?? "s";
    if (mixed && (since || !told || (most - least) * known.units[told] > known.longest))
      throw new Refusal(
        `${file}: has times from ${least} to ${most} under ${name}, ` +
          "wanted times of one unit, all since 1970 or all since a start.",
      );
    const seconds = known.units[unit];
    return {
      span: most * seconds - least * seconds,
      unit: seconds,
      note: `times by ${name}, ${known.unit_words[unit]}`,
    };
  }

  return {
    bareName,
    lastPart,
    listed,
    columnsOf,
    isBlank,
    numberOf,
    isFailure,
    dateSeconds,
    arrivalTimes,
  };
})();
