// What happens at one moment: ticks of events, shapes for the rest, stations of objects, and reports, which are never
// hidden. Several in one place become one with their number beside it.

const STAGES = {
  allocated: "ring", retired: "triangle", queued: "square", batched: "diamond", "grace period over": "bar", freed: "cross",
};
const SHAPES = { departure: "diamond", violation: "alarm", "timer fired": "triangle", gap: "bar" };

function shape(context, name, x, y, size, colour) {
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 1.6;
  context.beginPath();
  if (name === "ring") context.arc(x, y, size, 0, 2 * Math.PI);
  else if (name === "square") context.rect(x - size, y - size, 2 * size, 2 * size);
  else if (name === "triangle") polygon(context, [[x, y - size], [x + size, y + size], [x - size, y + size]]);
  else if (name === "diamond") polygon(context, [[x, y - size - 1], [x + size + 1, y], [x, y + size + 1], [x - size - 1, y]]);
  else if (name === "bar") polygon(context, [[x - 1, y - size - 2], [x + 1, y - size - 2], [x + 1, y + size + 2], [x - 1, y + size + 2]]);
  else {
    context.moveTo(x - size, y - size); context.lineTo(x + size, y + size);
    context.moveTo(x + size, y - size); context.lineTo(x - size, y + size);
  }
  if (name === "ring" || name === "cross") context.stroke(); else context.fill();
  context.lineWidth = 1;
}

function polygon(context, points) {
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
}

// Those within the picture, put together where they would lie on each other: calls `draw(x, first, count, place, room)`.
function gathered(g, places, indices, apart, draw) {
  let at = lowerBound(places, g.from - apart / g.scale);
  const stop = upperBound(places, g.to);
  while (at < stop) {
    const x = g.x(places[at]), limit = places[at] + apart / g.scale;
    const first = at;
    while (at < stop && places[at] < limit) at++;
    draw(x, indices[first], at - first, first, at < stop ? g.x(places[at]) - x : Infinity);
  }
}

function placeMarks(panel, axis) {
  const marks = axis.placesOf(panel.marks.time), lives = axis.placesOf(panel.lives.time);
  panel.lifePlaces = lives;
  for (const track of panel.tracks) {
    const isTick = (i) => app.data.kinds.mark[panel.marks.kind[i]] === "event";
    track.ticks = track.marks.filter(isTick);
    track.shapes = track.marks.filter((i) => !isTick(i));
    track.tickPlaces = Float64Array.from(track.ticks, (i) => marks[i]);
    track.shapePlaces = Float64Array.from(track.shapes, (i) => marks[i]);
    track.livePlaces = Float64Array.from(track.lives, (i) => lives[i]);
  }
}

// A line for each event; where they are closer than pixels, as high as they are many, and drawn as one while that is so.
function drawTicks(g, panel, item, bottom) {
  const { context } = g;
  let run = { begin: 0, end: 0, high: 0, alpha: 1 };
  const flush = () => {
    if (run.end > run.begin) {
      context.globalAlpha = run.alpha;
      context.fillStyle = g.colours.ink;
      context.fillRect(run.begin, bottom - run.high, run.end - run.begin, run.high);
    }
  };
  gathered(g, item.track.tickPlaces, item.track.ticks, 1, (x, i, count) => {
    count > 1 ? (g.tally.dense += count) : g.tally.own++;
    const pixel = Math.floor(x), high = Math.min(4 + Math.floor(Math.log2(count) / 3), item.height - 4);
    const alpha = (panel.hits === null || panel.hits.marks[i] ? 1 : g.colours.dim) * (count > 1 ? 0.4 : 1);
    if (count > 1 && run.alpha === alpha && run.high === high && pixel <= run.end) { run.end = pixel + 1; return; }
    flush();
    run = { begin: pixel, end: pixel + 1, high, alpha };
  });
  flush();
  context.globalAlpha = 1;
}

function drawMarks(g, panel, item) {
  const { track } = item;
  const bottom = item.top + item.height - 2 - g.scrolled;
  const { context } = g;
  const alphaOf = (hits, i) => (panel.hits === null || hits[i] ? 1 : g.colours.dim);
  drawTicks(g, panel, item, bottom);
  if (app.shows.lives) drawStations(g, panel, item);
  gathered(g, track.shapePlaces, track.shapes, 9, (x, i, count) => {
    count > 1 ? (g.tally.dense += count) : g.tally.own++;
    const kind = app.data.kinds.mark[panel.marks.kind[i]];
    context.globalAlpha = alphaOf(panel.hits?.marks, i);
    if (kind === "violation") alarm(g, x, item.top + item.height / 2 - g.scrolled, count);
    else labelled(g, SHAPES[kind] ?? "ring", x, bottom - 4, count, kind === "gap" ? g.colours.alarm : g.colours.lines[4]);
  });
  context.globalAlpha = 1;
}

// A shape and how many it stands for, where there is room to write that.
function labelled(g, name, x, y, count, colour, room = Infinity) {
  const { context } = g;
  shape(context, name, x, y, 3, g.colours.paper);
  shape(context, name, x, y, 2.5, colour);
  if (count < 2 || room < 8 + 6 * `${count}`.length) return;
  context.font = FONT.replace("11px", "9px");
  context.fillStyle = g.colours.ink;
  context.fillText(`${count}`, x + 5, y);
}

function drawStations(g, panel, item) {
  const y = item.top + 6 - g.scrolled;
  gathered(g, item.track.livePlaces, item.track.lives, 8, (x, i, count, first, room) => {
    count > 1 ? (g.tally.dense += count) : g.tally.own++;
    const stage = app.data.kinds.stage[panel.lives.stage[i]];
    let isHit = panel.hits === null;
    for (let at = first; !isHit && at < first + count; at++) isHit = panel.hits.lives[item.track.lives[at]] === 1;
    g.context.globalAlpha = isHit ? 1 : g.colours.dim;
    labelled(g, STAGES[stage] ?? "ring", x, y, count, g.colours.lines[2], room);
  });
  g.context.globalAlpha = 1;
}

// The sign of a report, and how many there are in this place.
function alarm(g, x, y, count) {
  const { context } = g;
  context.fillStyle = g.colours.alarm;
  context.beginPath();
  polygon(context, [[x - 3, y - 8], [x + 3, y - 8], [x + 8, y - 3], [x + 8, y + 3], [x + 3, y + 8], [x - 3, y + 8], [x - 8, y + 3], [x - 8, y - 3]]);
  context.fill();
  context.strokeStyle = g.colours.paper;
  context.stroke();
  context.fillStyle = g.colours.onAlarm;
  context.font = `bold ${FONT}`;
  context.textAlign = "center";
  context.fillText(count > 9 ? "9+" : count > 1 ? `${count}` : "!", x, y + 0.5);
  context.textAlign = "left";
}

// Reports, a line through all lanes each, and their signs on their lanes; returned is where those are.
function drawReports(g, panel, layout, bottom) {
  const places = Float64Array.from(panel.reports, (each) => app.axis.placeOf(each.time_ns));
  const signs = [];
  gathered(g, places, panel.reports, 10, (x, report, count, first) => {
    const item = layout.laneAt.get(report.lane);
    const y = item ? item.top + item.height / 2 - g.scrolled : RULER + 10;
    g.context.strokeStyle = g.colours.alarm;
    g.context.setLineDash([2, 2]);
    line(g.context, x, RULER, x, bottom);
    g.context.setLineDash([]);
    signs.push({ x, y: Math.min(Math.max(y, RULER + 9), bottom - 9), count, first });
  });
  for (const sign of signs) alarm(g, sign.x, sign.y, sign.count);
  return signs;
}

function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}
