// The terminal of a pod's container: xterm.js on one side, the frames of the container's streams on the other.
(() => {
  const INPUT = 0, OUTPUT = 1, STATUS = 3, RESIZE = 4;
  const PIECE = 8192;          // of what is pasted, in one message
  const ACKNOWLEDGE = 65536;   // bytes drawn between two words to the server
  const utf8 = new TextEncoder();

  // The emulator writes style elements and style attributes, which our content policy forbids. On this page both become
  // what the policy allows: sheets and properties set by script.
  function dressByScript() {
    const plain = (...wanted) => Document.prototype.createElement.apply(document, wanted);
    document.createElement = (name, ...options) => {
      if (name === "style") return sheet();
      const element = plain(name, ...options);
      element.setAttribute = setAttribute;
      return element;
    };
    function setAttribute(key, value) {
      if (key === "style") this.style.cssText = value;
      else Element.prototype.setAttribute.call(this, key, value);
    }
    function sheet() {
      const rules = new CSSStyleSheet();
      document.adoptedStyleSheets.push(rules);
      const stand = plain("span");
      stand.hidden = true;
      Object.defineProperty(stand, "textContent", { set: (text) => rules.replaceSync(text), get: () => "" });
      return stand;
    }
  }

  const framed = (channel, bytes) => { const frame = new Uint8Array(bytes.length + 1); frame[0] = channel; frame.set(bytes, 1); return frame; };

  function ending(text) {
    let status = {};
    try { status = JSON.parse(text); } catch { return "The connection ended."; }
    if (status.status === "Success") return "The shell has ended with exit code 0.";
    const code = status.details?.causes?.find((cause) => cause.reason === "ExitCode")?.message;
    return code ? `The shell has ended with exit code ${code}.` : status.message || "The connection ended.";
  }

  function start(view) {
    const screen = view.querySelector("[data-terminal-screen]");
    const state = view.querySelector("[data-terminal-state]");
    const again = view.querySelector("[data-terminal-open]");
    const form = view.querySelector("form");
    const style = getComputedStyle(screen);
    dressByScript();
    const emulator = new Terminal({
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches, scrollback: 5000,
      fontFamily: getComputedStyle(view.querySelector("code") || screen).fontFamily, fontSize: 13, lineHeight: 1.25,
      theme: { background: style.backgroundColor, foreground: style.color, cursor: style.color, selectionBackground: "#5b3a64" },
    });
    const fit = new FitAddon.FitAddon();
    let socket = null;
    emulator.loadAddon(fit);
    emulator.open(screen);
    fit.fit();

    const say = (tone, text) => { state.className = `small tone-${tone}`; state.textContent = text; };
    const send = (channel, bytes) => { if (socket?.readyState === WebSocket.OPEN) socket.send(framed(channel, bytes)); };
    const resize = () => { fit.fit(); send(RESIZE, utf8.encode(JSON.stringify({ Width: emulator.cols, Height: emulator.rows }))); };

    emulator.onData((text) => {
      const bytes = utf8.encode(text);
      for (let at = 0; at < bytes.length; at += PIECE) send(INPUT, bytes.subarray(at, at + PIECE));
    });
    // Tab belongs to the shell; this leaves it.
    emulator.attachCustomKeyEventHandler((event) => {
      if (!(event.ctrlKey && event.shiftKey && event.key === "Escape")) return true;
      again.focus();
      return false;
    });
    let pending = 0;
    new ResizeObserver(() => { clearTimeout(pending); pending = setTimeout(resize, 100); }).observe(screen);

    async function open() {
      socket?.close();
      const container = new FormData(form).get("container");
      say("busy", "Opening");
      history.replaceState(null, "", `?tab=terminal&container=${encodeURIComponent(container)}`);
      const mine = await ticket(container);
      if (!mine) return;
      const scheme = location.protocol === "https:" ? "wss:" : "ws:";
      const opened = socket = new WebSocket(`${scheme}//${location.host}/terminal`);
      let told = "", undrawn = 0;
      opened.binaryType = "arraybuffer";
      opened.onopen = () => opened.send(JSON.stringify({ ticket: mine, columns: emulator.cols, rows: emulator.rows }));
      opened.onmessage = ({ data }) => {
        const bytes = new Uint8Array(data);
        if (bytes[0] === STATUS) { told = ending(new TextDecoder().decode(bytes.subarray(1))); return; }
        if (bytes[0] !== OUTPUT || opened !== socket) return;
        say("ok", "Connected");
        emulator.write(bytes.subarray(1), () => {
          undrawn += bytes.length - 1;
          if (undrawn < ACKNOWLEDGE || opened.readyState !== WebSocket.OPEN) return;
          opened.send(JSON.stringify({ drawn: undrawn }));
          undrawn = 0;
        });
      };
      opened.onclose = (event) => {
        if (opened !== socket) return;
        socket = null;
        const words = told || event.reason || "The connection broke.";
        say(words.includes("exit code 0") ? "idle" : "warn", words);
        emulator.write(`\r\n\x1b[3m${words}\x1b[0m\r\n`);
      };
      emulator.reset();
      emulator.focus();
    }

    async function ticket(container) {
      try {
        const answer = await fetch(view.dataset.terminal, {
          method: "POST", body: new URLSearchParams({ container }),
          headers: { "X-CSRFToken": document.querySelector("meta[name='csrf']").content, "HX-Request": "true" },
        });
        if (answer.ok) return (await answer.json()).ticket;
        const said = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-message]");
        say("bad", said?.textContent.trim() || `The server answered ${answer.status}.`);
      } catch { say("bad", "The server could not be reached."); }
      return "";
    }

    form.addEventListener("submit", (event) => { event.preventDefault(); open(); });
    form.addEventListener("change", open);
    window.addEventListener("pagehide", () => socket?.close());
    open();
  }

  document.addEventListener("DOMContentLoaded", () => {
    const view = document.querySelector("[data-terminal]");
    if (view && window.Terminal) start(view);
  });
})();
