// The page of images: an update with its progress, and what a backup holds before it is restored.

const token = document.querySelector('meta[name="csrf"]').content;
const headers = { "X-CSRF-Token": token, "X-Viaduct": "script" };

const upload = document.querySelector("#upload");
const fetching = document.querySelector("#fetch");
const restore = document.querySelector("#restore");

if (upload) installations();
if (restore) restoring();

function installations() {
  const box = document.querySelector("#progress");
  const bar = box.querySelector("progress");
  const amount = box.querySelector("#amount");
  const text = box.querySelector("#lines");
  const stop = box.querySelector("#stop");
  let abort;

  /** Lines starts an installation, and calls each with every line of it. Its answer goes on while the image is on its way. */
  async function lines(path, values, signal, each) {
    const answer = await fetch(path, { method: "POST", headers, body: values, signal });
    if (!answer.ok) throw new Error((await answer.json()).error);
    const from = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await from.read();
      if (done) throw new Error(box.dataset.broken);
      rest += value;
      for (let end; (end = rest.indexOf("\n")) >= 0; rest = rest.slice(end + 1)) {
        const line = JSON.parse(rest.slice(0, end));
        if (line.done) return line;
        each(line);
      }
    }
  }

  /** Send sends the image. It ends with the signal, also when the box does not want the rest. */
  function send(id, file, signal) {
    const request = new XMLHttpRequest();
    request.open("PUT", "/firmware/install/" + encodeURIComponent(id));
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (e) => show(e.loaded, file.size));
    request.upload.addEventListener("load", () => {
      show(file.size, file.size);
      amount.textContent += " " + box.dataset.sent;
    });
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  }

  function show(sent, size) {
    bar.value = size > 0 ? sent / size : 0;
    amount.textContent = `${mebibytes(sent)} / ${mebibytes(size)} MiB`;
  }

  async function run(path, form, file) {
    if (abort && !abort.signal.aborted) return; // one is under way
    abort = new AbortController();
    const mine = abort;
    for (const outcome of box.querySelectorAll("[data-outcome]")) outcome.hidden = true;
    box.querySelector("#go").hidden = true;
    text.textContent = amount.textContent = "";
    box.hidden = stop.hidden = false;
    if (file) show(0, file.size);
    else bar.removeAttribute("value");
    for (const button of document.querySelectorAll("#upload button, #fetch button")) button.disabled = true;
    const values = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (typeof value === "string" && name !== "csrf") values.append(name, value);
    try {
      const end = await lines(path, values, mine.signal, (line) => {
        if (line.id && file) send(line.id, file, mine.signal);
        if (line.text) text.textContent += line.text + "\n";
        text.scrollTop = text.scrollHeight;
      });
      say(end.ok, end.why);
    } catch (error) {
      say(false, mine.signal.aborted ? box.dataset.broken : error.message);
    }
    mine.abort(); // what is left of the image is not wanted
    if (!bar.hasAttribute("value")) bar.value = 1;
    stop.hidden = true;
    for (const button of document.querySelectorAll("#upload button, #fetch button")) button.disabled = false;
  }

  function say(ok, why) {
    const outcome = box.querySelector(`[data-outcome="${ok ? "ok" : "error"}"]`);
    if (!ok) outcome.querySelector("span:last-child").textContent = why || box.dataset.broken;
    outcome.hidden = false;
    box.querySelector("#go").hidden = !ok;
  }

  upload.addEventListener("submit", (e) => {
    e.preventDefault();
    run("/firmware/install", upload, upload.elements.image.files[0]);
  });
  fetching.addEventListener("submit", (e) => {
    e.preventDefault();
    run("/firmware/fetch", fetching);
  });
  stop.addEventListener("click", () => abort.abort());
}

function mebibytes(octets) {
  return (octets / (1 << 20)).toFixed(1);
}

/** Restoring shows what a backup holds; only then it can be restored. */
function restoring() {
  const now = restore.querySelector('[value="restore"]');
  const holds = restore.querySelector("#holds");
  now.hidden = true;
  restore.addEventListener("input", () => (now.hidden = holds.hidden = true));
  restore.addEventListener("submit", async (e) => {
    e.preventDefault();
    const what = e.submitter.value;
    const answer = await fetch(restore.action, { method: "POST", headers, body: new FormData(restore, e.submitter) });
    const said = await answer.json();
    const ok = answer.ok && said.ok;
    for (const button of restore.querySelectorAll("button")) button.disabled = false;
    holds.className = "notice " + (ok ? "ok" : "error");
    holds.querySelector("span").textContent = said.text ?? said.error;
    holds.hidden = false;
    now.hidden = !(ok && what === "look");
    restore.querySelector("#restored").hidden = !(ok && what === "restore");
  });
}
