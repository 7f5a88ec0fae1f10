// The strip above: all of the axis, how much there is where, the reports, and the part that is shown below.

const OVERVIEW_HEIGHT = 34;

// For each pixel how much begins there, once for a width and an axis.
function density(width) {
  const counts = new Float64Array(width);
  const add = (times) => {
    for (let i = 0; i < times.length; i++) {
      counts[Math.min(Math.floor((app.axis.placeOf(times[i]) / app.axis.length) * width), width - 1)]++;
    }
  };
  for (const panel of app.data.panels) [panel.spans.begin, panel.marks.time, panel.lives.time].forEach(add);
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  return counts.map((count) => Math.log1p(count) / Math.log1p(most));
}

function drawOverview() {
  const canvas = document.getElementById("overview");
  const width = canvas.parentElement.clientWidth, ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(OVERVIEW_HEIGHT * ratio);
  }
  const context = canvas.getContext("2d", { alpha: false });
  const g = colours();
  const left = app.gutter, right = width - RIGHT, wide = Math.max(Math.floor(right - left), 1);
  if (app.density?.length !== wide) app.density = density(wide);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = g.paper;
  context.fillRect(0, 0, width, OVERVIEW_HEIGHT);
  context.fillStyle = g.hair;
  app.density.forEach((part, x) => part && context.fillRect(left + x, 31 - 24 * part, 1, 24 * part));
  const at = (place) => left + (place / app.axis.length) * wide;
  context.fillStyle = g.alarm;
  for (const panel of app.data.panels) {
    for (const report of panel.reports) context.fillRect(at(app.axis.placeOf(report.time_ns)) - 1, 2, 3, 30);
  }
  const x0 = Math.max(at(app.view.from), left), x1 = Math.min(Math.max(at(app.view.to), x0 + 3), right);
  context.fillStyle = g.shade;
  context.fillRect(left, 0, x0 - left, OVERVIEW_HEIGHT);
  context.fillRect(x1, 0, right - x1, OVERVIEW_HEIGHT);
  context.strokeStyle = g.follow;
  context.strokeRect(x0 + 0.5, 1.5, x1 - x0 - 1, OVERVIEW_HEIGHT - 3);
  overviewText(context, g);
  app.overview = { left, wide };
}

function overviewText(context, g) {
  context.font = FONT;
  context.textBaseline = "middle";
  context.fillStyle = g.quiet;
  context.fillText(`all: ${shortTime(app.axis.end - app.axis.begin)}`, 8, 10);
  context.fillText(`shown: ${shortTime(app.axis.timeAt(Math.min(app.view.to, app.axis.length)) - app.axis.timeAt(Math.max(app.view.from, 0)))}`, 8, 25);
}

function pointOverview() {
  const canvas = document.getElementById("overview");
  const centre = (event) => {
    const { left, wide } = app.overview;
    const place = ((event.offsetX - left) / wide) * app.axis.length, half = (app.view.to - app.view.from) / 2;
    setView(place - half, place + half);
  };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); centre(event); });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons) centre(event); });
}
