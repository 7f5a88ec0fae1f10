// What is so at the cursor: each CPU's krcp, what each CPU does, the curves' values; all as tables that can be read aloud.

// The words of `state:` lines in recordings, and what they count.
const KRCP = {
  count: "objects that are in no batch yet", head: "of these on the list of rcu_heads",
  slab: "of these in blocks of the slab channel, and how many blocks", vmal: "the same of the vmalloc channel",
  cache: "pages in the cache", mon_pending: "1: kfree_rcu_monitor() has been asked for, and has not begun",
  pcw_pending: "1: the refill of the cache has been asked for, and has not begun",
  krw: "a batch that waits for its grace period: objects in slab blocks (s), in vmalloc blocks (v), on its list (h)",
  "read out at": "when the recording has this from; what came since is not known",
};

function table(head, rows, caption, meanings = null) {
  const made = element("table", {});
  element("caption", { textContent: caption }, made);
  const first = element("tr", {}, element("thead", {}, made));
  head.forEach((text) => { const cell = element("th", { textContent: text }, first); cell.scope = "col"; });
  const body = element("tbody", {}, made);
  for (const [name, ...values] of rows) {
    const row = element("tr", {}, body);
    const head = element("th", { textContent: name, scope: "row" }, row);
    if (meanings?.[name.replace(/\d+$/, "")]) Object.assign(head, { title: meanings[name.replace(/\d+$/, "")], className: "explained" });
    values.forEach((value) => element("td", { textContent: value, className: /^-?[\d,.]+$/.test(value) ? "number" : "" }, row));
  }
  return made;
}

function krcpAt(panel, time) {
  const names = [];
  const columns = [];
  for (const [cpu, fields] of panel.krcps) {
    const values = new Map();
    for (const [name, { times, values: texts }] of fields) {
      const i = upperBound(times, time) - 1;
      if (!names.includes(name)) names.push(name);
      if (i >= 0 && texts[i] >= 0) values.set(name, app.data.texts[texts[i]]);
    }
    columns.push({ cpu, values });
  }
  const shown = names.filter((name) => columns.some((column) => column.values.has(name)));
  return { columns, rows: shown.map((name) => [app.data.texts[name], ...columns.map((column) => column.values.get(name) ?? "")]) };
}

function krcpTable(panel, time) {
  if (panel.krcps.size === 0) return null;
  const { columns, rows } = krcpAt(panel, time);
  if (rows.length === 0) return element("p", { className: "quiet", textContent: "krcp: nothing has been told of it yet." });
  return table(["", ...columns.map((column) => `CPU ${column.cpu}`)], rows, "krcp", KRCP);
}

// The spans that are open at a moment, in the order of their lanes, the innermost last.
function spansAt(panel, time) {
  const place = app.axis.placeOf(time);
  const out = [];
  for (const { members } of panel.groups) {
    for (const track of members) {
      for (const row of track.rows) {
        const at = upperBound(row.begins, place) - 1;
        if (at >= 0 && (panel.spans.end[row.spans[at]] > time || row.ends[at] === row.begins[at] && row.begins[at] === place)) out.push({ track, i: row.spans[at] });
      }
    }
  }
  return out;
}

function nowTable(panel, time) {
  const { texts, kinds } = app.data;
  const rows = spansAt(panel, time).map(({ track, i }) => {
    const label = texts[panel.spans.label[i]] || kinds.span[panel.spans.kind[i]];
    const what = track.lane.name.includes(label) ? track.lane.name : label.includes(track.lane.name) ? label : `${track.lane.name}: ${label}`;
    return [track.lane.group, what, exactTime(time - panel.spans.begin[i])];
  });
  return rows.length ? table(["where", "what", "since"], rows, "Under way") : element("p", { className: "quiet", textContent: "Nothing is under way." });
}

function curveTable(panel, time) {
  if (panel.curves.length === 0) return null;
  const rows = panel.curves.map((curve) => {
    const value = valueAt(curve, time);
    return [curve.name, value === null ? "" : figure(value, curve.unit), curve.unit === "B" || curve.unit === "bytes" ? "" : curve.unit];
  });
  return table(["curve", "value", ""], rows, "Curves");
}

function showInstant() {
  const into = document.getElementById("instant");
  if (app.cursor === null) {
    into.replaceChildren(element("p", { className: "quiet", textContent: "Click into the picture, or use the arrow keys: what is so at that moment is told here." }));
    return;
  }
  const parts = [element("p", { className: "when", textContent: exactTime(app.cursor) })];
  for (const panel of app.data.panels) {
    if (app.data.panels.length > 1) parts.push(element("h3", { className: "clipped", textContent: `${panel.short}: ${panel.title}`, title: panel.title }));
    parts.push(...[krcpTable(panel, app.cursor), nowTable(panel, app.cursor), curveTable(panel, app.cursor)].filter(Boolean));
  }
  into.replaceChildren(...parts.map((part) => (part.tagName === "TABLE" ? wrapped(part) : part)));
}

function wrapped(made) {
  const box = element("div", { className: "wide" });
  box.append(made);
  return box;
}

// For those who do not see the picture: where the cursor is, and what is under way there.
function sayInstant() {
  const panel = app.data.panels[0];
  const what = spansAt(panel, app.cursor).filter(({ i }) => app.data.kinds.span[panel.spans.kind[i]] !== "idle").slice(0, 6)
    .map(({ track, i }) => `${track.lane.group} ${track.lane.name}: ${app.data.texts[panel.spans.label[i]]}`);
  document.getElementById("live").textContent = `${exactTime(app.cursor)}. ${what.join("; ") || "nothing under way"}`;
}
