// The control page of bgcam. No framework; every word that comes from outside is set as text, never as HTML.
"use strict";

const $ = (id) => document.getElementById(id);

/** An element with properties, attributes (`aria-label` and the like) and children. */
function make(tag, properties = {}, ...children) {
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

/** Sets text only where it is new, so that a selection stays. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Talking to the daemon ------------------------------------------------------------------------------------------------

class Refused extends Error {
  constructor(failure, status) {
    super(failure.message);
    this.hint = failure.hint;
    this.status = status;
  }
}

/** The user was asked and said no. */
class Declined extends Error {}

/** Asks for `path` and gives the JSON of the answer; throws what was refused. */
async function call(method, path, body, options = {}) {
  let answer, data;
  try {
    answer = await fetch(path, { method, body, ...options });
    data = await answer.json();
  } catch (error) {
    throw new Refused({ message: "bgcam does not answer", hint: "is it running? In a terminal: bgcam preview" });
  }
  if (data && data.error) throw new Refused(data.error, answer.status);
  return data && "ok" in data ? data.ok : data;
}

const get = (path) => call("GET", path);
const PRECONDITION_REQUIRED = 428;

/** Has the daemon do something; asks the user first when the daemon finds that it would show their room. */
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

/** Shows what went wrong; after a no, everything on the page goes back to how it was. */
function report(error) {
  if (error instanceof Declined) {
    for (const input of document.querySelectorAll("input[type=range]")) input.touched = 0;
    if (status) render(status);
  } else {
    toast(error.message, { bad: true, hint: error.hint });
  }
}

/** Does something and shows what goes wrong. */
async function attempt(work) {
  try {
    await work();
  } catch (error) {
    report(error);
  }
}

/** Of what comes quickly one after another, as from a slider, sends the newest, and one at a time. */
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

/** Shows a message; errors stay until they are read. Returns what takes it away. */
function toast(text, { bad = false, hint, action, onEnd } = {}) {
  const box = make("div", { className: bad ? "toast bad" : "toast", role: bad ? "alert" : "status" });
  let timer;
  const end = () => {
    clearTimeout(timer);
    if (box.isConnected) {
      box.remove();
      onEnd?.();
    }
  };
  box.append(make("p", { textContent: capital(text) }));
  if (action) {
    box.append(make("button", { className: "action", textContent: action.name, onclick: () => { onEnd = null; end(); action.run(); } }));
  }
  const close = make("button", { className: "close", "aria-label": "Close this message", onclick: end }, icon("x"));
  box.append(close);
  if (hint) box.append(make("p", { className: "hint", textContent: hint }));
  const same = [...$("toasts").children].find((other) => other.firstChild.textContent === capital(text) && bad);
  same?.remove();
  $("toasts").append(box);
  timer = setTimeout(end, bad ? 15000 : 6000);
  return end;
}

// The live picture -----------------------------------------------------------------------------------------------------

const screen = $("screen");
const pen = screen.getContext("2d", { alpha: false });
let view = "output", live = null, shown = 0;

function veil(text, turning = true) {
  $("veil").hidden = !text;
  $("veil").classList.toggle("still", !turning);
  say($("veil-text"), text || "");
}

/** Draws what comes until it ends or is stopped; while one picture is being decoded, the newest waits. */
async function draw(stop) {
  const answer = await fetch(`/live/${view}`, { signal: stop.signal });
  if (!answer.ok) throw new Refused((await answer.json()).error);
  const reader = answer.body.getReader();
  let bytes = new Uint8Array(0), newest = null, decoding = false;
  const decode = async () => {
    if (decoding) return;
    decoding = true;
    while (newest && !stop.signal.aborted) {
      const jpeg = newest;
      newest = null;
      const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })).catch(() => null);
      if (!picture || stop.signal.aborted) continue;
      if (screen.width !== picture.width || screen.height !== picture.height) {
        screen.width = picture.width;
        screen.height = picture.height;
        $("stage").style.aspectRatio = `${picture.width} / ${picture.height}`;
      }
      pen.drawImage(picture, 0, 0);
      picture.close();
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

/** Watches while the page can be seen: a hidden tab lets the camera go. */
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
      veil(error instanceof Refused ? error.message : "The connection to bgcam is lost");
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

// The status -----------------------------------------------------------------------------------------------------------

let status = null, events = null, lost = 0;

function follow() {
  events?.close();
  clearTimeout(lost);
  if (document.hidden) return;
  events = new EventSource("/api/events");
  events.onmessage = (event) => render(JSON.parse(event.data));
  events.onerror = () => {
    headline("bad", "bgcam does not answer", "It may have been started again: bgcam preview opens the new page");
    // the browser does not try again after a refusal
    if (events.readyState === EventSource.CLOSED) lost = setTimeout(follow, 3000);
  };
}

let announced = "";
function headline(kind, text, detail) {
  $("dot").className = `dot ${kind}`;
  say($("headline"), text);
  say($("detail"), detail);
  if (announced !== text) say($("announce"), (announced = text));
}

/** With a capital, unless it begins with the name of a file. */
function capital(text) {
  return /^\S*[./]\S/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
}

function list(names) {
  return names.length < 3 ? names.join(" and ") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** What to say of the state: how it is, in what words, and the numbers. */
function summary({ camera, scene, mask, rates, outputs, readers, cpu_percent }) {
  const cpu = `${Math.round(cpu_percent)}\u00a0%\u00a0of\u00a0a\u00a0core`;
  if (scene.paused) return ["warn", "Paused: others see a still card", `The webcam is off · ${cpu}`];
  if (camera.error) return ["bad", capital(camera.error.message), camera.error.hint || "It is tried again and again"];
  if (mask.error) return ["bad", capital(mask.error.message), mask.error.hint || "It is tried again and again"];
  if (!camera.on) return ["", "The webcam is off", `${capital(camera.why)} · ${cpu}`];
  const apps = [...new Set(readers.map((reader) => reader.name))];
  if (!apps.length && outputs.some((output) => output.read)) apps.push("an app");
  const failed = outputs.find((output) => output.failure);
  const text = apps.length ? `Live: ${list(apps)} see${apps.length > 1 ? "" : "s"} you` : "Ready: only you see this";
  if (failed) return ["warn", capital(failed.failure.message), failed.failure.hint || ""];
  const source = camera.source ? `${camera.source.name} ${camera.source.native.join("×")}` : "Opening the webcam";
  const why = camera.source ? `on because ${camera.why}` : camera.wanted;
  const eased = mask.degraded ? ["simpler edges while the machine is busy"] : [];
  return [apps.length ? "good" : "", text, [source, why, `${rates.output.toFixed(0)}\u00a0fps`, cpu, ...eased].join(" · ")];
}

function render(next) {
  const old = status;
  status = next;
  const { scene, mask } = next;
  headline(...summary(next));
  $("foot").textContent = `bgcam ${next.version}`;
  say($("label"), scene.paused ? "" : capital(scene.label));
  showRoom(scene);
  showOthers(next);
  const pause = $("pause");
  setIcon(pause, scene.paused ? "play" : "pause");
  say(pause.lastElementChild, scene.paused ? "Resume" : "Pause");
  $("mirror").setAttribute("aria-pressed", scene.mirror);
  if (document.activeElement !== $("quality")) $("quality").value = mask.wanted_quality;
  $("quality").title = mask.quality_error?.message || "";
  const chosen = mask.wanted_quality === "auto" && ["balanced", "high"].includes(mask.quality);
  say($("auto"), chosen ? `Automatic (${mask.degraded ? "eased" : mask.quality})` : "Automatic");
  showCamera(next.camera.wanted);
  showJob(next.prompt);
  showKind(scene.background);
  showLook(scene.look);
  const ended = old?.prompt && !next.prompt;
  if (!old || ended || JSON.stringify(old.scene.background) !== JSON.stringify(scene.background)) loadGallery();
}

/** A banner for as long as others see the room, or would after a pause. */
function showRoom(scene) {
  const banner = $("room-banner");
  say($("room-what"), scene.room_visible ? "Your room is visible." : "Your room will be visible when you resume.");
  say($("room-why"), scene.room_why ? `${capital(scene.room_why)}.` : "");
  say($("hide-room"), blursRoom(scene) ? "Blur my room" : "Hide my room");
  banner.classList.toggle("later", !scene.room_visible);
  banner.hidden = !scene.room_why;
}

const blursRoom = (scene) => ["none", "blur"].includes(kindOf(scene.background));

$("hide-room").onclick = () => attempt(async () => {
  const { scene } = status;
  if (scene.look.background_opacity < 100) await request({ "set-look": { change: { background_opacity: 100 } } });
  if (blursRoom(scene)) await setBackground({ blur: { strength: Math.max(50, scene.background.blur?.strength || 0) } });
});

let keepsOthers = false;
/** Offers to leave out whoever else is in the picture, until the user says that they may stay. */
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

// Space scrolls, except where it belongs to what has the focus: on the picture it pauses, as on the button.
$("stage").addEventListener("keydown", (event) => {
  const plain = !(event.ctrlKey || event.altKey || event.metaKey || event.shiftKey);
  if (event.key !== " " || event.target !== $("stage") || !plain) return;
  event.preventDefault();
  if (!event.repeat) $("pause").click();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || document.querySelector("dialog[open]")) return;
  if (event.key === "Enter" && event.repeat && event.target.closest("button, input")) {
    event.preventDefault(); // a key that is held down means one press
  } else if (event.key === "Escape") {
    // what is typed belongs to the picture that is being made, a message to the whole page
    if (status?.prompt && event.target.closest("#create")) $("cancel").click();
    else [...$("toasts").children].filter((box) => !box.querySelector(".action")).at(-1)?.querySelector(".close").click();
  }
});

// Camera ---------------------------------------------------------------------------------------------------------------

let cameras = [["auto", "Automatic"], ["demo", "Demo, no camera"]];

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
  cameras = [["auto", rows.length ? "Automatic" : "Automatic, none found"], ...rows, ["demo", "Demo, no camera"]];
  if (status) showCamera(status.camera.wanted);
}

$("camera").onchange = (event) => {
  event.target.blur();
  attempt(() => request({ "set-camera": { camera: event.target.value } })).then(() => status && showCamera(status.camera.wanted));
};

// Backgrounds ----------------------------------------------------------------------------------------------------------

const COLOURS = ["#204060", "#1d6b57", "#5753c6", "#8a3b52", "#c77d3a", "#d9d5cc", "#6c7280", "#1b1b22"];
let entries = [], maxBytes = 25 << 20, many = 24;
const removed = new Map();
let asksForPath = false;

/** `none`, `blur`, `color`, `picture`, `video` or `slideshow`. */
const kindOf = (background) => (typeof background === "string" ? background : Object.keys(background)[0]);

const setBackground = (spec) => request({ "set-background": { spec } });

const kinds = {
  none: { name: "None", note: "shows your room", icon: "room", run: () => setBackground("none") },
  blur: { name: "Blur", icon: "blur", run: () => setBackground({ blur: { strength: Number($("blur-strength").value) } }) },
  color: { name: "Colour", icon: "colour", run: () => setBackground({ color: $("own-colour").value }) },
  video: { name: "Video", icon: "video", run: askForPath },
};

/** Shows where a path is typed: a browser does not tell the paths of files that are chosen in it. */
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
/** Whether the user agrees that others see their room; one question at a time. */
function agreesToRoom(why) {
  const dialog = $("room");
  question ??= new Promise((done) => {
    // not by the event `close`, which comes later: the next question may be asked before it
    const answer = (yes) => (event) => {
      event.preventDefault();
      question = null;
      dialog.close();
      done(yes);
    };
    say($("room-question"), `${capital(why)}. Others will see what is behind you.`);
    $("keep-hidden").onclick = dialog.oncancel = answer(false);
    $("show-room").onclick = answer(true);
    dialog.showModal();
  });
  return question;
}

function kindTile(kind, { name, note, icon: sign, run }) {
  const pick = make("button", { className: "pick", "aria-pressed": "false", onclick: () => attempt(run) }, icon(sign), name);
  pick.dataset.kind = kind;
  if (note) pick.append(make("small", { textContent: note }));
  return make("li", { className: "tile kind" }, pick);
}

function uploadTile() {
  const pick = make("button", { className: "pick", onclick: () => $("file").click() }, icon("plus"), "Upload");
  return make("li", { className: "tile kind upload" }, pick);
}

function pictureTile(entry) {
  const words = entry.title || entry.recipe.text || "Picture";
  const image = make("img", { src: `/api/gallery/${encodeURIComponent(entry.id)}/thumb`, alt: "", loading: "lazy", decoding: "async" });
  const title = [words, ...(entry.notes || [])].join("\n");
  const pick = make("button", { className: "pick", title, "aria-pressed": "false" }, image,
    make("span", { className: "name", textContent: words }));
  pick.dataset.file = entry.file;
  pick.onclick = async () => {
    pick.classList.add("busy");
    await attempt(() => call("POST", `/api/gallery/${encodeURIComponent(entry.id)}/use`));
    pick.classList.remove("busy");
  };
  const star = make("button", { className: "star", title: "Keep for good", "aria-label": `Keep ${words} for good`, "aria-pressed": entry.favourite }, icon("star"));
  star.onclick = () => attempt(async () => {
    await call("POST", `/api/gallery/${encodeURIComponent(entry.id)}/favourite`, JSON.stringify({ on: !entry.favourite }));
    await loadGallery();
    document.querySelector(`[data-file="${CSS.escape(entry.file)}"] ~ .tools .star`)?.focus();
  });
  const bin = make("button", { title: "Remove", "aria-label": `Remove ${words}`, onclick: () => remove(entry) }, icon("bin"));
  const tile = make("li", { className: "tile" }, pick);
  if (entry.favourite) tile.append(make("span", { className: "kept", title: "Kept for good" }, icon("star")));
  tile.append(make("span", { className: "tools" }, star, bin));
  return tile;
}

/** Takes a picture out of sight, and off the disk when nobody wants it back. */
function remove(entry) {
  const erase = (options) => {
    if (removed.delete(entry.id)) return call("DELETE", `/api/gallery/${encodeURIComponent(entry.id)}`, null, options);
  };
  const end = toast(`Removed ${entry.title || entry.recipe.text || "the picture"}`, {
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
  const now = JSON.stringify([sorted.slice(0, many).map((entry) => [entry.id, entry.favourite]), there.length]);
  if (now !== galleryShown) {
    galleryShown = now;
    $("tiles").replaceChildren(...sorted.slice(0, many).map(pictureTile));
    $("tiles").hidden = !sorted.length;
    $("more").hidden = sorted.length <= many;
    $("empty").hidden = sorted.length > 0;
  }
  if (status) showKind(status.scene.background);
}

$("more").onclick = () => {
  many += 48;
  showGallery();
};

let kindShown = "";
/** Marks what is behind the person, and shows what belongs to it. */
function showKind(background) {
  const kind = kindOf(background);
  const file = background.picture?.path.split("/").at(-1);
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
  const dot = make("button", { value: colour, title: colour, "aria-label": `Colour ${colour}`, onclick: () => sendColour(colour) });
  dot.style.background = colour;
  $("swatches").append(dot);
}

async function upload(files) {
  for (const file of files) {
    if (file.size > maxBytes) {
      const most = Math.round(maxBytes / (1 << 20));
      toast(`${file.name} is larger than ${most} MB`, { bad: true, hint: "make it smaller, or raise background.max_megabytes in the settings" });
      continue;
    }
    const done = toast(`Taking in ${file.name}`);
    await attempt(() => call("POST", `/api/upload/${encodeURIComponent(file.name || "picture")}`, file));
    done();
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

// Words become a picture -----------------------------------------------------------------------------------------------

const IDEAS = ["Beach at sunset", "A quiet library", "Forest in the morning fog", "City at night", "Bright office"];
let providers = [], asking = false;

/** The user's own words, and ideas while there are few. */
function showChips() {
  const words = entries.filter((entry) => !entry.imported).map((entry) => entry.recipe.text);
  const rows = [...new Set([...words.slice(0, 2), ...IDEAS])].slice(0, 4);
  if ([...$("chips").children].map((chip) => chip.title).join("\n") === rows.join("\n")) return;
  $("chips").replaceChildren(...rows.map((text) => make("button", {
    type: "button",
    title: text,
    onclick: () => { $("words").value = text; $("words").focus(); },
  }, make("span", { textContent: text }))));
}

function providerNote() {
  const chosen = providers.find((provider) => provider.name === $("provider").value);
  const paid = chosen && chosen.name !== "builtin" ? "Your words are sent there, your picture never. " : "";
  say($("provider-note"), chosen ? capital(`${paid}${[chosen.model, chosen.note].filter(Boolean).join(" ")}`) : "");
}

async function loadProviders() {
  providers = await get("/api/providers");
  const label = (provider) => (provider.name === "builtin" ? "Painted here" : capital(provider.name));
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

/** Shows what the user should know about new pictures, such as a part of the prompt that was left out. */
function showNotes(entries) {
  const notes = new Set((entries || []).flatMap((entry) => entry.notes || []));
  say($("result-notes"), [...notes].map((note) => `${capital(note)}.`).join(" "));
}

let wishes = 0;
$("prompt").onsubmit = async (event) => {
  event.preventDefault();
  const words = $("words").value.trim();
  if (!words) return $("words").focus();
  const number = (wishes += 1);
  asking = true;
  showJob(status?.prompt);
  say($("result-notes"), "");
  const prompt = { text: words, provider: $("provider").value || null, style: $("style").value || null, again: $("again").checked, count: 1 };
  try {
    const { pictures } = await request({ "set-prompt": prompt });
    if (number === wishes) showNotes(pictures);
  } catch (error) {
    // one that was cancelled, or replaced by a newer, has ended as its user wanted
    if (number === wishes) toast(error.message, { bad: true, hint: error.hint });
  }
  if (number === wishes) asking = false;
  showJob(status?.prompt);
};

$("words").onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!event.repeat) $("prompt").requestSubmit();
  }
};

$("cancel").onclick = () => {
  wishes += 1;
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
  const waits = job?.progress?.Waiting;
  say($("progress-text"), waits ? `Asked to wait, ${seconds}` : done === undefined ? seconds : `${Math.round(done * 100)} %, ${seconds}`);
}

// Look -----------------------------------------------------------------------------------------------------------------

const GROUPS = {
  Edge: { softness: "Softness", edge_shift: "Position", decontaminate: "Colour clean-up", light_wrap: "Light wrap", nearest_only: "Only the person in front" },
  Background: { background_opacity: "Opacity", background_blur: "Blur", background_brightness: "Brightness", background_saturation: "Saturation" },
  Light: { exposure_match: "Match the background", low_light: "Light me up" },
  Framing: { zoom: "Zoom", pan_x: "Left and right", pan_y: "Up and down", auto_frame: "Follow me" },
  Overlay: { overlay: "Picture", overlay_position: "Place", overlay_size: "Size", overlay_opacity: "Opacity" },
};
const knobs = new Map();
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
  say(output, `${input.value}${unit}`);
}

/** What a knob is turned with, and how it shows a value. */
function control(knob, id) {
  const { type, name } = knob;
  if (type === "switch") {
    const input = make("input", { type: "checkbox", className: "switch", id, role: "switch", onchange: () => sendLook(name, input.checked) });
    return { parts: [input], show: (value) => { input.checked = value; } };
  }
  if (type.number) {
    const [min, max] = type.number;
    const output = make("output");
    const input = make("input", { type: "range", id, min, max });
    input.oninput = () => { input.touched = Date.now(); setRange(input, input.value, output); sendLook(name, Number(input.value)); };
    return { parts: [output], below: [input], show: (value) => held(input) || setRange(input, value, output) };
  }
  if (type.choice) {
    const options = type.choice.map((word) => new Option(capital(word.replaceAll("-", " ")), word));
    const input = make("select", { id, onchange: () => sendLook(name, input.value) }, ...options);
    return { parts: [input], show: (value) => { input.value = value; } };
  }
  const input = make("input", { type: "text", id, placeholder: "/home/you/logo.png", spellcheck: false, onchange: () => sendLook(name, input.value.trim()) });
  return { parts: [], below: [input], show: (value) => { if (document.activeElement !== input) input.value = value; } };
}

function knobRow(knob, label) {
  const id = `look-${knob.name}`;
  const { parts, below = [], show } = control(knob, id);
  const does = make("p", { className: "does", id: `${id}-does`, textContent: capital(knob.description) });
  const reset = make("button", { className: "reset", title: "Reset", "aria-label": `Reset ${label}` }, icon("undo"));
  reset.onclick = () => attempt(() => request({ "reset-look": { names: [knob.name] } }));
  const row = make("div", { className: "knob" }, make("label", { htmlFor: id, textContent: label }), reset, parts[0] || make("span"), ...below, does);
  row.querySelector(`#${id}`).setAttribute("aria-describedby", `${id}-does`);
  knobs.set(knob.name, { row, show, configured: knob.default });
  return row;
}

async function loadKnobs() {
  const rows = await get("/api/look");
  const left = new Map(rows.map((knob) => [knob.name, knob]));
  const group = (title, names) => {
    const there = Object.entries(names).filter(([name]) => left.has(name));
    if (!there.length) return;
    const turned = make("span", { className: "turned", hidden: true });
    const box = make("details", {}, make("summary", {}, title, turned));
    for (const [name, label] of there) {
      box.append(knobRow(left.get(name), label));
      Object.assign(knobs.get(name), { turned });
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
  for (const [name, { row, show, configured, turned }] of knobs) {
    show(look[name]);
    const changed = look[name] !== configured;
    row.classList.toggle("changed", changed);
    counts.set(turned, (counts.get(turned) || 0) + changed);
  }
  for (const [badge, count] of counts) {
    badge.hidden = !count;
    say(badge, `${count} changed`);
  }
  $("reset-all").hidden = ![...counts.values()].some(Boolean);
}

$("reset-all").onclick = () => attempt(() => request({ "reset-look": { names: [] } }));

// Begin ----------------------------------------------------------------------------------------------------------------

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
for (const load of [loadKnobs, loadProviders, loadStyles, loadCameras]) attempt(load);
