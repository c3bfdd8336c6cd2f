// Logs: reads the streams of one container or of many, keeps the newest lines, follows until the reader scrolls up.
(() => {
  const KEEP = 5000;
  let stop = null;

  // What is read: the one container that the form names; or every one of the component that it names, with their times,
  // and those of pods that are gone.
  function sources(view, query) {
    if (!view.hasAttribute("data-merged")) return [{ address: `${view.dataset.logs}?${query}`, name: "" }];
    const wanted = query.get("component");
    return [...view.querySelectorAll("[data-stream]")]
      .filter((one) => !wanted || one.dataset.component === wanted)
      .map((one) => ({ address: `${one.dataset.stream}&timestamps=1`, name: one.dataset.pod, timed: true }));
  }

  async function gone(view, query, signal) {
    if (!view.dataset.ended || !query.get("gone")) return { logs: [], unheard: [] };
    const answer = await fetch(view.dataset.ended, { signal, headers: { Accept: "application/json" } });
    if (!answer.ok) return { logs: [], unheard: [await answer.text()] };
    const { logs, unheard } = await answer.json();
    const wanted = query.get("component");
    return { logs: logs.filter((one) => !wanted || one.component === wanted)
      .map((one) => ({ address: one.href, name: one.pod, timed: true, over: true })), unheard };
  }

  function start(view) {
    stop?.abort();
    stop = new AbortController();
    const signal = stop.signal;
    const lines = view.querySelector(".log-lines");
    const state = view.querySelector("[data-log-state]");
    const say = (tone, text) => { state.className = `small tone-${tone}`; state.textContent = text; };
    const query = new URLSearchParams(new FormData(view.querySelector("form")));
    const open = sources(view, query);
    lines.textContent = "";
    history.replaceState(null, "", `?tab=logs&${query}`);
    say(open.length ? "busy" : "idle", open.length ? "Opening the stream" : "No pod is there");
    open.forEach((source) => read(source, open.length, lines, view, say, signal));
    gone(view, query, signal).then(({ logs, unheard }) => {
      logs.forEach((source) => read(source, 2, lines, view, () => {}, signal));
      unheard.forEach((words) => append(lines, { name: "" }, [`(${words}; what was kept there is missing)`], view, true));
    }).catch(() => {});
  }

  async function read(source, count, lines, view, say, signal) {
    // Of many streams none speaks for all: what befalls one stands among its lines.
    const tell = (tone, text) => (count > 1 ? append(lines, source, [`(${text})`], view, true) : say(tone, text));
    let seen = 0;
    try {
      const answer = await fetch(source.address, { signal, headers: { Accept: "text/plain" } });
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
        append(lines, source, parts, view);
      }
      if (rest) { append(lines, source, [rest], view); seen += 1; }
      if (!source.over) tell("idle", seen ? "The stream has ended" : "This container has written nothing yet");
    } catch (error) {
      if (error.name !== "AbortError") tell("bad", "The connection broke. Press Follow to open it again.");
    }
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
