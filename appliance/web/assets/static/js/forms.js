// A form with data-stay is sent by script: what is refused is shown at its field, and nothing that was typed or chosen is lost. Without script the form
// is sent as any other.

for (const form of document.querySelectorAll("form[data-stay]")) {
  form.addEventListener("submit", async (e) => {
    if (e.defaultPrevented) return;
    e.preventDefault();
    const values = new FormData(form, e.submitter);
    const files = form.enctype === "multipart/form-data";
    clear(form);
    form.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, { method: "POST", headers: { "X-CSRF-Token": values.get("csrf"), "X-Viaduct": "script" }, body: files ? values : new URLSearchParams(values) });
      const said = await answer.json();
      if (said.to) location.assign(said.to);
      else refuse(form, said);
    } catch (error) {
      refuse(form, { error: String(error.message ?? error) });
    }
    form.removeAttribute("aria-busy");
  });
}

function clear(form) {
  form.querySelectorAll(".refusal").forEach((e) => e.remove());
  form.querySelectorAll("[aria-invalid]").forEach((e) => {
    e.removeAttribute("aria-invalid");
    e.removeAttribute("aria-describedby");
  });
}

function refuse(form, said) {
  const field = said.field ? form.querySelector(`[name="${CSS.escape(said.field)}"]`) : null;
  const text = document.createElement("span");
  text.className = "refusal";
  text.id = "refusal-" + (said.field ?? "form");
  text.setAttribute("role", "alert");
  if (said.words) text.lang = "en";
  text.textContent = said.error;
  if (!field) {
    form.prepend(text);
    return;
  }
  (field.closest("label") ?? field).after(text);
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", text.id);
  field.focus();
}
