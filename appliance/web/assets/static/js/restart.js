// Waits for the box to come back, then goes on.

const place = document.querySelector("#wait");
const state = place.querySelector("#state");
const every = 1500;

async function look() {
  try {
    const answer = await fetch("/firmware/now", { headers: { "X-Viaduct": "script" } });
    if (answer.status === 401) return location.assign(place.dataset.back); // the machine has restarted, and knows no session
    const now = await answer.json();
    if (answer.ok && now.started !== place.dataset.since) return location.assign(place.dataset.back);
    if (!answer.ok) state.textContent = place.dataset.away;
    else if (now.calls > 0) state.textContent = place.dataset.calls.replace("%d", now.calls);
  } catch {
    state.textContent = place.dataset.away;
  }
  setTimeout(look, every);
}
setTimeout(look, every);
