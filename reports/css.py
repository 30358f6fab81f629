"""The page's style: light and dark, narrow screens and paper."""

CSS = """
:root { --ink: #1b1b1c; --paper: #ffffff; --muted: #6b6b6e; --line: #d9d9dd; --soft: #f4f4f6;
  --good: #00684a; --bad: #a33c00; --shade: #00000059; color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8ea; --paper: #17181a; --muted: #a0a0a6; --line: #3a3b40; --soft: #222327;
    --good: #4fc3a1; --bad: #ff9a5c; --shade: #ffffff66; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 76rem;
  background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .5rem; border-top: 1px solid var(--line); padding-top: 1.5rem; }
h3 { font-size: 1.1rem; margin: 1.5rem 0 .25rem; }
h4 { font-size: .95rem; margin: 1.25rem 0 .25rem; }
h5 { font-size: .9rem; margin: 1rem 0 .25rem; }
p, ul { margin: .25rem 0 .75rem; }
a { color: inherit; }
main > section { content-visibility: auto; contain-intrinsic-size: auto 3000px; }
.said { list-style: none; padding: 0; }
.said li { border-left: .3rem solid var(--good); padding: .15rem .75rem; margin: .5rem 0; }
.said li.bad { border-color: var(--bad); }
.badge { white-space: nowrap; font-weight: 600; color: var(--good); }
.bad .badge, .unmet { color: var(--bad); }
.from { color: var(--muted); font-size: .9rem; }
nav h2 { margin-top: 1rem; padding-top: .5rem; }
.found li { font-size: .9rem; margin: .35rem 0; }
.found a { font-weight: 600; }
.pair { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30.5rem), 1fr)); }
.pair > div { min-width: 0; max-width: 44rem; }
figure { margin: .75rem 0; }
figure.wide { max-width: 52rem; }
figcaption { color: var(--muted); font-size: .85rem; }
svg { display: block; width: 100%; min-width: 30.5rem; height: auto; }
figure.wide svg { min-width: 39rem; }
svg.shared { position: absolute; width: 0; min-width: 0; height: 0; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
svg text { font-family: system-ui, sans-serif !important; }
.scroll { overflow-x: auto; }
/* Covers that move with the table lie over shadows that stay: where there is more to the side, its shadow shows. */
.scroll:has(table) { background: linear-gradient(90deg, var(--paper) 40%, transparent) 0 0 / 2.5rem 100% local,
  linear-gradient(270deg, var(--paper) 40%, transparent) 100% 0 / 2.5rem 100% local,
  linear-gradient(90deg, var(--shade), transparent) 0 0 / .9rem 100%,
  linear-gradient(270deg, var(--shade), transparent) 100% 0 / .9rem 100%; background-repeat: no-repeat; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0;
  border-bottom: 1px solid var(--line); }
th { color: var(--muted); font-weight: 600; white-space: nowrap; }
tr.verdict td { border-bottom: 0; padding-top: .5rem; white-space: nowrap; }
.events td:not(:nth-child(5)) { white-space: nowrap; }
.events td:nth-child(5) { min-width: 14rem; }
.short td:not(:last-child) { white-space: nowrap; }
.short td:last-child { min-width: 12rem; }
dt { margin-top: .5rem; font-size: .9rem; overflow-wrap: anywhere; }
dd { margin: 0 0 0 1rem; font-size: .9rem; }
tr.cause td { background: var(--soft); font-weight: 600; }
pre { background: var(--soft); padding: .5rem .75rem; margin: .25rem 0; font-size: .8rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--muted); margin-top: .5rem; }
@media screen and (max-width: 32.5rem) { figure::before { content: var(--wider); } }
@media screen and (max-width: 41rem) { figure.wide::before { content: var(--wider); } }
figure::before { --wider: "↔ wider than the screen: scroll it sideways"; display: block; padding: .1rem .4rem;
  border-left: .2rem solid var(--muted); color: var(--muted); font-size: .85rem; }
@media print {
  main > section { content-visibility: visible; }
  :root { --ink: #000; --paper: #fff; --muted: #444; --line: #bbb; --soft: #f2f2f2;
    --good: #000; --bad: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  section + section > h2 { break-before: page; }
  h3, h4 { break-after: avoid; }
  figure, tr, .said li { break-inside: avoid; }
  .pair { grid-template-columns: repeat(auto-fit, minmax(40%, 1fr)); }
  .scroll { overflow: visible; }
  svg { min-width: 0 !important; }
  table { font-size: 7pt; }
}
"""
