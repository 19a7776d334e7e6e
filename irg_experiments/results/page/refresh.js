
// Reloads the page when the runs have changed; what is open stays open.
const OPEN = "open details";
const opened = () => [...document.querySelectorAll("details[id][open]")].map((it) => it.id);
for (const id of JSON.parse(sessionStorage.getItem(OPEN) ?? "[]")) {
  const element = document.getElementById(id);
  if (element) element.open = true;
}
setInterval(async () => {
  try {
    const answer = await fetch("state", { cache: "no-store" });
    if (!answer.ok || (await answer.text()) === document.documentElement.dataset.state) return;
  } catch {  // the server has ended
    return;
  }
  sessionStorage.setItem(OPEN, JSON.stringify(opened()));
  location.reload();
}, REFRESH);
