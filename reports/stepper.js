// Steps through the events around a cause. All text goes through textContent: what comes from a file is never markup.
"use strict";
(() => {
  const THIN = "\u202f";
  const number = (value) => String(Math.abs(value)).replace(/\B(?=(\d{3})+$)/g, THIN);
  const plain = (value) => (value < 0 ? "\u2212" : "") + number(value);
  const signed = (value) => (value > 0 ? "+" : "") + plain(value);
  const seconds = (t) => Number(t.toPrecision(6)) + " s";

  const make = (tag, kind, ...inside) => {
    const node = document.createElement(tag);
    if (kind) node.className = kind;
    node.append(...inside.filter((part) => part !== null).map((part) => (part instanceof Node ? part : String(part))));
    return node;
  };
  const cell = (value, name, kind) => {
    const node = make("td", kind || "", value);
    if (name) node.dataset.name = name;
    return node;
  };

  const who = (line) => line.request || line.session || "";
  const happened = (line) => {
    const told = [];
    if (line.batch) told.push(line.batch + (line.batch === 1 ? " request" : " requests") + " in the batch");
    if (line.tokens) told.push(plain(line.tokens) + " tokens prefilled");
    for (const name of ["finished", "aborted", "retracted", "refused", "closed"])
      if (line[name]) told.push(name + " " + line[name].join(", "));
    told.push("running " + line.running + ", waiting " + line.waiting);
    return told.join("; ");
  };
  const runsText = (runs) =>
    runs.map(([first, many]) => (many === 1 ? plain(first) : plain(first) + "–" + plain(first + many - 1))).join(", ");
  const positionOf = (row, slot) => {
    let at = 0;
    for (const [first, many] of row.runs) {
      if (slot >= first && slot < first + many) return at + slot - first;
      at += many;
    }
    return -1;
  };

  // Where slots are named; neighbours at neighbouring positions, or nowhere, are one place.
  const placesOf = (slots, rows) => {
    const places = [];
    for (const slot of slots) {
      const row = rows.find((one) => positionOf(one, slot) >= 0) || null;
      const at = row ? positionOf(row, slot) : -1;
      const last = places[places.length - 1];
      const goesOn = last && last.row === row && last.first + last.many === slot && (!row || last.at + last.many === at);
      if (goesOn) last.many += 1;
      else places.push({ row, at, first: slot, many: 1 });
    }
    return places;
  };

  const termsTable = (data, before, after) => {
    const head = make("tr", "", make("th", "", "term"), make("th", "", "before"), make("th", "", "after"), make("th", "", "change"));
    const table = make("table", "terms", make("thead", "", head));
    for (const [pool, total] of Object.entries(data.pools)) {
      const body = make("tbody", "");
      if (Object.keys(data.pools).length > 1) {
        const title = make("th", "pool", "pool " + pool);
        title.colSpan = 4;
        body.append(make("tr", "", title));
      }
      const now = after[pool], then = before && before[pool];
      const add = (name, is, was, kind) => {
        const change = was === null ? "" : is === was ? "" : signed(is - was);
        body.append(make("tr", (kind || "") + (change ? " moved" : ""),
          make("th", "", name), cell(was === null ? "–" : plain(was)), cell(plain(is), pool + "." + name), cell(change)));
      };
      const sum = (terms) => terms.reduce((all, one) => all + one, 0);
      if (now) {
        data.terms.forEach((name, i) => add(name, now[i], then ? then[i] : null));
        add("sum − total", sum(now) - total, then ? sum(then) - total : null, "sum");
        const prefix = pool === "full" ? "" : pool + "_";
        for (const name of ["lost", "extra"]) {
          const is = after[prefix + name] || 0, was = before ? before[prefix + name] || 0 : null;
          if (is || was) add(name, is, was, "fault");
        }
      }
      table.append(body);
    }
    return table;
  };

  const strip = (row, widest, slots, when) => {
    const box = make("div", "strip");
    box.append(make("span", "when", when));
    const bar = make("div", "bar");
    if (!row) {
      bar.append(make("span", "none", "no row"));
    } else {
      const share = (many) => (100 * many) / widest + "%";
      const part = (kind, from, to, title) => {
        if (to <= from) return;
        const piece = make("i", kind);
        piece.style.left = share(from);
        piece.style.width = share(to - from);
        piece.title = title + " [" + from + ", " + to + ")";
        bar.append(piece);
      };
      part("tree", 0, Math.min(row.p, row.a), "the tree's");
      const whose = row.request ? "turn" : "held";
      part("valid " + whose, row.p, Math.min(row.c, row.a), row.request ? "committed" : "held");
      part("reserved " + whose, row.c, row.a, "allocated ahead");
      if (row.e > 0) part("evicted", 0, Math.min(row.e, row.a), "out of the window");
      for (const slot of slots) {
        const at = positionOf(row, slot);
        if (at >= 0) part("faulty", at, at + 1, "slot " + slot);
      }
    }
    box.append(bar);
    box.append(make("span", "cursors", row ? "p " + plain(row.p) + "  c " + plain(row.c) + "  a " + plain(row.a) + (row.e ? "  e " + plain(row.e) : "") : ""));
    return box;
  };

  const rowsBox = (data, before, after) => {
    const box = make("div", "rows");
    const numbers = [...new Set([...(before ? before.rows : []), ...after.rows].map((row) => row.row))].sort((a, b) => a - b);
    const widest = Math.max(1, ...data.steps.flatMap((step) => step.rows.map((row) => row.a)));
    for (const number of numbers) {
      const was = before && before.rows.find((row) => row.row === number);
      const is = after.rows.find((row) => row.row === number);
      const name = [(is || was).session && "session " + (is || was).session, (is || was).request].filter(Boolean).join(", ");
      box.append(make("h5", "", "row " + number + (name ? ": " + name : "")));
      box.append(strip(was, widest, data.slots, "before"), strip(is, widest, data.slots, "after"));
      if (is) box.append(make("p", "slots", "slots " + (runsText(is.runs) || "none")));
    }
    if (!numbers.length) box.append(make("p", "slots", "Nobody whom the verdict names has a row yet."));
    for (const { row, at, first, many } of placesOf(data.slots, after.rows)) {
      const s = many === 1 ? " " : "s ";
      const place = row ? "position" + s + runsText([[at, many]]) + " of row " + row.row : "named by none of these rows";
      box.append(make("p", row ? "slot" : "slot gone", "slot" + s + runsText([[first, many]]) + ": " + place));
    }
    return box;
  };

  const begin = (section) => {
    const data = JSON.parse(section.querySelector("script").textContent);
    const steps = data.steps;
    const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: steps.length - 1, step: 1 });
    slider.setAttribute("aria-label", "event");
    slider.value = Math.max(0, steps.findIndex((step) => step.line.event === data.cause));
    const back = make("button", "", "‹"), on = make("button", "", "›"), cause = make("button", "", "cause");
    back.title = "one event back (left arrow)";
    on.title = "one event on (right arrow)";
    cause.title = "to the cause";
    for (const button of [back, on, cause]) button.type = "button";
    const said = make("p", "at");
    said.setAttribute("aria-live", "polite");
    const panel = make("div", "panel");

    const show = () => {
      const at = Number(slider.value), after = steps[at], line = after.line;
      const before = at > 0 && steps[at - 1].line.event === line.event - 1 ? steps[at - 1] : null;
      const marks = [];
      if (line.event === data.cause) marks.push("the cause");
      if (data.seen.includes(line.event)) marks.push("seen by the release's check");
      said.replaceChildren(
        make("b", "", "event " + plain(line.event)), ", iteration " + plain(line.it) + ", " + seconds(line.t) + ": ",
        make("b", "", (line.kind + " " + who(line)).trim()), ...(marks.length ? [" ", make("em", "", marks.join(", "))] : []));
      said.dataset.event = line.event;
      slider.setAttribute("aria-valuetext", "event " + line.event + ", " + line.kind);
      back.disabled = at === 0;
      on.disabled = at === steps.length - 1;
      const left = make("div", "", termsTable(data, before && before.line, line));
      const right = make("div", "", make("p", "happened", happened(line)), line.check ? make("pre", "", line.check) : null, rowsBox(data, before, after));
      panel.replaceChildren(left, right);
    };
    const go = (by) => {
      slider.value = Number(slider.value) + by;
      show();
    };
    slider.addEventListener("input", show);
    back.addEventListener("click", () => go(-1));
    on.addEventListener("click", () => go(1));
    cause.addEventListener("click", () => {
      slider.value = steps.findIndex((step) => step.line.event === data.cause);
      show();
    });
    section.addEventListener("keydown", (key) => {
      // The slider has the arrow keys already.
      if (key.target === slider || !["ArrowLeft", "ArrowRight"].includes(key.key)) return;
      key.preventDefault();
      go(key.key === "ArrowLeft" ? -1 : 1);
    });
    section.append(make("div", "controls", back, slider, on, cause), said, panel);
    section.hidden = false;
    show();
  };

  for (const section of document.querySelectorAll("section.stepper")) {
    try {
      begin(section);
    } catch (error) {
      // The others are of use without it.
      section.hidden = true;
      console.error(error);
    }
  }
})();
