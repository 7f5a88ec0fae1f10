// Spans. One that is at least two pixels wide is drawn as itself, and so is a narrower one that is alone in its pixel.
// The others share columns of one pixel, which show the most frequent kind, as high as what is covered; how many there
// are is counted for the line below the picture, and told by whoever points at them. Heights are in quarters of a row, so
// that columns beside each other are often alike and are drawn as one: what costs time is each rectangle, not its size.

const OWN_WIDTH = 2;
const LETTER = 6.2;
const FONT = "11px system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif";

class Column {
  constructor(kinds) {
    this.counts = new Uint32Array(kinds);
    this.clear(-1);
  }

  clear(pixel) {
    this.pixel = pixel;
    this.count = 0;
    this.covered = 0;
    this.hit = false;
    this.last = -1;
    this.counts.fill(0);
  }

  add(i, kind, width, hit) {
    this.count++;
    this.covered += Math.max(width, 0.08);
    this.hit ||= hit;
    this.last = i;
    this.counts[kind]++;
  }

  mostKind() {
    let most = 0;
    for (let kind = 1; kind < this.counts.length; kind++) if (this.counts[kind] > this.counts[most]) most = kind;
    return most;
  }
}

function placeSpans(panel, axis) {
  const begins = axis.placesOf(panel.spans.begin), ends = axis.placesOf(panel.spans.end);
  for (const track of panel.tracks) {
    for (const row of track.rows) {
      row.begins = Float64Array.from(row.spans, (i) => begins[i]);
      row.ends = Float64Array.from(row.spans, (i) => ends[i]);
    }
  }
}

function drawRow(g, panel, row, top, height) {
  const { spans } = panel;
  const column = g.column;
  column.clear(-1);
  const stop = upperBound(row.begins, g.to);
  for (let at = lowerBound(row.ends, g.from); at < stop; at++) {
    const i = row.spans[at];
    if (g.styles[spans.kind[i]].none) continue;
    const x0 = g.x(row.begins[at]), x1 = g.x(row.ends[at]);
    if (x1 - x0 >= OWN_WIDTH) {
      drawSpan(g, panel, i, x0, x1, top, height);
      continue;
    }
    const pixel = Math.floor(x0);
    if (pixel !== column.pixel) {
      drawColumn(g, panel, column, top, height);
      column.clear(pixel);
    }
    column.add(i, spans.kind[i], x1 - x0, panel.hits !== null && panel.hits.spans[i] === 1);
  }
  drawColumn(g, panel, column, top, height);
  endStretch(g);
}

function drawColumn(g, panel, column, top, height) {
  if (column.count === 0) return;
  if (column.count === 1) {
    const x = column.pixel;
    drawSpan(g, panel, column.last, x, x + 1.5, top, height);
    return;
  }
  g.tally.dense += column.count;
  const high = Math.max(3, Math.ceil(Math.min(1, column.covered) * 4) * height / 4);
  const fill = column.hit ? g.colours.follow : g.styles[column.mostKind()].fill ?? THREADS[0];
  const alpha = panel.hits !== null && !column.hit ? g.colours.dim : 1;
  const { stretch } = g;
  const isAlike = stretch.end === column.pixel && stretch.fill === fill && stretch.high === high && stretch.alpha === alpha && stretch.bottom === top + height;
  if (isAlike) { stretch.end++; return; }
  endStretch(g);
  Object.assign(stretch, { begin: column.pixel, end: column.pixel + 1, bottom: top + height, fill, high, alpha });
}

// Columns that are alike, with the dotted foot that says that they are columns.
function endStretch(g) {
  const { context, stretch } = g;
  const { begin, end, bottom, high } = stretch;
  if (begin < end) {
    context.globalAlpha = stretch.alpha;
    context.fillStyle = stretch.fill;
    context.fillRect(begin, bottom - high, end - begin, high);
    context.fillStyle = g.dots;
    context.fillRect(begin, bottom - 1, end - begin, 1);
    context.globalAlpha = 1;
  }
  stretch.begin = stretch.end = -1;
}

function fillOf(g, panel, i, style) {
  const fill = style.fill ?? threadColour(threadOf(panel, i));
  return style.hatch ? hatched(g.context, fill, style.hatch) : fill;
}

function drawSpan(g, panel, i, x0, x1, top, height) {
  const { context } = g;
  const style = g.styles[panel.spans.kind[i]];
  const left = Math.max(x0, g.left - 4), right = Math.min(x1, g.right + 4);
  const width = Math.max(right - left - (x1 - x0 > 4 ? 0.7 : 0), 1);
  const isHit = panel.hits === null || panel.hits.spans[i] === 1;
  g.tally.own++;
  context.globalAlpha = isHit ? 1 : g.colours.dim;
  context.fillStyle = fillOf(g, panel, i, style);
  if (style.outline) {
    context.globalAlpha *= 0.55;
    context.fillRect(left, top, width, height);
    context.globalAlpha = isHit ? 1 : g.colours.dim;
    context.strokeStyle = g.colours.hair;
    context.strokeRect(left + 0.5, top + 0.5, Math.max(width - 1, 0.5), height - 1);
  } else {
    context.fillRect(left, top, width, height);
  }
  if (panel.spans.open[i] && x1 <= g.right + 1) openEnd(g, right, top, height);
  if (panel.hits !== null && isHit) outline(g, left, top, width, height, g.colours.follow);
  if (width > 3 * LETTER && height >= 9) spanLabel(g, panel, i, left, width, top, height, style);
  context.globalAlpha = 1;
}

// It had not ended when the telling did: its right side is torn.
function openEnd(g, x, top, height) {
  const { context } = g;
  context.fillStyle = g.colours.paper;
  context.beginPath();
  context.moveTo(x + 1, top);
  for (let y = 0; y <= height; y += 4) context.lineTo(x - (y % 8 ? 4 : 0), top + Math.min(y, height));
  context.lineTo(x + 1, top + height);
  context.fill();
}

function outline(g, left, top, width, height, colour) {
  g.context.strokeStyle = colour;
  g.context.lineWidth = 2;
  g.context.strokeRect(left, top, Math.max(width, 1), height);
  g.context.lineWidth = 1;
}

function spanLabel(g, panel, i, left, width, top, height, style) {
  const text = app.data.texts[panel.spans.label[i]];
  const begin = Math.max(left, g.left);
  const room = Math.floor((left + width - begin - 6) / LETTER);
  if (room < 3 || !text) return;
  const { context } = g;
  const shown = fit(text, room);
  if (style.hatch) {
    context.fillStyle = style.fill;
    context.fillRect(begin + 2, top + 1, Math.min(shown.length * LETTER + 4, width - 4), height - 2);
  }
  context.fillStyle = ON_FILL;
  context.font = height < 13 ? FONT.replace("11px", "9px") : FONT;
  context.fillText(shown, begin + 4, top + height / 2 + 0.5);
}

function fit(text, room) {
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}
