// Where things lie from top to bottom: groups, their lanes, the rows of a lane whose spans lie within each other.

const HEADING = 18;
const RULER = 30;
const STATION = 8; // above the spans of a lane on which objects were seen
const ORDER = ["threads", "softirq", "hardirq", "nmi", "irqs off", "preemption off", "locks", "readers"];
const GROUPS = ["grace period", "worker", "pool", "timer", "hrtimer"];
const LOW = new Set(["irqs off", "preemption off"]);

// For each lane the numbers of its spans, in rows. In one row none overlaps another, so both their ends are in order.
function rowsOf(panel) {
  const { spans } = panel;
  const lanes = new Map(panel.lanes.map((lane) => [lane.number, []]));
  const ends = new Map(panel.lanes.map((lane) => [lane.number, []]));
  for (let i = 0; i < spans.count; i++) {
    const rows = lanes.get(spans.lane[i]);
    if (rows === undefined) continue;
    const last = ends.get(spans.lane[i]);
    let row = 0;
    while (row < rows.length && last[row] > spans.begin[i]) row++;
    if (row === rows.length) rows.push([]);
    rows[row].push(i);
    last[row] = spans.end[i];
  }
  return lanes;
}

function byLane(laneNumbers, count) {
  const out = new Map();
  for (let i = 0; i < count; i++) {
    if (!out.has(laneNumbers[i])) out.set(laneNumbers[i], []);
    out.get(laneNumbers[i]).push(i);
  }
  return out;
}

function makeTracks(panel) {
  const rows = rowsOf(panel);
  const marks = byLane(panel.marks.lane, panel.marks.count);
  const lives = byLane(panel.lives.lane, panel.lives.count);
  const touched = new Set([...panel.arrows.fromLane, ...panel.arrows.toLane, ...panel.reports.map((each) => each.lane)]);
  const of = (map, lanes) => Int32Array.from(lanes.flatMap((lane) => map.get(lane.number) ?? [])).sort();
  return alike(panel.lanes)
    .map((lanes) => ({
      lane: lanes[0], numbers: lanes.map((lane) => lane.number), marks: of(marks, lanes), lives: of(lives, lanes),
      rows: lanes.flatMap((lane) => rows.get(lane.number)).map((row) => ({ spans: Int32Array.from(row) })),
    }))
    .filter((track) => track.rows.length || track.marks.length || track.lives.length || track.numbers.some((lane) => touched.has(lane)));
}

// Lanes that are one to who looks: "locks" and "locks (2)" of a CPU, which are two as what lies on them overlaps.
function alike(lanes) {
  const out = new Map();
  for (const lane of lanes) {
    const key = JSON.stringify([lane.group, lane.kind, lane.name.replace(/ \(\d+\)$/, "")]);
    if (!out.has(key)) out.set(key, []);
    out.get(key).push(lane);
  }
  return [...out.values()];
}

function rank(lane) {
  const place = ORDER.indexOf(lane.kind);
  return place < 0 ? ORDER.length : place;
}

function groupsOf(tracks) {
  const groups = new Map();
  for (const track of tracks) {
    if (!groups.has(track.lane.group)) groups.set(track.lane.group, []);
    groups.get(track.lane.group).push(track);
  }
  const cpuOf = (members) => members.reduce((cpu, { lane }) => (ORDER.includes(lane.kind) ? Math.max(cpu, lane.cpu) : cpu), -1);
  const list = [...groups].map(([name, members]) => ({ name, cpu: cpuOf(members), members }));
  for (const group of list) group.members.sort((a, b) => rank(a.lane) - rank(b.lane));
  return list.sort((a, b) => groupRank(a) - groupRank(b) || a.cpu - b.cpu);
}

// CPUs first, then what they all wait for, then what else there is.
function groupRank({ cpu, members }) {
  if (cpu >= 0) return -1;
  const ranks = members.map(({ lane }) => GROUPS.indexOf(lane.kind)).filter((place) => place >= 0);
  return ranks.length ? Math.min(...ranks) : GROUPS.length;
}

function rowHeight(track) {
  const rows = Math.max(track.rows.length, 1);
  if (LOW.has(track.lane.kind)) return rows > 1 ? 6 : 9;
  return rows <= 2 ? 17 : rows <= 4 ? 12 : rows <= 10 ? 7 : 3;
}

// What stands where: {kind: "group" | "lane", top, height, ...}. What a folded group has, lies on its heading.
function layOut(groups, folded, stretch = 1) {
  const items = [];
  const laneAt = new Map();
  let top = 4;
  for (const group of groups) {
    const heading = { kind: "group", group, top, height: HEADING, folded: folded.has(group.name) };
    items.push(heading);
    top += HEADING;
    for (const track of group.members) {
      if (heading.folded) { track.numbers.forEach((lane) => laneAt.set(lane, heading)); continue; }
      const row = Math.floor(rowHeight(track) * stretch);
      const first = 2 + (track.lives.length ? STATION : 0);
      const height = first + row * Math.max(track.rows.length, 1) + 2;
      const item = { kind: "lane", track, top, height, row, first };
      items.push(item);
      track.numbers.forEach((lane) => laneAt.set(lane, item));
      top += height;
    }
    top += 4;
  }
  return { items, laneAt, height: top };
}

// Curves of one kind share one plot, a line for each CPU.
function plotsOf(panel) {
  const plots = new Map();
  for (const curve of panel.curves) {
    if (!plots.has(curve.kind)) plots.set(curve.kind, { name: curve.kind, unit: curve.unit, curves: [] });
    plots.get(curve.kind).curves.push(curve);
  }
  for (const plot of plots.values()) {
    plot.most = Math.max(...plot.curves.map((curve) => curve.values.reduce((a, b) => Math.max(a, b), 0)));
    plot.least = Math.min(0, ...plot.curves.map((curve) => curve.values.reduce((a, b) => Math.min(a, b), 0)));
  }
  return [...plots.values()];
}
