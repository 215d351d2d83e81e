// Sends forms with data-live in the background and replaces a part of the page by that of the response, so that typed
// text stays and screen readers announce the result. Without this script the same forms load the whole page.
"use strict";

function say(text) {
  document.getElementById("announcement").textContent = text;
}

function show(page, selector) {
  const fresh = page.querySelector(selector);
  document.querySelector(selector).replaceWith(document.importNode(fresh, true));
  document.title = page.title;
  const place = document.querySelector(selector);
  say(place.dataset.say || (place.querySelector("[role=alert]") || {}).textContent || "");
  const focus = place.querySelector("[data-focus]");
  if (focus) focus.focus({ preventScroll: true });
  const top = place.getBoundingClientRect().top;
  if (top < 0 || top > 0.7 * window.innerHeight) place.scrollIntoView();
}

function showLost(form) {
  const note = document.createElement("p");
  note.className = "note bad";
  note.setAttribute("role", "alert");
  note.textContent = form.dataset.lost || document.querySelector("[data-lost]").dataset.lost;
  form.querySelectorAll(":scope > .note").forEach((old) => old.remove());
  form.prepend(note);
}

async function send(form, button) {
  const selector = form.dataset.live;
  const body = new URLSearchParams(new FormData(form, button));
  const text = button && form.dataset.busy ? button.textContent : null;
  document.body.dataset.busy = "yes";
  if (text) button.textContent = form.dataset.busy;
  try {
    const answer = await fetch(form.action, { method: "POST", body });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!page.querySelector(selector)) return showLost(form);
    form.querySelectorAll(":scope > .note").forEach((old) => old.remove());
    show(page, selector);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // fetch raises a TypeError when there is no answer
    showLost(form);
  } finally {
    delete document.body.dataset.busy;
    if (text) button.textContent = text;
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.live) return;
  event.preventDefault();
  if (!document.body.dataset.busy) send(form, event.submitter);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("textarea:not([data-key])")) {
    event.preventDefault();
    event.target.form.requestSubmit(event.target.form.querySelector("button"));
  }
});
