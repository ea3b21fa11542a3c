// The log's new lines, newest first. Pause keeps them back.

const table = document.querySelector("#log");
const none = document.querySelector("#none");
const pause = document.querySelector("#pause");
const state = document.querySelector("#following");
const most = 1000; // rows of the page, and lines that wait
const overlap = 60; // rows among which a line may be already: the stream begins with some that the page has
const waiting = [];

const source = new EventSource(table.dataset.follow);
source.addEventListener("line", (e) => {
  const fresh = document.createElement("template");
  fresh.innerHTML = e.data;
  const row = fresh.content.firstElementChild;
  if (known(row)) return;
  waiting.push(row);
  if (waiting.length > most) waiting.shift();
  if (paused()) say();
  else requestAnimationFrame(flush);
});
source.addEventListener("open", () => {
  pause.hidden = false;
  say();
});
source.addEventListener("error", () => (state.textContent = state.dataset.lost));
addEventListener("pagehide", () => source.close());

pause.addEventListener("click", () => {
  pause.setAttribute("aria-pressed", String(!paused()));
  if (!paused()) flush();
  say();
});

function paused() {
  return pause.getAttribute("aria-pressed") === "true";
}

function known(row) {
  const html = row.outerHTML;
  return waiting.some((r) => r.outerHTML === html) || [...table.children].slice(0, overlap).some((r) => r.outerHTML === html);
}

function flush() {
  if (waiting.length === 0) return;
  table.prepend(...waiting.splice(0).reverse());
  while (table.children.length > most) table.lastElementChild.remove();
  none.hidden = true;
}

function say() {
  let text = state.dataset.liveText;
  if (paused()) text = waiting.length > 0 ? state.dataset.waiting.replace("%d", waiting.length) : state.dataset.paused;
  if (state.textContent !== text) state.textContent = text;
}
