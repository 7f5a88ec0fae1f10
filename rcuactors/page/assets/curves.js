// Curves: steps that keep their value until the next. Where several lie in one pixel, all from the lowest to the highest
// is drawn.

function placeCurves(panel, axis) {
  for (const curve of panel.curves) curve.places = axis.placesOf(curve.times);
}

function valueAt(curve, time) {
  const i = upperBound(curve.times, time) - 1;
  return i < 0 ? null : curve.values[i];
}

function drawPlot(g, plot, top, height) {
  const { context } = g;
  const bottom = top + height - 6;
  const range = plot.most - plot.least || 1;
  const y = (value) => bottom - ((value - plot.least) / range) * (height - 12);
  context.strokeStyle = g.colours.line;
  line(context, g.left, Math.round(y(0)) + 0.5, g.right, Math.round(y(0)) + 0.5);
  plot.curves.forEach((curve, number) => {
    context.strokeStyle = g.colours.lines[number % g.colours.lines.length];
    g.dash = DASHES[number % DASHES.length];
    context.fillStyle = context.strokeStyle;
    context.lineWidth = 1.5;
    drawCurve(g, curve, y);
  });
  context.setLineDash([]);
  context.lineWidth = 1;
}

// A pixel with several values is a bar from the lowest to the highest, and all such bars are one shape: many small ones
// take long. Dashes are for lines that go on for some way.
function drawCurve(g, curve, y) {
  const { context } = g;
  const { places, values } = curve;
  let at = Math.max(upperBound(places, g.from) - 1, 0);
  const stop = Math.min(upperBound(places, g.to) + 1, places.length);
  if (at >= stop) return;
  const bars = new Path2D();
  const x = (i) => Math.min(Math.max(g.x(places[i]), g.left), g.right);
  context.beginPath();
  context.setLineDash(stop - at < 400 ? g.dash : []);
  context.moveTo(x(at), y(values[at]));
  while (at < stop) {
    const pixel = Math.floor(x(at)), before = values[Math.max(at - 1, 0)];
    const limit = g.from + (pixel + 1 - g.left) / g.scale;
    const here = x(at), first = at;
    let low = values[at], high = low;
    for (; at < stop && (at === first || places[at] < limit); at++) {
      if (values[at] < low) low = values[at];
      if (values[at] > high) high = values[at];
    }
    const count = at - first;
    count > 1 ? (g.tally.dense += count) : g.tally.own++;
    context.lineTo(here, y(before));
    if (count > 1) {
      bars.rect(pixel, y(high), 1, Math.max(y(low) - y(high), 1));
      context.moveTo(here, y(values[at - 1]));
    } else {
      context.lineTo(here, y(values[first]));
    }
  }
  context.lineTo(Math.min(g.right, g.x(app.axis.length)), y(values[stop - 1]));
  context.stroke();
  context.globalAlpha = 0.75;
  context.fill(bars);
  context.globalAlpha = 1;
}

// On the left of a plot: what it counts, its highest value, and at the cursor the value of each line.
function drawPlotName(g, plot, top, cursor) {
  const { context } = g;
  context.font = `bold ${FONT}`;
  context.fillStyle = g.colours.ink;
  context.fillText(fit(plot.name, Math.floor((g.left - 12) / 6.6)), 8, top + 9);
  context.font = FONT;
  context.fillStyle = g.colours.quiet;
  const most = `≤ ${figure(plot.most, plot.unit)}`;
  context.fillText(most, 8, top + 23);
  const values = plot.curves.map((curve, number) => [cursor === null ? null : valueAt(curve, cursor), number, curve.cpu]);
  let x = 8 + context.measureText(most).width + 10;
  for (const [value, number, cpu] of values) {
    const text = `${plot.curves.length > 1 && cpu >= 0 ? `${cpu}: ` : ""}${value === null ? "-" : figure(value, plot.unit)}`;
    const width = context.measureText(text).width;
    if (x + width > g.left - 6) { context.fillText("…", x, top + 23); break; }
    context.fillStyle = g.colours.lines[number % g.colours.lines.length];
    context.fillText(text, x, top + 23);
    x += width + 9;
  }
}

function figure(value, unit) {
  if (unit === "B" || unit === "bytes") {
    const power = Math.min(Math.floor(Math.log2(Math.max(Math.abs(value), 1)) / 10), 3);
    return `${+(value / 1024 ** power).toFixed(power ? 1 : 0)} ${["B", "KiB", "MiB", "GiB"][power]}`;
  }
  return value.toLocaleString("en");
}
