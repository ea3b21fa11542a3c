// What every page has: the menu, the account's pop-up, messages that go, tables that sort, forms that are sent once.

/** Post sends a form's values, or a file, as one of our pages may. It returns what the server says, as JSON; a refusal is thrown in words. */
export async function post(path, values, method = "POST") {
  const token = document.querySelector('meta[name="csrf"]')?.content ?? "";
  const answer = await fetch(path, {
    method, headers: { "X-CSRF-Token": token, "X-Viaduct": "script" }, body: values instanceof Blob || typeof values === "string" ? values : new URLSearchParams(values),
  });
  return said(answer);
}

/** Get asks for JSON. */
export async function get(path) {
  return said(await fetch(path, { headers: { "X-Viaduct": "script" } }));
}

async function said(answer) {
  const kind = answer.headers.get("Content-Type") ?? "";
  const body = kind.startsWith("application/json") ? await answer.json() : await answer.text();
  if (!answer.ok) throw new Error(body.error ?? answer.statusText);
  return body;
}

/** Toast shows a message. */
export function toast(kind, text) {
  const box = document.querySelector(".toasts");
  const one = document.createElement("div");
  one.className = "toast " + kind;
  one.textContent = text;
  box?.append(one);
}

const menu = document.querySelector("button.menu");
menu?.addEventListener("click", () => {
  const open = document.body.classList.toggle("menu-open");
  menu.setAttribute("aria-expanded", String(open));
});

// A pop-up closes with Escape, and when the user goes on elsewhere.
for (const popup of document.querySelectorAll("header details")) {
  popup.addEventListener("keydown", (e) => {
    if (e.key === "Escape") {
      popup.open = false;
      popup.querySelector("summary").focus();
    }
  });
  document.addEventListener("click", (e) => {
    if (!popup.contains(e.target)) popup.open = false;
  });
}
document.addEventListener("keydown", (e) => {
  if (e.key === "Escape" && document.body.classList.contains("menu-open")) menu.click();
});

// A form is sent once. A button with data-confirm asks before.
document.addEventListener("submit", (e) => {
  const ask = e.submitter?.dataset.confirm;
  if (ask && !window.confirm(ask)) {
    e.preventDefault();
    return;
  }
  if (e.defaultPrevented) return; // a script sends it, and says when it can be sent again
  const form = e.target;
  setTimeout(() => form.querySelectorAll("button").forEach((b) => (b.disabled = true)));
  setTimeout(() => form.querySelectorAll("button").forEach((b) => (b.disabled = false)), 5000);
});

// What is copied: <button data-copy="#id">.
document.addEventListener("click", async (e) => {
  const button = e.target.closest?.("[data-copy]");
  if (!button) return;
  const from = document.querySelector(button.dataset.copy);
  await navigator.clipboard.writeText(from.value ?? from.textContent);
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1500);
});
