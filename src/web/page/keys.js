// Keyboard: each group of buttons is one tab stop, in which the arrow keys move.
"use strict";

/** A group: its container, its items, and the buttons of an item that Tab reaches from it. */
const GROUPS_OF_BUTTONS = [
  { box: $("kinds-bar"), items: ".pick" },
  { box: $("tiles-bar"), items: ".pick", tools: ".tools button" },
  { box: $("swatches"), items: "button" },
  { box: $("chips"), items: "button" },
  { box: $("presets-bar"), items: ".pick", tools: ".reset" },
];

/** Makes `current`, or else the focused, pressed or first item, the only tab stop of a group. */
function setTabStop({ box, items, tools }, current) {
  const all = [...box.querySelectorAll(items)];
  const focused = all.find((item) => (tools ? item.parentElement : item).contains(document.activeElement));
  const pressed = all.find((item) => item.getAttribute("aria-pressed") === "true");
  const stop = current || focused || pressed || all[0];
  for (const item of all) {
    const index = item === stop ? 0 : -1;
    if (item.tabIndex !== index) item.tabIndex = index;
    if (tools) for (const tool of item.parentElement.querySelectorAll(tools)) tool.tabIndex = index;
  }
}

/** The item that a key moves to from `from`; items may be in several rows. */
function neighbour(all, from, key) {
  const at = all.indexOf(from);
  if (key === "Home") return all[0];
  if (key === "End") return all.at(-1);
  if (key === "ArrowLeft") return all[at - 1];
  if (key === "ArrowRight") return all[at + 1];
  const box = (item) => item.getBoundingClientRect();
  const down = key === "ArrowDown";
  const rows = all.filter((item) => (down ? box(item).top > box(from).bottom - 1 : box(item).bottom < box(from).top + 1));
  const row = rows.filter((item) => Math.abs(box(item).top - box(down ? rows[0] : rows.at(-1)).top) < 2);
  return row.sort((a, b) => Math.abs(box(a).left - box(from).left) - Math.abs(box(b).left - box(from).left))[0];
}

const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];
for (const group of GROUPS_OF_BUTTONS) {
  const { box, items } = group;
  box.addEventListener("keydown", (event) => {
    const item = event.target.closest(items);
    if (!item || !MOVES.includes(event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    neighbour([...box.querySelectorAll(items)], item, event.key)?.focus();
  });
  box.addEventListener("focusin", (event) => {
    const item = event.target.closest(items);
    if (item) setTabStop(group, item);
  });
  new MutationObserver(() => setTabStop(group)).observe(box, { childList: true, subtree: true, attributes: true, attributeFilter: ["aria-pressed"] });
  setTabStop(group);
}
