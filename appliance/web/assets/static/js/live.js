// Elements with data-live="topic?query" are kept current by server-sent events. Others may listen: a "live" event comes after each change.

const elements = [...document.querySelectorAll("[data-live]")];
const stale = document.querySelector(".stale");
const down = new Set();

if (elements.length > 0) {
  const query = new URLSearchParams();
  for (const name of new Set(elements.map((e) => e.dataset.live))) query.append("t", name);
  const source = new EventSource("/live?" + query);
  source.addEventListener("fragment", (e) => {
    const { name, html } = parts(e.data);
    down.delete(name);
    for (const element of elements) {
      if (element.dataset.live === name) replace(element, html);
    }
    mark();
  });
  source.addEventListener("down", (e) => {
    down.add(parts(e.data).name);
    mark();
  });
  source.addEventListener("ended", () => {
    source.close();
    say(stale.dataset.ended);
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) say(stale.dataset.still); // refused: the session has ended, or too many pages are open
    else say(stale.dataset.words);
  });
  source.addEventListener("open", mark);
  addEventListener("pagehide", () => source.close());
}

function parts(data) {
  const end = data.indexOf("\n");
  return { name: data.slice(0, end), html: data.slice(end + 1) };
}

function mark() {
  if (down.size > 0) say(stale.dataset.words);
  else stale.hidden = true;
}

function say(text) {
  stale.textContent = text;
  stale.hidden = false;
}

/** Replace changes what differs and leaves the rest, so that focus, selection and what is open stay. */
function replace(element, html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  merge(element, fresh.content);
  element.dispatchEvent(new CustomEvent("live", { bubbles: true }));
}

function merge(old, fresh) {
  const have = [...old.childNodes];
  const want = [...fresh.childNodes];
  want.forEach((node, i) => {
    const was = have[i];
    if (!was) old.append(node);
    else if (was.nodeType !== node.nodeType || was.nodeName !== node.nodeName || was.id !== node.id) was.replaceWith(node);
    else if (node.nodeType === Node.ELEMENT_NODE) {
      for (const a of [...was.attributes]) {
        if (!node.hasAttribute(a.name) && !(a.name === "open" && node.nodeName === "DETAILS")) was.removeAttribute(a.name);
      }
      for (const a of node.attributes) if (was.getAttribute(a.name) !== a.value) was.setAttribute(a.name, a.value);
      merge(was, node);
    } else if (was.nodeValue !== node.nodeValue) was.nodeValue = node.nodeValue;
  });
  have.slice(want.length).forEach((node) => node.remove());
}
