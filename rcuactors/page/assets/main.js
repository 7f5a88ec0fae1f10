// What is shown, and how it comes together.

const app = {
  data: null, axis: null, view: { from: 0, to: 1 }, gutter: 0, cursor: null, hover: null, picked: null, chosen: null,
  followed: null, places: [], place: -1, report: null, found: [], choice: -1, index: null, density: null,
  shows: { lives: true }, swatches: [], styles: [], column: null, printing: false, beside: false, waiting: false,
  frames: [],
};

const NARROWEST = 20; // units of the axis in a picture at least

function setView(from, to) {
  const [first, last] = ends();
  const wide = Math.min(Math.max(to - from, Math.min(NARROWEST, last - first)), last - first);
  const begin = Math.min(Math.max((from + to - wide) / 2, first), last - wide);
  app.view = { from: begin, to: begin + wide };
  redraw();
}

// The axis with a little more on both sides, so that nothing lies on an edge.
function ends() {
  const more = app.axis.length * 0.012;
  return [-more, app.axis.length + more];
}

function zoom(factor, around = null) {
  const { from, to } = app.view;
  const cursor = app.cursor === null ? null : app.axis.placeOf(app.cursor);
  const place = around ?? (cursor !== null && cursor >= from && cursor <= to ? cursor : (from + to) / 2);
  const [first, last] = ends();
  const wide = Math.min(Math.max((to - from) * factor, Math.min(NARROWEST, last - first)), last - first);
  const begin = place - ((place - from) / (to - from)) * wide;
  setView(begin, begin + wide);
}

function pan(units) {
  setView(app.view.from + units, app.view.to + units);
}

function zoomTo(hit) {
  if (!hit || !["span", "arrow", "dense"].includes(hit.what)) return;
  const { spans, arrows } = hit.panel;
  const [from, to] = hit.what === "span" ? [spans.begin[hit.i], spans.end[hit.i]]
    : hit.what === "arrow" ? [arrows.from[hit.i], arrows.to[hit.i]]
    : [spans.begin[hit.found[0]], spans.end[hit.found[hit.found.length - 1]]];
  const [first, last] = [app.axis.placeOf(from), app.axis.placeOf(to)];
  const margin = Math.max((last - first) * 0.15, NARROWEST / 2);
  setView(first - margin, last + margin);
}

function setCursor(time, quiet = false) {
  app.cursor = time;
  showInstant();
  redraw();
  if (!quiet) document.getElementById("live").textContent = "";
}

// A moment, and a lane if one is named, come into the picture.
function reveal(panel, time, lane) {
  const place = app.axis.placeOf(time), { from, to } = app.view, wide = to - from;
  if (place < from + wide * 0.02 || place > to - wide * 0.02) setView(place - wide / 2, place + wide / 2);
  const item = lane === null ? undefined : panel.layout.laneAt.get(lane);
  if (item === undefined) return;
  const { scroller } = panel;
  const room = plotsTop(panel) - RULER;
  if (item.top < scroller.scrollTop || item.top + item.height > scroller.scrollTop + room) scroller.scrollTop = Math.max(item.top - room / 3, 0);
}

// -- drawing --------------------------------------------------------------------------------------------------------------

function redraw() {
  if (app.waiting) return;
  app.waiting = true;
  requestAnimationFrame(() => { app.waiting = false; draw(); });
}

function draw() {
  const began = performance.now();
  app.data.panels.forEach(drawPanel);
  drawOverview();
  tellTally();
  app.frames.push(performance.now() - began);
  if (app.frames.length > 500) app.frames.shift();
}

function tellTally() {
  const own = app.data.panels.reduce((sum, panel) => sum + panel.g.tally.own, 0);
  const dense = app.data.panels.reduce((sum, panel) => sum + panel.g.tally.dense, 0);
  const count = (number) => number.toLocaleString("en");
  const words = dense ? `${count(own)} elements in the picture stand for themselves, ${count(dense)} more are put together where they are too dense: zoom in to tell them apart.` : `${count(own)} elements in the picture, each for itself.`;
  const line = document.getElementById("status");
  if (line.textContent !== words) line.textContent = words;
}

function resize() {
  const { panels } = app.data;
  const into = document.getElementById("panels");
  const columns = app.beside ? panels.length : 1;
  const width = Math.floor(into.clientWidth / columns) - (columns > 1 ? 4 : 0);
  const titles = panels.length > 1 ? panels[0].heading.offsetHeight + 4 : 0;
  const room = app.printing ? Infinity : into.clientHeight;
  const share = room / (app.beside ? 1 : panels.length) - titles;
  panels.forEach((panel, number) => {
    const other = panels.length > 1 && !app.beside ? wholeHeight(panels[1 - number]) : Infinity;
    const more = Math.max(share - other, 0);
    sizePanel(panel, Math.max(width, 320), share + (Number.isFinite(more) ? more : 0));
  });
  app.gutter = Math.min(Math.max(...panels.map((panel) => panel.gutter)), Math.max(width * 0.3, 100));
  draw();
}

function setAxis(isShortened) {
  const kept = app.axis ? [app.axis.timeAt(app.view.from), app.axis.timeAt(app.view.to)] : null;
  app.axis = new Axis(app.moments, isShortened);
  app.density = null;
  for (const panel of app.data.panels) {
    placeSpans(panel, app.axis);
    placeMarks(panel, app.axis);
    placeArrows(panel, app.axis);
    placeCurves(panel, app.axis);
  }
  const button = document.getElementById("shorten");
  button.setAttribute("aria-pressed", String(app.axis.isShortened));
  const [from, to] = ends();
  app.view = { from, to };
  if (kept) setView(app.axis.placeOf(kept[0]), app.axis.placeOf(kept[1]));
}

function shortenIdle(isShortened) {
  setAxis(isShortened);
  redraw();
}

// Most of many runs is idle: then what is idle is drawn shorter from the start, if that gains much.
function gainsByShortening() {
  const axis = new Axis(app.moments, true);
  return axis.breaks.length > 0 && axis.length * 2 < axis.end - axis.begin;
}

function setTheme(next) {
  theme = next;
  document.documentElement.dataset.theme = next;
  document.getElementById("theme").textContent = `Theme: ${next}`;
  patterns.clear();
  drawSwatches();
  redraw();
}

// -- the beginning ----------------------------------------------------------------------------------------------------------

function makeHead() {
  const { data } = app;
  document.getElementById("title").textContent = data.title;
  const facts = document.getElementById("facts");
  for (const [name, value] of data.facts) {
    const pair = element("div", {}, facts);
    element("dt", { textContent: name }, pair);
    element("dd", { textContent: value, title: value }, pair);
  }
}

function wire() {
  const on = (id, does) => document.getElementById(id).addEventListener("click", does);
  on("zoom-in", () => zoom(1 / 1.5));
  on("zoom-out", () => zoom(1.5));
  on("zoom-all", () => setView(...ends()));
  on("shorten", () => shortenIdle(!app.axis.isShortened));
  on("to-difference", () => goToDifference());
  on("help", showKeys);
  on("theme", () => setTheme({ system: "light", light: "dark", dark: "system" }[theme]));
  on("beside", () => {
    app.beside = !app.beside;
    document.getElementById("beside").setAttribute("aria-pressed", String(app.beside));
    document.getElementById("panels").classList.toggle("beside", app.beside);
    resize();
  });
  document.getElementById("beside").hidden = app.data.panels.length < 2;
  document.getElementById("to-difference").hidden = !app.data.difference;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(theme));
  window.addEventListener("resize", resize);
  let before = "system";
  window.addEventListener("beforeprint", () => { before = theme; app.printing = true; setTheme("print"); resize(); });
  window.addEventListener("afterprint", () => { app.printing = false; setTheme(before); resize(); });
}

async function start() {
  app.data = await readData();
  const { data } = app;
  data.kinds.arrow.forEach((kind) => { app.shows[kind] = true; });
  app.styles = data.kinds.span.map((kind) => SPANS[kind] ?? SPANS.other);
  app.column = new Column(data.kinds.span.length);
  makeHead();
  for (const panel of data.panels) makePanel(panel, document.getElementById("panels"));
  app.moments = momentsOf(data.panels);
  setAxis(gainsByShortening());
  makeSide();
  wire();
  searching();
  typing();
  pointOverview();
  for (const panel of data.panels) {
    pointPanel(panel);
    panel.scroller.addEventListener("scroll", redraw);
  }
  setTheme("system");
  resize();
  document.documentElement.dataset.ready = "yes";
}

// For tests and scripts: what is there, and how long frames take.
window.rcuactors = { app, setView, zoom, pan, draw, follow, find, setCursor, under, shortenIdle, setTheme };

start().catch((error) => {
  const line = document.getElementById("failed");
  line.hidden = false;
  line.textContent = typeof DecompressionStream === "undefined"
    ? "This browser is too old to unpack the report: it needs DecompressionStream (Chromium 80, Firefox 113, Safari 16.4)."
    : `The report cannot be shown: ${error.message}`;
  throw error;
});
