// The keyboard.

const KEYS = [
  ["Left, Right", "the cursor goes to the moment before or after; with Shift a twentieth of what is shown"],
  ["Up, Down", "scroll the lanes"],
  ["+ -  or  W S", "zoom in and out, at the cursor"],
  ["A D", "move to earlier and later"],
  ["Home, End", "the cursor goes to the beginning, the end"],
  ["0", "the whole of it"],
  ["F", "zoom to what was clicked"],
  ["I", "draw idle stretches shorter, or as they are"],
  ["/", "find an object, a thread, a lock; Enter follows it"],
  ["N, Shift+N", "the next place of what is followed, the one before"],
  ["R, Shift+R", "the next report, the one before; Enter opens it"],
  ["X", "where the two runs first differ"],
  ["Escape", "nothing is followed, nothing is clicked"],
  ["Mouse", "drag moves; wheel scrolls, with Ctrl it zooms, with Shift it moves; double click zooms to what is there; click a group's name to fold it"],
];

function showKeys() {
  const dialog = document.getElementById("keys");
  const top = element("div", { className: "top" });
  element("h2", { id: "keys-title", textContent: "Keys" }, top);
  element("button", { type: "button", textContent: "Close" }, top).addEventListener("click", () => dialog.close());
  const list = element("dl", {});
  for (const [keys, does] of KEYS) {
    element("dt", { textContent: keys }, list);
    element("dd", { textContent: does }, list);
  }
  dialog.replaceChildren(top, list);
  dialog.showModal();
}

function moveCursor(direction, far) {
  const shown = app.view.to - app.view.from;
  const at = app.cursor ?? app.axis.timeAt(app.view.from);
  const time = far ? app.axis.timeAt(app.axis.placeOf(at) + direction * shown / 20) : app.axis.nextMoment(at, direction);
  setCursor(Math.min(Math.max(time, app.axis.begin), app.axis.end));
  reveal(app.data.panels[0], app.cursor, null);
  sayInstant();
}

function goToReport(direction) {
  const all = app.data.panels.flatMap((panel) => panel.reports.map((report, number) => ({ panel, report, number })));
  if (all.length === 0) return;
  app.report = app.report === null ? 0 : (app.report + direction + all.length) % all.length;
  const { panel, report } = all[app.report];
  app.chosen = all[app.report];
  reveal(panel, report.time_ns, report.lane);
  setCursor(report.time_ns);
  document.getElementById("live").textContent = `Report ${app.report + 1} of ${all.length}: ${report.title}`;
}

function letGo() {
  document.getElementById("search").value = "";
  app.chosen = null;
  pick(null);
  follow(null);
}

const DOES = {
  ArrowLeft: (event) => moveCursor(-1, event.shiftKey), ArrowRight: (event) => moveCursor(1, event.shiftKey),
  Home: () => { setCursor(app.axis.begin); reveal(app.data.panels[0], app.cursor, null); sayInstant(); },
  End: () => { setCursor(app.axis.end); reveal(app.data.panels[0], app.cursor, null); sayInstant(); },
  "+": () => zoom(1 / 1.5), "=": () => zoom(1 / 1.5), w: () => zoom(1 / 1.5), "-": () => zoom(1.5), s: () => zoom(1.5),
  a: () => pan(-(app.view.to - app.view.from) / 6), d: () => pan((app.view.to - app.view.from) / 6),
  0: () => setView(...ends()), f: () => zoomTo(app.picked), i: () => shortenIdle(!app.axis.isShortened),
  "/": () => document.getElementById("search").focus(), "?": showKeys, Escape: letGo,
  n: () => goToPlace(app.place + 1), N: () => goToPlace(app.place - 1), r: () => goToReport(1), R: () => goToReport(-1),
  x: () => goToDifference(),
  Enter: () => app.chosen && openReport(app.chosen.panel, app.chosen.number),
};

function typing() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    const isElsewhere = event.target instanceof Element && event.target.closest("input, button, summary, a");
    if (isElsewhere && ["Enter", " ", "ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
    if (event.target instanceof HTMLInputElement && event.target.type !== "checkbox") return;
    const does = DOES[event.key] ?? DOES[event.key.toLowerCase()];
    if (does === undefined) return;
    event.preventDefault();
    does(event);
  });
}
