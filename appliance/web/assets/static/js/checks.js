// A check whose steps appear as they end.

const form = document.querySelector("#run");
const steps = document.querySelector("#steps");
const end = document.querySelector("#end");
const running = document.querySelector("#running");
const domain = form.elements.domain?.closest("label"); // of the page *Check* alone

function ask() {
  domain.hidden = form.elements.of.value !== "federation";
}
if (domain) {
  form.elements.of.addEventListener("change", ask);
  ask();
}

form.addEventListener("submit", async (e) => {
  e.preventDefault();
  steps.replaceChildren();
  end.replaceChildren();
  running.textContent = form.dataset.running;
  try {
    await check();
    running.textContent = "";
  } catch (problem) {
    running.textContent = problem.message || form.dataset.broken;
  }
  form.querySelectorAll("button").forEach((b) => (b.disabled = false));
});

async function check() {
  const values = new URLSearchParams(new FormData(form));
  const answer = await fetch(form.action, { method: "POST", headers: { "X-CSRF-Token": values.get("csrf"), "X-Viaduct": "script" }, body: values });
  if (!answer.ok) throw new Error((await answer.json()).error);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let ended = false;
  for (;;) {
    const { value, done } = await reader.read().catch(() => ({ done: true }));
    if (done) break;
    rest += value;
    const events = rest.split("\n\n");
    rest = events.pop();
    for (const text of events) ended = take(text) || ended;
  }
  if (!ended) throw new Error(form.dataset.broken);
}

// take shows one event, and returns whether it was the last.
function take(text) {
  const lines = text.split("\n");
  const name = lines.find((l) => l.startsWith("event: "))?.slice(7);
  const fresh = document.createElement("template");
  fresh.innerHTML = lines.filter((l) => l.startsWith("data: ")).map((l) => l.slice(6)).join("\n");
  if (name === "step") steps.append(fresh.content);
  if (name !== "end") return false;
  end.replaceChildren(fresh.content);
  return true;
}
