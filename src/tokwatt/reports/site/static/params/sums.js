"use strict";
/* Which counts of tokens stand beside others, and have to be added to them, as
   tokwatt.params.traces.sums has it. */

const Sums = (() => {
  const { quoted } = Tables;
  const { bareName, lastPart, listed, countOf, totalsOf } = Columns;
  const isNone = Number.isNaN;

  /* The first number that is not missing, or not zero if any is not. */
  const firstTold = (values) =>
    values.reduce((merged, other) =>
      (other > 0 && !(merged > 0)) || isNone(merged) ? other : merged,
    );

  /* What columns of some kind tell of a row; 0 where there is none. */
  const partOf = (told, role) => (told[role] ? firstTold(told[role]) || 0 : 0);

  /* Tokens by each column of prompts or outputs, with all that stands beside them. */
  function wholes(known, role, told, sums) {
    const beside = role === "prompt" ? known.caches : ["reasoning"];
    const more = sum(beside.map((part) => partOf(told, part)));
    return told[role].map((value, place) => value + (sums[role][place] ? more : 0));
  }

  /* Whether tokens of a part stand beside those of a count, by the names of the columns. */
  function isBeside(known, { name: whole }, { name: part }) {
    const matches = (pattern, name) => new RegExp(`^(?:${pattern})$`).test(bareName(name));
    const rule = known.beside.find(([of, by]) => matches(of, whole) && matches(by, part));
    return Boolean(rule?.[2]);
  }

  /* Whether caches are added to a prompt, the reasoning to an output, and no total differs; by the
     totals of the rows, else by the names. */
  function choiceOf(known, { columns: found, totals, rows }, prompt, output) {
    const all = totals.length ? nearest(totals, prompt) : null,
      caches = known.caches.flatMap((role) => found[role] ?? []);
    const named = [
      caches.some((cache) => isBeside(known, prompt, cache)),
      (found.reasoning ?? []).some((thought) => isBeside(known, output, thought)),
    ];
    const counts = rows.map(({ told, count }) => {
      const [cached, written, reasoning] = [...known.caches, "reasoning"].map((role) =>
        partOf(told, role),
      );
      const total = all ? count(all) : NaN,
        [own, made] = [told.prompt[prompt.rank], told.output[output.rank]];
      const isTold = total > 0 && !isNone(own + made);
      const telling = isTold && cached + written + reasoning > 0;
      return { own, made, cached, caches: cached + written, reasoning, total, telling };
    });
    const fits = ([added, thought]) =>
      counts.every(
        ({ own, made, cached, caches: apart, reasoning, total, telling }) =>
          (added || !(cached > known.much * own)) &&
          (!telling || own + added * apart + made + thought * reasoning === total),
      );
    const pairs = [named, [false, false], [false, true], [true, false], [true, true]];
    const pair = pairs.find(fits);
    return { added: (pair ?? named)[0], thought: (pair ?? named)[1], sure: Boolean(pair) };
  }

  /* Names that share the longest path with one come first. */
  function nearest(columns, { name }) {
    const path = name.split(".");
    function shared(column) {
      const parts = column.name.split("."),
        apart = path.findIndex((part, place) => part !== parts[place]);
      return apart === -1 ? path.length : apart;
    }
    return columns.reduce((best, other) => (shared(other) > shared(best) ? other : best));
  }

  /* What is added to which count; columns of prompts that totals contradict give way to others. */
  function sumsOf(known, file, found, table) {
    const sample = sampled(known, found, table),
      { rows } = sample,
      { prompt: all, output: outputs } = sample.columns;
    const choices = new Map(
      all.map((prompt) => [prompt, choiceOf(known, sample, prompt, nearest(outputs, prompt))]),
    );
    const sure = all.filter((prompt) => choices.get(prompt).sure);
    const isTold = ({ told }, columns) =>
      firstTold(columns.map(({ rank }) => told.prompt[rank])) > 0;
    const enough = sure.length && rows.every((row) => isTold(row, sure) || !isTold(row, all)),
      prompts = enough ? sure : all;
    const sums = {
      prompt: prompts.map((prompt) => choices.get(prompt).added),
      output: outputs.map(
        (output) => choiceOf(known, sample, nearest(prompts, output), output).thought,
      ),
    };
    for (const { told } of rows) told.prompt = prompts.map(({ rank }) => told.prompt[rank]);
    const read = { ...found, prompt: prompts };
    for (const role of Object.keys(known.required)) {
      const counts = rows.map(({ told }) => wholes(known, role, told, sums));
      requireAlike(known, file, role, read[role], counts);
    }
    return { found: read, sums };
  }

  /* Columns by what they hold, those of totals, and the numbers of the first rows. */
  function sampled(known, found, table) {
    const mapped = (valueOf) =>
      Object.fromEntries(Object.entries(found).map(([role, own]) => [role, own.map(valueOf)]));
    const rows = table.sample.map((row) => {
      const count = ({ place }) => countOf(table.at(row, place));
      return { told: mapped(count), count };
    });
    const columns = mapped((column, rank) => ({ ...column, rank }));
    return { columns, totals: totalsOf(known, table.names), rows };
  }

  /* Refuse columns of which two say different numbers of one request. */
  function requireAlike(known, file, role, columns, rows) {
    if (lastPart(columns[0].name).startsWith(known.preferred)) return;
    const differ = (told) =>
      told.some((value, place) => {
        const merged = firstTold(told.slice(0, Math.max(1, place)));
        return merged > 0 && value > 0 && merged !== value;
      });
    if (!rows.some(differ)) return;
    const names = listed(
      known,
      columns.map(({ name }) => quoted(name)),
    );
    throw new Refusal(
      `${file}: has ${columns.length} columns of ${known.required[role]} (${names}) that differ, ` +
        `wanted one; tokwatt fleet --trace takes the one of the option --columns ${role}=NAME.`,
    );
  }

  return { firstTold, partOf, wholes, sumsOf };
})();
