// Logs: reads the stream of one container or of many, keeps the newest lines, follows until the reader scrolls up.
(() => {
  const KEEP = 5000;
  let stop = null;

  function start(view) {
    stop?.abort();
    stop = new AbortController();
    const lines = view.querySelector(".log-lines");
    const state = view.querySelector("[data-log-state]");
    const say = (tone, text) => { state.className = `small tone-${tone}`; state.textContent = text; };
    const query = new URLSearchParams(new FormData(view.querySelector("form")));
    lines.textContent = "";
    history.replaceState(null, "", `?tab=logs&${query}`);
    say("busy", "Opening the stream");
    read(view.dataset.merged || view.dataset.logs, query, lines, view, say, stop.signal);
  }

  async function read(address, query, lines, view, say, signal) {
    const take = view.dataset.merged ? (parts) => together(parts, lines, view, say) : (parts) => append(lines, {}, parts, view);
    let seen = 0;
    try {
      const answer = await fetch(`${address}?${query}`, { signal, headers: { Accept: "text/plain" } });
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
        take(parts);
      }
      if (rest) { take([rest]); seen += 1; }
      if (!view.dataset.merged) say("idle", seen ? "The stream has ended" : "This container has written nothing yet");
    } catch (error) {
      if (error.name !== "AbortError") say("bad", "The connection broke. Press Follow to open it again.");
    }
  }

  // Lines of many pods in one stream: a mark, the pod, and after a time what it wrote.
  function together(parts, lines, view, say) {
    const runs = [];
    for (const part of parts) {
      const [mark, name, ...said] = part.split("\t");
      const text = said.join("\t");
      if (mark === "#") { say(text === "0" ? "idle" : "ok", text === "0" ? "No pod is there" : `Following ${text} container${text === "1" ? "" : "s"}`); continue; }
      const run = runs.at(-1);
      if (run && run.mark === mark && run.name === name) run.texts.push(text);
      else runs.push({ mark, name, texts: [text] });
    }
    for (const { mark, name, texts } of runs) append(lines, { name, timed: true, over: mark === "-" }, texts, view, mark === "!");
  }

  // With their times, lines of many streams stand in the order in which they were written, whenever they come.
  function append(lines, source, texts, view, remark = false) {
    const wanted = view.querySelector("[data-log-filter]").value.toLowerCase();
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    const newest = lines.lastElementChild?.dataset.at || "";
    const made = texts.slice(-KEEP).map((text) => lineOf(source, text, remark ? newest : ""));
    for (const line of made) line.hidden = Boolean(wanted) && !line.textContent.toLowerCase().includes(wanted);
    if (source.timed && made.length && made[0].dataset.at < newest) {
      const all = [...lines.children, ...made];
      lines.replaceChildren(...all.sort((one, other) => (one.dataset.at < other.dataset.at ? -1 : one.dataset.at > other.dataset.at ? 1 : 0)));
    } else {
      lines.append(...made);
    }
    while (lines.childElementCount > KEEP) lines.firstElementChild.remove();
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }

  function lineOf(source, text, at) {
    const line = document.createElement("span");
    const [, moment, said] = (source.timed && !at && text.match(/^(\d{4}-\d\d-\d\dT\S+) ?(.*)$/s)) || [null, at, text];
    line.dataset.at = moment;
    if (source.timed && moment) {
      const time = document.createElement("time");
      time.dateTime = time.title = moment;
      time.textContent = `${new Date(moment).toLocaleTimeString([], { hour12: false })}  `;
      line.append(time);
    }
    if (source.name) {
      const who = document.createElement("b");
      who.textContent = `${source.name}  `;
      if (source.over) who.className = "over";
      line.append(who);
    }
    line.append(`${said}\n`);
    return line;
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
