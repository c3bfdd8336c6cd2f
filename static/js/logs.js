// The logs tab: reads the stream of one container, keeps the newest lines, follows until the reader scrolls up.
(() => {
  const KEEP = 5000;
  let stop = null;

  function start(view) {
    stop?.abort();
    stop = new AbortController();
    const lines = view.querySelector(".log-lines");
    const form = view.querySelector("form");
    const state = view.querySelector("[data-log-state]");
    const say = (tone, text) => { state.className = `small tone-${tone}`; state.textContent = text; };
    lines.textContent = "";
    say("busy", "Opening the stream");
    const query = new URLSearchParams(new FormData(form));
    history.replaceState(null, "", `?tab=logs&${query}`);
    read(`${view.dataset.logs}?${query}`, lines, view, say, stop.signal);
  }

  async function read(address, lines, view, say, signal) {
    let seen = 0;
    try {
      const answer = await fetch(address, { signal, headers: { Accept: "text/plain" } });
      if (!answer.ok) { say("bad", await answer.text()); return; }
      say("ok", "Following");
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const parts = (rest + value).split("\n");
        rest = parts.pop();
        seen += parts.length;
        append(lines, parts, view);
      }
      if (rest) { append(lines, [rest], view); seen += 1; }
      say("idle", seen ? "The stream has ended" : "This container has written nothing yet");
    } catch (error) {
      if (error.name !== "AbortError") say("bad", "The connection broke. Press Follow to open it again.");
    }
  }

  function append(lines, texts, view) {
    const wanted = view.querySelector("[data-log-filter]").value.toLowerCase();
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    const batch = document.createDocumentFragment();
    for (const text of texts.slice(-KEEP)) {
      const line = document.createElement("span");
      line.textContent = `${text}\n`;
      line.hidden = Boolean(wanted) && !text.toLowerCase().includes(wanted);
      batch.append(line);
    }
    lines.append(batch);
    while (lines.childElementCount > KEEP) lines.firstElementChild.remove();
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }

  document.addEventListener("DOMContentLoaded", () => {
    const view = document.querySelector("[data-logs]");
    if (!view) return;
    const lines = view.querySelector(".log-lines");
    const form = view.querySelector("form");
    form.addEventListener("submit", (event) => { event.preventDefault(); start(view); });
    form.addEventListener("change", (event) => { if (event.target.name) start(view); });
    view.querySelector("[data-log-wrap]").addEventListener("change", (event) => lines.classList.toggle("wrap-lines", event.target.checked));
    view.querySelector("[data-log-filter]").addEventListener("input", (event) => {
      const wanted = event.target.value.toLowerCase();
      for (const line of lines.children) line.hidden = Boolean(wanted) && !line.textContent.toLowerCase().includes(wanted);
    });
    view.querySelector("[data-log-end]").addEventListener("click", () => { lines.scrollTop = lines.scrollHeight; });
    view.querySelector("[data-log-save]").addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([lines.textContent], { type: "text/plain" }));
      link.download = `${view.dataset.name}.log`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
    start(view);
  });
})();
