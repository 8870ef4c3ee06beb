// Presets: background, look, camera and quality under a name.
"use strict";

let presetsTimer = 0;

/** Lists the presets; a button uses one, the bin removes it. */
async function loadPresets() {
  const { presets } = await request("list-presets");
  const focused = document.activeElement.closest("#presets li")?.dataset.name;
  $("presets").replaceChildren(...presets.map((preset) => {
    const use = createElement("button", { type: "button", className: "pick", title: `${capital(preset.background)}`, "aria-pressed": preset.current }, createElement("span", { textContent: preset.name }));
    use.onclick = () => attempt(() => request({ "use-preset": { name: preset.name } }));
    const remove = createElement("button", { type: "button", className: "reset", title: "Remove", "aria-label": `Remove the preset ${preset.name}` }, icon("bin"));
    remove.onclick = () => askTwice(remove, `Remove ${preset.name}`, async () => {
      await request({ "remove-preset": { name: preset.name } });
      await loadPresets();
    });
    const row = createElement("li", {}, use, remove);
    row.dataset.name = preset.name;
    return row;
  }));
  [...$("presets").children].find((row) => row.dataset.name === focused)?.firstChild.focus();
  $("presets-empty").hidden = presets.length > 0;
}

/** Runs an action that cannot be undone, if the button is pressed a second time within a few seconds. */
function askTwice(button, text, action) {
  if (button.classList.contains("sure")) return attempt(action);
  const [label, parts] = [button.getAttribute("aria-label"), [...button.childNodes]];
  button.classList.add("sure");
  button.setAttribute("aria-label", `${text}? Press again`);
  button.replaceChildren("Remove?");
  setTimeout(() => {
    button.classList.remove("sure");
    button.setAttribute("aria-label", label);
    button.replaceChildren(...parts);
  }, 4000);
}

/** Marks the preset in effect, once a change of the scene is complete: a slider causes many. */
function refreshPresets() {
  clearTimeout(presetsTimer);
  presetsTimer = setTimeout(() => attempt(loadPresets), 500);
}

$("save-preset").onsubmit = (event) => {
  event.preventDefault();
  attempt(async () => {
    const name = $("preset-name").value.trim();
    if (!name) return $("preset-name").focus();
    const { done } = await request({ "save-preset": { name } });
    if (done) toast(done.split("\n")[0]);
    $("preset-name").value = "";
    await loadPresets();
  });
};
