// Times that stay true: every <time data-ago> shows how long ago its moment is, as kubectl writes it; every
// <time data-until> how long it is until then.
(() => {
  const TABLE = [
    [120, (s) => `${s}s`],
    [600, (s) => `${Math.floor(s / 60)}m` + (s % 60 ? `${s % 60}s` : "")],
    [10800, (s) => `${Math.floor(s / 60)}m`],
    [28800, (s) => `${Math.floor(s / 3600)}h` + (Math.floor(s / 60) % 60 ? `${Math.floor(s / 60) % 60}m` : "")],
    [172800, (s) => `${Math.floor(s / 3600)}h`],
    [691200, (s) => `${Math.floor(s / 86400)}d` + (Math.floor(s / 3600) % 24 ? `${Math.floor(s / 3600) % 24}h` : "")],
    [63072000, (s) => `${Math.floor(s / 86400)}d`],
    [Infinity, (s) => `${Math.floor(s / 31536000)}y` + (Math.floor(s / 86400) % 365 ? `${Math.floor(s / 86400) % 365}d` : "")],
  ];
  // The server's clock rules: a browser's may be minutes off.
  const here = Date.parse(document.documentElement.dataset.now || "") || Date.now();
  const offset = here - Date.now();

  function age(moment) {
    const seconds = Math.max(0, Math.floor((Date.now() + offset - moment) / 1000));
    return TABLE.find(([below]) => seconds < below)[1](seconds);
  }
  function tell(time) {
    const moment = Date.parse(time.dateTime);
    if (Number.isNaN(moment)) return;
    const text = age(moment) + (time.dataset.ago || "");
    if (time.textContent !== text) time.textContent = text;
    if (!time.title) time.title = new Date(moment).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
  }
  // What ends is counted down to the second; at its end the page looks again.
  function countDown(time) {
    const left = Math.ceil((Date.parse(time.dateTime) - Date.now() - offset) / 1000);
    const part = (amount, unit) => (amount ? `${amount}${unit}` : "");
    const [days, hours, minutes] = [Math.floor(left / 86400), Math.floor(left / 3600) % 24, Math.floor(left / 60) % 60];
    const text = left <= 0 ? "0s" : part(days, "d") + part(hours, "h") + part(minutes, "m") + (days ? "" : part(left % 60, "s"));
    if (time.textContent !== text) time.textContent = text;
    if (left <= 0 && !time.dataset.over) {
      time.dataset.over = "1";
      document.dispatchEvent(new CustomEvent("drover:refresh"));
    }
  }
  const all = () => {
    if (document.hidden) return;
    document.querySelectorAll("time[data-ago]").forEach(tell);
    document.querySelectorAll("time[data-until]").forEach(countDown);
  };
  document.addEventListener("DOMContentLoaded", all);
  document.addEventListener("visibilitychange", all);
  setInterval(all, 1000);
  window.drover = { ...window.drover, age, ages: all };
})();
