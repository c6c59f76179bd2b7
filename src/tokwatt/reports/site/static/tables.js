"use strict";
/* Files of requests as tables of cells, as tokwatt.params.tables has them: separated text, or a
   JSON object on each line. */

class Refusal extends Error {}

const Tables = (() => {
  /* A name or cell as a sentence repeats it. */
  function quoted(value) {
    const text = String(value).replace(/\p{C}/gu, "�");
    return `“${text.length > 40 ? `${text.slice(0, 37)}...` : text}”`;
  }

  /* Rows with the lines they begin on, and lines that hold none. */
  function tableOf(file, text, sample) {
    const start = text.trimStart();
    if (!start) throw new Refusal(`${file}: is empty, wanted column names and requests.`);
    if (/^(\[|PAR1)/.test(start) || /[\0\uFFFD]/.test(start.slice(0, 65536)))
      throw new Refusal(
        `${file}: is packed, Parquet or one JSON document, wanted CSV or JSON lines; ` +
          "tokwatt fleet --trace reads it.",
      );
    return start.startsWith("{") ? tableOfLines(file, text, sample) : tableOfText(file, text);
  }

  function tableOfText(file, text) {
    const header = text.match(/^[^\r\n]*/)[0];
    const delimiter = [",", ";", "\t"].reduce((most, other) =>
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
    return { names, rows, problems, at };
  }

  /* Decimal commas as points, where semicolons separate cells. */
  function pointed({ line, cells }) {
    const decimal = /^(\s*[+-]?\d+),(\d+\s*)$/;
    return { line, cells: cells.map((cell) => cell.replace(decimal, "$1.$2")) };
  }

  function csvRows(file, text, delimiter) {
    const cell = new RegExp(
      ` *(?:"([^"]*(?:""[^"]*)*)"|((?![ "])[^${delimiter}\r\n]*))(${delimiter}|\r\n|[\r\n]|$)`,
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

  function tableOfLines(file, text, sample) {
    const rows = [],
      problems = [];
    text.split(/\r\n|[\r\n]/).forEach((written, place) => {
      if (!written.trim()) return;
      const tree = parsed(written);
      if (tree) rows.push({ line: place + 1, tree });
      else problems.push([place + 1, "no JSON object, wanted one on each line"]);
    });
    if (!rows.length) throw new Refusal(`${file}: line ${problems[0].join(" has ")}.`);
    const paths = new Map();
    for (const { tree } of rows.slice(0, sample)) addPaths(paths, tree, []);
    const wheres = [...paths.values()];
    return {
      names: [...paths.keys()],
      rows,
      problems,
      at: ({ tree }, place) => plain(wheres[place].reduce((value, key) => value?.[key], tree)),
    };
  }

  const isObject = (value) =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  const plain = (value) => (typeof value === "object" ? null : (value ?? null));

  function parsed(written) {
    try {
      const tree = JSON.parse(written);
      return isObject(tree) ? tree : null;
    } catch (error) {
      if (error instanceof SyntaxError) return null;
      throw error;
    }
  }

  /* Where plain values stand, by a name with dots; lists are left out. */
  function addPaths(paths, tree, above) {
    for (const [key, value] of Object.entries(tree)) {
      const here = [...above, key];
      if (isObject(value)) addPaths(paths, value, here);
      else if (!Array.isArray(value)) paths.set(here.join("."), here);
    }
  }

  return { tableOf, quoted };
})();
