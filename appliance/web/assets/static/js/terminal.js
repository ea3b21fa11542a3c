// The console in the browser: xterm on a WebSocket. Package appliance/web/terminal says what passes there.

import { Terminal } from "../xterm/xterm.js";
import { FitAddon } from "../xterm/addon-fit.js";

const place = document.querySelector("#terminal");
const status = document.querySelector("#terminal-status");
const again = document.querySelector("#terminal-again");
const readable = document.querySelector("#terminal-readable");

const ctrlC = "\x03";
const piece = 16 << 10; // octets of a message
const tellEvery = 32 << 10; // octets that are shown before the box is told

Terminal.strings.promptLabel = place.dataset.input;
Terminal.strings.tooMuchOutput = place.dataset.much;

const term = new Terminal({
  fontFamily: property("--mono"), fontSize: 14, scrollback: 5000, cursorBlink: false, screenReaderMode: remembered(), theme: theme(),
});
const fit = new FitAddon();
term.loadAddon(fit);
term.parser.registerOscHandler(8, () => true); // no links: what a peer has sent must not become one
term.attachCustomKeyEventHandler(own);
open();

let socket;
let room, sent, taken; // octets of keys: what may be on its way, what is or was, what the box has dealt with
let shown, told; // octets of text
let waiting = []; // pieces of keys for which there is no room yet

readable.checked = remembered();
readable.addEventListener("change", () => {
  localStorage.setItem("terminal-readable", readable.checked ? "yes" : "");
  term.options.screenReaderMode = readable.checked;
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (term.options.theme = theme()));
again.addEventListener("click", connect);
term.onData(type);
term.onResize(size);
new ResizeObserver(() => fit.fit()).observe(place);
addEventListener("pagehide", () => socket.close());
connect();

/** Open puts the terminal into the page. The policy of the page forbids style elements; xterm makes its three only while it opens, and writes
 *  their text only through textContent: a style sheet of the document takes the place of each. */
function open() {
  const make = Document.prototype.createElement;
  document.createElement = (name, ...more) => {
    if (name !== "style") return make.call(document, name, ...more);
    const sheet = new CSSStyleSheet();
    document.adoptedStyleSheets.push(sheet);
    const stand = make.call(document, "template");
    Object.defineProperty(stand, "textContent", { set: (css) => sheet.replaceSync(css) });
    return stand;
  };
  try {
    term.open(place);
  } finally {
    delete document.createElement;
  }
  fit.fit();
}

function property(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function theme() {
  return {
    background: property("--surface"), foreground: property("--text"), cursor: property("--accent"), cursorAccent: property("--surface"),
    selectionBackground: property("--accent"), selectionForeground: property("--accent-text"), scrollbarSliderBackground: property("--line"),
    scrollbarSliderHoverBackground: property("--line-strong"), scrollbarSliderActiveBackground: property("--line-strong"),
  };
}

function remembered() {
  return localStorage.getItem("terminal-readable") === "yes";
}

/** Own says which keys are the terminal's. The others are the browser's: Shift+Tab leaves the terminal, Ctrl+C copies what is selected, Ctrl+V pastes. */
function own(e) {
  const control = (e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey;
  if (e.key === "Tab" && e.shiftKey) return false;
  if (control && e.key === "v") return false;
  return !(control && e.key === "c" && term.hasSelection());
}

function connect() {
  again.hidden = true;
  say(place.dataset.opening);
  room = sent = taken = shown = told = 0;
  waiting = [];
  term.reset();
  const mine = (socket = new WebSocket(`wss://${location.host}/terminal/line`));
  mine.binaryType = "arraybuffer";
  mine.addEventListener("open", () => {
    say(place.dataset.open);
    size();
    term.focus();
  });
  mine.addEventListener("message", (e) => {
    if (typeof e.data === "string") heard(JSON.parse(e.data));
    else term.write(new Uint8Array(e.data), () => mine === socket && drawn(e.data.byteLength));
  });
  mine.addEventListener("close", (e) => {
    if (mine !== socket) return;
    waiting = [];
    const why = { 1000: place.dataset.ended, 4001: place.dataset.many, 4002: place.dataset.over };
    say(why[e.code] ?? place.dataset.lost);
    again.hidden = false;
  });
}

function say(text) {
  status.textContent = text;
}

function heard(message) {
  room = message.room ?? room;
  taken = message.taken ?? taken;
  send();
}

/** Drawn counts text that stands on the screen; the box keeps back what comes behind the room. */
function drawn(octets) {
  shown += octets;
  if (shown - told < tellEvery || socket.readyState !== WebSocket.OPEN) return;
  told = shown;
  socket.send(JSON.stringify({ shown }));
}

function size() {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ columns: term.cols, rows: term.rows }));
}

function type(text) {
  if (socket.readyState !== WebSocket.OPEN) return;
  if (text === ctrlC) waiting = []; // what was pasted was meant for what is interrupted
  waiting.push(new TextEncoder().encode(text));
  send();
}

function send() {
  while (waiting.length > 0 && sent - taken < room) {
    const keys = waiting[0].subarray(0, Math.min(piece, room - (sent - taken)));
    socket.send(keys);
    sent += keys.length;
    waiting[0] = waiting[0].subarray(keys.length);
    if (waiting[0].length === 0) waiting.shift();
  }
}
