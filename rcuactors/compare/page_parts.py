"""What a page of the comparison is made of besides its contents: how it looks, and the script that sorts its tables."""

from __future__ import annotations

from typing import Final

_NIGHT: Final = """
  --ink: #e6e6e6; --paper: #1b1b1b; --quiet: #a8a8a8; --line: #444; --head: #2b2b2b; --bar: #6fa0d8; --link: #8ab8f5;
  --legal: #1f4a26; --keeps: #4a2f66; --until: #5a4a12; --wrong: #6b2c22; --fatal: #8c2417; --missing: #2a2a2a;
"""

STYLE: Final = """
:root {
  color-scheme: light dark;
  --ink: #1c1c1c; --paper: #fff; --quiet: #5c5c5c; --line: #c8c8c8; --head: #f0f0f0; --bar: #4a7ebb; --link: #1a56b0;
  --legal: #d7f0d7; --keeps: #e5d4f5; --until: #fdf0c4; --wrong: #f9d0c8; --fatal: #e79a8f; --missing: #eee;
}
@media (prefers-color-scheme: dark) { :root:not([data-theme="light"]) { @NIGHT@ } }
:root[data-theme="light"] { color-scheme: light; } :root[data-theme="dark"] { color-scheme: dark; @NIGHT@ }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em; color: var(--ink); background: var(--paper); }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2em; } p, li, dd { max-width: 75em; overflow-wrap: anywhere; }
a { color: var(--link); } nav ul { padding-left: 1.2em; columns: 22em; }
.one, .class { display: inline-block; }
.wide { overflow-x: auto; margin: 0.5em 0 1.5em; }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: 0.25em 0.6em; text-align: left; vertical-align: top; }
thead th { background: var(--head); font-weight: 600; white-space: nowrap; }
tbody th { background: var(--head); font-weight: 600; min-width: 11em; max-width: 22em; position: sticky; left: 0; }
thead button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
thead button:hover { text-decoration: underline; }
th[aria-sort="ascending"] button::after { content: " \\2191"; }
th[aria-sort="descending"] button::after { content: " \\2193"; }
.costs table { font-size: 13px; } .costs th, .costs td { padding: 0.2em 0.4em; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.legal, .best { background: var(--legal); } .keeps { background: var(--keeps); } .until { background: var(--until); }
.wrong { background: var(--wrong); } .fatal { background: var(--fatal); }
.missing { background: var(--missing); color: var(--quiet); }
.swatch, .class { padding: 0.1em 0.5em; border: 1px solid var(--line); border-radius: 0.3em; }
dt { font-weight: 600; margin-top: 0.6em; } dd { margin-left: 1.5em; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 32em), 1fr)); gap: 1em 2em; }
figure { margin: 0; } figcaption { font-weight: 600; }
.bar { display: grid; grid-template-columns: 13em 1fr 6em; gap: 0.6em; align-items: center; font-size: 13px; }
.bar .value { text-align: right; font-variant-numeric: tabular-nums; }
.bar .of { overflow-wrap: anywhere; }
.bar .track { border-left: 1px solid var(--line); }
.bar .length { display: block; height: 0.8em; background: var(--bar); }
.bar .length.keeps { background: repeating-linear-gradient(45deg, var(--bar) 0 4px, var(--keeps) 4px 8px); }
.theme { float: right; margin: 0; }
.theme button { font: inherit; color: inherit; background: var(--head); border: 1px solid var(--line); }
@media (max-width: 1250px) {
  table { font-size: 85%; } th, td { padding: 0.2em 0.35em; } thead th { white-space: normal; }
  .costs table { font-size: 11px; } .costs th, .costs td { padding: 0.15em 0.3em; }
}
@media print {
  nav, .theme { display: none; } body { margin: 0; font-size: 10pt; } h2, h3, figcaption { break-after: avoid; }
  .wide { overflow: visible; } .wide table { font-size: 7.5pt; } .wide th, .wide td { padding: 0.15em 0.25em; }
  tbody th { min-width: 0; } thead th { white-space: normal; vertical-align: bottom; }
  tr, figure { break-inside: avoid; }
}
""".replace("@NIGHT@", _NIGHT)

SCRIPT: Final = """
const themes = { system: "light", light: "dark", dark: "system" };
document.getElementById("theme").addEventListener("click", (event) => {
  const next = themes[document.documentElement.dataset.theme ?? "system"];
  document.documentElement.dataset.theme = next;
  event.target.textContent = `Theme: ${next}`;
});
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const first = [...body.rows];
  table.tHead.rows[0].querySelectorAll("th").forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      const now = was === null ? "ascending" : was === "ascending" ? "descending" : null;
      table.tHead.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      if (now) head.setAttribute("aria-sort", now);
      const value = (row) => row.cells[column].dataset.value ?? "";
      const order = (one, two) => {
        const [a, b] = [value(one), value(two)];
        if (a === "" || b === "") return (a === "") - (b === "");
        const both = a !== "" && b !== "" && !isNaN(a) && !isNaN(b);
        const compared = both ? Number(a) - Number(b) : a.localeCompare(b);
        return now === "descending" ? -compared : compared;
      };
      body.append(...(now ? [...first].sort(order) : first));
    });
  });
}
"""
