// Beside the picture: what was reported, the story of it, what is followed, what was clicked, the moment, the legend.

function section(name, title, open = true) {
  const made = element("details", { id: `about-${name}`, open }, document.getElementById("side"));
  element("summary", { textContent: title }, made);
  return element("div", { id: name }, made);
}

function makeSide() {
  const { panels, story } = app.data;
  const reports = panels.reduce((sum, panel) => sum + panel.reports.length, 0);
  if (reports) listReports(section("reports", reports === 1 ? "Reported: 1" : `Reported: ${reports}`));
  if (story) listStory(section("story", story.title || "The story"), story, true);
  if (app.data.difference) tellDifference(section("difference", "First difference"));
  section("followed", "Followed");
  section("picked", "Clicked");
  section("instant", "At the cursor");
  makeLegend(section("legend", "Legend", !reports && !story));
  if (panels.some((panel) => panel.notes.length)) listNotes(section("notes", "What is not known"));
  if (app.data.facts.length) section("run", "What was run").append(...factLines());
  showFollowed();
  showPicked();
  showInstant();
}

function factLines() {
  const list = element("dl", { className: "pairs" });
  for (const [name, value] of app.data.facts) {
    element("dt", { textContent: name }, list);
    element("dd", { textContent: value }, list);
  }
  return [list];
}

function listReports(into) {
  const list = element("ol", {}, into);
  for (const panel of app.data.panels) {
    panel.reports.forEach((report, number) => {
      const line = element("li", {}, list);
      const button = element("button", { type: "button", className: "report", textContent: report.title }, line);
      const where = app.data.panels.length > 1 ? `, ${panel.short}` : "";
      element("span", { className: "quiet", textContent: ` ${report.kind}, ${exactTime(report.time_ns)}${where}` }, line);
      element("pre", { className: "printed", textContent: report.text }, line);
      button.addEventListener("click", () => {
        reveal(panel, report.time_ns, report.lane);
        setCursor(report.time_ns);
        openReport(panel, number);
      });
    });
  }
}

// Steps of the story; where a step's moment is known, it is a button that goes there.
function listStory(into, story, canGo) {
  const list = element("ol", { className: "story" }, into);
  for (const step of story.steps) {
    const line = element("li", {}, list);
    if (canGo && step.time_ns !== null) {
      const button = element("button", { type: "button", textContent: step.text }, line);
      button.addEventListener("click", () => { reveal(app.data.panels[step.panel], step.time_ns, null); setCursor(step.time_ns); });
      element("span", { className: "quiet", textContent: ` ${exactTime(step.time_ns)}` }, line);
    } else {
      element("span", { textContent: step.text }, line);
    }
    if (step.why) element("p", { className: "why", textContent: step.why }, line);
  }
  // Lines are wrapped, but for columns, one for each CPU, which would be torn.
  if (story.text) element("pre", { textContent: story.text, className: /^ +CPU \d/m.test(story.text) ? "" : "wrapped" }, into);
}

function tellDifference(into) {
  const { difference, panels } = app.data;
  const place = (number, time, line, goes) =>
    element("button", { type: "button", textContent: `${panels[number].short}: ${exactTime(time)}` }, line).addEventListener("click", goes);
  panels.forEach((_, number) => {
    const line = element("p", {}, into);
    place(number, difference.times_ns[number], line, () => goToDifference(number));
    element("span", { textContent: ` ${difference.texts[number]}` }, line);
  });
  if (difference.left_out) element("p", { className: "quiet", textContent: difference.left_out }, into);
  if (!difference.besides) return;
  const line = element("p", { className: "quiet", textContent: "With all of that they differ at " }, into);
  difference.besides.forEach((time, number) => {
    place(number, time, line, () => { reveal(panels[number], time, null); setCursor(time); });
    line.append(" ");
  });
}

function goToDifference(number = 0) {
  const { difference, panels } = app.data;
  if (!difference) return;
  reveal(panels[number], difference.times_ns[number], null);
  setCursor(difference.times_ns[number]);
}

function listNotes(into) {
  for (const panel of app.data.panels) {
    if (panel.notes.length === 0) continue;
    if (app.data.panels.length > 1) element("h3", { textContent: `${panel.short}: ${panel.title}` }, into);
    const list = element("ul", {}, into);
    panel.notes.forEach((note) => element("li", { textContent: note }, list));
  }
}

function showFollowed() {
  const into = document.getElementById("followed");
  document.getElementById("about-followed").hidden = app.followed === null;
  if (app.followed === null) return into.replaceChildren();
  const line = element("p", {});
  element("b", { textContent: app.followed.name }, line);
  const count = app.places.length;
  element("span", { className: "quiet", textContent: count ? ` place ${app.place + 1} of ${count.toLocaleString("en")}` : " nowhere" }, line);
  const tools = element("p", { className: "tools" });
  const tool = (text, title, does) => element("button", { type: "button", textContent: text, title }, tools).addEventListener("click", does);
  tool("Before", "Shift+N", () => goToPlace(app.place - 1));
  tool("Next", "N", () => goToPlace(app.place + 1));
  tool("No more", "Escape", () => { document.getElementById("search").value = ""; follow(null); });
  return into.replaceChildren(line, tools);
}

function showPicked() {
  const into = document.getElementById("picked");
  const { picked } = app;
  const words = picked && wordsFor(picked);
  document.getElementById("about-picked").hidden = !words;
  if (!words) return into.replaceChildren();
  const tools = element("p", { className: "tools" });
  for (const [name, entry] of followable(picked)) {
    element("button", { type: "button", textContent: `Follow ${name}` }, tools).addEventListener("click", () => {
      document.getElementById("search").value = entry.name;
      follow(entry);
    });
  }
  element("button", { type: "button", textContent: "Zoom to it", title: "F" }, tools).addEventListener("click", () => zoomTo(picked));
  return into.replaceChildren(...wordLines(words), tools);
}

// What of an element can be followed: who did it, what it is about, its object.
function followable(hit) {
  const { texts } = app.data;
  const { panel, i } = hit;
  if (i === undefined) return [];
  if (hit.what === "moment" && hit.kind === "life") {
    const address = texts[panel.lives.address[i]], serial = panel.lives.serial[i];
    return [[address, { kind: "object", serial, address, name: `object ${address} (number ${serial})`, count: 1 }]];
  }
  const part = hit.what === "span" ? panel.spans : hit.what === "arrow" ? panel.arrows : panel.marks;
  const numbers = [part.who?.[i], part.about[i]].filter(Boolean);
  return [...new Set(numbers)].map((text) => [texts[text], { kind: "thread, lock or other", text, name: texts[text], count: 1 }]);
}

function pick(hit) {
  const isOne = hit && ["span", "moment", "arrow", "dense"].includes(hit.what);
  app.picked = isOne ? { ...hit, arrows: hit.what === "arrow" ? new Set([hit.i]) : arrowsTouching(hit) } : null;
  showPicked();
  redraw();
}

// The arrows that begin or end on a span.
function arrowsTouching(hit) {
  const out = new Set();
  if (hit.what !== "span") return out;
  const { spans, arrows } = hit.panel;
  const lane = spans.lane[hit.i], from = spans.begin[hit.i], to = spans.end[hit.i];
  const within = (time) => from <= time && time <= to;
  for (let i = 0; i < arrows.count; i++) {
    if ((arrows.fromLane[i] === lane && within(arrows.from[i])) || (arrows.toLane[i] === lane && within(arrows.to[i]))) out.add(i);
  }
  return out;
}

// -- the legend, which also says which arrows are shown -----------------------------------------------------------------

function used(kinds, columns) {
  const seen = new Set(columns.flatMap((column) => [...new Set(column)]));
  return kinds.filter((_, number) => seen.has(number));
}

function makeLegend(into) {
  const { data } = app;
  const list = element("ul", { className: "legend" }, into);
  const item = (draw, text, toggle) => {
    const line = element("li", {}, list);
    const label = toggle ? element("label", {}, line) : line;
    if (toggle) {
      const box = element("input", { type: "checkbox", checked: app.shows[toggle] }, label);
      box.addEventListener("change", () => { app.shows[toggle] = box.checked; redraw(); });
    }
    const canvas = element("canvas", { width: 56, height: 28 }, label);
    canvas.setAttribute("aria-hidden", "true");
    element("span", { textContent: text }, label);
    app.swatches.push([canvas, draw]);
  };
  for (const kind of used(data.kinds.span, data.panels.map((panel) => panel.spans.kind))) {
    if (!SPANS[kind]?.none) item((context) => swatchSpan(context, styleOf(kind)), kind === "runs" ? "runs (a colour for each thread)" : kind);
  }
  for (const kind of used(data.kinds.mark, data.panels.map((panel) => panel.marks.kind))) {
    if (kind !== "event" && kind !== "violation") item((context) => shape(context, SHAPES[kind] ?? "ring", 14, 7, 4, kind === "gap" ? colours().alarm : colours().lines[4]), kind);
  }
  const stages = used(data.kinds.stage, data.panels.map((panel) => panel.lives.stage));
  stages.forEach((stage, number) => item((context) => shape(context, STAGES[stage] ?? "ring", 14, 7, 4, colours().lines[2]), `object ${stage}`, number === 0 ? "lives" : null));
  for (const kind of used(data.kinds.arrow, data.panels.map((panel) => panel.arrows.kind))) item((context) => swatchArrow(context, kind), kind, kind);
  element("p", { className: "quiet", textContent: "What is too dense to draw apart is drawn in columns of one pixel, with a dotted foot: as high as what they cover. Point at them for how many they are." }, into);
}

function swatchSpan(context, style) {
  const fill = style.fill ?? THREADS[0];
  context.fillStyle = style.hatch ? hatched(context, fill, style.hatch) : fill;
  context.fillRect(2, 1, 24, 12);
  context.strokeStyle = colours().hair;
  if (style.outline) context.strokeRect(2.5, 1.5, 23, 11);
}

function swatchArrow(context, kind) {
  context.strokeStyle = context.fillStyle = colours().arrows[kind] ?? colours().quiet;
  context.setLineDash(ARROW_DASHES[kind] ?? []);
  line(context, 2, 7, 20, 7);
  context.setLineDash([]);
  head(context, { x0: 2, y0: 7, x1: 26, y1: 7 });
}

function drawSwatches() {
  for (const [canvas, draw] of app.swatches) {
    const context = canvas.getContext("2d");
    context.setTransform(2, 0, 0, 2, 0, 0);
    context.clearRect(0, 0, 28, 14);
    draw(context);
  }
}

// -- the splat, and the story beside it -----------------------------------------------------------------------------------

function openReport(panel, number) {
  const report = panel.reports[number];
  const dialog = document.getElementById("splat");
  const top = element("div", { className: "top" });
  element("h2", { id: "splat-title", textContent: report.title }, top);
  const close = element("button", { type: "button", textContent: "Close", autofocus: true }, top);
  close.addEventListener("click", () => dialog.close());
  const body = element("div", { className: "body" });
  const left = element("div", {}, body);
  element("p", { className: "quiet", textContent: `${report.kind}, at ${exactTime(report.time_ns)}` }, left);
  element("pre", { textContent: report.text, tabIndex: 0 }, left);
  const { story } = app.data;
  if (story) {
    const right = element("div", { className: "beside" }, body);
    element("h3", { textContent: story.title || "The story" }, right);
    listStory(right, { ...story, text: "" }, false);
    // In columns, one for each CPU: it needs all the room there is.
    if (story.text) element("pre", { textContent: story.text, tabIndex: 0 }, element("div", { className: "below" }, body));
  }
  dialog.replaceChildren(top, body);
  if (!dialog.open) dialog.showModal();
}
