// Colours, by day and by night. Those of spans are Paul Tol's "light" scheme, which was made for fields with black
// writing and can be told apart with any colour vision; lines are of his "bright" and "high contrast" ones. Nothing
// hangs on a colour alone: lanes are named, spans labelled, lines dashed, marks have shapes, and what is off is hatched.

const DAY = {
  paper: "#ffffff", ink: "#1a1a1a", quiet: "#5a5a5a", line: "#d9d9d9", faint: "#f1f1f1", group: "#e9ecef",
  cursor: "#b3002d", hair: "#8a8a8a", alarm: "#c1121f", onAlarm: "#ffffff", follow: "#004488", shade: "rgba(0,0,0,0.035)",
  dim: 0.22, lines: ["#0b5fa5", "#b3002d", "#00733b", "#8a5a00", "#7a2a8a", "#3a3a3a"],
  arrows: { message: "#5a5a5a", "wake-up": "#0b5fa5", "lock hand-over": "#8a5a00", "life of an object": "#00733b", "grace period relied on": "#7a2a8a" },
};
const NIGHT = {
  paper: "#16181b", ink: "#e8e8e8", quiet: "#a9adb3", line: "#34383e", faint: "#1f2227", group: "#2a2e34",
  cursor: "#ff6b81", hair: "#8d939b", alarm: "#ff5c5c", onAlarm: "#1a0000", follow: "#8cc8ff", shade: "rgba(255,255,255,0.035)",
  dim: 0.25, lines: ["#6cb6ff", "#ff8b98", "#4fd18b", "#e3b341", "#d2a8ff", "#d0d0d0"],
  arrows: { message: "#a9adb3", "wake-up": "#6cb6ff", "lock hand-over": "#e3b341", "life of an object": "#4fd18b", "grace period relied on": "#d2a8ff" },
};
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [1, 3], [12, 4]];
const ARROW_DASHES = {
  message: [4, 3], "wake-up": [], "lock hand-over": [], "life of an object": [1, 3], "grace period relied on": [8, 3, 2, 3],
};
const ON_FILL = "#111111";
const THREADS = ["#77AADD", "#99DDFF", "#FFAABB", "#BBCC33", "#DDCCEE", "#44BB99"];

// How a kind of span is drawn: filled, hatched ("/", "\\", "x") or as an outline, and how high of its row.
const SPANS = {
  runs: { fill: null },
  idle: { none: true },
  softirq: { fill: "#EEDD88" },
  hardirq: { fill: "#EE8866" },
  nmi: { fill: "#CC6677" },
  "irqs off": { fill: "#C9C9C9", hatch: "/" },
  "preemption off": { fill: "#C9C9C9", hatch: "\\" },
  "lock held": { fill: "#BBB04A" },
  "lock waited for": { fill: "#F2C0B0", hatch: "x" },
  reader: { fill: "#44BB99" },
  "grace period": { fill: "#77AADD" },
  "step of a grace period": { fill: "#99DDFF" },
  "timer armed": { fill: "#DDDDDD", outline: true },
  "work pending": { fill: "#E6EBB0", hatch: "\\" },
  "work runs": { fill: "#BBCC33" },
  call: { fill: "#DDDDDD", outline: true },
  other: { fill: "#DDDDDD" },
};

const DULL = new Set(["#C9C9C9", "#DDDDDD"]);

let theme = "system"; // or "light", "dark", "print"

function isNight() {
  if (theme === "print" || theme === "light") return false;
  return theme === "dark" || matchMedia("(prefers-color-scheme: dark)").matches;
}

function colours() {
  return isNight() ? NIGHT : DAY;
}

const threadColours = new Map();

// Threads have colours in the order in which they first run; the same thread has one colour in all panels.
function threadColour(name) {
  if (!threadColours.has(name)) threadColours.set(name, THREADS[threadColours.size % THREADS.length]);
  return threadColours.get(name);
}

function colourThreads(panel) {
  const runs = app.data.kinds.span.indexOf("runs");
  for (let i = 0; i < panel.spans.count; i++) if (panel.spans.kind[i] === runs) threadColour(threadOf(panel, i));
}

function threadOf(panel, i) {
  return app.data.texts[panel.spans.who[i]] || app.data.texts[panel.spans.label[i]];
}

// What is white by day would be the brightest by night, and is least of all.
function styleOf(kind) {
  const style = SPANS[kind] ?? SPANS.other;
  return isNight() && DULL.has(style.fill) ? { ...style, fill: "#8D939B" } : style;
}

const patterns = new Map();

function hatched(context, fill, hatch) {
  const key = `${fill}${hatch}`;
  if (!patterns.has(key)) patterns.set(key, context.createPattern(hatchTile(fill, hatch), "repeat"));
  return patterns.get(key);
}

// One dark pixel, two that are left as they are.
function dotted(context) {
  if (!patterns.has("dots")) {
    const tile = document.createElement("canvas");
    [tile.width, tile.height] = [3, 1];
    const on = tile.getContext("2d");
    on.fillStyle = colours().ink;
    on.fillRect(0, 0, 1, 1);
    patterns.set("dots", context.createPattern(tile, "repeat"));
  }
  return patterns.get("dots");
}

function hatchTile(fill, hatch) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const on = tile.getContext("2d");
  on.fillStyle = fill;
  on.fillRect(0, 0, 6, 6);
  on.strokeStyle = "rgba(0,0,0,0.45)";
  on.lineWidth = 1;
  on.beginPath();
  for (const shift of [-6, 0, 6]) {
    if (hatch === "/" || hatch === "x") { on.moveTo(shift, 6); on.lineTo(shift + 6, 0); }
    if (hatch === "\\" || hatch === "x") { on.moveTo(shift, 0); on.lineTo(shift + 6, 6); }
  }
  on.stroke();
  return tile;
}
