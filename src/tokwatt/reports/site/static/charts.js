"use strict";
/* Curves of the explorer, drawn as SVG. */

const SVG = "http://www.w3.org/2000/svg";
const FRAME = { height: 340, left: 64, right: 16, top: 14, bottom: 48 };

function drawn(tag, attributes, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

/* Axes by doublings and tens: what is not above 0 cannot be drawn. */
const LOGARITHMIC = {
  isDrawn: (value) => value > 0 && Number.isFinite(value),
  along: (values) => scale(values, 1, doublingTicks),
  up: (values) => scale(values, 1.08, niceTicks),
  tick: (value) => (value < 1024 ? value : `${value / 1024}K`),
};

/* `title`, `xLabel` and `yLabel` of a chart, and the kind of its axes. */
function chart(id, axes, lines, marks = []) {
  const { isDrawn, along, up } = axes.kind;
  const points = lines.flatMap((line) => line.points).filter(([, y]) => isDrawn(y));
  const holder = document.getElementById(id);
  if (!points.length)
    return holder.replaceChildren(
      element("p", { class: "note" }, "Nothing to draw: no point of the curve can be served."),
    );
  FRAME.width = Math.min(640, Math.max(300, holder.clientWidth));
  const svg = drawn("svg", {
    viewBox: `0 0 ${FRAME.width} ${FRAME.height}`,
    role: "img",
    "aria-label": axes.title,
  });
  const x = placed(along(points.map(([value]) => value)), FRAME.left, FRAME.width - FRAME.right),
    y = placed(up(points.map(([, value]) => value)), FRAME.height - FRAME.bottom, FRAME.top);
  drawAxes(svg, x, y, axes);
  for (const line of lines)
    svg.append(
      drawn("path", { d: path(line.points, x, y, isDrawn), class: `line ${line.look}` }),
    );
  for (const [px, py] of marks.filter(([, value]) => isDrawn(value)))
    svg.append(drawn("circle", { cx: x.at(px), cy: y.at(py), r: 6, class: "mark" }));
  holder.replaceChildren(svg, legend(lines));
}

function scale(values, room, ticks) {
  let [low, high] = [Math.min(...values) / room, Math.max(...values) * room];
  if (high / low < 1.5) [low, high] = [low / 1.25, high * 1.25];
  return { low, high, ticks, share: (value) => Math.log(value / low) / Math.log(high / low) };
}

const placed = (found, from, to) => ({
  ...found,
  at: (value) => from + (to - from) * found.share(value),
});

function path(points, x, y, isDrawn) {
  let pen = "M";
  return points
    .map(([px, py]) => {
      if (!isDrawn(py)) {
        pen = "M";
        return "";
      }
      const inside = Math.min(FRAME.height - FRAME.bottom, Math.max(FRAME.top, y.at(py)));
      const piece = `${pen}${x.at(px).toFixed(1)},${inside.toFixed(1)}`;
      pen = "L";
      return piece;
    })
    .join("");
}

function drawAxes(svg, x, y, { xLabel, yLabel, kind }) {
  const bottom = FRAME.height - FRAME.bottom;
  const write = (attributes, text) =>
    svg.append(drawn("text", { "text-anchor": "middle", ...attributes }, text));
  const draw = (x1, x2, y1, y2) => svg.append(drawn("line", { x1, x2, y1, y2, class: "tick" }));
  for (const tick of x.ticks(x.low, x.high)) {
    draw(x.at(tick), x.at(tick), FRAME.top, bottom);
    write({ x: x.at(tick), y: bottom + 18 }, kind.tick(tick));
  }
  for (const tick of y.ticks(y.low, y.high)) {
    draw(FRAME.left, FRAME.width - FRAME.right, y.at(tick), y.at(tick));
    write({ x: FRAME.left - 8, y: y.at(tick) + 4, "text-anchor": "end" }, shown(tick, 3));
  }
  write({ x: (FRAME.left + FRAME.width) / 2, y: FRAME.height - 8 }, xLabel);
  write({ transform: `translate(14 ${bottom / 2}) rotate(-90)` }, yLabel);
}

function doublingTicks(low, high) {
  const found = [],
    sparse = FRAME.width < 450 ? 4 : 2;
  for (let tick = 2 ** Math.ceil(Math.log2(low)); tick <= high * 1.001; tick *= sparse)
    found.push(tick);
  return found;
}

function niceTicks(low, high) {
  const steps =
    high / low > 30 ? [1] : high / low > 4 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1)
    found.push(...steps.map((step) => step * 10 ** power));
  return found.filter((tick) => tick >= low && tick <= high);
}

function legend(lines) {
  return element(
    "p",
    { class: "legend" },
    ...lines
      .filter((line) => line.name)
      .map((line) => element("span", { class: line.look }, line.name)),
  );
}

const doublings = (from, to, perDoubling) => {
  const count = Math.floor(perDoubling * Math.log2(to / from) + 1e-9);
  return Array.from({ length: count + 1 }, (_, place) =>
    Math.round(from * 2 ** (place / perDoubling)),
  );
};

function drawLaw(state, ready, point) {
  const windows = doublings(1024, 262144, 2);
  const lines = Object.keys(EXPLORER.accounts).map((account) => {
    const own = account === state.account ? ready : prepared({ ...state, account });
    const points =
      own && !own.unmeasured && !contradiction(own.assumed)
        ? windows.map((window) => [
            window,
            Cases.instanceAt(own, window, Number(state.utilization)).tokensPerJoule,
          ])
        : [];
    return {
      name: own ? `${account}, ${watts(own)}` : account,
      look: account === state.account ? "chosen" : "other",
      points,
    };
  });
  const slope = windows.map((window) => [
    window,
    (point.tokensPerJoule * ready.state.window) / window,
  ]);
  chart(
    "law",
    {
      title: "Tokens per joule against the context window",
      xLabel: "Context window [tok]",
      yLabel: "Tokens per joule",
      kind: LOGARITHMIC,
    },
    [...lines, { name: "slope −1", look: "guide", points: slope }],
    [[ready.state.window, point.tokensPerJoule]],
  );
  table(
    "law-numbers",
    "Tokens per joule by context window",
    ["Window [tok]", ...lines.map((line) => line.name)],
    windows.map((window, place) => [
      window,
      ...lines.map((line) => line.points[place]?.[1] ?? NaN),
    ]),
  );
}

function drawSplits(state, ready, fleet, alone) {
  const splits = doublings(256, ready.longWindow, 4);
  const points = splits.map((split) => [
    split,
    fleetAt(ready, split, Number(state.overflow)).tokensPerJoule,
  ]);
  const lines = [
    { name: "two pools", look: "chosen", points },
    {
      name: "one pool",
      look: "guide",
      points: splits.map((split) => [split, alone.tokensPerJoule]),
    },
  ];
  chart(
    "splits",
    {
      title: "Tokens per joule of the fleet against the split length",
      xLabel: "Split length [tok]",
      yLabel: "Tokens per joule",
      kind: LOGARITHMIC,
    },
    lines,
    Number(state.split) ? [[Number(state.split), fleet.tokensPerJoule]] : [],
  );
  table("splits-numbers", "Tokens per joule by split length", ["Split [tok]", "two pools"], points);
}
