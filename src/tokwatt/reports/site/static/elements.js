"use strict";
/* Elements of a page that scripts make, and what they say. */

const sentence = (text) => text[0].toUpperCase() + text.slice(1);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function shown(value, digits = 4) {
  if (!Number.isFinite(value)) return "–";
  if (value !== 0 && (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-3))
    return value
      .toExponential(digits - 1)
      .replace("e", " × 10^")
      .replace("+", "");
  return value.toLocaleString("en", {
    maximumSignificantDigits: Math.max(digits, Math.trunc(Math.abs(value)).toString().length),
  });
}

function list(id, entries) {
  document
    .getElementById(id)
    .replaceChildren(
      ...entries.map(([name, text, value, unit]) =>
        element(
          "div",
          {},
          element("dt", {}, text),
          element(
            "dd",
            { "data-name": name, "data-value": value },
            element("b", {}, shown(value)),
            ` ${Number.isFinite(value) ? unit : ""}`,
          ),
        ),
      ),
    );
}

function table(id, caption, heads, rows) {
  const row = (kind, cells) =>
    element(
      "tr",
      {},
      ...cells.map((cell) =>
        element(kind, kind === "th" ? { scope: "col" } : { class: "number" }, cell),
      ),
    );
  document.getElementById(id).replaceChildren(
    element("caption", {}, caption),
    element("thead", {}, row("th", heads)),
    element(
      "tbody",
      {},
      ...rows.map((cells) =>
        row(
          "td",
          cells.map((cell) => (typeof cell === "string" ? cell : shown(cell))),
        ),
      ),
    ),
  );
}
