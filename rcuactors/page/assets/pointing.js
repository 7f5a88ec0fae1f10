// What lies where somebody points, in words; and the mouse: wheel, drag, click.

const NEAR = 4;

function laneUnder(panel, y) {
  const inside = y + panel.g.scrolled;
  return panel.layout.items.find((item) => item.top <= inside && inside < item.top + item.height) ?? null;
}

function plotUnder(panel, y) {
  const number = Math.floor((y - plotsTop(panel) - 6) / panel.curveHeight);
  return panel.plots[number] ?? null;
}

// {what, panel, ...} or null. Reports lie above all, then what is at one moment, arrows, spans.
function under(panel, x, y) {
  if (!panel.g || x < 0 || y < 0) return null;
  const sign = panel.signs.find((each) => Math.hypot(each.x - x, each.y - y) < 10);
  if (sign) return { what: "report", panel, first: sign.first, count: sign.count };
  if (y >= plotsTop(panel)) return x > panel.g.left ? { what: "plot", panel, plot: plotUnder(panel, y) } : null;
  if (y < RULER) return { what: "ruler", panel };
  const item = laneUnder(panel, y);
  if (item === null || item.kind === "group") return item && { what: "group", panel, name: item.group.name };
  if (x < panel.g.left) return { what: "lane", panel, lane: item.track.lane };
  return momentUnder(panel, item, x) ?? arrowUnder(panel, x, y) ?? spansUnder(panel, item, x, y) ?? { what: "lane", panel, lane: item.track.lane };
}

function momentUnder(panel, item, x) {
  const { g } = panel;
  const near = (places, indices, kind) => {
    const from = lowerBound(places, g.from + (x - NEAR - g.left) / g.scale), to = upperBound(places, g.from + (x + NEAR - g.left) / g.scale);
    return [...indices.subarray(from, Math.min(to, from + 50))].map((i) => ({ kind, i, all: to - from }));
  };
  const found = [
    ...near(item.track.shapePlaces, item.track.shapes, "mark"),
    ...(app.shows.lives ? near(item.track.livePlaces, item.track.lives, "life") : []),
    ...near(item.track.tickPlaces, item.track.ticks, "mark"),
  ];
  if (found.length === 0) return null;
  return { what: "moment", panel, found, i: found[0].i, kind: found[0].kind };
}

function arrowUnder(panel, x, y) {
  const hit = panel.g.arrows.find(({ x0, y0, x1, y1 }) => {
    if (Math.hypot(x1 - x, y1 - y) < 6) return true;
    const part = x1 === x0 ? (y - y0) / (y1 - y0 || 1) : (x - x0) / (x1 - x0);
    if (part < 0 || part > 1) return false;
    return Math.hypot(x0 + part * (x1 - x0) - x, y0 + part * (y1 - y0) - y) < 4;
  });
  return hit ? { what: "arrow", panel, i: hit.i, count: hit.count } : null;
}

function spansUnder(panel, item, x, y) {
  const { g } = panel;
  const row = item.track.rows[Math.floor((y + g.scrolled - item.top - item.first) / item.row)];
  if (row === undefined) return null;
  const at = g.from + (x - g.left) / g.scale;
  let from = lowerBound(row.ends, at - 1 / g.scale), to = upperBound(row.begins, at + 1 / g.scale);
  const exact = lowerBound(row.ends, at);
  if (exact < row.begins.length && row.begins[exact] <= at && (row.ends[exact] - row.begins[exact]) * g.scale >= OWN_WIDTH) {
    [from, to] = [exact, exact + 1];
  }
  if (from >= to) return null;
  const found = row.spans.subarray(from, to);
  if (found.length === 1) return { what: "span", panel, i: found[0] };
  return { what: "dense", panel, found };
}

// -- in words ---------------------------------------------------------------------------------------------------------

// [title, [name, value], ...] of what is there.
function wordsFor(hit) {
  const { texts, kinds } = app.data;
  const { panel } = hit;
  const place = (lane) => { const is = panel.laneOf.get(lane); return is ? `${is.group}, ${is.name}` : "?"; };
  if (hit.what === "span") return spanWords(panel, hit.i, place);
  if (hit.what === "moment") {
    const words = hit.kind === "mark" ? markWords(panel, hit.i, place) : lifeWords(panel, hit.i, place);
    const more = Math.max(...hit.found.map((each) => each.all)) - 1;
    return more > 0 ? [...words, ["here, too", `${more} more; zoom in to tell them apart`]] : words;
  }
  if (hit.what === "arrow") {
    const { arrows } = panel;
    const words = [
      [texts[arrows.label[hit.i]] || kinds.arrow[arrows.kind[hit.i]], kinds.arrow[arrows.kind[hit.i]]],
      ["from", `${exactTime(arrows.from[hit.i])}, ${place(arrows.fromLane[hit.i])}`],
      ["to", `${exactTime(arrows.to[hit.i])}, ${place(arrows.toLane[hit.i])}`],
    ];
    if (arrows.about[hit.i]) words.push(["about", texts[arrows.about[hit.i]]]);
    return hit.count > 1 ? [...words, ["here, too", `${hit.count - 1} more; zoom in to tell them apart`]] : words;
  }
  if (hit.what === "dense") return denseWords(panel, hit.found);
  if (hit.what === "report") return reportWords(panel, hit);
  if (hit.what === "lane") return [[hit.lane.name, hit.lane.kind], ["in", hit.lane.group]];
  return null;
}

function reportWords(panel, hit) {
  const reports = panel.reports.slice(hit.first, hit.first + hit.count);
  return [
    [reports[0].title, reports[0].kind], ["at", exactTime(reports[0].time_ns)],
    ...reports.slice(1, 6).map((each) => ["and", each.title]), ["click", "to read it"],
  ];
}

function detailWords(number) {
  const words = app.data.details[number];
  const out = [];
  for (let i = 0; i < words.length; i += 2) out.push([app.data.texts[words[i]], app.data.texts[words[i + 1]]]);
  return out;
}

function spanWords(panel, i, place) {
  const { texts, kinds } = app.data;
  const { spans } = panel;
  const lasted = spans.end[i] - spans.begin[i];
  return [
    [texts[spans.label[i]] || kinds.span[spans.kind[i]], kinds.span[spans.kind[i]]],
    ["from", exactTime(spans.begin[i])],
    ["to", spans.open[i] ? `${exactTime(spans.end[i])}, where the telling ends: it had not ended` : exactTime(spans.end[i])],
    ["lasted", spans.open[i] ? `at least ${exactTime(lasted)}` : exactTime(lasted)], ["where", place(spans.lane[i])],
    ...(spans.who[i] ? [["who", texts[spans.who[i]]]] : []), ...(spans.about[i] ? [["about", texts[spans.about[i]]]] : []),
    ...detailWords(spans.detail[i]),
  ];
}

function markWords(panel, i, place) {
  const { texts, kinds } = app.data;
  const { marks } = panel;
  return [
    [texts[marks.label[i]] || kinds.mark[marks.kind[i]], kinds.mark[marks.kind[i]]],
    ["at", exactTime(marks.time[i])], ["where", place(marks.lane[i])],
    ...(marks.who[i] ? [["who", texts[marks.who[i]]]] : []), ...(marks.about[i] ? [["about", texts[marks.about[i]]]] : []),
    ...detailWords(marks.detail[i]),
  ];
}

function lifeWords(panel, i, place) {
  const { texts, kinds } = app.data;
  const { lives } = panel;
  return [
    [`object ${texts[lives.address[i]]}`, kinds.stage[lives.stage[i]]], ["at", exactTime(lives.time[i])],
    ["where", place(lives.lane[i])], ["number", `${lives.serial[i]}`],
    ...(lives.where[i] ? [["in", texts[lives.where[i]]]] : []),
  ];
}

function denseWords(panel, found) {
  const { kinds } = app.data;
  const counts = new Map();
  for (const i of found) counts.set(kinds.span[panel.spans.kind[i]], (counts.get(kinds.span[panel.spans.kind[i]]) ?? 0) + 1);
  return [
    [`${found.length.toLocaleString("en")} spans here`, "too dense to draw apart"],
    ["from", exactTime(panel.spans.begin[found[0]])], ["to", exactTime(panel.spans.end[found[found.length - 1]])],
    ...[...counts].map(([kind, count]) => [kind, count.toLocaleString("en")]), ["zoom in", "to see each"],
  ];
}

// -- the mouse --------------------------------------------------------------------------------------------------------

function showTip(hit, x, y) {
  const tip = document.getElementById("tip");
  const words = hit && hit.panel ? wordsFor(hit) : null;
  tip.hidden = words === null;
  if (words === null) return;
  tip.replaceChildren(...wordLines(words));
  const width = tip.offsetWidth, height = tip.offsetHeight;
  tip.style.left = `${Math.max(Math.min(x + 14, window.innerWidth - width - 8), 4)}px`;
  tip.style.top = `${y + 18 + height > window.innerHeight ? Math.max(y - height - 10, 4) : y + 18}px`;
}

function wordLines([title, ...words]) {
  const first = element("p", { className: "what" });
  element("b", { textContent: title[0] }, first);
  if (title[1] && title[1] !== title[0]) element("span", { textContent: title[1] }, first);
  const list = element("dl", {});
  for (const [name, value] of words) {
    element("dt", { textContent: name }, list);
    element("dd", { textContent: value }, list);
  }
  return [first, list];
}

function pointPanel(panel) {
  const { canvas } = panel;
  let drag = null;
  const timeAt = (event) => app.axis.timeAt(app.view.from + (event.offsetX - app.gutter) / panel.g.scale);
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.offsetX, y: event.offsetY, ...app.view, scroll: panel.scroller.scrollTop, moved: false, onRuler: event.offsetY < RULER };
    canvas.setPointerCapture(event.pointerId);
    if (drag.onRuler && event.offsetX > app.gutter) setCursor(timeAt(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag === null || !event.buttons) return hoverAt(panel, event, timeAt(event));
    if (Math.hypot(event.offsetX - drag.x, event.offsetY - drag.y) > 3) drag.moved = true;
    if (!drag.moved) return undefined;
    if (drag.onRuler) return setCursor(timeAt(event));
    const shift = (event.offsetX - drag.x) / panel.g.scale;
    panel.scroller.scrollTop = drag.scroll - (event.offsetY - drag.y);
    return setView(drag.from - shift, drag.to - shift);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved && !drag.onRuler) click(panel, event, timeAt(event));
    drag = null;
  });
  canvas.addEventListener("pointerleave", () => { app.hover = null; showTip(null); redraw(); });
  canvas.addEventListener("dblclick", (event) => zoomTo(under(panel, event.offsetX, event.offsetY)));
  canvas.addEventListener("wheel", (event) => wheel(panel, event), { passive: false });
}

function hoverAt(panel, event, time) {
  app.hover = event.offsetX >= app.gutter ? Math.min(Math.max(time, app.axis.begin), app.axis.end) : null;
  const hit = under(panel, event.offsetX, event.offsetY);
  panel.canvas.style.cursor = hit && ["group", "report", "span", "moment", "arrow"].includes(hit.what) ? "pointer" : "default";
  showTip(hit, event.clientX, event.clientY);
  redraw();
}

function click(panel, event, time) {
  const hit = under(panel, event.offsetX, event.offsetY);
  if (hit?.what === "group") return fold(panel, hit.name);
  if (hit?.what === "lane" && event.offsetX < app.gutter) return undefined;
  setCursor(time);
  if (hit?.what === "report") return openReport(panel, hit.first);
  return pick(hit);
}

function fold(panel, name) {
  if (!panel.folded.delete(name)) panel.folded.add(name);
  resize();
}

// As in other viewers of traces: with Ctrl the wheel zooms where the mouse is, with Shift it moves; alone it scrolls.
function wheel(panel, event) {
  const isZoom = event.ctrlKey || event.metaKey || event.altKey;
  const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.shiftKey ? event.deltaY : 0;
  if (!isZoom && sideways === 0) return;
  event.preventDefault();
  if (isZoom) {
    const place = app.view.from + (event.offsetX - app.gutter) / panel.g.scale;
    zoom(Math.exp(Math.max(Math.min(event.deltaY, 300), -300) * 0.0025), place);
  } else {
    pan(sideways / panel.g.scale);
  }
}
