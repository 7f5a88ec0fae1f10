// Finding a thread, a lock, a timer, an object by its name, and following it: all that has to do with it is drawn on top,
// the rest pale, and one goes from each place where it is to the next.

const MOST_FOUND = 60;

// What can be found: texts of elements, by what they are there, and objects by address and number.
function makeIndex() {
  const found = new Map();
  const add = (number, kind) => {
    if (!number) return;
    const entry = found.get(number);
    if (entry) { entry.count++; if (entry.kind === "event") entry.kind = kind; }
    else found.set(number, { text: number, name: app.data.texts[number], kind, count: 1 });
  };
  const objects = new Map();
  for (const panel of app.data.panels) {
    for (const part of [panel.spans, panel.marks]) {
      for (let i = 0; i < part.count; i++) { add(part.who[i], "thread or handler"); add(part.about[i], "lock, timer, work or object"); add(part.label[i], "event"); }
    }
    for (let i = 0; i < panel.arrows.count; i++) { add(panel.arrows.about[i], "lock, timer, work or object"); add(panel.arrows.label[i], "event"); }
    for (let i = 0; i < panel.lives.count; i++) {
      const serial = panel.lives.serial[i];
      const entry = objects.get(serial);
      if (entry) entry.count++;
      else objects.set(serial, { serial, address: app.data.texts[panel.lives.address[i]], name: `object ${app.data.texts[panel.lives.address[i]]} (number ${serial})`, kind: "object", count: 1 });
    }
  }
  return [...found.values(), ...objects.values()].map((entry) => ({ ...entry, key: entry.name.toLowerCase() }));
}

function find(words) {
  app.index ??= makeIndex();
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (parts.length === 0) return { all: 0, entries: [] };
  const entries = app.index.filter((entry) => parts.every((part) => entry.key.includes(part)));
  const better = (entry) => (entry.key === words.toLowerCase() ? 0 : entry.key.startsWith(parts[0]) ? 1 : 2);
  entries.sort((a, b) => better(a) - better(b) || (a.kind === "event") - (b.kind === "event") || b.count - a.count);
  return { all: entries.length, entries: entries.slice(0, MOST_FOUND) };
}

// Numbers of all texts that name an object: its address, in whatever words stand around it.
function textsNaming(address) {
  const digits = address.replace(/^0x/, "").toLowerCase();
  if (digits.length < 3) return new Set();
  const exactly = new RegExp(`(^|[^0-9a-f])(0x)?${digits}($|[^0-9a-f])`, "i");
  return new Set(app.data.texts.flatMap((text, number) => (exactly.test(text) ? [number] : [])));
}

function details(texts) {
  return new Set(app.data.details.flatMap((words, number) => (words.some((word, i) => i % 2 && texts.has(word)) ? [number] : [])));
}

function hitsOf(panel, entry) {
  const texts = entry.kind === "object" ? textsNaming(entry.address) : new Set([entry.text]);
  const told = details(texts);
  const { spans, marks, arrows, lives } = panel;
  const hits = { spans: new Uint8Array(spans.count), marks: new Uint8Array(marks.count), arrows: new Uint8Array(arrows.count), lives: new Uint8Array(lives.count) };
  const [first, last] = entry.kind === "object" ? markLives(panel, entry, hits) : [-Infinity, Infinity];
  for (let i = 0; i < spans.count; i++) {
    const isIt = texts.has(spans.label[i]) || texts.has(spans.who[i]) || texts.has(spans.about[i]) || told.has(spans.detail[i]);
    if (isIt && spans.begin[i] <= last && spans.end[i] >= first) hits.spans[i] = 1;
  }
  for (let i = 0; i < marks.count; i++) {
    const isIt = texts.has(marks.label[i]) || texts.has(marks.who[i]) || texts.has(marks.about[i]) || told.has(marks.detail[i]);
    if (isIt && marks.time[i] >= first && marks.time[i] <= last) hits.marks[i] = 1;
  }
  for (let i = 0; i < arrows.count; i++) {
    const isIt = texts.has(arrows.label[i]) || texts.has(arrows.about[i]);
    if (isIt && arrows.from[i] <= last && arrows.to[i] >= first) hits.arrows[i] = 1;
  }
  return hits;
}

// An address had other objects before and after: returned is when this one was there.
function markLives(panel, entry, hits) {
  let first = Infinity, last = -Infinity;
  for (let i = 0; i < panel.lives.count; i++) {
    if (panel.lives.serial[i] !== entry.serial) continue;
    hits.lives[i] = 1;
    first = Math.min(first, panel.lives.time[i]);
    last = Math.max(last, panel.lives.time[i]);
  }
  return [first, last];
}

function follow(entry) {
  app.followed = entry;
  app.places = [];
  for (const panel of app.data.panels) {
    panel.hits = entry && hitsOf(panel, entry);
    panel.paths = [];
    if (entry === null) continue;
    const lives = [...panel.hits.lives.keys()].filter((i) => panel.hits.lives[i]);
    if (entry.kind === "object" && lives.length) panel.paths = [lives];
    app.places.push(...placesIn(panel));
  }
  app.places.sort((a, b) => a.time - b.time);
  app.place = -1;
  showFollowed();
  if (entry !== null) goToPlace(firstShown());
  redraw();
}

function placesIn(panel) {
  const out = [];
  for (let i = 0; i < panel.spans.count; i++) if (panel.hits.spans[i]) out.push({ what: "span", panel, i, time: panel.spans.begin[i] });
  for (let i = 0; i < panel.marks.count; i++) if (panel.hits.marks[i]) out.push({ what: "moment", kind: "mark", panel, i, time: panel.marks.time[i], found: [] });
  for (let i = 0; i < panel.lives.count; i++) if (panel.hits.lives[i]) out.push({ what: "moment", kind: "life", panel, i, time: panel.lives.time[i], found: [] });
  for (let i = 0; i < panel.arrows.count; i++) if (panel.hits.arrows[i]) out.push({ what: "arrow", panel, i, time: panel.arrows.from[i] });
  return out;
}

function firstShown() {
  const from = app.axis.timeAt(app.view.from), to = app.axis.timeAt(app.view.to);
  return Math.max(app.places.findIndex((place) => place.time >= from && place.time <= to), 0);
}

function goToPlace(number) {
  if (app.places.length === 0) return;
  app.place = (number + app.places.length) % app.places.length;
  const place = app.places[app.place];
  reveal(place.panel, place.time, laneOfHit(place));
  setCursor(place.time, true);
  pick(place);
  showFollowed();
}

function laneOfHit(hit) {
  const { panel, what, i } = hit;
  if (what === "span") return panel.spans.lane[i];
  if (what === "arrow") return panel.arrows.fromLane[i];
  if (what === "moment") return hit.kind === "mark" ? panel.marks.lane[i] : panel.lives.lane[i];
  return null;
}

// -- the box ----------------------------------------------------------------------------------------------------------

function listFound(words) {
  const list = document.getElementById("found"), box = document.getElementById("search");
  const { all, entries } = find(words);
  app.found = entries;
  app.choice = entries.length ? 0 : -1;
  list.replaceChildren(...entries.map((entry, number) => {
    const line = element("li", { id: `found-${number}` });
    line.setAttribute("role", "option");
    element("b", { textContent: entry.name }, line);
    element("span", { textContent: `${entry.kind}, ${entry.count.toLocaleString("en")}×` }, line);
    line.addEventListener("pointerdown", (event) => { event.preventDefault(); choose(number); });
    return line;
  }));
  if (all > entries.length) element("li", { className: "more", textContent: `and ${(all - entries.length).toLocaleString("en")} more: write more of the name` }, list);
  if (words.trim() && all === 0) element("li", { className: "more", textContent: "nothing has that name" }, list);
  list.hidden = words.trim() === "";
  box.setAttribute("aria-expanded", String(!list.hidden));
  markChoice();
}

function markChoice() {
  const box = document.getElementById("search");
  document.querySelectorAll("#found [role=option]").forEach((line, number) => {
    line.setAttribute("aria-selected", String(number === app.choice));
    if (number === app.choice) line.scrollIntoView({ block: "nearest" });
  });
  if (app.choice >= 0) box.setAttribute("aria-activedescendant", `found-${app.choice}`);
  else box.removeAttribute("aria-activedescendant");
}

function choose(number) {
  const entry = app.found[number];
  document.getElementById("found").hidden = true;
  document.getElementById("search").setAttribute("aria-expanded", "false");
  if (!entry) return;
  document.getElementById("search").value = entry.name;
  follow(entry);
}

function searching() {
  const box = document.getElementById("search");
  box.addEventListener("input", () => { listFound(box.value); if (box.value === "") follow(null); });
  box.addEventListener("blur", () => { document.getElementById("found").hidden = true; });
  box.addEventListener("keydown", (event) => {
    const { key } = event;
    event.stopPropagation();
    const isOpen = !document.getElementById("found").hidden;
    if (key === "Escape") { box.value = ""; listFound(""); follow(null); app.data.panels[0].scroller.focus(); }
    else if (key === "Enter" && isOpen) choose(app.choice);
    else if (key === "Enter") goToPlace(app.place + (event.shiftKey ? -1 : 1));
    else if (isOpen && (key === "ArrowDown" || key === "ArrowUp")) {
      app.choice = (app.choice + (key === "ArrowDown" ? 1 : -1) + app.found.length) % Math.max(app.found.length, 1);
      markChoice();
      event.preventDefault();
    }
  });
}
