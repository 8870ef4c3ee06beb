// Edits of the current background by words, and the way back through them.
"use strict";

let index = { of: null, byId: new Map() };

function known(id) {
  if (index.of !== entries) index = { of: entries, byId: new Map(entries.map((entry) => [entry.id, entry])) };
  return index.byId.get(id);
}

/** The gallery image of the current background. */
function currentEntry() {
  const file = status?.scene.background.image?.path.split("/").at(-1);
  return file && entries.find((entry) => entry.file === file);
}

/** The image that an edit was made from; deleted ones are skipped, as the daemon does. */
const before = (entry) => known(entry?.ancestors?.find(known));
const hasEdit = (entry) => Boolean(entry) && entries.some((other) => before(other)?.id === entry.id);

/** Enables a button, or moves the focus on before it is disabled. */
function enable(button, enabled, other) {
  if (!enabled && document.activeElement === button) (other.disabled ? $("edit-text") : other).focus();
  button.disabled = !enabled;
}

/** Shows the form if the current background is an image that does not move. */
function showEdit(background) {
  const path = background.image?.path;
  $("edit").hidden = !path || /\.(gif|apng)$/i.test(path);
  const entry = currentEntry();
  const [canUndo, canRedo] = [Boolean(before(entry)), hasEdit(entry)];
  if (canRedo) $("redo").disabled = false;
  enable($("undo"), canUndo, $("redo"));
  enable($("redo"), canRedo, $("undo"));
  showEditor();
}

/** Who makes the edit and what is sent, or why it is not possible. */
function editorNote({ name, note, why_not: missing, edits, why_no_edits: why }) {
  const editor = generatorName(name);
  if (missing) return `${editor} is not set up. Choose another generator under Create a background.`;
  if (!edits) return `${editor} can't change images${why ? `: ${why}` : ""}. Choose another generator under Create a background.`;
  if (name === "builtin") return "The built-in painter can't change an image: it paints a new one from all your descriptions.";
  if (name === "local") return "Your own generator changes it. Everything stays on this computer.";
  return `This background and your text go to ${editor}${note && name !== "command" ? ` (${note.replace(/^at /, "").split(",")[0]})` : ""}. Your video does not.`;
}

function showEditor() {
  const chosen = providers.find((provider) => provider.name === $("provider").value);
  setText($("edit-note"), chosen ? editorNote(chosen) : "");
  $("edit-run").disabled = !chosen?.edits || Boolean(chosen.why_not);
}

/** Shows that an image is being generated, for an edit or a new background. */
function showEditing(busy, text) {
  const focused = document.activeElement;
  $("edit-run").hidden = busy;
  $("edit-cancel").hidden = !busy;
  setText($("edit-progress"), busy ? text : "");
  if (busy && focused === $("edit-run")) $("edit-cancel").focus();
  if (!busy && focused === $("edit-cancel")) $("edit-text").focus();
}

$("edit").onsubmit = async (event) => {
  event.preventDefault();
  const text = $("edit-text").value.trim();
  if (!text || $("edit-run").disabled) return $("edit-text").focus();
  if (await generate({ text, edit: true, provider: $("provider").value || null, count: 1 })) $("edit-text").value = "";
};
$("edit-cancel").onclick = () => $("cancel").click();

for (const [id, what] of [["undo", "undo-edit"], ["redo", "redo-edit"]]) {
  $(id).onclick = () => attempt(async () => {
    const { done } = await request(what);
    const [shown, note] = (done || "").split("\n");
    setText($("announce"), capital(shown));
    if (note) toast(note.replace(/^note: /, ""));
  });
}
