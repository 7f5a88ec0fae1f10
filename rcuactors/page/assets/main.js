// What is shown, and how it comes together.

const app = {
  data: null, axis: null, view: { from: 0, to: 1 }, gutter: 0, cursor: null, hover: null, picked: null, chosen: null,
  followed: null, places: [], place: -1, report: null, found: [], choice: -1, index: null, density: null,
  shows: { lives: true }, swatches: [], styles: [], column: null, printing: false, beside: false, waiting: false,
  frames: [],
};

const WIDE = 1200; // of a picture in which two panels stand beside each other
const LED_TO = 250; // moments before a report that are shown at first
const NARROWEST = 20; // units of the axis in a picture at least
const SHEET = [1000, 620]; // pixels across and down a sheet of paper, beside its margins and a title
const ONE_SHEET = 1500; // what is higher is printed on several

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
  app.cursor = Math.min(Math.max(time, app.axis.begin), app.axis.end);
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
  const [own, dense, hidden] = ["own", "dense", "hidden"].map((name) => app.data.panels.reduce((sum, panel) => sum + panel.g.tally[name], 0));
  const count = (number) => number.toLocaleString("en");
  const words = [
    `${count(own)} drawn each for itself`, ...(dense ? [`${count(dense)} put together where they are too dense: zoom in`] : []),
    ...(hidden ? [`${count(hidden)} arrows hidden: the legend shows them`] : []),
  ].join(" · ");
  const line = document.getElementById("status");
  if (line.textContent !== words) line.textContent = words;
}

// Two runs stand beside each other where there is room for that, and not for both below each other.
function placeTwo() {
  const { panels } = app.data;
  const into = document.getElementById("panels");
  const needed = panels.reduce((sum, panel) => sum + wholeHeight(panel), 0);
  if (panels.length > 1 && app.data.alike && into.clientWidth >= WIDE && needed > into.clientHeight) putBeside(true);
}

function putBeside(isBeside) {
  app.beside = isBeside;
  document.getElementById("beside").setAttribute("aria-pressed", String(isBeside));
  document.getElementById("panels").classList.toggle("beside", isBeside);
  resize();
}

// As wide as a sheet; what is higher than that is drawn wider, too, since it will be made to fit.
function printedWidth() {
  const highest = Math.max(...app.data.panels.map(wholeHeight));
  return highest > ONE_SHEET ? SHEET[0] : Math.round(Math.max(SHEET[0], (highest * SHEET[0]) / SHEET[1]));
}

function resize() {
  const { panels } = app.data;
  const into = document.getElementById("panels");
  const columns = app.beside && !app.printing ? panels.length : 1;
  const width = app.printing ? printedWidth() : Math.floor(into.clientWidth / columns) - (columns > 1 ? 4 : 0);
  const titles = panels.length > 1 ? panels[0].heading.offsetHeight + 4 : 0;
  const room = app.printing ? Infinity : into.clientHeight;
  const share = room / (app.beside ? 1 : panels.length) - titles;
  panels.forEach((panel, number) => {
    const other = panels.length > 1 && !app.beside ? wholeHeight(panels[1 - number]) : Infinity;
    const more = Math.max(share - other, 0);
    sizePanel(panel, Math.max(width, 320), share + (Number.isFinite(more) ? more : 0));
  });
  app.gutter = Math.min(Math.max(...panels.map((panel) => panel.gutter)), Math.max(width * 0.24, 100));
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
  app.styles = app.data.kinds.span.map(styleOf);
  document.documentElement.dataset.theme = next;
  document.getElementById("theme").textContent = `Theme: ${next}`;
  patterns.clear();
  drawSwatches();
  redraw();
}

// -- the beginning ----------------------------------------------------------------------------------------------------------

function makeHead() {
  const { data } = app;
  const title = document.getElementById("title");
  title.textContent = title.title = data.title;
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
  on("beside", () => putBeside(!app.beside));
  document.getElementById("beside").hidden = app.data.panels.length < 2;
  document.getElementById("to-difference").hidden = !app.data.difference;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(theme));
  new ResizeObserver(resize).observe(document.getElementById("panels"));
  let before = "system", folded = [];
  window.addEventListener("beforeprint", () => {
    before = theme;
    folded = [...document.querySelectorAll("#side details:not([open])")];
    folded.forEach((each) => { each.open = true; });
    app.printing = true;
    setTheme("print");
    resize();
  });
  window.addEventListener("afterprint", () => {
    app.printing = false;
    folded.forEach((each) => { each.open = false; });
    setTheme(before);
    resize();
  });
}

// The moment at which there is most to see: where most blocks are held; without any, the last at which most is outstanding.
function fullest(panel) {
  const highest = (kind) => panel.curves.filter((curve) => curve.kind === kind)
    .map((curve) => ({ curve, most: curve.values.reduce((a, b) => Math.max(a, b), 0) }))
    .reduce((one, other) => (other.most > (one?.most ?? 0) ? other : one), null);
  const blocks = highest("blocks held");
  if (blocks) return blocks.curve.times[blocks.curve.values.indexOf(blocks.most)];
  const objects = highest("outstanding objects");
  if (!objects) return app.axis.begin;
  const { times, values } = objects.curve, last = values.lastIndexOf(objects.most);
  return last + 1 < times.length ? app.moments[Math.max(lowerBound(app.moments, times[last + 1]) - 1, 0)] : times[last];
}

// Where one begins to look: at the first report and what led to it, or else at all, with the cursor where it is fullest.
function begin() {
  const { panels, story } = app.data;
  const reported = panels.find((panel) => panel.reports.length);
  if (reported === undefined) {
    setCursor(fullest(panels[0]));
    return;
  }
  const at = reported.reports[0].time_ns;
  setCursor(at);
  const here = lowerBound(app.moments, at);
  const steps = (story?.steps ?? []).map((step) => step.time_ns).filter((time) => time !== null);
  const from = Math.min(app.moments[Math.max(here - LED_TO, 0)], ...steps), to = Math.max(app.moments[Math.min(here + LED_TO / 3, app.moments.length - 1) | 0], ...steps);
  const [first, last] = [app.axis.placeOf(from), app.axis.placeOf(to)];
  setView(first - (last - first) * 0.05, last + (last - first) * 0.1);
}

async function start() {
  app.data = await readData();
  const { data } = app;
  data.kinds.arrow.forEach((kind) => { app.shows[kind] = shownAtFirst(kind, data.panels); });
  app.styles = data.kinds.span.map(styleOf);
  data.panels.forEach(colourThreads);
  app.column = new Column(data.kinds.span.length);
  makeHead();
  for (const panel of data.panels) makePanel(panel, document.getElementById("panels"));
  app.moments = momentsOf(data.panels);
  setAxis(gainsByShortening());
  makeSide();
  begin();
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
  placeTwo();
  document.documentElement.dataset.ready = "yes";
}

// For tests and scripts: what is there, and how long frames take.
window.rcuactors = { app, setView, zoom, pan, draw, follow, find, setCursor, under, shortenIdle, setTheme, openReport };

start().catch((error) => {
  const line = document.getElementById("failed");
  line.hidden = false;
  line.textContent = typeof DecompressionStream === "undefined"
    ? "This browser is too old to unpack the report: it needs DecompressionStream (Chromium 80, Firefox 113, Safari 16.4)."
    : `The report cannot be shown: ${error.message}`;
  throw error;
});
