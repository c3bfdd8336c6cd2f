// Logs of all pods of an application in one view: each line after its component's name, newest at the end.
(() => {
  const KEEP = 5000;
  let stop = null;

  function start(view) {
    stop?.abort();
    stop = new AbortController();
    const lines = view.querySelector(".log-lines");
    lines.textContent = "";
    const wanted = view.querySelector("[name=component]").value;
    const streams = [...view.querySelectorAll("[data-stream]")].filter((one) => !wanted || one.dataset.component === wanted);
    const say = (tone, text) => { const state = view.querySelector("[data-log-state]"); state.className = `small tone-${tone}`; state.textContent = text; };
    say(streams.length ? "ok" : "idle", streams.length ? `Following ${streams.length} container${streams.length === 1 ? "" : "s"}` : "No pod is there yet");
    streams.forEach((one) => read(one, view, lines, stop.signal));
  }

  async function read(source, view, lines, signal) {
    const name = source.dataset.component || source.dataset.pod;
    try {
      const answer = await fetch(source.dataset.stream, { signal, headers: { Accept: "text/plain" } });
      if (!answer.ok) { append(lines, name, [`(${await answer.text()})`], view); return; }
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const parts = (rest + value).split("\n");
        rest = parts.pop();
        append(lines, name, parts, view);
      }
      if (rest) append(lines, name, [rest], view);
    } catch (error) {
      if (error.name !== "AbortError") append(lines, name, ["(the connection broke; Follow opens it again)"], view);
    }
  }

  function append(lines, name, texts, view) {
    const wanted = view.querySelector("[data-log-filter]").value.toLowerCase();
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    const batch = document.createDocumentFragment();
    for (const text of texts.slice(-KEEP)) {
      const line = document.createElement("span");
      const who = document.createElement("b");
      who.textContent = `${name}  `;
      line.append(who, `${text}\n`);
      line.hidden = Boolean(wanted) && !line.textContent.toLowerCase().includes(wanted);
      batch.append(line);
    }
    lines.append(batch);
    while (lines.childElementCount > KEEP) lines.firstElementChild.remove();
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }

  document.addEventListener("DOMContentLoaded", () => {
    const view = document.querySelector("[data-merged]");
    if (!view) return;
    const lines = view.querySelector(".log-lines");
    view.querySelector("form").addEventListener("submit", (event) => { event.preventDefault(); start(view); });
    view.querySelector("[name=component]").addEventListener("change", () => start(view));
    view.querySelector("[data-log-wrap]").addEventListener("change", (event) => lines.classList.toggle("wrap-lines", event.target.checked));
    view.querySelector("[data-log-filter]").addEventListener("input", (event) => {
      const wanted = event.target.value.toLowerCase();
      for (const line of lines.children) line.hidden = Boolean(wanted) && !line.textContent.toLowerCase().includes(wanted);
    });
    start(view);
  });
})();
