// A form with data-stream is sent by script, and what comes is shown line by line below it.

document.addEventListener("submit", async (e) => {
  const form = e.target.closest("form[data-stream]");
  if (!form) return;
  e.preventDefault();
  const current = form.closest("[data-live]"); // what keeps itself current would take it out again
  let out = document.querySelector("#" + CSS.escape(form.dataset.stream.slice(1)));
  if (!out) {
    out = document.createElement("pre");
    out.id = form.dataset.stream.slice(1);
    out.lang = "en";
    out.tabIndex = 0;
    out.setAttribute("role", "log");
    current.after(out);
  }
  out.textContent = "";
  const values = new FormData(form);
  try {
    const answer = await fetch(form.action, { method: "POST", headers: { "X-CSRF-Token": values.get("csrf"), "X-Viaduct": "script" }, body: new URLSearchParams(values) });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) out.append(part.value);
  } catch (error) {
    out.append(String(error.message ?? error));
  }
});
