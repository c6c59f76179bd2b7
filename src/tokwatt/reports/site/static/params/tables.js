"use strict";
/* Files of requests as tables of cells, as tokwatt.params.tables has them: separated text, JSON. */

class Refusal extends Error {}

const Tables = (() => {
  /* A name or cell as a sentence repeats it. */
  function quoted(value) {
    const text = String(value).replace(/\p{C}/gu, "�");
    return `“${text.length > 40 ? `${text.slice(0, 37)}...` : text}”`;
  }

  /* Rows with the lines they begin on, and lines that hold none; `complete` tells of names of
     columns whether they are all that a row needs. */
  function tableOf(known, file, written, complete) {
    const text = written.replace(/^\uFEFF/, ""),
      start = text.trimStart();
    if (!start) throw new Refusal(`${file}: is empty, wanted column names and requests.`);
    if (/^(PAR1|\(\uFFFD\/\uFFFD)/.test(start))
      throw new Refusal(
        `${file}: is zst or Parquet, wanted CSV or JSON; tokwatt fleet --trace reads it.`,
      );
    if (/^[^\r\n]*\0|^[^]{0,65535}\uFFFD/.test(start))
      throw new Refusal(`${file}: is no text, wanted CSV or JSON in UTF-8.`);
    const table = /^[[{]/.test(start)
      ? tableOfJson(known, file, text, complete)
      : tableOfText(known, file, text);
    return Nested.withFields(table, complete);
  }

  function tableOfText(known, file, text) {
    const header = text.match(/^[^\r\n]*/)[0];
    const delimiter = [",", ";", "\t", "|"].reduce((most, other) =>
      header.split(other).length > header.split(most).length ? other : most,
    );
    const [first, ...written] = csvRows(file, text, delimiter);
    const names = first.cells.map((name) => name.trim());
    const rest = delimiter === ";" ? written.map(pointed) : written;
    if (!rest.length)
      throw new Refusal(
        `${file}: holds column names and no requests, wanted a line for each request.`,
      );
    const long = ({ cells }) => cells.slice(names.length).some((cell) => cell.trim());
    const rows = rest.filter((row) => !long(row));
    const problems = rest
      .filter(long)
      .map(({ line, cells }) => [
        line,
        `${cells.length} cells, wanted ${names.length} as there are column names`,
      ]);
    const at = (row, place) => (row.cells[place] ?? "").trim();
    return { names, rows, sample: rows.slice(0, known.sample), problems, at };
  }

  /* Decimal commas as points, where semicolons separate cells. */
  function pointed({ line, cells }) {
    const decimal = /^(\s*[+-]?\d+),(\d+\s*)$/;
    return { line, cells: cells.map((cell) => cell.replace(decimal, "$1.$2")) };
  }

  function csvRows(file, text, delimiter) {
    const cell = new RegExp(
      ` *(?:"([^"]*(?:""[^"]*)*)"|((?![ "])[^${delimiter}\r\n]*))([${delimiter}]|\r\n|[\r\n]|$)`,
      "y",
    );
    const rows = [];
    let line = 1,
      row = { line, cells: [] };
    for (let ended = false; !ended;) {
      const found = cell.exec(text);
      if (!found)
        throw new Refusal(
          `${file}: the row at line ${row.line} is not CSV, wanted plain or well-quoted cells.`,
        );
      const [, inside, plain, end] = found;
      row.cells.push(inside === undefined ? plain : inside.replaceAll('""', '"'));
      if (inside) line += inside.split(/\r\n|[\r\n]/).length - 1;
      if (end === delimiter) continue;
      line += 1;
      if (row.cells.length > 1 || row.cells[0].trim()) rows.push(row);
      row = { line, cells: [] };
      ended = end === "";
    }
    return rows;
  }

  /* JSON on each line, or one document; where lines are no requests, what is in them may be. */
  function tableOfJson(known, file, text, complete) {
    const search = (tree) => [...Nested.rowsOf(known, tree, complete)];
    const written = text.split(/\r\n|[\r\n]/);
    if (!isLines(written))
      return tableOfRows(known, file, search(documentOf(known, file, text)), complete);
    const { rows, problems } = objectsOf(written);
    const sample = rows.filter(({ line }) => line <= known.sample);
    const plain =
      sample.some(({ tree }) => Nested.isRow(tree, complete)) &&
      !sample.some(({ tree }) => Nested.summedLists(tree, complete).length);
    if (!sample.length || (!plain && problems.length))
      throw new Refusal(`${file}: line ${problems[0].join(" has ")}.`);
    if (plain) return { ...ofTrees(rows, sample), problems };
    return tableOfRows(known, file, search(rows.map(({ tree }) => tree)), complete);
  }

  const hasLists = (tree) => !Object.values(tree).every(Nested.isPlain);

  /* Whether the first line is an object of its own. */
  function isLines(written) {
    const [first, ...more] = written.filter((line) => line.trim()).slice(0, 2);
    const tree = Nested.parsed(first);
    return Nested.isObject(tree) && (more.length > 0 || !hasLists(tree));
  }

  function documentOf(known, file, text) {
    const tree = Nested.parsed(text) ?? oneByOne(known, text);
    if (tree !== null) return tree;
    throw new Refusal(`${file}: is no JSON, wanted one document or an object on each line.`);
  }

  /* Documents that follow each other, over lines or not; null where any of them is broken. */
  function oneByOne(known, text) {
    const between = new RegExp(`^[${known.between.join("")}]*`),
      documents = [];
    let depth = 0,
      start = 0;
    for (const { 0: mark, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/g)) {
      if (mark.startsWith('"')) continue;
      depth += mark === "{" || mark === "[" ? 1 : -1;
      if (depth > 0) continue;
      documents.push(Nested.parsed(text.slice(start, index + 1).replace(between, "")));
      start = index + 1;
    }
    const isWhole = !documents.includes(undefined) && !text.slice(start).replace(between, "");
    return isWhole ? documents : null;
  }

  function objectsOf(written) {
    const rows = [],
      problems = [];
    written.forEach((text, place) => {
      if (!text.trim()) return;
      const tree = Nested.parsed(text);
      if (Nested.isObject(tree)) rows.push({ line: place + 1, tree });
      else problems.push([place + 1, "no JSON object, wanted one on each line"]);
    });
    return { rows, problems };
  }

  function tableOfRows(known, file, trees, complete) {
    if (!trees.some((tree) => Nested.isRow(tree, complete))) {
      if (trees.some((tree) => Nested.turnsOf(known, tree)?.length))
        throw new Refusal(
          `${file}: holds texts and no token counts, wanted those; ` +
            "tokwatt fleet --trace counts them, with the option --tokenizer.",
        );
      throw new Refusal(
        `${file}: holds no requests, wanted objects with prompt and output tokens; ` +
          "tokwatt fleet --trace takes names of columns, with the option --columns.",
      );
    }
    const rows = trees.map((tree, place) => ({ line: place + 1, tree }));
    return { ...ofTrees(rows, rows), sample: rows.slice(0, known.sample), problems: [] };
  }

  /* Rows of objects, under the names of the values in some of them. */
  function ofTrees(rows, sample) {
    const paths = Nested.pathsOf(sample.map(({ tree }) => tree)),
      wheres = [...paths.values()];
    const at = ({ tree }, place) => Nested.cellAt(tree, wheres[place]);
    return { names: [...paths.keys()], rows, sample, at };
  }

  return { tableOf, quoted };
})();
