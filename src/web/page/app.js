// The control page of bgcam. No framework. Text from outside is always inserted as text, never as HTML.
"use strict";

const $ = (id) => document.getElementById(id);

/** Creates an element with properties, attributes (such as `aria-label`) and children. */
function createElement(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  svg.setAttribute("aria-hidden", "true");
  return svg;
}

function setIcon(button, name) {
  button.querySelector("use").setAttribute("href", `#i-${name}`);
}

/** Sets the text of an element, unless it is unchanged: that would clear a selection. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Requests -------------------------------------------------------------------------------------------------------------

class RequestError extends Error {
  constructor(failure, status) {
    super(failure.message);
    this.hint = failure.hint;
    this.status = status;
  }
}

/** The user declined to show their room. */
class Declined extends Error {}

/** Sends a request and returns the JSON of the response; shows warnings and throws failures. */
async function call(method, path, body, options = {}) {
  let answer, data;
  try {
    answer = await fetch(path, { method, body, ...options });
    data = await answer.json();
  } catch (error) {
    throw new RequestError({ message: "Cannot reach bgcam", hint: "Check that it is running: bgcam status" });
  }
  if (data && data.error) throw new RequestError(data.error, answer.status);
  if (!data || !("ok" in data)) return data;
  if (data.ok.warning) toast(data.ok.warning.split("\n")[0], { bad: true });
  return data.ok;
}

const get = (path) => call("GET", path);
const PRECONDITION_REQUIRED = 428;

/** Sends a request to the daemon. If it would show the user's room, asks for consent first. */
async function request(what) {
  const body = JSON.stringify(what);
  try {
    return await call("POST", "/api/request", body);
  } catch (error) {
    if (error.status !== PRECONDITION_REQUIRED) throw error;
    if (!(await agreesToRoom(error.message))) throw new Declined();
    return call("POST", "/api/request", body, { headers: { "X-Bgcam-Show-Room": "yes" } });
  }
}

/** Shows an error. If the user declined, restores the controls. */
function report(error) {
  if (error instanceof Declined) {
    for (const input of document.querySelectorAll("input[type=range]")) input.touched = 0;
    if (status) render(status);
  } else {
    toast(error.message, { bad: true, hint: error.hint });
  }
}

/** Runs an action and shows its error. */
async function attempt(work) {
  try {
    await work();
  } catch (error) {
    report(error);
  }
}

/** For rapid changes, as from a slider: sends one value at a time, always the newest. */
function newestWins(send) {
  let waiting = null, busy = false;
  return async (value) => {
    waiting = { value };
    if (busy) return;
    busy = true;
    while (waiting) {
      const next = waiting.value;
      waiting = null;
      try {
        await send(next);
      } catch (error) {
        if (error instanceof Declined) waiting = null;
        report(error);
      }
    }
    busy = false;
  };
}

// Messages -------------------------------------------------------------------------------------------------------------

/** Shows a message and returns a function that closes it. */
function toast(text, { bad = false, hint, action, onEnd } = {}) {
  const box = createElement("div", { className: bad ? "toast bad" : "toast", role: bad ? "alert" : "status" });
  let timer;
  const end = () => {
    clearTimeout(timer);
    if (box.isConnected) {
      box.remove();
      onEnd?.();
    }
  };
  box.append(createElement("p", { textContent: capital(text) }));
  if (action) {
    box.append(createElement("button", { className: "action", textContent: action.name, onclick: () => { onEnd = null; end(); action.run(); } }));
  }
  const close = createElement("button", { className: "close", "aria-label": "Close", onclick: end }, icon("x"));
  box.append(close);
  if (hint) box.append(createElement("p", { className: "hint", textContent: hint }));
  const same = [...$("toasts").children].find((other) => other.firstChild.textContent === capital(text) && bad);
  same?.remove();
  $("toasts").append(box);
  timer = setTimeout(end, bad ? 15000 : 6000);
  return end;
}

// Live preview ---------------------------------------------------------------------------------------------------------

const screen = $("screen");
const canvas = screen.getContext("2d", { alpha: false });
let view = "output", live = null, shown = 0;

function veil(text) {
  $("veil").hidden = !text;
  setText($("veil-text"), text || "");
}

/** Draws frames until the stream ends or is stopped. While one is being decoded, only the newest is kept. */
async function draw(stop) {
  const answer = await fetch(`/live/${view}`, { signal: stop.signal });
  if (!answer.ok) throw new RequestError((await answer.json()).error);
  const reader = answer.body.getReader();
  let bytes = new Uint8Array(0), newest = null, decoding = false;
  const decode = async () => {
    if (decoding) return;
    decoding = true;
    while (newest && !stop.signal.aborted) {
      const jpeg = newest;
      newest = null;
      const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })).catch(() => null);
      if (!bitmap || stop.signal.aborted) continue;
      if (screen.width !== bitmap.width || screen.height !== bitmap.height) {
        screen.width = bitmap.width;
        screen.height = bitmap.height;
        $("stage").style.aspectRatio = `${bitmap.width} / ${bitmap.height}`;
      }
      canvas.drawImage(bitmap, 0, 0);
      bitmap.close();
      screen.dataset.frames = ++shown;
      if (!$("veil").hidden) veil("");
    }
    decoding = false;
  };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const joined = new Uint8Array(bytes.length + value.length);
    joined.set(bytes);
    joined.set(value, bytes.length);
    bytes = joined;
    for (;;) {
      const length = bytes.length < 4 ? Infinity : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      if (bytes.length < 4 + length) break;
      newest = bytes.slice(4, 4 + length);
      bytes = bytes.subarray(4 + length);
    }
    decode();
  }
}

/** Runs the preview while the page is visible, so that a hidden tab does not keep the camera open. */
async function watch() {
  live?.abort();
  if (document.hidden) return;
  const stop = new AbortController();
  live = stop;
  while (live === stop && !stop.signal.aborted) {
    try {
      await draw(stop);
    } catch (error) {
      if (stop.signal.aborted) return;
      veil(error instanceof RequestError ? error.message : "Connection to bgcam lost. Reconnecting…");
    }
    await new Promise((done) => setTimeout(done, 1500));
  }
}

for (const radio of document.getElementsByName("view")) {
  radio.onchange = () => {
    view = radio.value;
    screen.setAttribute("aria-label", `${radio.nextSibling.textContent}, live`);
    watch();
  };
}

// Status ---------------------------------------------------------------------------------------------------------------

let status = null, events = null, lost = 0;

function follow() {
  events?.close();
  clearTimeout(lost);
  if (document.hidden) return;
  events = new EventSource("/api/events");
  events.onmessage = (event) => render(JSON.parse(event.data));
  events.onerror = () => {
    headline("bad", "bgcam is not responding", "bgcam may have restarted. Run bgcam preview to open the new page");
    // the browser does not retry after an error response
    if (events.readyState === EventSource.CLOSED) lost = setTimeout(follow, 3000);
  };
}

let announced = "";
function headline(kind, text, detail) {
  $("dot").className = `dot ${kind}`;
  setText($("headline"), text);
  setText($("detail"), detail);
  if (announced !== text) setText($("announce"), (announced = text));
}

/** Capitalizes a sentence, unless it starts with a file name. */
function capital(text) {
  return /^\S*[./]\S/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
}

function list(names) {
  return names.length < 3 ? names.join(" and ") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** The headline: its severity, text and details. */
function summary({ camera, scene, mask, rates, outputs, readers, cpu_percent }) {
  const cpu = `CPU\u00a0${Math.round(cpu_percent)}\u00a0%`;
  if (scene.frozen) return ["warn", "Frozen", `Other people see your last frame as a still · Camera off · ${cpu}`];
  if (scene.paused) return ["warn", "Paused", `Other people see a "Camera paused" card · Camera off · ${cpu}`];
  if (camera.error) return ["bad", capital(camera.error.message), camera.error.hint || "Retrying…"];
  if (mask.error) return ["bad", capital(mask.error.message), mask.error.hint || "Retrying…"];
  if (!camera.on) return ["", "Camera off", `${capital(camera.reason)} · ${cpu}`];
  const apps = [...new Set(readers.map((reader) => reader.name))];
  if (!apps.length && outputs.some((output) => output.read)) apps.push("an app");
  const failed = outputs.find((output) => output.failure);
  const text = apps.length ? `Live in ${list(apps)}` : "Ready: only you can see this";
  if (failed) return ["warn", capital(failed.failure.message), failed.failure.hint || ""];
  const source = camera.source ? `${camera.source.name} ${camera.source.native.join("×")}` : "Opening camera…";
  const reason = capital(camera.source ? camera.reason : camera.wanted);
  const reduced = mask.degraded ? ["Edge quality reduced: CPU busy"] : [];
  return [apps.length ? "good" : "", text, [source, reason, `${rates.output.toFixed(0)}\u00a0fps`, cpu, ...reduced].join(" · ")];
}

function render(next) {
  const old = status;
  status = next;
  const { scene, mask } = next;
  headline(...summary(next));
  $("foot").textContent = `bgcam ${next.version}`;
  setText($("label"), scene.paused ? "" : capital(scene.label));
  showRoom(scene);
  showChoiceError(next.choice_error);
  showOthers(next);
  const pause = $("pause");
  setIcon(pause, scene.paused ? "play" : "pause");
  setText(pause.lastElementChild, scene.paused ? "Resume" : "Pause");
  $("mirror").setAttribute("aria-pressed", scene.mirror);
  if (document.activeElement !== $("quality")) $("quality").value = mask.wanted_quality;
  $("quality").title = mask.quality_error?.message || "";
  const chosen = mask.wanted_quality === "auto" && ["balanced", "high"].includes(mask.quality);
  setText($("auto"), chosen ? `Automatic (${mask.degraded ? "reduced" : mask.quality})` : "Automatic");
  showCamera(next.camera.wanted);
  showJob(next.prompt);
  showKind(scene.background);
  showLook(scene.look);
  const ended = old?.prompt && !next.prompt;
  if (!old || ended || JSON.stringify(old.scene.background) !== JSON.stringify(scene.background)) loadGallery();
}

/** Warns that the user's choices are not saved, or could not be loaded. */
function showChoiceError(failure) {
  $("choice-error").hidden = !failure;
  setText($("choice-error"), failure ? [failure.message, failure.hint].filter(Boolean).map((text) => `${capital(text)}.`).join(" ") : "");
}

/** Shows a banner while other people can see the room, or will after resuming. */
function showRoom(scene) {
  const banner = $("room-banner");
  setText($("room-what"), scene.room_visible ? "Your room is visible." : "Your room will be visible when you resume.");
  setText($("room-reason"), scene.room_reason ? `${capital(scene.room_reason)}.` : "");
  setText($("hide-room"), blursRoom(scene) ? "Blur my room" : "Hide my room");
  banner.classList.toggle("later", !scene.room_visible);
  banner.hidden = !scene.room_reason;
}

const blursRoom = (scene) => ["none", "blur"].includes(kindOf(scene.background));

$("hide-room").onclick = () => attempt(async () => {
  const { scene } = status;
  if (scene.look.background_opacity < 100) await request({ "set-look": { change: { background_opacity: 100 } } });
  if (blursRoom(scene)) await setBackground({ blur: { strength: Math.max(50, scene.background.blur?.strength || 0) } });
});

let keepsOthers = false;
/** Offers to hide other people, until the user keeps them. */
function showOthers({ scene, mask }) {
  if (!mask.others_visible) keepsOthers = false;
  $("others").hidden = !mask.others_visible || keepsOthers || scene.paused || scene.look.nearest_only;
}

$("only-me").onclick = () => attempt(() => request({ "set-look": { change: { nearest_only: true } } }));
$("keep-others").onclick = () => {
  keepsOthers = true;
  if (status) showOthers(status);
};

$("pause").onclick = () => attempt(() => request(status?.scene.paused ? "resume" : "pause"));
$("mirror").onclick = () => attempt(() => request({ mirror: { on: !status?.scene.mirror } }));
$("quality").onchange = (event) => attempt(() => request({ "set-quality": { quality: event.target.value } }));

// Space pauses if the preview has the focus; elsewhere it scrolls or presses the focused button.
$("stage").addEventListener("keydown", (event) => {
  const plain = !(event.ctrlKey || event.altKey || event.metaKey || event.shiftKey);
  if (event.key !== " " || event.target !== $("stage") || !plain) return;
  event.preventDefault();
  if (!event.repeat) $("pause").click();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || document.querySelector("dialog[open]")) return;
  if (event.key === "Enter" && event.repeat && event.target.closest("button, input")) {
    event.preventDefault(); // ignore key repeat
  } else if (event.key === "Escape") {
    // in the form: cancel the generation; elsewhere: close the newest message
    if (status?.prompt && event.target.closest("#create")) $("cancel").click();
    else [...$("toasts").children].filter((box) => !box.querySelector(".action")).at(-1)?.querySelector(".close").click();
  }
});

// Camera ---------------------------------------------------------------------------------------------------------------

let cameras = [["auto", "Automatic"], ["demo", "Demo (no camera)"]];

function showCamera(wanted) {
  const select = $("camera");
  if (document.activeElement === select && select.options.length) return;
  const rows = cameras.some(([value]) => value === wanted) ? cameras : [...cameras, [wanted, wanted]];
  const known = [...select.options].map((option) => option.value + option.text).join("\n");
  if (known !== rows.map((row) => row.join("")).join("\n")) {
    select.replaceChildren(...rows.map(([value, text]) => new Option(text, value)));
  }
  select.value = wanted;
}

async function loadCameras() {
  const { cameras: found } = await get("/api/devices");
  const real = found.filter((camera) => !(camera.virtual && camera.name === "Virtual Background Cam"));
  const rows = real.map((camera) => [camera.id || camera.path, camera.name]);
  cameras = [["auto", rows.length ? "Automatic" : "Automatic (no camera found)"], ...rows, ["demo", "Demo (no camera)"]];
  if (status) showCamera(status.camera.wanted);
}

$("camera").onchange = (event) => {
  event.target.blur();
  attempt(() => request({ "set-camera": { camera: event.target.value } })).then(() => status && showCamera(status.camera.wanted));
};

// Backgrounds ----------------------------------------------------------------------------------------------------------

const COLOURS = ["#204060", "#1d6b57", "#5753c6", "#8a3b52", "#c77d3a", "#d9d5cc", "#6c7280", "#1b1b22"];
let entries = [], maxBytes = 25 << 20, maxTiles = 24;
const removed = new Map();
let asksForPath = false;

/** `none`, `blur`, `color`, `image`, `video` or `slideshow`. */
const kindOf = (background) => (typeof background === "string" ? background : Object.keys(background)[0]);

const setBackground = (spec) => request({ "set-background": { spec } });

const kinds = {
  none: { name: "None", note: "shows your room", icon: "room", run: () => setBackground("none") },
  blur: { name: "Blur", icon: "blur", run: () => setBackground({ blur: { strength: Number($("blur-strength").value) } }) },
  color: { name: "Colour", icon: "colour", run: () => setBackground({ color: $("own-colour").value }) },
  video: { name: "Video", icon: "video", run: askForPath },
};

/** Shows the path field: browsers do not reveal the paths of selected files. */
function askForPath() {
  asksForPath = true;
  showKind(status.scene.background);
  $("moving-path").focus();
}

function showMoving() {
  const slides = $("moving-kind").value === "slideshow";
  $("moving-path").placeholder = slides ? "/home/you/Pictures" : "/home/you/Videos/waves.mp4";
  $("moving-seconds-label").hidden = !slides;
}

$("moving-kind").onchange = showMoving;
$("moving-option").onsubmit = (event) => {
  event.preventDefault();
  const path = $("moving-path").value.trim();
  const kind = $("moving-kind").value;
  const seconds = Number($("moving-seconds").value) || 0;
  attempt(() => setBackground({ [kind]: kind === "video" ? { path } : { path, seconds } }));
};

let question = null;
/** Asks for consent to show the room; one question at a time. */
function agreesToRoom(why) {
  const dialog = $("room");
  question ??= new Promise((done) => {
    // not in a `close` handler: it runs later, possibly after the next question
    const answer = (yes) => (event) => {
      event.preventDefault();
      question = null;
      dialog.close();
      done(yes);
    };
    setText($("room-question"), `${capital(why)}. Other people will see what is behind you.`);
    $("keep-hidden").onclick = dialog.oncancel = answer(false);
    $("show-room").onclick = answer(true);
    dialog.showModal();
  });
  return question;
}

function kindTile(kind, { name, note, icon: sign, run }) {
  const pick = createElement("button", { className: "pick", "aria-pressed": "false", onclick: () => attempt(run) }, icon(sign), name);
  pick.dataset.kind = kind;
  if (note) pick.append(createElement("small", { textContent: note }));
  return createElement("li", { className: "tile kind" }, pick);
}

function uploadTile() {
  const pick = createElement("button", { className: "pick", onclick: () => $("file").click() }, icon("plus"), "Upload");
  return createElement("li", { className: "tile kind upload" }, pick);
}

function imageTile(entry) {
  const name = entry.title || entry.recipe.text || "Image";
  const image = createElement("img", { src: `/api/gallery/${encodeURIComponent(entry.id)}/thumb`, alt: "", loading: "lazy", decoding: "async" });
  const title = [name, ...(entry.notes || [])].join("\n");
  const pick = createElement("button", { className: "pick", title, "aria-pressed": "false" }, image,
    createElement("span", { className: "name", textContent: name }));
  pick.dataset.file = entry.file;
  pick.onclick = async () => {
    pick.classList.add("busy");
    await attempt(() => call("POST", `/api/gallery/${encodeURIComponent(entry.id)}/use`));
    pick.classList.remove("busy");
  };
  const star = createElement("button", { className: "star", title: "Favourite", "aria-label": `Favourite: ${name}`, "aria-pressed": entry.favourite }, icon("star"));
  star.onclick = () => attempt(async () => {
    await call("POST", `/api/gallery/${encodeURIComponent(entry.id)}/favourite`, JSON.stringify({ on: !entry.favourite }));
    await loadGallery();
    document.querySelector(`[data-file="${CSS.escape(entry.file)}"] ~ .tools .star`)?.focus();
  });
  const bin = createElement("button", { title: "Remove", "aria-label": `Remove ${name}`, onclick: () => remove(entry) }, icon("bin"));
  const tile = createElement("li", { className: "tile" }, pick);
  if (entry.favourite) tile.append(createElement("span", { className: "kept", title: "Favourite" }, icon("star")));
  tile.append(createElement("span", { className: "tools" }, star, bin));
  return tile;
}

/** Hides an image, and deletes it unless the user undoes this. */
function remove(entry) {
  const erase = (options) => {
    if (removed.delete(entry.id)) return call("DELETE", `/api/gallery/${encodeURIComponent(entry.id)}`, null, options);
  };
  const end = toast(`Removed ${entry.title || entry.recipe.text || "image"}`, {
    action: { name: "Undo", run: () => { removed.delete(entry.id); showGallery(); } },
    onEnd: () => attempt(async () => { await erase(); await loadGallery(); }),
  });
  removed.set(entry.id, { erase, end });
  showGallery();
}

async function loadGallery() {
  await attempt(async () => {
    const listing = await get("/api/gallery");
    [entries, maxBytes] = [listing.entries, listing.max_bytes];
  });
  showGallery();
  showChips();
}

let galleryShown = "";
function showGallery() {
  const there = entries.filter((entry) => !removed.has(entry.id));
  const sorted = [...there.filter((entry) => entry.favourite), ...there.filter((entry) => !entry.favourite)];
  const now = JSON.stringify([sorted.slice(0, maxTiles).map((entry) => [entry.id, entry.favourite]), there.length]);
  if (now !== galleryShown) {
    galleryShown = now;
    $("tiles").replaceChildren(...sorted.slice(0, maxTiles).map(imageTile));
    $("tiles").hidden = !sorted.length;
    $("more").hidden = sorted.length <= maxTiles;
    $("empty").hidden = sorted.length > 0;
  }
  if (status) showKind(status.scene.background);
}

$("more").onclick = () => {
  maxTiles += 48;
  showGallery();
};

let kindShown = "";
/** Marks the current background and shows its options. */
function showKind(background) {
  const kind = kindOf(background);
  const file = background.image?.path.split("/").at(-1);
  showNotes($("image-notes"), entries.filter((entry) => entry.file === file && entry.id !== createdId));
  for (const pick of document.querySelectorAll(".pick")) {
    const on = pick.dataset.kind === (kind === "slideshow" ? "video" : kind) || (file && pick.dataset.file === file);
    if (pick.dataset.kind || pick.dataset.file) pick.setAttribute("aria-pressed", Boolean(on));
  }
  const moving = background.video || background.slideshow;
  if (JSON.stringify(background) !== kindShown) {
    kindShown = JSON.stringify(background);
    asksForPath = false;
    if (moving) {
      $("moving-kind").value = kind;
      $("moving-path").value = moving.path;
      if (moving.seconds) $("moving-seconds").value = moving.seconds;
    }
    showMoving();
  }
  $("moving-option").hidden = !(moving || asksForPath);
  $("blur-option").hidden = kind !== "blur";
  $("colour-option").hidden = kind !== "color";
  if (kind === "blur" && !held($("blur-strength"))) setRange($("blur-strength"), background.blur.strength, $("blur-value"));
  if (kind === "color") {
    if (document.activeElement !== $("own-colour")) $("own-colour").value = background.color;
    for (const dot of $("swatches").children) dot.setAttribute("aria-pressed", dot.value === background.color);
  }
}

const sendBlur = newestWins((strength) => setBackground({ blur: { strength } }));
const sendColour = newestWins((color) => setBackground({ color }));
$("blur-strength").oninput = (event) => {
  event.target.touched = Date.now();
  setRange(event.target, event.target.value, $("blur-value"));
  sendBlur(Number(event.target.value));
};
$("own-colour").oninput = (event) => sendColour(event.target.value);
for (const colour of COLOURS) {
  const dot = createElement("button", { value: colour, title: colour, "aria-label": `Colour ${colour}`, onclick: () => sendColour(colour) });
  dot.style.background = colour;
  $("swatches").append(dot);
}

async function upload(files) {
  for (const file of files) {
    if (file.size > maxBytes) {
      const megabytes = Math.round(maxBytes / (1 << 20));
      toast(`${file.name} is larger than ${megabytes} MB`, { bad: true, hint: "Use a smaller file, or raise background.max_megabytes in the settings" });
      continue;
    }
    const close = toast(`Uploading ${file.name}`);
    await attempt(async () => {
      const { images } = await call("POST", `/api/upload/${encodeURIComponent(file.name || "image")}`, file);
      for (const note of images[0].notes || []) toast(note, { bad: true });
    });
    close();
  }
}

$("file").onchange = (event) => {
  upload([...event.target.files]);
  event.target.value = "";
};

let inside = 0;
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragenter", (event) => {
  if (!hasFiles(event)) return;
  inside += 1;
  $("drop").hidden = false;
});
addEventListener("dragleave", (event) => {
  if (!hasFiles(event)) return;
  inside = Math.max(0, inside - 1);
  $("drop").hidden = inside === 0;
});
addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  inside = 0;
  $("drop").hidden = true;
  upload([...event.dataTransfer.files]);
});

// Create a background --------------------------------------------------------------------------------------------------

const IDEAS = ["Beach at sunset", "A quiet library", "Forest in morning fog", "City at night", "Bright office"];
const GENERATORS = {
  builtin: "Built-in painter (offline)",
  bedrock: "Amazon Bedrock",
  command: "Your own program",
  comfyui: "ComfyUI",
  gemini: "Google Gemini",
  openai: "OpenAI",
  sdwebui: "Stable Diffusion web UI",
  stability: "Stability AI",
};
let providers = [], asking = false;

/** Suggests the user's recent prompts, filled up with ideas. */
function showChips() {
  const prompts = entries.filter((entry) => !entry.imported).map((entry) => entry.recipe.text);
  const rows = [...new Set([...prompts.slice(0, 2), ...IDEAS])].slice(0, 4);
  if ([...$("chips").children].map((chip) => chip.title).join("\n") === rows.join("\n")) return;
  $("chips").replaceChildren(...rows.map((text) => createElement("button", {
    type: "button",
    title: text,
    onclick: () => { $("prompt-text").value = text; $("prompt-text").focus(); },
  }, createElement("span", { textContent: text }))));
}

function providerNote() {
  const chosen = providers.find((provider) => provider.name === $("provider").value);
  const privacy = chosen && chosen.name !== "builtin" ? "Your prompt is sent to this service; your video is not. " : "";
  setText($("provider-note"), chosen ? capital(`${privacy}${[chosen.model, chosen.note].filter(Boolean).join(" ")}`) : "");
}

async function loadProviders() {
  providers = await get("/api/providers");
  const label = (provider) => GENERATORS[provider.name] || capital(provider.name);
  const rows = providers.map((provider) => {
    const option = new Option(label(provider) + (provider.configured ? "" : " (not set up)"), provider.name);
    option.disabled = !provider.configured;
    option.title = provider.why_not ? [provider.why_not.message, provider.why_not.hint].filter(Boolean).join(": ") : "";
    return option;
  });
  $("provider").replaceChildren(...rows);
  if (status) $("provider").value = status.provider;
  providerNote();
}

$("provider").onchange = providerNote;

async function loadStyles() {
  const names = await get("/api/styles");
  $("style").append(...names.map((name) => new Option(capital(name), name)));
}

/** Shows the notes of images, such as a part of the prompt that was left out. */
function showNotes(element, entries) {
  const notes = new Set((entries || []).flatMap((entry) => entry.notes || []));
  setText(element, [...notes].map((note) => `${capital(note)}.`).join(" "));
}

let promptNumber = 0, createdId = null;
$("prompt").onsubmit = async (event) => {
  event.preventDefault();
  const text = $("prompt-text").value.trim();
  if (!text) return $("prompt-text").focus();
  const number = (promptNumber += 1);
  asking = true;
  createdId = null;
  showJob(status?.prompt);
  setText($("result-notes"), "");
  const prompt = { text, provider: $("provider").value || null, style: $("style").value || null, again: $("again").checked, count: 1 };
  try {
    const { images } = await request({ "set-prompt": prompt });
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
}

// Look -----------------------------------------------------------------------------------------------------------------

const GROUPS = {
  Edge: { softness: "Softness", edge_shift: "Grow or shrink", decontaminate: "Remove colour fringe", light_wrap: "Light wrap", nearest_only: "Show only me" },
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
  const input = createElement("input", { type: "text", id, placeholder: "/home/you/logo.png", spellcheck: false, onchange: () => sendLook(name, input.value.trim()) });
  return { parts: [], below: [input], show: (value) => { if (document.activeElement !== input) input.value = value; } };
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

// Start ----------------------------------------------------------------------------------------------------------------

document.addEventListener("visibilitychange", () => {
  watch();
  follow();
});
addEventListener("pagehide", () => {
  live?.abort();
  for (const { erase } of removed.values()) erase({ keepalive: true });
});

$("kinds").append(...Object.entries(kinds).map(([kind, it]) => kindTile(kind, it)), uploadTile());
watch();
follow();
showChips();
for (const load of [loadLook, loadProviders, loadStyles, loadCameras]) attempt(load);
