// The set-up: keeps what is typed, also when the session ends, hides what another choice does not ask, and shows a check while it runs.
import { post, toast } from "./frame.js";

const form = document.querySelector("form[data-setup]");
const expired = document.querySelector(".expired");

/** Fields are the values of a form, each once. Only the last step takes the table, which has passwords. */
function fields(whole) {
  const values = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (whole || (name !== "table" && name !== "remove")) values.append(name, value);
  }
  return values;
}

// Questions that only one choice asks.
function choose() {
  for (const part of document.querySelectorAll("[data-for]")) {
    const [name, value] = part.dataset.for.split("=");
    part.hidden = form.querySelector(`[name="${name}"]:checked`)?.value !== value;
  }
}

if (form) {
  choose();
  const zone = form.querySelector('[name="box.zone"]');
  const mine = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone?.value === "" && mine) zone.value = mine;
  form.addEventListener("change", async () => {
    choose();
    try {
      await post(`/setup/${form.dataset.setup}/keep`, fields(false));
    } catch {
      // The next press of the button says what is wrong.
    }
  });
  form.addEventListener("submit", async (e) => {
    if (e.defaultPrevented) return;
    e.preventDefault();
    try {
      const answer = await send();
      if (answer) location.assign(answer.to);
    } catch (problem) {
      toast("error", problem.message);
    }
    for (const button of form.querySelectorAll("button")) button.disabled = false; // they were, so that nothing is sent twice
  });
}

/** Send sends the form. When the session has ended, the form stays as it is; once there is another one, it goes with that. */
async function send() {
  try {
    return await post(form.action, fields(true));
  } catch (problem) {
    const again = await fetch(location.href, { headers: { "X-Viaduct": "script" } });
    expired.hidden = again.status !== 401;
    if (again.status === 401) return null;
    const other = new DOMParser().parseFromString(await again.text(), "text/html").querySelector('meta[name="csrf"]')?.content;
    const mine = document.querySelector('meta[name="csrf"]');
    if (!other || other === mine.content) throw problem;
    mine.content = other;
    for (const token of document.querySelectorAll('input[name="csrf"]')) token.value = other;
    return await post(form.action, fields(true));
  }
}

const check = document.querySelector("form[data-check]");
check?.addEventListener("submit", async (e) => {
  e.preventDefault();
  const out = document.querySelector(".checked");
  const untrusted = document.querySelector("[data-untrusted]");
  out.textContent = "";
  untrusted.hidden = true;
  const token = document.querySelector('meta[name="csrf"]')?.content ?? "";
  const answer = await fetch(check.action, { method: "POST", headers: { "X-CSRF-Token": token, "X-Viaduct": "script" } });
  if (!answer.ok) {
    toast("error", (await answer.json()).error);
    return;
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += value ?? "";
    const lines = rest.split("\n");
    rest = done ? "" : lines.pop();
    for (const text of lines) show(out, text);
    if (done) break;
  }
  sort(out);
  untrusted.hidden = !out.textContent.includes("pki trust add ");
});

/** Sort puts first what is said of the whole, then what is wrong. */
function sort(out) {
  const rank = (e) => (!e.classList.contains("step") ? 0 : e.classList.contains("error") ? 1 : e.classList.contains("warning") ? 2 : 3);
  out.replaceChildren(...[...out.children].sort((a, b) => rank(a) - rank(b)));
}

/** Show adds a line of a check: a word and a text begin a step, what is indented belongs to it. */
function show(out, text) {
  const begins = /^(ok|WARNING|FAILED|skipped)\s+(.*)/.exec(text);
  const last = out.lastElementChild;
  if (!begins && text.startsWith(" ") && last?.lastElementChild) {
    const more = text.trim();
    last.lastElementChild.textContent += (last.classList.contains("ok") ? " " : "\n") + more;
    return;
  }
  const step = document.createElement("div");
  if (begins) {
    step.className = "step " + { ok: "ok", WARNING: "warning", FAILED: "error", skipped: "off" }[begins[1]];
    const word = document.createElement("strong");
    word.textContent = begins[1].toLowerCase();
    const said = document.createElement("span");
    said.textContent = begins[2];
    step.append(word, said);
  } else {
    step.className = "whole";
    step.textContent = text;
  }
  out.append(step);
}
