"use strict";
/* Objects in trees of JSON and in the texts of cells, as tokwatt.params.tables.nested and embedded
   have them. */

const Nested = (() => {
  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  const isPlain = (value) => typeof value !== "object" || value === null;

  /* Where plain values stand in objects, by a name with dots; lists are left out. */
  function pathsOf(trees) {
    const paths = new Map();
    for (const tree of trees) addPaths(paths, tree, []);
    return paths;
  }

  function addPaths(paths, tree, above) {
    for (const [key, value] of Object.entries(tree)) {
      const here = [...above, key];
      if (isObject(value)) addPaths(paths, value, here);
      else if (!Array.isArray(value)) paths.set(here.join("."), here);
    }
  }

  /* The value at a path; null where there is none. */
  function cellAt(tree, where) {
    let value = tree;
    for (const key of where)
      value = isObject(value) && Object.hasOwn(value, key) ? value[key] : null;
    return isPlain(value) ? value : null;
  }

  /* What a text is as JSON; undefined where it is none. */
  function parsed(text) {
    try {
      return JSON.parse(text);
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /* The object that a text is, as JSON has it or else Python; null where it is none. */
  function objectIn(text) {
    if (typeof text !== "string" || !text.trimStart().startsWith("{")) return null;
    const tree = parsed(text) ?? parsed(fromPython(text));
    return isObject(tree) ? tree : null;
  }

  const LITERAL =
    /'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|-?\d+(?=\s*:)|None|True|False|[()]|,(?=\s*[}\])])/gs;
  const WRITTEN = { None: "null", True: "true", False: "false", "(": "[", ")": "]", ",": "" };

  function fromPython(text) {
    return text.replace(
      LITERAL,
      (found, one, other) => WRITTEN[found] ?? JSON.stringify(one ?? other ?? found),
    );
  }

  /* A table with a column more for each field of objects in cells, where counts are in them. */
  function withFields(table, complete) {
    const whole = complete(table.names);
    const fields = table.names.flatMap((name, place) => {
      const trees = table.sample.map((row) => objectIn(table.at(row, place))).filter(Boolean);
      const paths = [...pathsOf(trees)].map(([field, where]) => [`${name}.${field}`, where]);
      if (!paths.length || (whole && !complete(paths.map(([field]) => field)))) return [];
      const treeOf = lastOf(objectIn);
      return paths.map(([field, where]) => ({ field, where, place, treeOf }));
    });
    if (!fields.length) return table;
    const width = table.names.length;
    function at(row, place) {
      if (place < width) return table.at(row, place);
      const { where, place: source, treeOf } = fields[place - width];
      return cellAt(treeOf(table.at(row, source)), where);
    }
    return { ...table, names: [...table.names, ...fields.map(({ field }) => field)], at };
  }

  /* A function that keeps its last value, as fields of one cell are asked for in turn. */
  function lastOf(valueOf) {
    let given, value;
    return (argument) => {
      if (argument !== given) [given, value] = [argument, valueOf(argument)];
      return value;
    };
  }

  /* The objects that hold all a request needs, with what stands around them; of a sum and lists of
     its parts the parts. A conversation is a row without counts. */
  function* rowsOf(known, tree, complete, above = {}) {
    const search = (value, around) => rowsOf(known, value, complete, around);
    if (Array.isArray(tree)) {
      for (const entry of tree) yield* search(entry, above);
      return;
    }
    const object = isObject(tree) ? tree : objectIn(tree);
    if (!object) return;
    const entries = Object.entries(object).map(([key, value]) => [key, attributes(value)]);
    const here = Object.fromEntries(entries);
    const lists = listsOf(known, entries);
    if (isRow(here, complete)) {
      const parts = summedLists(here, complete);
      if (parts.length) yield* search(parts, above);
      else yield { ...above, ...here };
    } else if (turnsOf(known, here)) yield { ...above, ...here };
    else if (complete([...lists.keys()])) {
      const shortest = Math.min(...[...lists.values()].map((list) => list.length));
      for (let place = 0; place < shortest; place++)
        yield Object.fromEntries([...lists].map(([key, list]) => [key, list[place]]));
    } else
      for (const [key, value] of entries) {
        const status = Object.hasOwn(known.failed, key) ? { status: known.failed[key] } : {};
        yield* search(value, { ...above, ...plainOf(known, entries), ...status });
      }
  }

  /* Whether an object holds all a request needs. */
  const isRow = (row, complete) => complete([...pathsOf([row]).keys()]);

  /* Lists in an object whose sum it is: they have objects that hold all a request needs. */
  const summedLists = (row, complete) =>
    Object.values(row).filter(
      (value) =>
        Array.isArray(value) && value.some((entry) => isObject(entry) && isRow(entry, complete)),
    );

  /* The texts of a conversation; undefined where an object is none. */
  const turnsOf = (known, row) => known.turns.map((key) => row[key]).find(isTurns);

  const plainOf = (known, entries) =>
    Object.fromEntries(
      entries.filter(([key, value]) => isPlain(value) && !known.own.includes(key)),
    );

  /* Lists beside each other that hold a plain value of each request, by the names of those. */
  const listsOf = (known, entries) =>
    new Map(
      entries
        .filter(([, value]) => Array.isArray(value) && value.every(isPlain))
        .map(([key, value]) => [known.lists[key] ?? key, value]),
    );

  /* A list of keys and values, as OpenTelemetry and Jaeger write attributes, as an object. */
  function attributes(value) {
    if (!Array.isArray(value) || !value.length || !value.every(isAttribute)) return value;
    return Object.fromEntries(
      value.map(({ key, value: held }) => [
        key,
        isObject(held) ? (Object.values(held)[0] ?? null) : held,
      ]),
    );
  }

  function isAttribute(entry) {
    if (!isObject(entry) || typeof entry.key !== "string") return false;
    const keys = Object.keys(entry).filter((key) => key !== "type");
    return keys.length === 2 && Object.hasOwn(entry, "value");
  }

  /* Whether a value is a list of texts with who says them. */
  function isTurns(value) {
    const said = ({ from, role, value: text, content }) =>
      typeof (from ?? role) === "string" && typeof (text ?? content) === "string";
    return Array.isArray(value) && value.every((turn) => isObject(turn) && said(turn));
  }

  return {
    isObject,
    isPlain,
    parsed,
    pathsOf,
    cellAt,
    withFields,
    rowsOf,
    isRow,
    summedLists,
    turnsOf,
  };
})();
