"use strict";
/* The search: PAGES has every page in parts. A part is found that holds every word; it counts for
   more where words begin with what is asked, and for most where they stand in its title. */

const FEW = 3;
const AROUND = 90;
const TITLE = 8;
const COMMON = "a an and are do does for how i in is it my of on or the to what where why with";
const box = document.querySelector("form.search").elements.q;

/* Lower case, of a question what it is about; a plural finds what its singular does. */
function wordsOf(query) {
  const words = query.toLowerCase().split(/[\s?]+/).filter(Boolean);
  const telling = words.filter((word) => !COMMON.split(" ").includes(word));
  const kept = telling.length ? telling : words;
  return kept.map((word) => (word.length > 3 ? word.replace(/s$/, "") : word));
}

/* How well a text holds a word: 0 not, 1 within a word of its own, 2 where one begins. */
function holds(text, word) {
  let best = 0;
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    if (at === 0 || !/[\p{L}\p{N}]/u.test(text[at - 1])) return 2;
    best = 1;
  }
  return best;
}

/* Words that stand together count once more. */
function scoreOf(words, page, [, title, text]) {
  const [name, head, body] = [page, title, text].map((each) => each.toLowerCase());
  const score = (word) => holds(name, word) + TITLE * holds(head, word) + holds(body, word);
  const scores = words.map(score);
  const all = words.length > 1 ? score(words.join(" ")) : 0;
  return scores.every(Boolean) ? scores.reduce((total, each) => total + each, all) : 0;
}

/* The better first, and of equals the shorter. */
const order = (one, other) => other.score - one.score || one.part[2].length - other.part[2].length;

/* Pages by their best part, each with its parts by how well they hold the words. */
function found(words) {
  if (!words.length) return [];
  const pages = PAGES.map(([address, title, parts]) => {
    const scored = parts.map((part) => ({ part, score: scoreOf(words, title, part) }));
    return { address, title, hits: scored.filter(({ score }) => score).sort(order) };
  });
  return pages
    .filter(({ hits }) => hits.length)
    .sort((one, other) => order(one.hits[0], other.hits[0]));
}

/* What stands around the first of the words, each of them marked. */
function excerpt(text, words) {
  const lower = text.toLowerCase();
  const places = words.map((word) => lower.indexOf(word)).filter((at) => at >= 0);
  const from = Math.max(0, Math.min(...places, text.length) - AROUND);
  const shown = text.slice(from, from + 3 * AROUND);
  const ends = [from ? "… " : "", from + shown.length < text.length ? " …" : ""];
  return element("p", {}, ends[0], ...marked(shown, words), ends[1]);
}

function marked(text, words) {
  const lower = text.toLowerCase();
  const parts = [];
  let done = 0;
  for (let at = 0; at < text.length; at += 1) {
    const word = words.find((each) => lower.startsWith(each, at));
    if (!word) continue;
    parts.push(text.slice(done, at), element("mark", {}, text.slice(at, at + word.length)));
    done = at + word.length;
    at = done - 1;
  }
  return [...parts, text.slice(done)];
}

/* A part of a page whose rows can be filtered is led to by the words. */
function addressOf(page, place, words) {
  const filter = place.endsWith("=") ? encodeURIComponent(words.join(" ")) : "";
  return place ? `${page}#${place}${filter}` : page;
}

function listed({ address, title, hits }, words) {
  const items = hits.slice(0, FEW).map(({ part: [place, head, text] }) => {
    const link = element("a", { href: addressOf(address, place, words) }, ...marked(head, words));
    return element("li", {}, ...(place ? [link] : []), excerpt(text, words));
  });
  const more = hits.length > FEW ? `${hits.length - FEW} more places on this page` : "";
  return element(
    "section",
    {},
    element("h2", {}, element("a", { href: address }, title)),
    element("ul", {}, ...items),
    element("p", { class: "note" }, more),
  );
}

function show() {
  const words = wordsOf(box.value);
  const pages = found(words);
  const count = pages.length === 1 ? "1 page holds" : `${pages.length} pages hold`;
  const none = "No page holds all of this: fewer or shorter words find more.";
  document.getElementById("found").textContent =
    pages.length ? `${count} “${box.value.trim()}”.` : words.length ? none : "";
  document.getElementById("results").replaceChildren(...pages.map((page) => listed(page, words)));
}

function restore() {
  box.value = new URLSearchParams(location.hash.slice(1)).get("q") ?? "";
  show();
}

box.addEventListener("input", () => {
  history.replaceState(null, "", `#${new URLSearchParams({ q: box.value })}`);
  show();
});
window.addEventListener("hashchange", restore);
restore();
box.focus();
