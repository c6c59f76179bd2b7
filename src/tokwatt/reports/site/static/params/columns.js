"use strict";
/* Columns of a table of requests and their cells as numbers, as tokwatt.params has them, by the
   same names; which columns, units and words are known comes with the explorer's data. */

const Columns = (() => {
  const { quoted } = Tables;

  /* ---- tokwatt.params.traces.numbers, repeats ---- */

  const NUMBER = /^\s*[+-]?\d{1,25}(\.\d*)?([eE][+-]?\d{1,3})?\s*$/;
  const GROUPED = /^\s*\d{1,3}(,\d{3}){1,8}\s*$/;
  const isBlank = (known, cell) => cell === null || known.blank.includes(cell);

  function numberOf(cell) {
    if (typeof cell === "string") return NUMBER.test(cell) ? Number(cell) : NaN;
    return typeof cell === "number" ? cell : NaN;
  }

  /* A count, of whose digits thousands may be apart. */
  const countOf = (cell) =>
    numberOf(typeof cell === "string" && GROUPED.test(cell) ? cell.replaceAll(",", "") : cell);

  /* Whether cells are names that tell requests apart: long texts, and no numbers. */
  function isTelling(known, cells) {
    const told = cells.filter((cell) => !isBlank(known, cell));
    const isName = (cell) =>
      typeof cell === "string" &&
      cell.length >= known.least_letters &&
      Number.isNaN(numberOf(cell));
    return told.length > 0 && told.every(isName);
  }

  /* ---- tokwatt.params.traces.columns, traces ---- */

  const bareName = (name) => name.toLowerCase().replace(/[^a-z0-9.]/g, "");
  const lastPart = (name) => bareName(name).split(".").at(-1);

  function listed(known, items) {
    const more = items.length - known.shown,
      some = items.slice(0, known.shown).join(", ");
    return more > 0 ? `${some} and ${more} more` : some;
  }

  /* Letters that a name and a spelling share as the last parts of the name. */
  function overlap(written, spelling, units) {
    const wanted = bareName(spelling),
      ends = units.map((unit) => wanted + unit);
    const match = ends.some((end) => written === end || written.endsWith(`.${end}`));
    return match ? wanted.length : 0;
  }

  const matches = new Map();

  /* What a column holds by its name, and how early its spelling stands among those known. */
  function matched(known, name) {
    if (matches.has(name)) return matches.get(name);
    const written = bareName(name);
    let best = { length: 0 };
    for (const [role, spellings] of Object.entries(known.names)) {
      const units = role === "time" ? ["", "utc", ...Object.keys(known.units)] : [""];
      spellings.forEach((spelling, rank) => {
        const length = overlap(written, spelling, units);
        if (length > best.length) best = { length, role, rank };
      });
    }
    matches.set(name, best);
    return best;
  }

  /* Whether names hold all that a request needs. */
  const isComplete = (known, names) =>
    Object.keys(known.required).every((role) =>
      names.some((name) => matched(known, name).role === role),
    );

  /* Columns that are read, by what they hold, those first that are meant first. */
  function columnsOf(known, file, table) {
    const columns = table.names.map((name, place) => ({ name, place, ...matched(known, name) }));
    const found = {};
    for (const role of Object.keys(known.names)) {
      const all = columns.filter((column) => column.role === role);
      all.sort((one, other) => one.rank - other.rank || one.place - other.place);
      const own = all.filter((column) => !isAside(known, column)),
        meant = own.length ? own : all;
      if (known.required[role] && !meant.length) meant.push(plain(known, file, table, role));
      const read = known.single.includes(role) ? single(known, table, role, meant) : meant;
      if (read.length) found[role] = read;
    }
    return found;
  }

  const isAside = (known, { name }) =>
    bareName(name)
      .split(".")
      .some((part) => known.aside.includes(part));

  /* The column that says when, how many or which: the first that is not blank. */
  function single(known, table, role, columns) {
    const cells = ({ place }) => table.sample.map((row) => table.at(row, place));
    const isTold = (column) =>
      role === "id"
        ? isTelling(known, cells(column))
        : cells(column).some((cell) => !isBlank(known, cell));
    const told = columns.filter(isTold);
    return (told.length || role === "id" ? told : columns).slice(0, 1);
  }

  /* The column of counts under a name that texts go by, too; refused where there is none. */
  function plain(known, file, table, role) {
    const rank = ({ name }) => known.plain[role].indexOf(bareName(name));
    const columns = table.names
      .map((name, place) => ({ name, place }))
      .filter((column) => rank(column) >= 0)
      .sort((one, other) => rank(one) - rank(other));
    for (const column of columns) {
      const cells = table.sample.map((row) => table.at(row, column.place)),
        told = cells.filter((cell) => !isBlank(known, cell));
      if (told.filter((cell) => Number.isFinite(countOf(cell))).length * 2 >= told.length)
        return column;
    }
    const found = columns.length ? `holds text under ${quoted(columns[0].name)} and no` : "no",
      among = columns.length ? "" : ` among ${listed(known, table.names.map(quoted))}`;
    throw new Refusal(
      `${file}: ${found} column of ${known.required[role]}${among}, wanted one of ` +
        `${known.names[role].slice(0, known.known).join(", ")}; ` +
        `tokwatt fleet --trace takes others, with the option --columns ${role}=NAME.`,
    );
  }

  /* Columns of prompt and output tokens together. */
  const totalsOf = (known, names) =>
    names
      .map((name, place) => ({ name, place }))
      .filter(({ name }) => known.totals.some((total) => overlap(bareName(name), total, [""])));

  return {
    bareName,
    lastPart,
    listed,
    isComplete,
    columnsOf,
    totalsOf,
    isBlank,
    numberOf,
    countOf,
  };
})();
