// Arrows. As long as there are not too many each is one; else those that begin and end near each other are one, the
// thicker the more it stands for. The path of an object that is followed goes through all stations of its life.

const MOST_ARROWS = 300;
const MANY_MESSAGES = 40;

// Timers talk to their devices all the time: where messages are many they are shown when somebody asks for them.
function shownAtFirst(kind, panels) {
  const number = app.data.kinds.arrow.indexOf(kind);
  const count = panels.reduce((sum, panel) => sum + panel.arrows.kind.filter((each) => each === number).length, 0);
  return kind !== "message" || count <= MANY_MESSAGES;
}

function placeArrows(panel, axis) {
  panel.arrowFrom = axis.placesOf(panel.arrows.from);
  panel.arrowTo = axis.placesOf(panel.arrows.to);
}

function visibleArrows(g, panel) {
  const { arrows } = panel;
  const isShown = app.data.kinds.arrow.map((kind) => app.shows[kind]);
  const isAsked = (i) => panel.hits?.arrows[i] || (app.picked?.panel === panel && app.picked.arrows?.has(i));
  const out = [];
  const stop = upperBound(panel.arrowFrom, g.to);
  for (let i = 0; i < stop; i++) {
    if (panel.arrowTo[i] < g.from) continue;
    if (isShown[arrows.kind[i]] || isAsked(i)) out.push(i); else g.tally.hidden++;
  }
  return out;
}

function bundles(g, panel, visible, apart) {
  const { arrows } = panel;
  const lanes = panel.lanes.length + 1, cells = Math.ceil((g.right - g.left) / apart) + 4;
  const cell = (x) => Math.min(Math.max(Math.floor((x - g.left) / apart) + 1, 0), cells - 1);
  const out = new Map();
  for (const i of visible) {
    const places = cell(g.x(panel.arrowFrom[i])) * cells + cell(g.x(panel.arrowTo[i]));
    const from = panel.laneIndex.get(arrows.fromLane[i]) ?? lanes - 1, to = panel.laneIndex.get(arrows.toLane[i]) ?? lanes - 1;
    const key = ((arrows.kind[i] * lanes + from) * lanes + to) * cells * cells + places;
    const bundle = out.get(key);
    if (bundle) bundle.count++; else out.set(key, { first: i, count: 1 });
    if (bundle && panel.hits !== null && panel.hits.arrows[i]) bundle.first = i;
  }
  return [...out.values()];
}

function drawArrows(g, panel, layout) {
  const visible = visibleArrows(g, panel);
  const drawn = visible.length <= MOST_ARROWS ? visible.map((first) => ({ first, count: 1 }))
    : bundles(g, panel, visible, visible.length < 4 * MOST_ARROWS ? 16 : 48);
  g.faint = drawn.length > MOST_ARROWS / 4;
  g.arrows = [];
  for (const { first, count } of drawn) {
    count > 1 ? (g.tally.dense += count) : g.tally.own++;
    drawArrow(g, panel, layout, first, count);
  }
  g.context.globalAlpha = 1;
  g.context.setLineDash([]);
  g.context.lineWidth = 1;
}

function drawArrow(g, panel, layout, i, count) {
  const from = middleOf(layout, panel.arrows.fromLane[i]), to = middleOf(layout, panel.arrows.toLane[i]);
  if (from === null || to === null) return;
  const kind = app.data.kinds.arrow[panel.arrows.kind[i]];
  const isHit = panel.hits !== null && panel.hits.arrows[i] === 1;
  const isPicked = app.picked !== null && app.picked.panel === panel && app.picked.arrows?.has(i);
  const { context } = g;
  const ends = { x0: g.x(panel.arrowFrom[i]), y0: from - g.scrolled, x1: g.x(panel.arrowTo[i]), y1: to - g.scrolled };
  context.globalAlpha = isHit || isPicked ? 1 : panel.hits !== null ? 0.1 : g.faint || kind === "message" ? 0.35 : 0.7;
  context.strokeStyle = context.fillStyle = isHit || isPicked ? g.colours.follow : g.colours.arrows[kind] ?? g.colours.quiet;
  context.lineWidth = Math.min(1 + Math.log2(count) / 2, 5) + (isHit || isPicked ? 1 : 0);
  context.setLineDash(ARROW_DASHES[kind] ?? []);
  bow(context, ends);
  context.setLineDash([]);
  head(context, ends);
  g.arrows.push({ ...ends, i, count });
}

function middleOf(layout, lane) {
  const item = layout.laneAt.get(lane);
  return item === undefined ? null : item.top + item.height / 2;
}

function bow(context, { x0, y0, x1, y1 }) {
  const bend = Math.min(Math.max(Math.abs(x1 - x0) / 2, 6), 40);
  context.beginPath();
  context.moveTo(x0, y0);
  context.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
  context.stroke();
}

function head(context, { x0, y0, x1, y1 }) {
  if (x0 === x1 && y0 === y1) return;
  const isSteep = Math.abs(x1 - x0) < 8;
  const [dx, dy] = isSteep ? [0, Math.sign(y1 - y0)] : [1, 0];
  context.beginPath();
  polygon(context, [[x1, y1], [x1 - 6 * dx - 3 * dy, y1 - 6 * dy - 3 * dx], [x1 - 6 * dx + 3 * dy, y1 - 6 * dy + 3 * dx]]);
  context.fill();
}

// The way of each object that is followed, through the lanes on which it was seen, with the names of its stations.
function drawPaths(g, panel, layout) {
  if (panel.paths.length === 0) return;
  const { context } = g;
  context.strokeStyle = g.colours.follow;
  for (const path of panel.paths) {
    let before = null;
    const free = [0, 0]; // as far as there are words above, and below
    for (const i of path) {
      const y = middleOf(layout, panel.lives.lane[i]);
      if (y === null) continue;
      const here = { x1: g.x(panel.lifePlaces[i]), y1: y - g.scrolled };
      context.lineWidth = 2;
      if (before) bow(context, { x0: before.x1, y0: before.y1, ...here });
      const stage = app.data.kinds.stage[panel.lives.stage[i]];
      shape(context, STAGES[stage] ?? "ring", here.x1, here.y1, 4, g.colours.follow);
      const side = here.x1 >= free[0] ? 0 : 1;
      if (here.x1 >= free[side] && here.x1 >= g.left && here.x1 <= g.right) {
        const at = Math.min(here.x1 + 6, g.right - 6 * LETTER);
        free[side] = at + tag(g, stage, at, here.y1 + (side ? 11 : -10)) + 4;
      }
      context.strokeStyle = g.colours.follow;
      before = here;
    }
  }
  context.lineWidth = 1;
}

// Words on a ground of their own; returned is how wide they are.
function tag(g, text, x, y, ground = g.colours.paper, ink = g.colours.follow) {
  const { context } = g;
  context.font = FONT;
  const width = context.measureText(text).width;
  context.globalAlpha = 0.9;
  context.fillStyle = ground;
  context.fillRect(x - 2, y - 7, width + 4, 14);
  context.globalAlpha = 1;
  context.fillStyle = ink;
  context.fillText(text, x, y + 0.5);
  return width;
}
