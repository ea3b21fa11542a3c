// The page keeps itself current, and finds boxes while somebody types. Without this script it is loaded anew now and then, and a button finds.

const form = document.querySelector("form.filter");
const stale = document.querySelector(".stale");
const parts = ["live", "count"];
let under = null; // way

async function load(address) {
  under?.abort();
  const own = (under = new AbortController());
  try {
    const answer = await fetch(address, { signal: own.signal, headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const at = document.activeElement?.closest("#live a")?.getAttribute("href");
    for (const id of parts) {
      const old = document.getElementById(id);
      const now = fresh.getElementById(id);
      if (old && now) old.replaceChildren(...now.childNodes);
    }
    if (at) [...document.querySelectorAll("#live a")].find((a) => a.getAttribute("href") === at)?.focus({ preventScroll: true });
    stale.hidden = true;
  } catch {
    if (!own.signal.aborted) stale.hidden = false;
  }
}

if (form) {
  const find = () => {
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
    history.replaceState(null, "", query.size > 0 ? "?" + query : location.pathname);
    load(location.href);
  };
  let soon = 0;
  form.addEventListener("input", () => {
    clearTimeout(soon);
    soon = setTimeout(find, 250);
  });
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    clearTimeout(soon);
    find();
  });
}

setInterval(() => {
  const chosen = getSelection();
  if (!document.hidden && (!chosen || chosen.isCollapsed)) load(location.href);
}, 10_000);
