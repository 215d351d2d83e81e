// Accepts a file dropped on the form, refuses one that is too large, and polls the progress while a file is classified.
"use strict";

const drop = document.getElementById("drop");
const progress = document.getElementById("progress");

function check(input) {
  const large = input.files.length > 0 && input.files[0].size > Number(input.dataset.limit);
  document.getElementById("file-wrong").hidden = !large;
  input.setCustomValidity(large ? document.getElementById("file-wrong").textContent : "");
}

async function watch() {
  const address = progress.dataset.ask;
  try {
    const answer = await fetch(address);
    // The file has expired, or a login is needed: the page itself says which.
    if (!answer.ok || answer.redirected) return location.reload();
    const now = await answer.json();
    progress.value = now.done;
    document.getElementById("progress-text").textContent = now.text;
    if (now.state !== "running") return location.reload();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // fetch raises a TypeError when there is no answer
    document.getElementById("progress-text").textContent = progress.dataset.lost;
  }
  setTimeout(watch, 700);
}

if (drop) {
  const input = document.getElementById("file");
  input.addEventListener("change", () => check(input));
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over-it");
    });
  }
  for (const name of ["dragleave", "drop"]) {
    drop.addEventListener(name, () => drop.classList.remove("over-it"));
  }
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    check(input);
  });
}
if (progress && progress.dataset.ask) watch();
