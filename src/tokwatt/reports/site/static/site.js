"use strict";
/* Tables that sort, filter and fit a phone, figures that fill the screen, the way to the search.
   Without scripts every row is there, and a figure is a link to its file. */

/* Letters of a cell that may take more than a line. */
const SENTENCE = 40;

/* Columns of sentences are wide enough for them; a narrow screen shows a table that has some row by
   row, for which each cell knows its head. */
function layOut(table) {
  const rows = [...table.tBodies[0].rows],
    text = (cell) => cell.textContent.trim();
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    const cells = rows.map((row) => row.cells[place]),
      isLong = cells.some((cell) => text(cell).length > SENTENCE);
    for (const cell of cells) {
      cell.classList.toggle("words", isLong);
      if (text(cell)) cell.dataset.head = text(head) && `${text(head)}: `;
    }
  });
  const isCards = table.querySelector(".words") && !table.matches(".data");
  table.classList.add("laid", ...(isCards ? ["cards"] : []));
}

function sortKey(cell) {
  const text = cell.dataset.sort ?? cell.textContent.trim();
  const multiple = text.match(/^([-+\d.]+)K$/);
  const number = multiple ? 1024 * multiple[1] : parseFloat(text.replace(/^[$×]/, ""));
  return { text, number };
}

function compareCells(left, right) {
  const [a, b] = [sortKey(left), sortKey(right)];
  const [noA, noB] = [Number.isNaN(a.number), Number.isNaN(b.number)];
  if (noA !== noB) return noA ? 1 : -1;
  return noA || a.number === b.number
    ? a.text.localeCompare(b.text, "en", { numeric: true })
    : a.number - b.number;
}

function sortBy(table, heading) {
  const ascending = heading.getAttribute("aria-sort") !== "ascending";
  const column = [...heading.parentNode.children].indexOf(heading);
  const body = table.tBodies[0];
  const rows = [...body.rows].sort((a, b) => compareCells(a.cells[column], b.cells[column]));
  body.append(...(ascending ? rows : rows.reverse()));
  for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
}

function makeSortable(table) {
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sortBy(table, heading));
  }
}

const holdsAll = (text, words) =>
  words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.toLowerCase().includes(word));

function makeFilters(form) {
  const table = document.getElementById(form.dataset.filters);
  const rows = [...table.tBodies[0].rows];
  const controls = [...form.elements].filter((control) => control.name);
  const shows = (row, control) =>
    !control.value ||
    (control.name === "words"
      ? holdsAll(row.textContent, control.value)
      : row.dataset[control.name] === control.value);
  const apply = () => {
    for (const row of rows) row.hidden = !controls.every((control) => shows(row, control));
    const left = rows.filter((row) => !row.hidden).length;
    form.querySelector("output").textContent = `${left} of ${rows.length} ${table.dataset.noun}`;
  };
  const remember = () => {
    const given = controls
      .filter((control) => control.value)
      .map((control) => [control.name, control.value]);
    history.replaceState(
      null,
      "",
      given.length ? `#${new URLSearchParams(given)}` : location.pathname + location.search,
    );
  };
  const restore = () => {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const control of controls)
      if (given.has(control.name)) control.value = given.get(control.name);
    apply();
  };
  form.addEventListener("input", () => {
    apply();
    remember();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", restore);
  form.hidden = false;
  restore();
}

function enlarge(link) {
  const shown = document.createElement("dialog");
  const close = document.createElement("button");
  const sheet = document.createElement("div");
  const image = document.createElement("img");
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => shown.close());
  image.src = link.href;
  image.alt = link.ariaLabel ?? link.querySelector("img").alt;
  sheet.tabIndex = 0;
  sheet.append(image);
  shown.append(close, sheet);
  shown.ariaLabel = "Figure in full size";
  shown.addEventListener("close", () => shown.remove());
  document.body.append(shown);
  shown.showModal();
}

function makeEnlarging(link) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    enlarge(link);
  });
}

function makeSearch(form) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.href = `search.html#${new URLSearchParams({ q: form.elements.q.value })}`;
  });
  form.hidden = false;
}

document.querySelectorAll("form.search").forEach(makeSearch);
document.querySelectorAll("a.enlarge").forEach(makeEnlarging);
document.querySelectorAll("main table:has(tbody)").forEach(layOut);
document.querySelectorAll("table.sortable").forEach(makeSortable);
document.querySelectorAll("form[data-filters]").forEach(makeFilters);
