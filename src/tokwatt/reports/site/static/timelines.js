"use strict";
/* A run over time: requests, KV cache and watts by the second, drawn by charts.js. */

/* Most points of a curve; longer runs show means over several seconds. */
const MOST_POINTS = 400;

const roundTicks = (low, high) => {
  const rough = (high - low) / (FRAME.width < 450 ? 4 : 8),
    power = 10 ** Math.floor(Math.log10(rough)),
    step = power * [1, 2, 5, 10].find((times) => times * power >= rough);
  const count = Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: count }, (_, place) => round((first + place) * step));
};

const evenly = (high) => ({
  low: 0,
  high,
  ticks: roundTicks,
  share: (value) => value / high,
});

/* Axes from 0 on. */
const LINEAR = {
  isDrawn: Number.isFinite,
  along: (values) => evenly(Math.max(...values)),
  up: (values) => evenly(1.08 * Math.max(...values) || 1),
  tick: (value) => value.toLocaleString("en"),
};

/* Means over stretches of seconds, each at its end. */
function curve(values) {
  const width = Math.ceil(values.length / MOST_POINTS),
    found = [];
  for (let start = 0; start < values.length; start += width) {
    const own = values.slice(start, start + width);
    found.push([start + own.length, sum(own) / own.length]);
  }
  return found;
}

function drawRun({ running, waiting, kvUse, power }) {
  const over = (id, title, yLabel, lines) =>
    chart(id, { title, xLabel: "Time [s]", yLabel, kind: LINEAR }, lines);
  const line = (name, look, values) => ({ name, look, points: curve(values) });
  over("served-requests", "Requests that run and wait, over time", "Requests", [
    line("running", "chosen", running),
    line("waiting", "other", waiting),
  ]);
  over("served-cache", "KV cache in use, over time", "KV cache in use [%]", [
    line(
      "",
      "chosen",
      kvUse.map((share) => 100 * share),
    ),
  ]);
  over("served-power", "Power of all instances, over time", "Power [kW]", [
    line(
      "",
      "chosen",
      power.map((value) => value / 1e3),
    ),
  ]);
}
