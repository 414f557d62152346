#pragma once
// The style sheet and the few lines of script of a report. No '<' and no '&': the page is XML as well.

#include <string_view>

namespace tutti::recipes {

// Colours of lines and parts: Okabe and Ito (2008), which colour-blind readers tell apart; in the dark scheme
// lighter where they would be too dark.
inline constexpr std::string_view kReportStyle = R"css(
:root { color-scheme: light dark;
  --page: #fcfcfb; --ink: #1c1e21; --soft: #62676e; --rule: #e3e4e6; --panel: #ffffff; --veil: #f3f4f5;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b5588f; --c4: #c98500; --c5: #3d9fd3; --c6: #8a8f96;
  --c7: #6a51a3; }
@media (prefers-color-scheme: dark) { :root {
  --page: #15171a; --ink: #e4e6e9; --soft: #9aa0a8; --rule: #2d3136; --panel: #1b1e22; --veil: #23272c;
  --c0: #56a8e0; --c1: #f0803c; --c2: #2fc296; --c3: #d68bb5; --c4: #e6b03c; --c5: #8fd0f5; --c6: #9aa0a8;
  --c7: #a894dc; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 36px 28px 72px; }
h1 { font-size: 30px; line-height: 1.2; font-weight: 650; margin: 0 0 6px; letter-spacing: -.01em; }
h2 { font-size: 19px; font-weight: 650; margin: 52px 0 4px; }
h3 { font-size: 15px; font-weight: 600; margin: 20px 0 8px; }
p { margin: 4px 0 12px; max-width: 76ch; }
.soft, figcaption, .note { color: var(--soft); }
.note { font-size: 13.5px; }
.figures { display: flex; flex-wrap: wrap; gap: 10px 40px; margin: 22px 0 0; }
.figures div { font-size: 28px; font-weight: 600; line-height: 1.15; font-variant-numeric: tabular-nums; }
.figures span { display: block; font-size: 13px; font-weight: 400; color: var(--soft); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 22px; margin: 8px 0 0; padding: 0; list-style: none; font-size: 14px; }
.key { display: inline-block; width: 16px; height: 4px; border-radius: 2px; margin-right: 7px; vertical-align: .22em; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); gap: 22px 26px; margin-top: 16px; }
figure { margin: 0; min-width: 0; }
figcaption { font-size: 13.5px; display: flex; gap: 4px 14px; flex-wrap: wrap; align-items: baseline; margin-bottom: 2px; }
figcaption b { color: var(--ink); font-weight: 600; font-size: 14px; margin-right: auto; }
svg { display: block; }
svg text { font: 11px system-ui, -apple-system, "Segoe UI", Arial, sans-serif; fill: var(--soft); font-variant-numeric: tabular-nums; }
.chart { width: 100%; max-width: 470px; height: auto; }
.grid { stroke: var(--rule); fill: none; } .axis { stroke: var(--soft); fill: none; }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .faint { stroke-width: 1; opacity: .3; }
.c0 { stroke: var(--c0); } .c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); } .c3 { stroke: var(--c3); }
.c4 { stroke: var(--c4); } .c5 { stroke: var(--c5); } .c6 { stroke: var(--c6); } .c7 { stroke: var(--c7); }
.k0 { background: var(--c0); } .k1 { background: var(--c1); } .k2 { background: var(--c2); } .k3 { background: var(--c3); }
.k4 { background: var(--c4); } .k5 { background: var(--c5); } .k6 { background: var(--c6); } .k7 { background: var(--c7); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th { font-weight: 600; color: var(--soft); text-align: left; border-bottom: 1px solid var(--soft); }
th, td { padding: 3px 18px 3px 0; vertical-align: top; }
td { border-bottom: 1px solid var(--rule); }
.n { text-align: right; }
th[data-sort] { cursor: pointer; }
.bar td.v, td.v { background: linear-gradient(var(--veil), var(--veil)) no-repeat left / var(--v) 100%; padding-left: 8px; min-width: 74px; }
.parts { display: flex; height: 22px; border-radius: 4px; overflow: hidden; margin: 10px 0 6px; max-width: 900px; }
.parts span { min-width: 1px; border-right: 1px solid var(--page); }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 8px; }
.split { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1.15fr); gap: 20px 44px; align-items: start; }
.split.matrix { grid-template-columns: minmax(0, 1.7fr) minmax(0, 1fr); }
.scroll { max-height: 720px; overflow: auto; }
.scroll th { position: sticky; top: 0; background: var(--page); }
.confusion { width: 100%; height: auto; }
.confusion .right { fill: var(--c0); } .confusion .wrong { fill: var(--c1); }
.confusion .count { fill: var(--ink); } .confusion .over { fill: #fff; font-weight: 600; }
.confusion text { font-size: 11px; }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 520px), 1fr)); gap: 14px; margin-top: 14px; }
.clip { background: var(--panel); border: 1px solid var(--rule); border-radius: 8px; padding: 12px 14px; display: grid;
  grid-template-columns: 170px minmax(0, 1fr); gap: 14px; }
.clip h3 { margin: 0; font-size: 14px; overflow-wrap: anywhere; }
.truth { font-size: 13.5px; margin: 0 0 6px; }
.guess { display: grid; grid-template-columns: minmax(0, 1fr) 44px; font-size: 13.5px; margin: 2px 0; padding: 0 0 0 6px; border-radius: 3px;
  background: linear-gradient(var(--veil), var(--veil)) no-repeat left / var(--v) 100%; }
.guess.yes { font-weight: 650; color: var(--c0); } .guess span { text-align: right; }
audio { width: 100%; height: 30px; margin-top: 8px; }
.views { display: grid; grid-template-columns: repeat(auto-fill, minmax(62px, 1fr)); gap: 8px; align-content: start; }
.views.long { grid-template-columns: repeat(auto-fill, minmax(180px, 1fr)); }
.views svg { width: 100%; height: 108px; border-radius: 3px; background: #000; }
.views span { font-size: 11.5px; color: var(--soft); }
details { margin-top: 12px; } summary { cursor: pointer; font-weight: 600; font-size: 14px; }
details.run { border-top: 1px solid var(--rule); margin-top: 36px; padding-top: 14px; } details.run > summary { font-size: 19px; }
pre { font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; background: var(--veil);
  border-radius: 6px; padding: 12px 14px; overflow-x: auto; margin: 8px 0; }
code { font: 13px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (max-width: 820px) { main { padding: 22px 16px 48px; } .split, .split.matrix { grid-template-columns: minmax(0, 1fr); }
  .clip { grid-template-columns: minmax(0, 1fr); } .scroll { max-height: 480px; } }
)css";

// A click on a column's head sorts the table by it.
inline constexpr std::string_view kReportScript = R"js(
document.querySelectorAll('th[data-sort]').forEach(function (head) {
  head.onclick = function () {
    var body = head.closest('table').tBodies[0], column = head.cellIndex, up = head.dataset.sort === 'up';
    head.dataset.sort = up ? 'down' : 'up';
    var value = function (row) { return row.cells[column].dataset.value || row.cells[column].textContent; };
    Array.from(body.rows).sort(function (a, b) {
      var x = value(a), y = value(b), order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return up ? -order : order;
    }).forEach(function (row) { body.appendChild(row); });
  };
});
)js";

}  // namespace tutti::recipes
