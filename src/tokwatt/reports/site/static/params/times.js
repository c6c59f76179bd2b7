"use strict";
/* Times of arrival: dates or numbers, whose unit follows from their name or their size, as
   tokwatt.params.traces.times has it. */

const Times = (() => {
  const { quoted } = Tables;
  const { bareName, isBlank, numberOf } = Columns;

  const MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec";
  const ZONE = "Z|[+-]\\d\\d(?::?[0-5]\\d)?";
  /* Parts of a date, as Python's formats call them. */
  const PARTS = {
    Y: "\\d{4}",
    m: "1[0-2]|0?[1-9]",
    b: MONTHS,
    d: "3[01]|[12]\\d|0?[1-9]",
    a: "Mon|Tue|Wed|Thu|Fri|Sat|Sun",
    H: "2[0-3]|[01]?\\d",
    I: "1[0-2]|0?[1-9]",
    M: "[0-5]?\\d",
    S: "6[01]|[0-5]?\\d",
    f: "\\d{1,9}",
    p: "[AP]M",
    z: ZONE,
  };
  /* ISO dates as pandas takes them: parts between separators, or all of two digits. */
  const ISO = new RegExp(
    "^(?=.{7})(?=\\d{4}(?:\\D|\\d{4}(?:[T ]|$)))" +
      "(?<Y>\\d{4})(?<between>[-/. \\\\]?)(?<m>\\d\\d?)(?:\\k<between>(?<d>\\d\\d?)" +
      "(?:[T ](?=\\d\\d?:|(?:\\d\\d){1,2}(?![\\d.])|\\d{6}(?!\\d))(?<H>\\d\\d?)" +
      "(?:(?<colon>:?)(?<M>\\d\\d?)(?:\\k<colon>(?<S>[0-5]?\\d)(?:\\.(?<f>\\d*))?)?)?" +
      " *(?<z>Z|[+-]\\d\\d?(?::?\\d\\d?)?)?)?)?$",
  );

  function formOf(layout) {
    const parts = layout
      .replaceAll(".", "\\.")
      .replace(/%(\w)/g, (_, part) => `(?<${part}>${PARTS[part]})`);
    return new RegExp(`^${parts}$`, "i");
  }

  /* Whether times are dates, by the first that is not blank. */
  function hasDates(known, cells) {
    return Number.isNaN(numberOf(cells.find((cell) => !isBlank(known, cell)) ?? 0));
  }

  /* Reads cells of a column of times: dates, all as the first of them looks, or numbers. */
  function timeReader(known, table, column) {
    const cells = table.sample.map((row) => table.at(row, column.place));
    if (!hasDates(known, cells)) return { dates: false, timeOf: numberOf };
    const inUtc = String(cells[0]).endsWith(" UTC"),
      bare = (cell) => (inUtc ? cell.replace(/ UTC$/, "") : cell);
    const first = bare(String(cells.find((cell) => !isBlank(known, cell))));
    const [, layout] =
      Object.entries(known.layouts).find(([look]) => new RegExp(`^(?:${look})$`).test(first)) ?? [];
    const form = layout ? formOf(layout) : ISO;
    const timeOf = (cell) =>
      typeof cell === "string" ? secondsOf(form.exec(bare(cell))?.groups) : NaN;
    return { dates: true, timeOf };
  }

  /* Seconds since 1970 of the parts of a date, UTC unless they say otherwise, to a microsecond. */
  function secondsOf(parts) {
    if (!parts) return NaN;
    const { Y, m, b, d = 1, H = 0, I, M = 0, S = 0, f = "", p = "AM", z = "Z" } = parts;
    const month = b ? MONTHS.toLowerCase().split("|").indexOf(b.toLowerCase()) : m - 1;
    const hour = I ? (I % 12) + (p.toUpperCase() === "PM" ? 12 : 0) : Number(H);
    const midnight = new Date(0);
    midnight.setUTCFullYear(Y, month, d);
    if (midnight.getUTCMonth() !== month || d < 1 || hour > 23 || M > 59) return NaN;
    const [, sign, hours = 0, minutes = 0] = /^([+-])(\d\d?):?(\d\d?)?$/.exec(z) ?? [];
    if (hours > 23 || minutes > 59) return NaN;
    const ahead = (sign === "-" ? -60 : 60) * (60 * Number(hours) + Number(minutes));
    const micro = Number(f.padEnd(6, "0").slice(0, 6));
    const seconds = midnight / 1e3 + 3600 * hour + 60 * Number(M) + Number(S) - ahead;
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

  /* The unit of times, and whether nothing but their being times says it. */
  function unitOf(known, file, table, column, times, [least, most]) {
    const told = toldUnit(known, column.name, times, table.names),
      edges = Object.values(known.since_1970);
    const above = (time) => edges.filter((edge) => edge <= Math.abs(time)).length,
      since = Object.keys(known.since_1970)[above(least) - 1];
    if (above(least) === above(most)) {
      const early = told && most * known.units[since] < known.earliest;
      const unit = (early ? undefined : since) ?? told;
      return { unit: unit ?? "s", guessed: !unit };
    }
    if (!since && told && (most - least) * known.units[told] <= known.longest)
      return { unit: told, guessed: false };
    throw new Refusal(
      `${file}: has times from ${least} to ${most} under ${quoted(column.name)}, ` +
        "wanted times of one unit, all since 1970 or all since a start; tokwatt fleet --trace " +
        `takes a unit that is told, with the option --columns time=${column.name}:us.`,
    );
  }

  /* Their span in seconds, the seconds of one of their units, and how they were understood. */
  function arrivalTimes(known, file, table, column, times, dates) {
    if (!column) return { note: "without arrival times" };
    const ends = [Math.min, Math.max].map((end) => times.reduce((one, other) => end(one, other)));
    const [least, most] = ends,
      name = quoted(column.name);
    if (dates) return { span: most - least, unit: 1, note: `times by ${name}, dates` };
    const { unit, guessed } = unitOf(known, file, table, column, times, ends);
    const seconds = known.units[unit],
      span = most * seconds - least * seconds;
    const slow = guessed && times.length > 1 && span > known.slow * (times.length - 1);
    const doubt = slow
      ? `, as nothing names another unit (tokwatt fleet --columns time=${column.name}:ms takes one)`
      : "";
    return {
      span,
      unit: seconds,
      note: `times by ${name}, ${known.words[unit]}${doubt}`,
    };
  }

  return { timeReader, arrivalTimes };
})();
