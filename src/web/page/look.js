// Settings of the look.
"use strict";

const GROUPS = {
  Edge: { softness: "Softness", edge_shift: "Grow or shrink", decontaminate: "Remove colour fringe", light_wrap: "Light wrap", nearest_only: "Show only me" },
  "Green screen": { green_screen: "Use my green screen", green_screen_color: "Colour", green_screen_tolerance: "Tolerance", green_screen_spill: "Remove its light" },
  Background: { background_opacity: "Opacity", background_blur: "Blur", background_brightness: "Brightness", background_saturation: "Saturation" },
  Lighting: { exposure_match: "Match background", low_light: "Low-light boost" },
  Framing: { zoom: "Zoom", pan_x: "Horizontal position", pan_y: "Vertical position", auto_frame: "Auto-framing" },
  Overlay: { overlay: "Image", overlay_position: "Position", overlay_size: "Size", overlay_opacity: "Opacity" },
};
const settings = new Map();
const sendLook = (() => {
  let change = {};
  const flush = newestWins(async () => {
    const all = change;
    change = {};
    if (!Object.keys(all).length) return;
    try {
      await request({ "set-look": { change: all } });
    } catch (error) {
      if (error instanceof Declined) change = {};
      throw error;
    }
  });
  return (name, value) => {
    change[name] = value;
    flush();
  };
})();

const held = (input) => document.activeElement === input && Date.now() - (input.touched || 0) < 1500;

function setRange(input, value, output, unit = "") {
  input.value = value;
  const share = (100 * (input.value - input.min)) / (input.max - input.min);
  input.style.setProperty("--share", `${share}%`);
  setText(output, `${input.value}${unit}`);
}

/** The control for a look setting: its elements, and a function that shows a value. */
function control(setting, id) {
  const { type, name } = setting;
  if (type === "switch") {
    const input = createElement("input", { type: "checkbox", className: "switch", id, role: "switch", onchange: () => sendLook(name, input.checked) });
    return { parts: [input], show: (value) => { input.checked = value; } };
  }
  if (type.number) {
    const [min, max] = type.number;
    const output = createElement("output");
    const input = createElement("input", { type: "range", id, min, max });
    input.oninput = () => { input.touched = Date.now(); setRange(input, input.value, output); sendLook(name, Number(input.value)); };
    return { parts: [output], below: [input], show: (value) => held(input) || setRange(input, value, output) };
  }
  if (type.choice) {
    const options = type.choice.map((word) => new Option(capital(word.replaceAll("-", " ")), word));
    const input = createElement("select", { id, onchange: () => sendLook(name, input.value) }, ...options);
    return { parts: [input], show: (value) => { input.value = value; } };
  }
  if (type === "screen-colour") {
    const input = createElement("input", { type: "text", id, placeholder: "auto", spellcheck: false, onchange: () => sendLook(name, input.value.trim() || "auto") });
    const pick = createElement("button", { type: "button", className: "plain", textContent: "Pick from the picture", onclick: () => pickColour((colour) => sendLook(name, colour)) });
    return { parts: [pick], below: [input], show: (value) => { if (document.activeElement !== input) input.value = value; } };
  }
  const input = createElement("input", { type: "text", id, placeholder: "/home/you/logo.png", spellcheck: false, onchange: () => sendLook(name, input.value.trim()) });
  const file = createElement("input", { type: "file", accept: "image/png,image/webp,image/jpeg", className: "unseen", tabIndex: -1, "aria-label": "Upload an overlay image" });
  file.onchange = () => attempt(async () => {
    const [chosen] = file.files;
    if (chosen) await send("/api/files/overlay", chosen);
    file.value = "";
  });
  const choose = createElement("button", { type: "button", className: "plain", textContent: "Choose a file…", onclick: () => file.click() });
  return { parts: [choose], below: [input, file], show: (value) => { if (document.activeElement !== input) input.value = value; } };
}

let picking = null;

/** Shows the webcam until the user clicks on a colour in it; Escape or the button again cancels. */
function pickColour(use) {
  if (picking) return picking.abort();
  picking = new AbortController();
  const { signal } = picking;
  const showPicking = (on) => {
    $("picture").classList.toggle("picking", on);
    showView(on);
  };
  showPicking(true);
  $("stage").scrollIntoView({ block: "nearest" });
  signal.addEventListener("abort", () => {
    picking = null;
    showPicking(false);
  });
  stage.addEventListener("click", (event) => {
    if (stage.dataset.view !== "camera") return; // not yet a frame of the webcam
    use(colourAt(event));
    picking.abort();
  }, { signal });
  document.addEventListener("keydown", (event) => event.key === "Escape" && picking.abort(), { signal });
}

/** The mean colour of 9x9 pixels of the preview at the pointer, as #rrggbb. */
function colourAt({ clientX, clientY }) {
  const box = stage.getBoundingClientRect();
  const scale = Math.min(box.width / stage.width, box.height / stage.height); // object-fit: contain
  const pixel = (offset, length, pixels) => {
    const at = Math.floor((offset - (length - pixels * scale) / 2) / scale);
    return Math.min(Math.max(at - 4, 0), pixels - 9);
  };
  const x = pixel(clientX - box.left, box.width, stage.width);
  const y = pixel(clientY - box.top, box.height, stage.height);
  const { data } = stage.getContext("2d").getImageData(x, y, 9, 9);
  const sums = [0, 0, 0];
  data.forEach((value, index) => { if (index % 4 < 3) sums[index % 4] += value; });
  return `#${sums.map((sum) => Math.round(sum / 81).toString(16).padStart(2, "0")).join("")}`;
}

function settingRow(setting, label) {
  const id = `look-${setting.name}`;
  const { parts, below = [], show } = control(setting, id);
  const description = createElement("p", { className: "description", id: `${id}-description`, textContent: capital(setting.description) });
  const reset = createElement("button", { className: "reset", title: "Reset", "aria-label": `Reset ${label}` }, icon("undo"));
  reset.onclick = () => attempt(() => request({ "reset-look": { names: [setting.name] } }));
  const row = createElement("div", { className: "setting" }, createElement("label", { htmlFor: id, textContent: label }), reset, parts[0] || createElement("span"), ...below, description);
  row.querySelector(`#${id}`).setAttribute("aria-describedby", `${id}-description`);
  settings.set(setting.name, { row, show, configured: setting.default });
  return row;
}

async function loadLook() {
  const rows = await get("/api/look");
  const left = new Map(rows.map((setting) => [setting.name, setting]));
  const group = (title, names) => {
    const there = Object.entries(names).filter(([name]) => left.has(name));
    if (!there.length) return;
    const badge = createElement("span", { className: "badge", hidden: true });
    const box = createElement("details", {}, createElement("summary", {}, title, badge));
    for (const [name, label] of there) {
      box.append(settingRow(left.get(name), label));
      Object.assign(settings.get(name), { badge });
      left.delete(name);
    }
    $("groups").append(box);
  };
  for (const [title, names] of Object.entries(GROUPS)) group(title, names);
  group("More", Object.fromEntries([...left.keys()].map((name) => [name, capital(name.replaceAll("_", " "))])));
  if (status) showLook(status.scene.look);
}

function showLook(look) {
  const counts = new Map();
  for (const [name, { row, show, configured, badge }] of settings) {
    show(look[name]);
    const changed = look[name] !== configured;
    row.classList.toggle("changed", changed);
    counts.set(badge, (counts.get(badge) || 0) + changed);
  }
  for (const [badge, count] of counts) {
    badge.hidden = !count;
    setText(badge, `${count} changed`);
  }
  $("reset-all").hidden = ![...counts.values()].some(Boolean);
}

$("reset-all").onclick = () => attempt(() => request({ "reset-look": { names: [] } }));
