// One websocket per tab. The server says which regions of this page have moved; each is fetched again as a
// fragment of the page's own URL and morphed in place. Nothing is shown that the page itself would not show.
(() => {
  const APART = 250;          // at most four fetches a second for a region
  const SILENCE = 25_000;     // the server speaks at least every ten seconds
  const POLL = 10_000;        // while there is no websocket
  const AGAIN = 5_000;        // after an answer that was none
  const clock = (moment) => new Date(moment).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

  let socket = null, tries = 0, heard = Date.now(), good = Date.now(), ended = false, slow = 0;
  const work = new Map();     // region id -> {timer, busy, again, last}

  // What was deleted is on show still, as it last was: nothing is asked of it any more.
  const regions = () => [...document.querySelectorAll("[data-region]:not([data-ended])")];
  const source = (region) => region.dataset.src || location.pathname + location.search;

  function show(state, word, title) {
    const sign = document.getElementById("live");
    if (!sign) return;
    const changed = sign.dataset.state !== state;
    sign.dataset.state = state;
    sign.title = title;
    sign.querySelector(".word").textContent = word;
    if (changed && state !== "starting") document.getElementById("said").textContent = `Live updates: ${title}`;
    for (const region of regions()) region.classList.toggle("stale", state === "paused");
  }

  function subscribe() {
    if (socket?.readyState !== WebSocket.OPEN) return;
    const shown = regions().map((region) => ({
      id: region.id, topics: (region.dataset.topics || "").split(" ").filter(Boolean),
      labels: region.dataset.labels || "", number: Number(region.dataset.number) || 0,
    }));
    socket.send(JSON.stringify({ t: "show", regions: shown }));
  }

  function connect() {
    if (ended || !regions().length) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}/live`);
    socket.onopen = () => {
      const back = tries > 0;
      tries = 0;
      heard = good = Date.now();
      live();
      subscribe();
      if (back) regions().forEach((region) => refresh(region.id));
    };
    socket.onmessage = (event) => {
      heard = good = Date.now();
      const message = JSON.parse(event.data);
      if (message.t === "moved") message.regions.forEach(refresh);
      else if (message.t === "ended") finish(message.message);
    };
    socket.onclose = (event) => {
      if (ended) return;
      if (event.code === 4401 || event.code === 4403) return finish(event.reason || "You are signed out.");
      tries += 1;
      const wait = Math.min(500 * 2 ** Math.min(tries - 1, 5), 15_000) * (0.75 + Math.random() / 2);
      if (tries > 1) lost();
      else setTimeout(() => { if (socket?.readyState !== WebSocket.OPEN) lost(); }, 900);
      setTimeout(connect, wait);
    };
  }

  const live = () => show("live", "Live", "connected, changes appear by themselves");

  function lost() {
    if (ended) return;
    const since = clock(good);
    if (Date.now() - good > 4000) show("paused", `Stale since ${since}`, `not connected; what you see is from ${since}. Trying again.`);
    else show("waiting", "Reconnecting", "the connection broke; trying again");
  }

  function finish(why) {
    ended = true;
    socket?.close();
    show("paused", "Not live", why);
    document.dispatchEvent(new CustomEvent("drover:toast", { detail: { tone: "bad", text: `${why} Reload the page to go on.` } }));
  }

  function refresh(id) {
    const task = work.get(id) || { last: 0 };
    work.set(id, task);
    clearTimeout(task.retry);
    if (document.hidden) { task.missed = true; return; }
    if (task.busy) { task.again = true; return; }
    if (task.timer) return;
    task.timer = setTimeout(() => fetchRegion(id, task), Math.max(0, task.last + APART - Date.now()));
  }

  async function fetchRegion(id, task) {
    task.timer = 0;
    const region = document.getElementById(id);
    if (!region || "ended" in region.dataset || region.querySelector(".htmx-request")) return;
    const from = source(region);
    task.busy = true;
    task.last = Date.now();
    try {
      const answer = await fetch(from, { headers: { "HX-Request": "true", "HX-Target": id, "X-Live": "1" }, redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 401) return finish("You are signed out.");
      if ([403, 404, 410].includes(answer.status)) return end(region, await answer.text());
      if (!answer.ok) throw new Error(`answer ${answer.status}`);
      const html = await answer.text();
      const current = document.getElementById(id);
      if (current && source(current) === from) patch(current, html);
      good = Date.now();
      if (socket?.readyState === WebSocket.OPEN) live();
    } catch {
      lost();
      task.retry = setTimeout(() => refresh(id), AGAIN);
    } finally {
      task.busy = false;
      if (task.again) { task.again = false; refresh(id); }
    }
  }

  function patch(region, html) {
    const next = new DOMParser().parseFromString(html, "text/html").getElementById(region.id);
    if (!next) return;
    const moved = next.dataset.topics !== region.dataset.topics;
    window.drover.morph(region, next);
    region.classList.remove("stale");
    window.htmx?.process(region);
    window.drover.ages();
    if (moved) subscribe();
    document.dispatchEvent(new CustomEvent("drover:patched", { detail: { region } }));
  }

  // What is on show was deleted, or is no longer theirs to see: say so, keep the last picture and ask no more.
  function end(region, html) {
    const note = new DOMParser().parseFromString(html, "text/html").getElementById("ended");
    if (note && !document.getElementById("ended")) region.before(note);
    region.dataset.ended = "";
    region.classList.add("stale");
    for (const acts of region.querySelectorAll("[data-acts]")) acts.inert = true;
    window.drover.ages();
    if (regions().length) return subscribe();
    ended = true;
    socket?.close();
    show("over", "Ended", "what this page shows is gone");
  }

  setInterval(() => {
    if (ended) return;
    const open = socket?.readyState === WebSocket.OPEN;
    if (open && Date.now() - heard > SILENCE) socket.close();
    if (!open && regions().length) {
      lost();
      if (Date.now() - slow > POLL) { slow = Date.now(); regions().forEach((region) => refresh(region.id)); }
    }
  }, 2000);

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const [id, task] of work) if (task.missed) { task.missed = false; refresh(id); }
  });
  document.addEventListener("htmx:afterSettle", () => subscribe());
  document.addEventListener("drover:refresh", () => regions().forEach((region) => refresh(region.id)));
  window.addEventListener("pagehide", () => { ended = true; socket?.close(); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) { ended = false; tries = 1; connect(); } });
  document.addEventListener("DOMContentLoaded", connect);
})();
