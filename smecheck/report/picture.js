"use strict";
// Zoom, pan and what is under the pointer. The picture is there without this program: it draws the same rows again,
// for another range of addresses. Text of the report is only ever set as text.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const data = JSON.parse(document.getElementById("data").textContent);
  const lens = document.getElementById("lens");
  const rows = document.getElementById("lens-rows");
  const overview = document.getElementById("overview");
  const lensWindow = document.getElementById("lens-window");
  const shown = document.getElementById("shown");
  const { left, right, row, top } = data.layout;
  const whole = data.whole;
  const LEAST = 16 * 4096;
  let [start, end] = data.lens;

  const hex = (address) => "0x" + address.toString(16);
  const sized = (size) => {
    for (const [unit, bytes] of [["TiB", 2 ** 40], ["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) {
      if (size >= bytes) return `${Math.floor((size / bytes) * 10) / 10} ${unit}`;
    }
    return `${size} bytes`;
  };
  const marksOf = ([name, ink, common, isRepeated, told]) => {
    const found = [];
    for (let at = 0, before = 0; at < told.length; at += isRepeated ? 5 : 3) {
      const from = before + told[at];
      before = from + told[at + 1];
      const [every, length] = isRepeated ? told.slice(at + 3, at + 5) : [0, 0];
      found.push({ from, to: before, name, ink, facts: common + told[at + 2], every, length });
    }
    return found;
  };
  const marks = data.rows.map((one) => one.groups.flatMap(marksOf));
  const place = (mark) => `[${hex(mark.from)}, ${hex(mark.to)}), ${sized(mark.to - mark.from)}`;
  const element = (name, attributes, parent) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent.append(made);
    return made;
  };
  const across = (address) => left + ((address - start) / (end - start)) * (right - left);

  const show = (mark) => {
    const name = document.createElement("strong");
    name.textContent = mark.name;
    shown.replaceChildren(name, document.createTextNode(mark.facts ? `${place(mark)}. ${mark.facts}` : place(mark)));
  };
  const markOf = (target) => {
    const [index, number] = (target.dataset?.mark ?? "").split(":");
    return marks[index]?.[number];
  };

  // The parts of a mark that are in view: several, where it is repeated.
  const parts = function* (mark) {
    if (!mark.every) {
      if (mark.to > start && mark.from < end) yield [mark.from, mark.to];
      return;
    }
    const first = Math.max(0, Math.ceil((start - mark.length - mark.from) / mark.every));
    for (let from = mark.from + first * mark.every; from < Math.min(end, mark.to); from += mark.every) {
      yield [from, from + mark.length];
    }
  };

  const draw = () => {
    const focused = rows.contains(document.activeElement) ? document.activeElement.dataset.mark : undefined;
    rows.replaceChildren();
    for (let i = 0; i <= 4; i += 1) {
      const x = left + (i / 4) * (right - left);
      const anchor = i === 0 ? "start" : i === 4 ? "end" : "middle";
      const label = element("text", { class: "tick", x, y: top - 8, "text-anchor": anchor }, rows);
      label.textContent = hex(Math.round(start + (i / 4) * (end - start)));
    }
    data.rows.forEach((one, index) => {
      const y = top + index * row;
      element("text", { class: "label", x: 8, y: y + 16 }, rows).textContent = one.label;
      element("rect", { class: "track", x: left, y: y + 2, width: right - left, height: row - 6 }, rows);
      const reached = {};
      marks[index].forEach((mark, number) => {
        const boxes = [];
        for (const [from, to] of parts(mark)) {
          const x = Math.max(left, across(from));
          const width = Math.max(2, Math.min(right, across(to)) - x);
          const [lastX, lastEnd] = reached[mark.ink] ?? [0, 0];
          // Where many would fall on one another, one is drawn.
          if (data.many.includes(mark.ink) && x < lastX + 1 && x + width <= lastEnd + 1) continue;
          reached[mark.ink] = [x, Math.max(x + width, lastEnd)];
          boxes.push([x, width]);
        }
        if (!boxes.length) return;
        const [[x, width]] = boxes;
        const shape = boxes.map(([from, wide]) => `M${from} ${y + 3}h${wide}v${row - 8}h${-wide}z`).join("");
        element("path", { class: `mark ${mark.ink}`, d: shape, tabindex: -1, role: "img",
          "aria-label": `${mark.name} ${place(mark)}. ${mark.facts}`, "data-mark": `${index}:${number}` }, rows);
        if (width > 8 * mark.name.length && ["segment", "kernel"].includes(mark.ink)) {
          element("text", { class: "inside", x: x + 4, y: y + 16 }, rows).textContent = mark.name;
        }
      });
    });
    const scale = (right - left) / (whole[1] - whole[0]);
    lensWindow.setAttribute("x", left + (start - whole[0]) * scale);
    lensWindow.setAttribute("width", Math.max(3, (end - start) * scale));
    if (focused) (rows.querySelector(`[data-mark="${focused}"]`) ?? lens).focus();
  };

  const look = (from, to) => {
    const size = Math.min(whole[1] - whole[0], Math.max(LEAST, to - from));
    start = Math.round(Math.min(Math.max(whole[0], from), whole[1] - size));
    end = Math.round(start + size);
    draw();
  };
  const zoom = (factor, at = (start + end) / 2) => look(at - (at - start) * factor, at + (end - at) * factor);
  const pan = (part) => look(start + part * (end - start), end + part * (end - start));
  const step = (by) => {
    const drawn = [...rows.querySelectorAll(".mark")];
    const at = drawn.indexOf(document.activeElement);
    drawn[at < 0 ? (by > 0 ? 0 : drawn.length - 1) : Math.min(Math.max(at + by, 0), drawn.length - 1)]?.focus();
  };

  const actions = { in: () => zoom(0.5), out: () => zoom(2), left: () => pan(-0.25), right: () => pan(0.25),
    reset: () => look(...data.lens), whole: () => look(...whole), next: () => step(1), previous: () => step(-1),
    leave: () => lens.focus() };
  for (const button of document.querySelectorAll("button[data-action]")) {
    button.addEventListener("click", actions[button.dataset.action]);
  }
  lens.addEventListener("keydown", (event) => {
    const keys = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "reset",
      ArrowDown: "next", ArrowUp: "previous", Escape: "leave" };
    const action = keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[action]();
  });
  for (const drawing of [lens, overview, document.getElementById("strip")]) {
    for (const name of ["pointerover", "focusin"]) {
      drawing?.addEventListener(name, (event) => {
        const mark = markOf(event.target);
        if (mark) show(mark);
      });
    }
  }

  const anchors = new Map();
  data.rows.forEach((one, index) => {
    for (const [anchor, number] of Object.entries(one.anchors)) anchors.set(`#${anchor}`, [index, number]);
  });
  for (const link of document.querySelectorAll('a[href^="#found-"]')) {
    link.addEventListener("click", (event) => {
      const [index, number] = anchors.get(link.getAttribute("href")) ?? [];
      const mark = marks[index]?.[number];
      if (!mark) return;
      event.preventDefault();
      const around = Math.max(LEAST, mark.to - mark.from);
      look(mark.from - around, mark.to + around);
      lens.scrollIntoView({ block: "center" });
      rows.querySelector(`[data-mark="${index}:${number}"]`)?.focus({ preventScroll: true });
    });
  }

  const addressAt = (event, drawing, [from, to]) => {
    const box = drawing.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * data.layout.width;
    return from + ((x - left) / (right - left)) * (to - from);
  };
  lens.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.shiftKey) return; // the page scrolls
    event.preventDefault();
    zoom(event.deltaY + event.deltaX > 0 ? 1.25 : 0.8, addressAt(event, lens, [start, end]));
  }, { passive: false });
  let held = null;
  lens.addEventListener("pointerdown", (event) => { held = addressAt(event, lens, [start, end]); });
  lens.addEventListener("pointermove", (event) => {
    if (held === null) return;
    const moved = held - addressAt(event, lens, [start, end]);
    look(start + moved, end + moved);
  });
  for (const name of ["pointerup", "pointerleave", "pointercancel"]) lens.addEventListener(name, () => { held = null; });
  overview.addEventListener("click", (event) => {
    const middle = addressAt(event, overview, whole);
    look(middle - (end - start) / 2, middle + (end - start) / 2);
  });

  const folded = [];
  window.addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details:not([open])")) {
      folded.push(one);
      one.open = true;
    }
  });
  window.addEventListener("afterprint", () => { for (const one of folded.splice(0)) one.open = false; });

  for (const hidden of document.querySelectorAll(".controls[hidden], #shown")) hidden.hidden = false;
  draw();
})();
