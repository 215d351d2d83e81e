// Single keys press the element with their data-key, or focus it if it is a field. They can be turned off (WCAG 2.1.4);
// the browser remembers that.
"use strict";

const REMEMBERED = "callcenterai-keys";

function keysAreOn() {
  return localStorage.getItem(REMEMBERED) !== "off";
}

function showChoice() {
  const box = document.getElementById("keys-on");
  if (box) box.checked = keysAreOn();
  document.body.classList.toggle("without-keys", !keysAreOn());
}

document.addEventListener("change", (event) => {
  if (event.target.id !== "keys-on") return;
  localStorage.setItem(REMEMBERED, event.target.checked ? "on" : "off");
  showChoice();
});

document.addEventListener("keydown", (event) => {
  const held = event.ctrlKey || event.altKey || event.metaKey || event.repeat;
  if (held || !keysAreOn() || document.body.dataset.busy) return;
  if (event.key === "Escape" && event.target.matches("textarea[data-key]")) event.target.blur();
  if (event.target.matches("input:not([type=checkbox]), textarea, select")) return;
  // Enter belongs to the focused element, if there is one.
  if (event.key === "Enter" && event.target.matches("a, button, input, summary")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const wanted = [...document.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
  if (!wanted) return;
  event.preventDefault();
  if (wanted.matches("input, textarea")) wanted.focus();
  else wanted.click();
});

new MutationObserver(showChoice).observe(document.getElementById("main"), { childList: true });
showChoice();
