// One panel: a canvas as high as what is seen of it, in a box that scrolls. Time goes from left to right; on the left are
// the names. Curves stay below the lanes while these scroll, as long as there is room.

const GUTTER = [120, 230];
const RIGHT = 10;
const CURVE = 36;
const STRETCHED = [0.75, 1.4];

function makePanel(panel, into) {
  panel.tracks = makeTracks(panel);
  panel.groups = groupsOf(panel.tracks);
  panel.plots = plotsOf(panel);
  panel.laneIndex = new Map(panel.lanes.map((lane, i) => [lane.number, i]));
  panel.folded = new Set(panel.groups.filter(isOnlyTouched).map((group) => group.name));
  panel.hits = null;
  panel.paths = [];
  panel.curveHeight = CURVE;
  panel.layout = layOut(panel.groups, panel.folded);
  panel.box = element("section", { className: "panel" }, into);
  panel.short = "AB"[panel.number];
  panel.heading = element("h2", { textContent: `${panel.short}: ${panel.title}`, title: panel.title, hidden: app.data.panels.length < 2 }, panel.box);
  panel.scroller = element("div", { className: "scroller", tabIndex: 0 }, panel.box);
  panel.scroller.setAttribute("role", "application");
  panel.scroller.setAttribute("aria-roledescription", "timeline");
  panel.scroller.setAttribute("aria-label", describePanel(panel));
  panel.canvas = element("canvas", {}, panel.scroller);
  panel.spacer = element("div", { className: "spacer" }, panel.scroller);
  panel.context = panel.canvas.getContext("2d", { alpha: false });
  panel.gutter = gutterWidth(panel);
}

// A group from which only arrows come, or to which they go: it is there, but folded.
function isOnlyTouched(group) {
  return group.members.every((track) => track.rows.length + track.marks.length + track.lives.length === 0);
}

function describePanel(panel) {
  const { spans, marks, arrows, reports } = panel;
  return `${panel.title}: ${panel.tracks.length} lanes, ${panel.curves.length} curves, ${spans.count} spans, ` +
    `${marks.count} marks, ${arrows.count} arrows, ${reports.length} reports. Left and right move the cursor from ` +
    "moment to moment, plus and minus zoom, question mark lists all keys.";
}

function element(name, properties, into) {
  const made = Object.assign(document.createElement(name), properties);
  into?.append(made);
  return made;
}

function gutterWidth(panel) {
  const { context } = panel;
  context.font = FONT;
  const names = [...panel.tracks.map((track) => track.lane.name), ...panel.plots.map((plot) => plot.name)];
  const most = names.reduce((width, name) => Math.max(width, context.measureText(name).width), 0);
  return Math.ceil(Math.min(Math.max(most + 30, GUTTER[0]), GUTTER[1]));
}

function plotsHeight(panel) {
  return panel.plots.length ? panel.plots.length * panel.curveHeight + 6 : 0;
}

function wholeHeight(panel) {
  return RULER + panel.layout.height + plotsHeight(panel);
}

// Where there is more room than the lanes need they are higher, and the curves get what is left, up to thrice of theirs;
// where there is less they are a little lower.
function stretch(panel, height) {
  panel.curveHeight = CURVE;
  panel.layout = layOut(panel.groups, panel.folded);
  if (!Number.isFinite(height)) return;
  const factor = (height - RULER - plotsHeight(panel)) / panel.layout.height;
  panel.layout = layOut(panel.groups, panel.folded, Math.min(Math.max(factor, STRETCHED[0]), STRETCHED[1]));
  const left = height - RULER - panel.layout.height - 6;
  panel.curveHeight = Math.floor(Math.min(Math.max(left / (panel.plots.length || 1), CURVE), 3 * CURVE));
}

function sizePanel(panel, width, height) {
  stretch(panel, height);
  const ratio = app.printing ? 2 : window.devicePixelRatio || 1;
  const tall = Math.max(Math.min(height, wholeHeight(panel)), 60);
  panel.width = width;
  panel.height = tall;
  panel.scroller.style.height = `${tall}px`;
  panel.canvas.style.width = `${width}px`;
  panel.canvas.style.height = `${tall}px`;
  panel.spacer.style.height = `${Math.max(wholeHeight(panel) - tall, 0)}px`;
  panel.box.classList.toggle("sheet", tall <= ONE_SHEET);
  const [columns, rows] = [Math.round(width * ratio), Math.round(tall * ratio)];
  if (panel.canvas.width !== columns || panel.canvas.height !== rows) {
    panel.canvas.width = columns;
    panel.canvas.height = rows;
  }
  panel.context.setTransform(ratio, 0, 0, ratio, 0, 0);
}

function geometry(panel) {
  const left = app.gutter, right = panel.width - RIGHT;
  const { from, to } = app.view;
  const scale = (right - left) / (to - from);
  return {
    context: panel.context, colours: colours(), styles: app.styles, column: app.column, tally: { own: 0, dense: 0, hidden: 0 },
    left, right, from, to, scale, x: (place) => left + (place - from) * scale,
    scrolled: panel.scroller.scrollTop - RULER, arrows: [], stretch: { begin: -1, end: -1 }, dots: dotted(panel.context),
  };
}

function plotsTop(panel) {
  const after = RULER + panel.layout.height, plots = plotsHeight(panel);
  if (panel.height >= after + plots) return after;
  return panel.height > 2 * plots + 100 ? panel.height - plots : after - panel.scroller.scrollTop;
}

function drawPanel(panel) {
  const g = geometry(panel);
  const { context } = g;
  const bottom = Math.min(plotsTop(panel), panel.height);
  context.textBaseline = "middle";
  context.fillStyle = g.colours.paper;
  context.fillRect(0, 0, panel.width, panel.height);
  clipped(context, 0, RULER, panel.width, bottom - RULER, () => drawGround(g, panel, bottom));
  clipped(context, g.left, RULER, g.right - g.left, bottom - RULER, () => drawLanes(g, panel, bottom));
  clipped(context, 0, RULER, panel.width, bottom - RULER, () => drawNames(g, panel));
  drawPlots(g, panel);
  drawRuler(g, panel);
  drawCursors(g, panel);
  panel.g = g;
}

function clipped(context, x, y, width, height, draw) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, Math.max(height, 0));
  context.clip();
  draw();
  context.restore();
}

function isSeen(g, item, bottom) {
  return item.top + item.height - g.scrolled >= RULER && item.top - g.scrolled <= bottom;
}

function drawGround(g, panel, bottom) {
  const { context } = g;
  let isOdd = false;
  for (const item of panel.layout.items) {
    isOdd = item.kind === "group" ? false : !isOdd;
    if (!isSeen(g, item, bottom)) continue;
    context.fillStyle = item.kind === "group" ? g.colours.group : isOdd ? g.colours.faint : g.colours.paper;
    context.fillRect(0, item.top - g.scrolled, panel.width, item.height);
  }
  drawBreaks(g, RULER, bottom);
}

function drawBreaks(g, top, bottom) {
  const first = lowerBound(app.axis.breakEnds, g.from);
  for (let i = first; i < app.axis.breaks.length && app.axis.breaks[i].fromPlace <= g.to; i++) {
    const x0 = Math.max(g.x(app.axis.breaks[i].fromPlace), g.left), x1 = Math.min(g.x(app.axis.breaks[i].toPlace), g.right);
    if (x1 - x0 < 2) continue;
    g.context.fillStyle = g.colours.shade;
    g.context.fillRect(x0, top, x1 - x0, bottom - top);
  }
}

function drawLanes(g, panel, bottom) {
  for (const item of panel.layout.items) {
    if (item.kind !== "lane" || !isSeen(g, item, bottom)) continue;
    item.track.rows.forEach((row, number) => {
      drawRow(g, panel, row, item.top + item.first + number * item.row - g.scrolled, item.row - (item.row > 5 ? 1 : 0));
    });
  }
  drawArrows(g, panel, panel.layout);
  for (const item of panel.layout.items) {
    if (item.kind === "lane" && isSeen(g, item, bottom)) drawMarks(g, panel, item);
  }
  drawPaths(g, panel, panel.layout);
  drawPicked(g, panel);
  panel.signs = drawReports(g, panel, panel.layout, bottom);
}

function drawPicked(g, panel) {
  const { picked } = app;
  if (picked === null || picked.panel !== panel || picked.what !== "span") return;
  const item = panel.layout.laneAt.get(panel.spans.lane[picked.i]);
  if (item?.kind !== "lane") return;
  const row = item.track.rows.findIndex((each) => each.spans.includes(picked.i));
  const x0 = Math.max(g.x(app.axis.placeOf(panel.spans.begin[picked.i])), g.left - 4);
  const x1 = Math.min(g.x(app.axis.placeOf(panel.spans.end[picked.i])), g.right + 4);
  outline(g, x0, item.top + item.first + row * item.row - g.scrolled, x1 - x0, item.row - 1, g.colours.cursor);
}

function drawNames(g, panel) {
  const { context } = g;
  for (const item of panel.layout.items) {
    const y = item.top + item.height / 2 - g.scrolled;
    if (item.kind === "group") {
      context.fillStyle = g.colours.ink;
      context.font = `bold ${FONT}`;
      const hidden = item.folded ? `  (${item.group.members.length} folded)` : "";
      context.fillText(`${item.folded ? "▸" : "▾"} ${item.group.name}${hidden}`, 6, y + 0.5);
      continue;
    }
    context.fillStyle = g.colours.quiet;
    context.font = item.height < 13 ? FONT.replace("11px", "9px") : FONT;
    const room = Math.floor((g.left - 22) / (item.height < 13 ? 5.2 : LETTER));
    context.fillText(fit(item.track.lane.name, room), 18, y + 0.5);
  }
  context.strokeStyle = g.colours.line;
  line(context, g.left - 0.5, RULER, g.left - 0.5, panel.height);
}

function drawPlots(g, panel) {
  const top = plotsTop(panel);
  const { context } = g;
  if (panel.plots.length === 0) return;
  context.fillStyle = g.colours.paper;
  context.fillRect(0, top, panel.width, panel.height - top);
  context.strokeStyle = g.colours.hair;
  line(context, 0, top + 0.5, panel.width, top + 0.5);
  drawBreaks(g, top, panel.height);
  panel.plots.forEach((plot, number) => {
    const at = top + 6 + number * panel.curveHeight;
    clipped(context, g.left, at, g.right - g.left, panel.curveHeight, () => drawPlot(g, plot, at, panel.curveHeight));
    drawPlotName(g, plot, at, app.cursor);
  });
}

function drawRuler(g, panel) {
  const { context } = g;
  context.fillStyle = g.colours.paper;
  context.fillRect(0, 0, panel.width, RULER);
  context.strokeStyle = g.colours.hair;
  line(context, 0, RULER - 0.5, panel.width, RULER - 0.5);
  context.font = FONT;
  context.fillStyle = g.colours.quiet;
  context.fillText(app.axis.isShortened ? "idle shortened" : "time", 8, 20);
  let free = g.left;
  for (const [place, time] of app.axis.ticks(g.from, g.to, 110 / g.scale)) {
    const x = g.x(place), text = exactTime(time);
    if (x < g.left || x > g.right) continue;
    context.strokeStyle = g.colours.hair;
    line(context, Math.round(x) + 0.5, RULER - 7, Math.round(x) + 0.5, RULER);
    const width = context.measureText(text).width;
    const at = Math.min(x + 3, g.right - width);
    if (at < free) continue;
    context.fillStyle = g.colours.quiet;
    context.fillText(text, at, RULER - 10);
    free = at + width + 8;
  }
  rulerBreaks(g);
}

function rulerBreaks(g) {
  const { context } = g;
  const first = lowerBound(app.axis.breakEnds, g.from);
  for (let i = first; i < app.axis.breaks.length && app.axis.breaks[i].fromPlace <= g.to; i++) {
    const { fromPlace, toPlace, from, to } = app.axis.breaks[i];
    const x0 = Math.max(g.x(fromPlace), g.left), x1 = Math.min(g.x(toPlace), g.right);
    if (x1 - x0 < 3) continue;
    context.fillStyle = hatched(context, g.colours.faint, "/");
    context.fillRect(x0, RULER - 6, x1 - x0, 5);
    const text = `${shortTime(to - from)}`;
    const width = context.measureText(text).width;
    if (x1 - x0 < width + 4) continue;
    context.fillStyle = g.colours.hair;
    context.fillText(text, (x0 + x1 - width) / 2, 8);
  }
}

function drawCursors(g, panel) {
  const { difference, story } = app.data;
  if (difference) {
    const time = difference.times_ns[panel.number];
    const isNear = app.cursor !== null && Math.abs(g.x(app.axis.placeOf(time)) - g.x(app.axis.placeOf(app.cursor))) < 130;
    upright(g, panel, time, g.colours.lines[4], [8, 3, 2, 3], "first difference", isNear ? RULER + 9 : 8);
  }
  if (app.hover !== null) upright(g, panel, app.hover, g.colours.hair, [1, 2], null);
  if (app.cursor !== null) upright(g, panel, app.cursor, g.colours.cursor, [], exactTime(app.cursor));
  storyFlags(g, panel, story?.steps ?? []);
}

// The numbers of the story's steps where they happened; those in one place are one flag: 2-4.
function storyFlags(g, panel, steps) {
  const flags = [];
  steps.forEach((step, number) => {
    if (step.time_ns === null || step.panel !== panel.number) return;
    const x = g.x(app.axis.placeOf(step.time_ns));
    if (x < g.left || x > g.right) return;
    const near = flags.find((flag) => Math.abs(flag.x - x) < 22);
    if (near) near.numbers.push(number + 1); else flags.push({ x, numbers: [number + 1] });
  });
  for (const { x, numbers } of flags) storyFlag(g, x, numbers.length > 1 ? `${numbers[0]}-${numbers.at(-1)}` : `${numbers[0]}`);
}

function upright(g, panel, time, colour, dash, text, y = 8) {
  const x = Math.round(g.x(app.axis.placeOf(time))) + 0.5;
  if (x < g.left - 1 || x > g.right + 1) return;
  const { context } = g;
  context.strokeStyle = colour;
  context.setLineDash(dash);
  line(context, x, text === null ? RULER : 14, x, panel.height);
  context.setLineDash([]);
  if (text === null) return;
  context.font = FONT;
  const width = context.measureText(text).width;
  tag(g, text, Math.min(Math.max(x - width / 2, g.left + 2), g.right - width - 2), y, colour, g.colours.paper);
}

function storyFlag(g, x, text) {
  const { context } = g;
  const half = text.length > 2 ? 12 : 7;
  context.fillStyle = g.colours.follow;
  context.beginPath();
  context.roundRect(x - half, RULER, 2 * half, 14, 7);
  context.fill();
  context.fillStyle = g.colours.paper;
  context.font = `bold ${FONT.replace("11px", "10px")}`;
  context.textAlign = "center";
  context.fillText(text, x, RULER + 7.5);
  context.textAlign = "left";
}
