// Logs: reads the streams of one container or of many, keeps the newest lines, follows until the reader scrolls up.
(() => {
  const KEEP = 5000;
  let stop = null;

  // What is read: the one container that the form names, or every one listed of the component that it names.
  function sources(view, query) {
    const listed = [...view.querySelectorAll("[data-stream]")];
    if (!view.hasAttribute("data-merged")) return [{ address: `${view.dataset.logs}?${query}`, name: "" }];
    const wanted = query.get("component");
    return listed
      .filter((one) => !wanted || one.dataset.component === wanted)
      .map((one) => ({ address: one.dataset.stream, name: one.dataset.component || one.dataset.pod }));
  }

  function start(view) {
    stop?.abort();
    stop = new AbortController();
    const lines = view.querySelector(".log-lines");
    const state = view.querySelector("[data-log-state]");
    const say = (tone, text) => { state.className = `small tone-${tone}`; state.textContent = text; };
    const query = new URLSearchParams(new FormData(view.querySelector("form")));
    const open = sources(view, query);
    lines.textContent = "";
    history.replaceState(null, "", `?tab=logs&${query}`);
    say(open.length ? "busy" : "idle", open.length ? "Opening the stream" : "No pod is there yet");
    open.forEach((source) => read(source, open.length, lines, view, say, stop.signal));
  }

  async function read({ address, name }, count, lines, view, say, signal) {
    // Of many streams none speaks for all: what befalls one stands among its lines.
    const tell = (tone, text) => (count > 1 ? append(lines, name, [`(${text})`], view) : say(tone, text));
    let seen = 0;
    try {
      const answer = await fetch(address, { signal, headers: { Accept: "text/plain" } });
      if (!answer.ok) { tell("bad", await answer.text()); return; }
      say("ok", count > 1 ? `Following ${count} containers` : "Following");
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const parts = (rest + value).split("\n");
        rest = parts.pop();
        seen += parts.length;
        append(lines, name, parts, view);
      }
      if (rest) { append(lines, name, [rest], view); seen += 1; }
      tell("idle", seen ? "The stream has ended" : "This container has written nothing yet");
    } catch (error) {
      if (error.name !== "AbortError") tell("bad", "The connection broke. Press Follow to open it again.");
    }
  }

  function append(lines, name, texts, view) {
    const wanted = view.querySelector("[data-log-filter]").value.toLowerCase();
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    const batch = document.createDocumentFragment();
    for (const text of texts.slice(-KEEP)) {
      const line = document.createElement("span");
      if (name) {
        const who = document.createElement("b");
        who.textContent = `${name}  `;
        line.append(who);
      }
      line.append(`${text}\n`);
      line.hidden = Boolean(wanted) && !line.textContent.toLowerCase().includes(wanted);
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
