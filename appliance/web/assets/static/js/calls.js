// The text of a message opens above the ladder. Without this script the link opens a page of its own.
import { toast } from "./frame.js";

const dialog = document.querySelector("dialog#message");

document.addEventListener("click", async (e) => {
  const step = e.target.closest?.("svg.ladder a.step");
  if (!step || e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  const answer = await fetch(step.getAttribute("href"), { headers: { "X-Viaduct": "script" } });
  const text = await answer.text();
  if (!answer.ok) {
    toast("error", text.startsWith("{") ? JSON.parse(text).error : answer.statusText);
    return;
  }
  dialog.querySelector(".message-text").innerHTML = text;
  dialog.showModal();
});
