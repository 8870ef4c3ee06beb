// Starts the page, once all other scripts are loaded.
"use strict";

document.addEventListener("visibilitychange", () => {
  watch();
  follow();
  feedGuide();
});
addEventListener("pagehide", () => {
  live?.abort();
  for (const { erase } of removed.values()) erase({ keepalive: true });
});

$("kinds").append(...Object.entries(kinds).map(([kind, it]) => kindTile(kind, it)), uploadTile());
watch();
follow();
showChips();
for (const load of [loadLook, loadProviders, loadStyles, loadCameras, loadFiles]) attempt(load);
attempt(async () => {
  const { first_run: isFirstRun } = await startSession();
  if (!isFirstRun) return;
  if (!localStorage.getItem("guide")) openGuide();
  // the first images are painted in the background
  const painting = setInterval(() => (entries.length < STARTERS ? loadGallery() : clearInterval(painting)), 5000);
});
