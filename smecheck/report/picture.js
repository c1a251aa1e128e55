"use strict";
// Zoom, pan and what is under the pointer. The picture is there without this program: it draws the same rows again,
// for another range of addresses. Text of the report is only ever set as text.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const data = JSON.parse(document.getElementById("data").textContent);
  const lens = document.getElementById("lens");
  const rows = document.getElementById("lens-rows");
  const overview = document.getElementById("lens-window");
  const told = document.getElementById("told");
  const { left, right, row, top } = data.layout;
  const whole = data.whole;
  const LEAST = 16 * 4096;
  let [start, end] = data.lens;

  const hex = (address) => "0x" + address.toString(16);
  const sized = (size) => {
    for (const [unit, bytes] of [["TiB", 2 ** 40], ["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) {
      if (size >= bytes) return `${+(size / bytes).toFixed(1)} ${unit}`;
    }
    return `${size} bytes`;
  };
  const element = (name, attributes, parent) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent.append(made);
    return made;
  };
  const across = (address) => left + ((address - start) / (end - start)) * (right - left);

  const show = ([from, to, name, , detail]) => {
    const place = `[${hex(from)}, ${hex(to)})  ${sized(to - from)}`;
    told.textContent = detail ? `${name}  ${place}. ${detail}` : `${name}  ${place}`;
  };

  const draw = () => {
    const focused = document.activeElement && document.activeElement.dataset && document.activeElement.dataset.mark;
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
      let last = -1;
      one.marks.forEach((mark, number) => {
        const [from, to, name, ink] = mark;
        if (to <= start || from >= end) return;
        const x = Math.max(left, across(from));
        const width = Math.max(2, Math.min(right, across(to)) - x);
        if (ink === "ram" && x + width < last + 0.5) return; // another one is drawn there already
        last = x + width;
        const drawn = element("rect", { class: `mark ${ink}`, x, y: y + 3, width, height: row - 8, tabindex: 0,
          role: "img", "aria-label": `${name} [${hex(from)}, ${hex(to)})`, "data-mark": `${index}:${number}` }, rows);
        drawn.addEventListener("pointerenter", () => show(mark));
        drawn.addEventListener("focus", () => show(mark));
        if (width > 8 * name.length && ["segment", "kernel"].includes(ink)) {
          element("text", { class: "inside", x: x + 4, y: y + 16 }, rows).textContent = name;
        }
      });
    });
    const scale = (right - left) / (whole[1] - whole[0]);
    overview.setAttribute("x", left + (start - whole[0]) * scale);
    overview.setAttribute("width", Math.max(3, (end - start) * scale));
    if (focused) rows.querySelector(`[data-mark="${focused}"]`)?.focus();
  };

  const look = (from, to) => {
    const size = Math.min(whole[1] - whole[0], Math.max(LEAST, to - from));
    start = Math.min(Math.max(whole[0], from), whole[1] - size);
    end = start + size;
    draw();
  };
  const zoom = (factor, at = (start + end) / 2) => look(at - (at - start) * factor, at + (end - at) * factor);
  const pan = (part) => look(start + part * (end - start), end + part * (end - start));
  const reset = () => look(...data.lens);

  const actions = { in: () => zoom(0.5), out: () => zoom(2), left: () => pan(-0.25), right: () => pan(0.25),
    reset, whole: () => look(...whole) };
  for (const button of document.querySelectorAll("button[data-action]")) {
    button.addEventListener("click", actions[button.dataset.action]);
  }
  for (const button of document.querySelectorAll("button[data-from]")) {
    button.addEventListener("click", () => {
      const [from, to] = [Number(button.dataset.from), Number(button.dataset.to)];
      const around = Math.max(LEAST, to - from);
      look(from - around, to + around);
      lens.scrollIntoView({ block: "center" });
      const row = data.rows.findIndex((one) => one.label === "findings");
      const mark = row < 0 ? -1 : data.rows[row].marks.findIndex((one) => one[0] === from && one[1] === to);
      if (mark >= 0) rows.querySelector(`[data-mark="${row}:${mark}"]`)?.focus();
    });
  }
  lens.addEventListener("keydown", (event) => {
    const keys = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "reset" };
    const action = keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[action]();
  });
  const addressAt = (event) => {
    const box = lens.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * data.layout.width;
    return start + ((x - left) / (right - left)) * (end - start);
  };
  lens.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.shiftKey) return; // the page scrolls
    event.preventDefault();
    zoom(event.deltaY + event.deltaX > 0 ? 1.25 : 0.8, addressAt(event));
  }, { passive: false });
  let held = null;
  lens.addEventListener("pointerdown", (event) => { held = addressAt(event); });
  lens.addEventListener("pointermove", (event) => {
    if (held === null) return;
    const moved = held - addressAt(event);
    look(start + moved, end + moved);
  });
  for (const name of ["pointerup", "pointerleave", "pointercancel"]) lens.addEventListener(name, () => { held = null; });

  for (const hidden of document.querySelectorAll(".controls[hidden]")) hidden.hidden = false;
  draw();
})();
