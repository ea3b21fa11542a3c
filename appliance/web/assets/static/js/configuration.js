// The editor of the configuration: a plain text area, with colours painted behind it, completion, and what the box says of the text.

import { toast } from "./frame.js";

const form = document.getElementById("configuration");
const area = document.getElementById("text");
const paint = form.querySelector(".paint");
const numbers = form.querySelector(".numbers");
const choices = document.getElementById("choices");
const result = document.getElementById("result");
const place = document.getElementById("place");
const words = form.dataset;

// The text in the editor, and the one that it was made of, with its tag.
let lines = area.value.split("\n");
let base = area.defaultValue;
let marks = new Map(); // problems: line number → severity
let typed = false; // since the text area got the focus
const cell = measure();

function measure() {
  const probe = document.createElement("span");
  probe.textContent = "x".repeat(100);
  paint.append(probe);
  const size = { width: probe.getBoundingClientRect().width / 100, height: parseFloat(getComputedStyle(area).lineHeight) };
  probe.remove();
  return size;
}

/** Draw paints the lines that can be seen. The text area itself has transparent letters. */
function draw() {
  const first = Math.max(0, Math.floor(area.scrollTop / cell.height) - 5);
  const last = Math.min(lines.length, first + Math.ceil(area.clientHeight / cell.height) + 10);
  const text = document.createDocumentFragment();
  const count = document.createDocumentFragment();
  for (let n = first; n < last; n++) {
    const row = document.createElement("span");
    row.className = "row" + (marks.has(n + 1) ? " " + marks.get(n + 1) : "");
    row.append(...colours(lines[n].slice(0, 2000)));
    text.append(row);
    const number = document.createElement("span");
    number.textContent = n + 1;
    number.className = marks.get(n + 1) ?? "";
    count.append(number);
  }
  paint.replaceChildren(text);
  numbers.replaceChildren(count);
  const down = first * cell.height - area.scrollTop;
  paint.style.transform = `translate(${-area.scrollLeft}px, ${down}px)`;
  numbers.style.transform = `translateY(${down}px)`;
  numbers.style.width = String(lines.length).length + 2 + "ch";
}

const parts = /(\s+)|(#.*$)|("[^"]*"?)|([^\s"]+)/g;

/** Colours makes elements of the words of a line. */
function colours(line) {
  const list = [];
  let position = 0;
  for (const [word, blank, comment, quoted] of line.matchAll(parts)) {
    let kind = "";
    if (blank !== undefined) kind = "";
    else if (comment !== undefined && position === 0) kind = "c-comment";
    else if (quoted !== undefined) kind = "c-text";
    else if (/^(\d[\d.:/]*|\+\d+)$/.test(word)) kind = "c-number";
    else if (position === 0) kind = word === "no" ? "c-no" : "c-key";
    else if (/^(pki:|https?:|sip:)/.test(word)) kind = "c-name";
    if (blank === undefined && word !== "no") position++;
    if (kind === "") list.push(word);
    else {
      const span = document.createElement("span");
      span.className = kind;
      span.textContent = word;
      list.push(span);
    }
  }
  return list;
}

function changed() {
  lines = area.value.split("\n");
  marks = new Map();
  draw();
  where();
  later();
}

/** Where shows the line and column of the cursor. */
function where() {
  const { row, column } = cursor();
  place.textContent = `${row + 1}:${column + 1}`;
}

function cursor() {
  const before = area.value.slice(0, area.selectionStart);
  const start = before.lastIndexOf("\n") + 1;
  let row = 0;
  for (let i = before.indexOf("\n"); i >= 0; i = before.indexOf("\n", i + 1)) row++;
  return { row, column: before.length - start };
}

/** Type replaces a part of the text, so that Ctrl+Z takes it back. */
function type(from, to, text) {
  area.focus();
  area.setSelectionRange(from, to);
  if (!document.execCommand("insertText", false, text)) {
    area.setRangeText(text, from, to, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

/** Start of a line in the text, from 0. */
function start(row) {
  let at = 0;
  for (let n = 0; n < row; n++) at += lines[n].length + 1;
  return at;
}

function goTo(row) {
  const at = start(row);
  area.focus();
  area.setSelectionRange(at, at + lines[row].length);
  area.scrollTop = Math.max(0, row * cell.height - area.clientHeight / 3);
  draw();
  where();
}

area.addEventListener("input", () => {
  typed = true;
  close();
  changed();
});
area.addEventListener("scroll", () => {
  close();
  draw();
});
area.addEventListener("focus", () => (typed = false));
document.addEventListener("selectionchange", () => {
  if (open && area.selectionStart !== open.caret) close(); // what is chosen would go elsewhere
  if (document.activeElement === area) where();
});
new ResizeObserver(draw).observe(area);

// What the box says of the text, a moment after the last key.

let timer = 0;
let asking = null;

function later() {
  if (!result) return;
  clearTimeout(timer);
  timer = setTimeout(check, 600);
}

/** Send sends the text, and shows what the box says of it. */
async function send(path, query) {
  asking?.abort();
  asking = new AbortController();
  const mine = asking;
  const address = path + "?" + new URLSearchParams({ tag: words.tag, ...query });
  const answer = await fetch(address, {
    method: "POST", signal: mine.signal, body: new Blob([area.value], { type: "text/plain" }),
    headers: { "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content, "X-Viaduct": "script", "Content-Type": "text/plain" },
  });
  if ((answer.headers.get("Content-Type") ?? "").startsWith("application/json")) throw new Error((await answer.json()).error);
  if (mine !== asking) return null;
  result.innerHTML = await answer.text(); // made by a template of the box, which escapes
  marks = new Map();
  const rank = ["note", "warning", "error"];
  for (const p of result.querySelectorAll(".problems li")) {
    for (const n of [p.dataset.line, ...p.dataset.also.split(" ")].map(Number).filter((n) => n > 0)) {
      if (rank.indexOf(p.dataset.severity) > rank.indexOf(marks.get(n) ?? "")) marks.set(n, p.dataset.severity);
    }
  }
  draw();
  return result.querySelector(".outcome");
}

async function check() {
  clearTimeout(timer);
  try {
    await send("/configuration/check", {});
  } catch (e) {
    if (e.name !== "AbortError") toast("error", e.message);
  }
}

async function apply() {
  clearTimeout(timer);
  try {
    const outcome = await send("/configuration/apply", { keep: form.elements.keep.value });
    if (outcome?.dataset.applied) {
      base = area.value;
      await load();
    }
  } catch (e) {
    if (e.name !== "AbortError") toast("error", e instanceof TypeError ? words.failed : e.message);
  }
}

/** Load puts the configuration that runs into the editor. */
async function load() {
  const answer = await fetch("/configuration/text", { headers: { "X-Viaduct": "script" } });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  base = said.text;
  tagged(said.tag);
  set(base);
}

function tagged(tag) {
  words.tag = tag;
  form.elements.tag.value = tag;
}

/** Set puts another text into the editor, and leaves the cursor where it was. */
function set(text) {
  const { scrollTop, selectionStart } = area;
  area.value = text;
  area.setSelectionRange(selectionStart, selectionStart);
  area.scrollTop = scrollTop;
  lines = text.split("\n");
  marks = new Map();
  draw();
}

// Buttons.

const todo = {
  apply,
  check,
  next: () => seek(1),
  previous: () => seek(-1),
  goto: (b) => goTo(Math.min(lines.length, Number(b.closest("li").dataset.line)) - 1),
  fix: (b) => fix(b),
  reload: async () => {
    await load();
    await check();
  },
  both: () => showBoth(),
  merge: () => merge(),
};

document.addEventListener("click", async (e) => {
  const button = e.target.closest?.("[data-do]");
  const run = todo[button?.dataset.do];
  if (!run) return;
  e.preventDefault();
  try {
    await run(button);
  } catch (error) {
    toast("error", error.message);
  }
});

/** Fix puts the lines that put a problem right where they belong. */
function fix(button) {
  const item = button.closest("li");
  const fresh = [...item.querySelectorAll(".fix code span")].map((s) => s.textContent);
  const row = Number(item.dataset.line) - 1;
  const indent = lines[row]?.match(/^\s*/)[0] ?? "";
  switch (button.dataset.place) {
    case "instead":
      type(start(row) + indent.length, start(row) + lines[row].length, fresh[0]);
      return;
    case "below": {
      const end = start(row) + lines[row].length;
      const deeper = lines[row + 1]?.match(/^\s*/)[0] ?? "";
      type(end, end, fresh.map((l) => "\n" + (deeper.length > indent.length ? deeper : indent) + l).join(""));
      return;
    }
    default: {
      const end = area.value.length;
      type(end, end, (area.value.endsWith("\n") || end === 0 ? "" : "\n") + fresh.join("\n") + "\n");
    }
  }
}

async function showBoth() {
  const answer = await fetch("/configuration/conflict", {
    method: "POST", body: new URLSearchParams({ base, mine: area.value }),
    headers: { "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content, "X-Viaduct": "script" },
  });
  if (!answer.ok) throw new Error((await answer.json()).error);
  result.querySelector(".conflict").innerHTML = await answer.text(); // likewise
}

addEventListener("beforeunload", (e) => {
  if (result && area.value !== base && !form.dataset.sent) e.preventDefault();
});
form.addEventListener("submit", () => (form.dataset.sent = "1"));

// Search.

const field = document.getElementById("seek");
const hits = document.getElementById("hits");

function seek(step) {
  const wanted = field.value.toLowerCase();
  if (wanted === "") return;
  const all = [];
  const text = area.value.toLowerCase();
  for (let i = text.indexOf(wanted); i >= 0; i = text.indexOf(wanted, i + wanted.length)) all.push(i);
  if (all.length === 0) {
    hits.textContent = words.none;
    return;
  }
  const at = area.selectionStart;
  let n = step > 0 ? all.findIndex((i) => i > at || (i === at && area.selectionEnd === at)) : all.findLastIndex((i) => i < at);
  if (n < 0) n = step > 0 ? 0 : all.length - 1;
  const kept = document.activeElement === field;
  area.focus({ preventScroll: true });
  area.setSelectionRange(all[n], all[n] + wanted.length);
  area.scrollTop = Math.max(0, cursor().row * cell.height - area.clientHeight / 3);
  draw();
  if (kept) field.focus();
  hits.textContent = words.hits.replace("{n}", n + 1).replace("{all}", all.length);
}

field.addEventListener("keydown", (e) => {
  if (e.key !== "Enter") return;
  e.preventDefault();
  seek(e.shiftKey ? -1 : 1);
});

// Completion: what `?` and Tab do at the console, in the mode to which the lines above lead.

let open = null; // { list, at, partial, caret }
let left = false; // Escape was pressed: the next Tab leaves the text

area.addEventListener("keydown", async (e) => {
  if (area.readOnly || e.isComposing) return; // keys of an input method are its own
  if (open && ["ArrowDown", "ArrowUp", "Enter", "Tab", "Escape", "Home", "End"].includes(e.key) && !e.shiftKey && !e.ctrlKey && !e.altKey && !e.metaKey) {
    e.preventDefault();
    const count = open.list.length;
    switch (e.key) {
      case "ArrowDown": choose((open.at + 1) % count); break;
      case "ArrowUp": choose((open.at + count - 1) % count); break;
      case "Home": choose(0); break;
      case "End": choose(count - 1); break;
      case "Escape": close(); left = true; break;
      default: take(open.at);
    }
    return;
  }
  const ask = e.key === " " && e.ctrlKey || e.key === "Tab" && !e.shiftKey && !e.ctrlKey && !e.altKey && typed && !left;
  left = e.key === "Escape";
  if (!ask) return;
  e.preventDefault();
  await complete();
});
area.addEventListener("blur", () => setTimeout(close, 150));

async function complete() {
  const at = area.selectionStart;
  const { row, column } = cursor();
  const line = lines[row];
  const before = new TextEncoder().encode(line.slice(0, column)).length;
  let said;
  try {
    const answer = await fetch("/configuration/help", {
      method: "POST", body: new URLSearchParams({ text: area.value, row, line, cursor: before }),
      headers: { "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content, "X-Viaduct": "script" },
    });
    said = await answer.json();
    if (!answer.ok) throw new Error(said.error);
  } catch (error) {
    toast("error", error.message);
    return;
  }
  if (at !== area.selectionStart || said.literal) return;
  const partial = line.slice(0, column).match(/\S*$/)[0];
  const plain = said.choices.filter((c) => !c.word.startsWith("<"));
  if (said.insert && plain.length <= 1) {
    type(at, at, said.insert);
    typed = true;
    return;
  }
  if (said.choices.length > 0) show(said.choices, partial, row, column);
}

function show(list, partial, row, column) {
  choices.replaceChildren();
  let section = "";
  list.forEach((c, n) => {
    if (c.section && c.section !== section) {
      section = c.section;
      const head = document.createElement("li");
      head.setAttribute("role", "presentation");
      head.className = "section";
      head.textContent = section;
      choices.append(head);
    }
    const item = document.createElement("li");
    item.id = "choice-" + n;
    item.setAttribute("role", "option");
    item.lang = "en";
    if (c.word.startsWith("<")) item.setAttribute("aria-disabled", "true");
    const word = document.createElement("b");
    word.textContent = c.word;
    const about = document.createElement("span");
    about.textContent = c.help;
    item.append(word, " ", about);
    item.addEventListener("mousedown", (e) => {
      e.preventDefault();
      take(n);
    });
    choices.append(item);
  });
  open = { list, at: 0, partial, caret: area.selectionStart };
  choices.hidden = false;
  area.setAttribute("aria-controls", "choices");
  const sheet = area.getBoundingClientRect();
  const top = (row + 1) * cell.height - area.scrollTop + 8;
  const x = (column - partial.length) * cell.width - area.scrollLeft + 8 + area.offsetLeft + area.parentElement.offsetLeft;
  choices.style.top = Math.min(top, sheet.height - 40) + "px";
  choices.style.left = Math.max(0, Math.min(x, choices.parentElement.clientWidth - choices.offsetWidth - 4)) + "px";
  choose(0);
}

function choose(n) {
  open.at = n;
  for (const item of choices.querySelectorAll("[role=option]")) item.setAttribute("aria-selected", String(item.id === "choice-" + n));
  const item = document.getElementById("choice-" + n);
  area.setAttribute("aria-activedescendant", item.id);
  item.scrollIntoView({ block: "nearest" });
}

function take(n) {
  const { word } = open.list[n];
  const { partial } = open;
  close();
  if (word.startsWith("<")) return;
  const at = area.selectionStart;
  type(at - partial.length, at, word + " ");
  typed = true;
}

function close() {
  if (!open) return;
  open = null;
  choices.hidden = true;
  area.removeAttribute("aria-activedescendant");
  area.removeAttribute("aria-controls");
}

// Merging: three texts, line by line.

async function merge() {
  const mine = lines.slice();
  const ours = base.split("\n");
  await load();
  const theirs = lines.slice();
  const made = three(ours, mine, theirs);
  if (!made) {
    set(mine.join("\n"));
    throw new Error(words.apart);
  }
  set(made.lines.join("\n"));
  await check();
  const note = document.createElement("div");
  note.className = "notice " + (made.clashes.length > 0 ? "warning" : "ok");
  note.setAttribute("role", "alert");
  const said = document.createElement("span");
  said.textContent = made.clashes.length > 0 ? words.clash + "\n" + made.clashes.map((c) => c.join("\n") || "-").join("\n\n") : words.merged;
  note.append(said);
  result.prepend(note);
}

/** Three merges what two have made of a text. Where both changed the same lines, theirs stay, and mine are returned as a clash. */
export function three(from, mine, theirs) {
  const a = common(from, mine);
  const b = common(from, theirs);
  if (!a || !b) return null;
  const out = [];
  const clashes = [];
  let i = 0, m = 0, t = 0;
  while (i < from.length || m < mine.length || t < theirs.length) {
    if (i < from.length && a[i] === m && b[i] === t) {
      out.push(from[i]);
      i++; m++; t++;
      continue;
    }
    let j = i; // the next line that all three have
    while (j < from.length && !(a[j] >= m && b[j] >= t)) j++;
    const end = { m: j < from.length ? a[j] : mine.length, t: j < from.length ? b[j] : theirs.length };
    const was = from.slice(i, j).join("\n"), now = mine.slice(m, end.m), other = theirs.slice(t, end.t);
    if (now.join("\n") === was && now.length === j - i) out.push(...other);
    else if (other.join("\n") === was && other.length === j - i || now.join("\n") === other.join("\n")) out.push(...now);
    else {
      out.push(...other);
      clashes.push(now);
    }
    i = j; m = end.m; t = end.t;
  }
  return { lines: out, clashes };
}

const mostEdits = 3000;

/** Common finds, for each line of a text, the same line in another one, or -1: the shortest way from one to the other (Myers). Null: too long. */
function common(from, to) {
  const found = new Array(from.length).fill(-1);
  let head = 0;
  while (head < from.length && head < to.length && from[head] === to[head]) found[head] = head++;
  let tail = 0;
  while (tail < from.length - head && tail < to.length - head && from[from.length - 1 - tail] === to[to.length - 1 - tail]) {
    tail++;
    found[from.length - tail] = to.length - tail;
  }
  const n = from.length - head - tail, m = to.length - head - tail;
  let far = new Map([[1, 0]]);
  const trace = [];
  for (let d = 0; d <= n + m; d++) {
    if (d > mostEdits) return null;
    trace.push(new Map(far));
    for (let k = -d; k <= d; k += 2) {
      let x = k === -d || (k !== d && (far.get(k - 1) ?? -1) < (far.get(k + 1) ?? -1)) ? far.get(k + 1) : far.get(k - 1) + 1;
      while (x < n && x - k < m && from[head + x] === to[head + x - k]) x++;
      far.set(k, x);
      if (x >= n && x - k >= m) return back(trace, found, head, n, m);
    }
  }
  return found;
}

/** Back follows the way back to its beginning. */
function back(trace, found, head, n, m) {
  let x = n, y = m;
  for (let d = trace.length - 1; d >= 0; d--) {
    const far = trace[d];
    const k = x - y;
    const up = k === -d || (k !== d && (far.get(k - 1) ?? -1) < (far.get(k + 1) ?? -1));
    const px = d === 0 ? 0 : far.get(up ? k + 1 : k - 1);
    const py = d === 0 ? 0 : px - (up ? k + 1 : k - 1);
    while (x > px && y > py && x > 0 && y > 0) {
      x--; y--;
      found[head + x] = head + y;
      if (d > 0 && (x === px + (up ? 0 : 1) && y === py + (up ? 1 : 0))) break;
    }
    x = px; y = py;
  }
  return found;
}

draw();
where();
if (words.tag && area.value !== base || new URLSearchParams(location.search).has("of")) check();
