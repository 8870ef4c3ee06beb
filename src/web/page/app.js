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

/** The parts of a text in which commands are between backticks; each command has a button that copies it. */
function withCommands(text) {
  return text.split("`").flatMap((part, index) => (index % 2 ? [command(part)] : [part]));
}

function command(text) {
  const copy = createElement("button", { type: "button", className: "copy", "aria-label": `Copy ${text}`, textContent: "Copy" });
  copy.onclick = () => attempt(async () => {
    await navigator.clipboard.writeText(text);
    setText(copy, "Copied");
    setTimeout(() => setText(copy, "Copy"), 2000);
  });
  return createElement("span", { className: "command" }, createElement("code", { textContent: text }), copy);
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
    throw new RequestError({ message: LOST, hint: "If it has stopped, start it with `systemctl --user start bgcam`" });
  }
  if (data && data.error) throw new RequestError(data.error, answer.status);
  if (!data || !("ok" in data)) return data;
  if (data.ok.warning) toast(data.ok.warning.split("\n")[0], { bad: true });
  return data.ok;
}

const LOST = "Cannot reach bgcam";
const get = (path) => call("GET", path);
const FORBIDDEN = 403;
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

/** Shows a message and returns a function that closes it; with `progress`, an object with the functions of a progress bar. */
function toast(text, { bad = false, hint, action, onEnd, progress } = {}) {
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
  if (hint) box.append(createElement("p", { className: "hint" }, ...withCommands(hint)));
  const same = [...$("toasts").children].find((other) => other.firstChild.textContent === capital(text) && bad);
  same?.remove();
  $("toasts").append(box);
  if (progress) {
    const bar = createElement("progress", { max: 1, "aria-label": text });
    box.append(bar);
    close.setAttribute("aria-label", "Cancel");
    return { end, progress: (share) => { bar.value = share; }, onCancel: (cancel) => { close.onclick = cancel; } };
  }
  timer = setTimeout(end, bad ? 15000 : 6000);
  return end;
}

// Live preview ---------------------------------------------------------------------------------------------------------

const stage = $("screen");
let view = "output", live = null;

function veil(text) {
  $("veil").hidden = !text;
  setText($("veil-text"), text || "");
}

/** Draws frames of a view until the stream ends or is stopped. While one is being decoded, only the newest is kept. */
async function draw(stop, view, screen) {
  const canvas = screen.getContext("2d", { alpha: false });
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
        if (screen === stage) $("stage").style.aspectRatio = `${bitmap.width} / ${bitmap.height}`;
      }
      canvas.drawImage(bitmap, 0, 0);
      bitmap.close();
      screen.dataset.view = view;
      screen.dataset.frames = Number(screen.dataset.frames || 0) + 1;
      if (screen === stage && !$("veil").hidden) veil("");
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
      await draw(stop, view, stage);
    } catch (error) {
      if (stop.signal.aborted) return;
      veil(error instanceof RequestError ? error.message : "Connection to bgcam lost. Reconnecting…");
    }
    await new Promise((done) => setTimeout(done, 1500));
  }
}

const views = [...document.getElementsByName("view")];

/** Shows a view of the pipeline: the chosen one or, while comparing, the webcam. The output is never affected. */
function showView(comparing) {
  const chosen = views.find((radio) => radio.checked);
  const next = comparing ? "camera" : chosen.value;
  $("compare").setAttribute("aria-pressed", comparing);
  setText($("compare"), comparing ? "Your webcam: only you see this" : "Hold to compare");
  if (next === view) return;
  view = next;
  stage.setAttribute("aria-label", `${comparing ? "Camera" : chosen.nextSibling.textContent}, live`);
  watch();
}

for (const radio of views) {
  radio.onchange = () => {
    $("compare").hidden = radio.value !== "output";
    showView(false);
  };
}

const compare = $("compare");
compare.onpointerdown = (event) => {
  compare.setPointerCapture(event.pointerId);
  showView(true);
};
compare.onpointerup = compare.onpointercancel = compare.onblur = () => showView(false);
compare.oncontextmenu = (event) => event.preventDefault(); // a long press on a touch screen
const presses = (event) => event.key === " " || event.key === "Enter";
compare.onkeydown = (event) => {
  if (!presses(event)) return;
  event.preventDefault();
  if (!event.repeat) showView(true);
};
compare.onkeyup = (event) => presses(event) && showView(false);

// Status ---------------------------------------------------------------------------------------------------------------

let status = null, events = null, lost = 0, heard = Date.now();

function follow() {
  events?.close();
  clearTimeout(lost);
  if (document.hidden) return;
  events = new EventSource("/api/events");
  events.onmessage = (event) => {
    heard = Date.now();
    for (const box of $("toasts").children) if (box.firstChild.textContent === LOST) box.remove();
    render(JSON.parse(event.data));
  };
  events.onerror = () => {
    headline("bad", "bgcam is not responding", Date.now() - heard < 5000 ? "Reconnecting…" : "If it has stopped, start it with `systemctl --user start bgcam`");
    // the browser does not retry after an error response
    if (events.readyState === EventSource.CLOSED) lost = setTimeout(reconnect, 1000);
  };
}

// Restart of bgcam: the session has ended, but this tab can prove that it had one. The key is only in this script's memory.
let ticket = null;

async function startSession() {
  const session = await get("/api/session");
  ticket = session.ticket;
  return session;
}

async function reconnect() {
  if (document.hidden) return;
  try {
    await resume();
  } catch (error) {
    if (error.status === FORBIDDEN) return showClosed();
  }
  follow();
}

/** Starts a new session after a restart, if this tab is no longer authorized. */
async function resume() {
  const { challenge } = await get("/api/resume");
  if (!ticket) throw new RequestError({ message: "This tab has no ticket" }, FORBIDDEN);
  const bytes = (text) => new TextEncoder().encode(text);
  const key = await crypto.subtle.importKey("raw", bytes(ticket.key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const mac = await crypto.subtle.sign("HMAC", key, bytes(`bgcam ${location.port} ${challenge}`));
  const proof = [...new Uint8Array(mac)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  await call("POST", "/api/resume", JSON.stringify({ ticket: ticket.id, proof }));
  await startSession();
  watch();
}

function showClosed() {
  headline("bad", "This page was disconnected", "");
  $("detail").replaceChildren(...withCommands("bgcam restarted. To open the page again, run `bgcam preview`"));
}

let announced = "";
let detailed = "";
function headline(kind, text, detail) {
  $("dot").className = `dot ${kind}`;
  setText($("headline"), text);
  if (detailed !== detail) $("detail").replaceChildren(...withCommands((detailed = detail)));
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
  if (scene.paused) return ["warn", "Paused", `Other people see ${scene.pause_message ? `"${scene.pause_message}"` : 'a "Camera paused" card'} · Camera off · ${cpu}`];
  if (camera.error) return ["bad", capital(camera.error.message), capital(camera.error.hint || "Retrying…")];
  if (mask.error) return ["bad", capital(mask.error.message), capital(mask.error.hint || "Retrying…")];
  if (!camera.on) return ["", "Camera off", `${capital(camera.reason)} · ${cpu}`];
  const apps = [...new Set(readers.map((reader) => reader.name))];
  if (!apps.length && outputs.some((output) => output.read)) apps.push("an app");
  const failed = outputs.find((output) => output.failure);
  const hasCamera = outputs.some(({ name }) => name !== "none");
  const ready = hasCamera ? "Ready: only you can see this" : "No app can see you: there is no virtual camera";
  const text = apps.length ? `Live in ${list(apps)}` : ready;
  if (failed) return ["warn", capital(failed.failure.message), capital(failed.failure.hint || "")];
  const source = camera.source ? `${camera.source.name} ${camera.source.native.join("×")}` : "Opening camera…";
  const reason = camera.source ? hasCamera && capital(camera.reason) : capital(camera.wanted);
  const reduced = mask.degraded ? ["This computer is busy, so edges are less exact"] : [];
  return [apps.length ? "good" : hasCamera ? "" : "warn", text, [source, reason, `${rates.output.toFixed(0)}\u00a0fps`, cpu, ...reduced].filter(Boolean).join(" · ")];
}

function render(next) {
  const old = status;
  status = next;
  if (old && old.version !== next.version) location.reload(); // this page belongs to the earlier version
  const { scene, mask } = next;
  headline(...summary(next));
  $("foot").textContent = `bgcam ${next.version}`;
  setText($("label"), scene.paused ? "" : capital(scene.label));
  showRoom(next);
  showGuideCamera(next);
  showChoiceError(next.choice_error);
  showOthers(next);
  showCard(scene);
  const pause = $("pause");
  setIcon(pause, scene.paused ? "play" : "pause");
  setText(pause.lastElementChild, scene.paused ? "Resume" : "Pause");
  $("mirror").setAttribute("aria-pressed", scene.mirror);
  $("freeze").setAttribute("aria-pressed", scene.frozen);
  $("freeze").disabled = scene.paused && !scene.frozen;
  if (document.activeElement !== $("quality")) $("quality").value = mask.wanted_quality;
  $("quality").title = mask.quality_error?.message || "";
  const chosen = mask.wanted_quality === "auto" && ["balanced", "high"].includes(mask.quality);
  setText($("auto"), chosen ? `Automatic (${mask.degraded ? "reduced" : mask.quality})` : "Automatic");
  showCamera(next.camera.wanted);
  showJob(next.prompt);
  showCosts(next.costs);
  if (!$("provider").value && providers.length) {
    $("provider").value = next.provider;
    showProvider();
  }
  showKind(scene.background);
  showLook(scene.look);
  if (!old || old.scene.version !== scene.version) refreshPresets();
  const ended = old?.prompt && !next.prompt;
  if (!old || ended || JSON.stringify(old.scene.background) !== JSON.stringify(scene.background)) loadGallery();
}

/** Warns that the user's choices are not saved, or could not be loaded. */
function showChoiceError(failure) {
  $("choice-error").hidden = !failure;
  setText($("choice-error"), failure ? [failure.message, failure.hint].filter(Boolean).map((text) => `${capital(text)}.`).join(" ") : "");
}

/** Shows a banner while other people can see the room, or will after resuming. */
function showRoom({ scene, readers, outputs }) {
  const banner = $("room-banner");
  const isSeen = readers.length > 0 || outputs.some((output) => output.read);
  const later = isSeen ? "Your room is visible." : "Your room will be visible in your next call.";
  $("room-badge").hidden = !scene.room_visible;
  $("room-badge").classList.toggle("later", !isSeen);
  setText($("room-badge-text"), isSeen ? "Your room is visible" : "This shows your room");
  setText($("room-what"), scene.room_visible ? later : "Your room will be visible when you resume.");
  setText($("room-reason"), scene.room_reason ? `${capital(scene.room_reason)}.` : "");
  setText($("hide-room"), blursRoom(scene) ? "Blur my room" : "Hide my room");
  banner.classList.toggle("later", !(scene.room_visible && isSeen));
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

/** While paused, offers to add a message to the card that other people see. */
function showCard({ paused, frozen, pause_message: message }) {
  $("card").hidden = !paused || frozen;
  if (document.activeElement !== $("card-text")) $("card-text").value = message || "";
}

$("card").onsubmit = (event) => {
  event.preventDefault();
  const message = $("card-text").value.trim();
  attempt(() => request(message ? { "pause-with-message": { message } } : "pause"));
};

$("pause").onclick = () => attempt(() => request(status?.scene.paused ? "resume" : "pause"));
$("freeze").onclick = () => attempt(() => request(status?.scene.frozen ? "resume" : "freeze"));
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
    if (status?.prompt && event.target.closest("#create, #edit")) $("cancel").click();
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
