// The guide for the first call, and the checks of this computer.
"use strict";

// Checks ---------------------------------------------------------------------------------------------------------------

const LEVELS = { ok: "OK", warn: "Warning", fail: "Problem" };

function findingRow({ level, text, fix }) {
  const row = createElement("li", { className: `finding ${level}` }, createElement("span", { className: "level", textContent: LEVELS[level] }), createElement("p", { textContent: capital(text) }));
  if (fix?.command) row.append(createElement("p", {}, command(fix.command), createElement("span", { className: "quiet", textContent: ` ${fix.text}` })));
  else if (fix) row.append(createElement("p", { className: "quiet" }, ...withCommands(`${capital(fix.text)}.`)));
  return row;
}

function countOf(number, word) {
  return number === 1 ? `1 ${word}` : `${number} ${word}s`;
}

/** Runs the checks of `bgcam doctor` and shows the results, problems first. */
async function runDoctor() {
  $("doctor-run").disabled = true;
  setText($("doctor-summary"), "Checking…");
  try {
    const report = await get("/api/doctor");
    const all = report.groups.flatMap((group) => group.findings);
    const bad = [...all.filter(({ level }) => level === "fail"), ...all.filter(({ level }) => level === "warn")];
    const good = all.filter(({ level }) => level === "ok");
    const counts = [report.failures && countOf(report.failures, "problem"), report.warnings && countOf(report.warnings, "warning")].filter(Boolean);
    setText($("doctor-summary"), counts.length ? `${counts.join(" and ")} found.` : "No problems found.");
    const passed = createElement("details", {}, createElement("summary", { textContent: `${countOf(good.length, "check")} passed` }), createElement("ul", {}, ...good.map(findingRow)));
    $("doctor-findings").replaceChildren(createElement("ul", {}, ...bad.map(findingRow)), passed);
    return report;
  } catch (error) {
    setText($("doctor-summary"), "");
    throw error;
  } finally {
    $("doctor-run").disabled = false;
  }
}

$("doctor-run").onclick = () => attempt(runDoctor);

// Guide ----------------------------------------------------------------------------------------------------------------

/** Number of images that bgcam paints for new users. */
const STARTERS = 12;
let guideFeed = null;

/** Marks a step: `done`, `todo` or undecided. */
function markStep(id, state) {
  $(id).className = state;
}

function showGuideCamera({ camera }) {
  if ($("guide").hidden) return;
  const name = camera.source?.name;
  const isDemo = camera.wanted === "demo";
  markStep("step-camera", camera.error || isDemo ? "todo" : name ? "done" : "");
  const text = camera.error ? [camera.error.message, camera.error.hint].filter(Boolean).map((part) => `${capital(part)}.`).join(" ")
    : isDemo ? "The demo is shown. Choose your webcam at the top of this page."
    : name ? `${name} works. Its light is only on while an app or this page shows it.` : "Looking for a webcam…";
  if ($("step-camera-text").dataset.text !== text) {
    $("step-camera-text").dataset.text = text;
    $("step-camera-text").replaceChildren(...withCommands(text));
  }
}

/** Shows whether the virtual camera exists, or the command that creates it. */
async function checkOutput() {
  $("guide-check").disabled = true;
  try {
    const report = await runDoctor();
    const findings = report.groups.find((group) => group.name === "Virtual camera")?.findings || [];
    const problem = findings.find(({ level }) => level === "fail") || findings.find(({ level, fix }) => level === "warn" && fix?.command);
    markStep("step-output", problem ? "todo" : "done");
    if (!problem) return setText($("step-output-text"), "Virtual Background Cam is ready for your apps.");
    const how = problem.fix?.command ? ["Run this in a terminal, then check again: ", command(problem.fix.command)] : withCommands(problem.fix ? `${capital(problem.fix.text)}.` : "");
    $("step-output-text").replaceChildren(`${capital(problem.text)}. `, ...how);
  } finally {
    $("guide-check").disabled = false;
  }
}

$("guide-check").onclick = () => attempt(checkOutput);

/** Draws the webcam while the guide is open and the page is visible. */
async function feedGuide() {
  guideFeed?.abort();
  if ($("guide").hidden || document.hidden) return;
  guideFeed = new AbortController();
  await draw(guideFeed, "camera", $("guide-picture")).catch(() => {});
}

function openGuide() {
  $("guide").hidden = false;
  if (status) showGuideCamera(status);
  feedGuide();
  attempt(checkOutput);
}

function closeGuide() {
  $("guide").hidden = true;
  guideFeed?.abort();
  localStorage.setItem("guide", "done");
  $("guide-open").focus();
}

$("guide-close").onclick = $("guide-done").onclick = closeGuide;
$("guide-open").onclick = () => {
  openGuide();
  $("guide").scrollIntoView({ block: "start" });
  $("guide-close").focus();
};

// Where each app has its camera menu: a window with a bar of buttons, a menu, and the entry to choose.
const APPS = {
  zoom: { path: "The arrow beside the video button, then Virtual Background Cam", menu: [8, 14], button: [40, 122], bar: 118 },
  meet: { path: "The arrow beside the camera button, then Virtual Background Cam", menu: [130, 26], button: [226, 122], bar: 118 },
  teams: { path: "The arrow beside Camera at the top, then Virtual Background Cam", menu: [128, 38], button: [226, 8], bar: 4 },
};

function shape(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

/** Draws an app's window with its open camera menu. */
function showApp(name) {
  const { path, menu: [x, y], button: [bx, by], bar } = APPS[name];
  const parts = [shape("rect", { class: "window", x: 1, y: 1, width: 318, height: 148, rx: 10 }), shape("rect", { class: "bar", x: 5, y: bar, width: 310, height: 28, rx: 6 })];
  for (let cx = 28; cx < 300; cx += 36) {
    if (Math.abs(cx - bx - 12) > 24) parts.push(shape("circle", { class: "dot", cx, cy: bar + 14, r: 6 }));
  }
  parts.push(shape("rect", { class: "target", x: bx, y: by, width: 24, height: 20, rx: 5 }));
  parts.push(shape("path", { class: "arrow", d: `m${bx + 7} ${by + (bar > 60 ? 12 : 8)} 5 ${bar > 60 ? -5 : 5} 5 ${bar > 60 ? 5 : -5}` }));
  parts.push(shape("rect", { class: "menu", x, y, width: 182, height: 84, rx: 7 }));
  parts.push(shape("text", { class: "faint", x: x + 26, y: y + 22 }, "Integrated Camera"));
  parts.push(shape("rect", { class: "entry", x: x + 4, y: y + 31, width: 174, height: 22, rx: 5 }));
  parts.push(shape("text", { class: "on", x: x + 26, y: y + 46 }, "Virtual Background Cam"));
  parts.push(shape("path", { class: "tick", d: `m${x + 10} ${y + 42} 3.5 3.5 6-7` }));
  parts.push(shape("text", { class: "faint", x: x + 26, y: y + 70 }, "Video settings…"));
  $("drawing").replaceChildren($("drawing-title"), ...parts);
  setText($("drawing-title"), path);
  setText($("app-path"), path);
}

for (const radio of document.getElementsByName("app")) radio.onchange = () => showApp(radio.value);
showApp("zoom");
