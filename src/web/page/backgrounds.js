// Backgrounds: types, options, images, uploads.
"use strict";

const COLOURS = ["#204060", "#1d6b57", "#5753c6", "#8a3b52", "#c77d3a", "#d9d5cc", "#6c7280", "#1b1b22"];
let entries = [], maxBytes = 25 << 20, maxTiles = 24;
const removed = new Map();
const ACCEPTED = $("file").accept;
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

/** Shows the options of videos and slideshows. */
function askForPath() {
  asksForPath = true;
  showKind(status.scene.background);
  $("choose-video").focus();
}

$("choose-video").onclick = () => {
  $("file").accept = "video/*,image/gif";
  $("file").click();
};

function showMoving() {
  const slides = $("moving-kind").value === "slideshow";
  $("choose-video").hidden = slides;
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
  const pick = createElement("button", { className: "pick", onclick: () => { $("file").accept = ACCEPTED; $("file").click(); } }, icon("plus"), "Upload");
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
  showEdit(background);
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

const MOVING = /\.(mp4|m4v|mov|mkv|webm|avi|ogv|mpe?g|ts|wmv|y4m|gif|apng)$/i;

/** Uploads a file with progress and returns the response. */
function send(path, file) {
  const box = toast(`Uploading ${file.name}`, { progress: true });
  const sent = new Promise((done, fail) => {
    const transfer = new XMLHttpRequest();
    transfer.upload.onprogress = (event) => box.progress(event.loaded / event.total);
    transfer.onload = () => {
      try {
        const answer = JSON.parse(transfer.response);
        if (answer.error) fail(new RequestError(answer.error, transfer.status));
        else done(answer.ok);
      } catch (error) {
        fail(error);
      }
    };
    transfer.onabort = () => fail(new Declined());
    transfer.onerror = () => fail(new RequestError({ message: `Cannot upload ${file.name}`, hint: "Check that bgcam is running, and the size of the file" }));
    box.onCancel(() => transfer.abort());
    transfer.open("POST", `${path}/${encodeURIComponent(file.name || "file")}`);
    transfer.send(file);
  });
  return sent.finally(box.end);
}

async function upload(files) {
  for (const file of files) {
    await attempt(async () => {
      if (MOVING.test(file.name) || file.type.startsWith("video/")) {
        const answer = await send("/api/files/background", file);
        if (answer.warning) toast(answer.warning, { bad: true });
        await loadFiles();
        return;
      }
      if (file.size > maxBytes) {
        const megabytes = Math.round(maxBytes / (1 << 20));
        throw new RequestError({ message: `${file.name} is larger than ${megabytes} MB`, hint: "Use a smaller file, or raise background.max_megabytes in the settings" });
      }
      const { images } = await send("/api/upload", file);
      for (const note of images[0].notes || []) toast(note, { bad: true });
    });
  }
}

let files = [];
/** Shows the uploaded videos; each can be played or removed. */
async function loadFiles() {
  files = (await get("/api/files")).filter((file) => MOVING.test(file.name));
  $("files").hidden = !files.length;
  $("files").replaceChildren(...files.map((file) => {
    const play = createElement("button", { type: "button", className: "plain", textContent: file.name, title: `Play ${file.name}` });
    play.onclick = () => attempt(() => setBackground({ video: { path: file.path } }));
    const bin = createElement("button", { type: "button", className: "plain", "aria-label": `Remove ${file.name}`, title: "Remove" }, icon("bin"));
    bin.onclick = () => attempt(async () => {
      await call("DELETE", `/api/files/${encodeURIComponent(file.name)}`);
      await loadFiles();
    });
    return createElement("li", {}, play, createElement("span", { className: "quiet", textContent: `${Math.ceil(file.bytes / (1 << 20))} MB` }), bin);
  }));
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
