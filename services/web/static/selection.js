// A button with data-check checks every box of that name, or none if all of them are checked already.
"use strict";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-check]");
  if (!button) return;
  const boxes = [...document.getElementsByName(button.dataset.check)].filter((box) => !box.disabled);
  const all = boxes.every((box) => box.checked);
  for (const box of boxes) box.checked = !all;
});
