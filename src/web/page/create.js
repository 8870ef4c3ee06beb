// Backgrounds created from a description.
"use strict";

const IDEAS = ["Beach at sunset", "A quiet library", "Forest in morning fog", "City at night", "Bright office"];
const generatorName = (name) => providers.find((provider) => provider.name === name)?.title || capital(name);
let providers = [], asking = false;

/** Suggests the user's recent prompts, filled up with ideas. */
function showChips() {
  const prompts = entries.filter((entry) => !entry.imported && !entry.starter && !entry.ancestors?.length).map((entry) => entry.recipe.text);
  const rows = [...new Set([...prompts.slice(0, 2), ...IDEAS])].slice(0, 4);
  if ([...$("chips").children].map((chip) => chip.title).join("\n") === rows.join("\n")) return;
  $("chips").replaceChildren(...rows.map((text) => createElement("button", {
    type: "button",
    title: text,
    onclick: () => { $("prompt-text").value = text; $("prompt-text").focus(); },
  }, createElement("span", { textContent: text }))));
}

/** Who learns the prompt, as a sentence. */
function promptPrivacy({ name, note }) {
  if (name === "builtin") return "";
  if (name === "local") return "Your prompt stays on this computer.";
  if (name === "command") return `Your prompt goes to ${note || "your own program"}.`;
  const server = note.replace(/^at (https?:\/\/)?/, "").split("/")[0];
  const isLocal = /^(localhost|127\.|\[::1\])/.test(server);
  return `Your prompt is sent to ${generatorName(name)} ${isLocal ? "on this computer" : server ? `(${server})` : ""}`.trim() + ".";
}

/** How to give a generator its API key, or other credentials. */
function keySteps({ name, credentials }) {
  return `It needs an API key. Save the key in a file that only you can read: \`install -D -m 600 /dev/stdin ~/.config/bgcam/${name}.key\` ` +
    `(paste the key, then press Enter and Ctrl+D). Then add \`[prompt.${name}]\nkey_file = "~/.config/bgcam/${name}.key"\` to the settings file ` +
    "(`bgcam config path` shows where it is)." + (credentials ? ` Or ${credentials}.` : "");
}

/** An amount in US dollars; a few cents have more digits. */
const dollars = (amount) => `$${amount >= 0.1 ? amount.toFixed(2) : amount.toFixed(4).replace(/0{1,2}$/, "")}`;

/** The price of an image, as a sentence. */
function priceText(price) {
  if (price === 0) return "Free.";
  return price ? `About ${dollars(price)} per image.` : "Price unknown.";
}

/** Shows what images have cost this month. */
function showCosts({ images, unpriced, total, limit }) {
  const parts = [
    `This month: ${dollars(total)} for ${images} ${images === 1 ? "image" : "images"}`,
    unpriced ? `${unpriced} of unknown price` : "",
    limit ? `limit ${dollars(limit)}` : "",
  ];
  setText($("costs"), images || limit ? `${parts.filter(Boolean).join(", ")}.` : "");
}

/** Describes the chosen generator: its model and who learns the prompt, or what is missing. */
function showProvider() {
  const chosen = providers.find((provider) => provider.name === $("provider").value);
  const missing = chosen?.why_not;
  const privacy = chosen && !missing ? promptPrivacy(chosen) : "";
  const about = chosen?.name === "builtin" ? `${capital(chosen.note)}.` : [chosen?.model ? `Model ${chosen.model}.` : "", priceText(chosen?.price)].filter(Boolean).join(" ");
  setText($("provider-note"), missing || !chosen ? "" : [about, privacy].filter(Boolean).join(" "));
  setText($("privacy"), privacy ? `${privacy} Your video never leaves this computer.` : "Everything stays on this computer.");
  $("provider-setup").hidden = !missing;
  $("generate").disabled = Boolean(missing);
  showEditor();
  if (!missing) return;
  const needsKey = missing.message.includes("no API key") && missing.message.includes(".key_file");
  const text = needsKey ? keySteps(chosen) : [missing.message, missing.hint].filter(Boolean).map((part) => `${capital(part)}.`).join(" ");
  $("provider-missing").replaceChildren(createElement("strong", { textContent: `${generatorName(chosen.name)} is not set up. ` }), ...withCommands(text));
}

async function loadProviders() {
  providers = await get("/api/providers");
  const rows = providers.map(({ name, configured }) => new Option(generatorName(name) + (configured ? "" : " (set up…)"), name));
  const chosen = $("provider").value || status?.provider;
  $("provider").replaceChildren(...rows);
  if (chosen) $("provider").value = chosen;
  showProvider();
}

$("provider").onchange = showProvider;
let endStillMissing = () => {};
$("provider-again").onclick = () => attempt(async () => {
  endStillMissing();
  await request("reload");
  await loadProviders();
  if (!$("provider-setup").hidden) endStillMissing = toast(`${generatorName($("provider").value)} is still not set up`, { bad: true });
});

async function loadStyles() {
  const names = await get("/api/styles");
  $("style").append(...names.map((name) => new Option(capital(name), name)));
}

/** Shows the notes of images, such as a part of the prompt that was left out. */
function showNotes(element, entries) {
  const notes = new Set((entries || []).flatMap((entry) => entry.notes || []));
  element.replaceChildren(...[...notes].flatMap((note) => [...withCommands(`${capital(note)}.`), " "]));
}

let promptNumber = 0, createdId = null;
/** Requests an image and shows its progress; true if it is done. */
async function generate(prompt) {
  const number = (promptNumber += 1);
  asking = true;
  createdId = null;
  showJob(status?.prompt);
  setText($("result-notes"), "");
  let isDone = false;
  try {
    const { images } = await request({ "set-prompt": prompt });
    isDone = Boolean(images);
    if (number === promptNumber && images) {
      createdId = images[0].id;
      showNotes($("result-notes"), images);
    }
  } catch (error) {
    // the user cancelled or replaced an older prompt
    if (number === promptNumber) toast(error.message, { bad: true, hint: error.hint });
  }
  if (number === promptNumber) asking = false;
  showJob(status?.prompt);
  return isDone;
}

$("prompt").onsubmit = (event) => {
  event.preventDefault();
  const text = $("prompt-text").value.trim();
  if (!text) return $("prompt-text").focus();
  generate({ text, provider: $("provider").value || null, style: $("style").value || null, again: $("again").checked, count: 1 });
};

$("prompt-text").onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!event.repeat) $("prompt").requestSubmit();
  }
};

$("cancel").onclick = () => {
  promptNumber += 1;
  asking = false;
  attempt(() => request("cancel-prompt"));
};

function showJob(job) {
  const busy = asking || Boolean(job);
  $("ask").hidden = busy;
  $("progress").hidden = !busy;
  const done = job?.progress?.Done;
  if (done === undefined) $("bar").removeAttribute("value");
  else $("bar").value = done;
  const seconds = job ? `${Math.round(job.elapsed_s)} s` : "";
  const isWaiting = job?.progress?.Waiting;
  setText($("progress-text"), isWaiting ? `Waiting for the service, ${seconds}` : done === undefined ? seconds : `${Math.round(done * 100)} %, ${seconds}`);
  showEditing(busy, $("progress-text").textContent);
}
