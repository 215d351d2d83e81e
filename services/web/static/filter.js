// A field with data-filter hides the buttons that do not match its words, within the element that it names. Enter
// presses the only button left, or focuses the first of several; Escape empties the field, then leaves it.
"use strict";

function plainWords(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/[_\s]+/g, " ").trim();
}

function buttonsOf(field) {
  return [...document.querySelectorAll(`${field.dataset.filter} button`)];
}

document.addEventListener("input", (event) => {
  const field = event.target;
  if (!field.dataset.filter) return;
  const words = plainWords(field.value).split(" ");
  for (const button of buttonsOf(field)) {
    const name = plainWords(button.value);
    button.hidden = !words.every((word) => name.includes(word));
  }
  const none = buttonsOf(field).every((button) => button.hidden);
  document.getElementById("unmatched").textContent = none ? field.dataset.none : "";
});

document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (!field.dataset.filter || event.isComposing) return;
  if (event.key === "Escape" && !field.value) field.blur();
  if (event.key !== "Enter") return;
  event.preventDefault();
  const left = buttonsOf(field).filter((button) => !button.hidden);
  if (left.length === 1 && !event.repeat) left[0].click();
  else if (left.length) left[0].focus();
});
