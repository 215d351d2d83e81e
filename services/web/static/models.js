// Refreshes the health of the services while the page is visible.
"use strict";

const SECONDS = 10;
const place = document.querySelector("[data-refresh]");

setInterval(async () => {
  if (document.hidden) return;
  try {
    const answer = await fetch(place.dataset.refresh);
    if (answer.redirected) return location.reload();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    place.replaceChildren(...page.body.children);
  } catch (error) {
    // The time that is shown says how old the figures are.
    if (!(error instanceof TypeError)) throw error;
  }
}, 1000 * SECONDS);
