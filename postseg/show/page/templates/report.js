(() => {
  const PAGE = 50;
  const $ = byId;

  // ---- the picture at its own size

  const frame = $("overview");
  const smaller = () => {
    const picture = frame.querySelector("canvas") ?? frame.querySelector("img");
    return picture.clientWidth < picture.getAttribute("width");
  };
  const offer = () => {
    $("zoom").hidden = $("zoom").ariaPressed === "false" && !smaller();
  };
  $("zoom").onclick = () => {
    const full = frame.closest(".overview").classList.toggle("full");
    $("zoom").ariaPressed = full;
    if (full) frame.tabIndex = 0; // it scrolls
    else frame.removeAttribute("tabindex");
  };
  addEventListener("resize", offer);
  offer();

  // ---- the config, and code

  for (const button of document.querySelectorAll("[data-copies]")) {
    const code = $(button.dataset.copies);
    const copied = button.parentElement.querySelector(".copied");
    button.hidden = false;
    button.onclick = async () => {
      const said = await copyText(code.textContent, code);
      copied.textContent = ""; // so that a second time is spoken too
      setTimeout(() => (copied.textContent = said), 50);
    };
  }

  // ---- the table of rejected regions

  if (!$("audit")) return;
  const heads = new Map([...document.querySelectorAll("[data-key]")].map((th) => [th.dataset.key, th]));
  const keys = [...heads.keys()];
  // by reason a code, in the order of the options; what there is of a row by its key
  let told = { reasons: [], names: [], n: 0, value: () => null };
  let sorted = [];
  let shown = sorted;
  let page = 0;
  let order = ["region", false];

  function text(key, value) {
    if (value === null) return "–";
    if (key === "reason") return told.names[value];
    if (key === "region" || key === "source_label") return String(value);
    const size = Math.abs(value);
    return signed(
      isLong(value) ? value.toExponential(3)
      : "whole" in heads.get(key).dataset || size >= 1000 ? whole(value)
      : key.startsWith("centroid") ? value.toFixed(1)
      : key === "margin" ? String(value)
      : value.toPrecision(4));
  }

  function show(to) {
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    page = Math.min(Math.max(to, 0), pages - 1);
    const first = page * PAGE;
    const rows = shown.slice(first, first + PAGE).map((i) => {
      const row = document.createElement("tr");
      for (const key of keys) {
        const cell = document.createElement(key === "region" ? "th" : "td");
        if (key === "region") cell.scope = "row";
        if (key !== "reason") cell.className = "number";
        cell.textContent = text(key, told.value(key, i));
        row.append(cell);
      }
      return row;
    });
    $("rows").replaceChildren(...rows);
    const range = `${whole(first + 1)} to ${whole(first + rows.length)}`;
    $("shown").textContent = rows.length ? `${range} of ${whole(shown.length)} regions` : "No regions";
    $("page").value = page + 1;
    $("page").max = pages;
    $("pages").textContent = whole(pages);
    // not disabled, which would take the focus away
    $("previous").setAttribute("aria-disabled", page === 0);
    $("next").setAttribute("aria-disabled", page === pages - 1);
  }

  function choose() {
    const reason = $("filter").value;
    shown = reason === "" ? sorted : sorted.filter((i) => told.value("reason", i) === Number(reason));
    show(0);
  }

  function sort(key, down) {
    order = [key, down];
    const sign = down ? -1 : 1;
    sorted = Array.from({ length: told.n }, (_, i) => i);
    if (key !== "region" || down) { // which they are sorted by
      const values = sorted.map((i) => told.value(key, i));
      // undefined values last either way, ties in the order of the regions
      sorted.sort((i, j) => {
        const a = values[i], b = values[j];
        if (a === b) return i - j;
        if (a === null || b === null) return a === null ? 1 : -1;
        return a < b ? -sign : sign;
      });
    }
    for (const [name, head] of heads) {
      if (name === key) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    choose();
  }

  function csv() {
    // an apostrophe keeps spreadsheets from taking text for a formula, as in exporting.py
    const plain = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
    const quote = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
    const cell = (key, i) => {
      const value = told.value(key, i);
      return key === "reason" ? quote(plain(told.reasons[value])) : (value ?? "");
    };
    return [keys, ...shown.map((i) => keys.map((key) => cell(key, i)))].map((row) => row.join() + "\r\n");
  }

  // others, in the same order and of the same reason where there are any
  function fill(others) {
    const chosen = $("filter").value === "" ? "" : told.reasons[$("filter").value];
    told = others;
    const counts = told.names.map(() => 0);
    for (let i = 0; i < told.n; i++) counts[told.value("reason", i)]++;
    const option = (text, value) => el("option", { textContent: text, value });
    const all = whole(told.n);
    $("filter").replaceChildren(
      option(`All (${all})`, ""),
      ...told.names.map((name, code) => option(`${name} (${whole(counts[code])})`, code)));
    $("filter").value = told.reasons.includes(chosen) ? told.reasons.indexOf(chosen) : "";
    $("n-rejected").textContent = all;
    sort(...order);
    $("audit").hidden = false;
  }

  function fail(error) {
    $("problem").textContent =
      `The table could not be shown in this browser (${error.message}). ` +
      "A newer one can, and “postseg run INPUT -o cells.regions.csv” writes the same regions to a file.";
    $("problem").hidden = false;
  }

  for (const [key, head] of heads) {
    head.querySelector("button").onclick = () =>
      sort(key, head.getAttribute("aria-sort") === "ascending");
  }
  $("filter").onchange = choose;
  $("previous").onclick = () => show(page - 1);
  $("next").onclick = () => show(page + 1);
  $("page").onchange = () => show(Math.floor(Number($("page").value) || 1) - 1);
  $("download").onclick = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(csv(), { type: "text/csv" }));
    link.download = "rejected.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  for (const link of document.querySelectorAll("[data-reason]")) {
    link.addEventListener("click", () => {
      const reason = told.reasons.indexOf(link.dataset.reason);
      $("filter").value = reason < 0 ? "" : reason;
      choose();
    });
  }

  rejectedTable = { fill, fail };
  if (!$("data")) return; // thresholds that can be moved tell
  inflate($("data").textContent)
    .then((bytes) => {
      const { reasons, names, columns } = JSON.parse(new TextDecoder().decode(bytes));
      // labels above 2^53 come as text
      columns.source_label = columns.source_label.map((v) => (typeof v === "string" ? BigInt(v) : v));
      fill({ reasons, names, n: columns.region.length, value: (key, i) => columns[key][i] });
    })
    .catch(fail);
})();

// ---- the numbered places of a picture of shares: a click opens the nearest

(() => {
  const map = document.querySelector(".places");
  if (!map) return;
  const links = [...map.querySelectorAll("a")];
  const off = ({ clientX, clientY }, link) => {
    const { left, top, width, height } = map.getBoundingClientRect();
    const [x, y] = ["--left", "--top"].map((at) => parseFloat(link.style.getPropertyValue(at)) / 100);
    return Math.hypot(clientX - left - x * width, clientY - top - y * height);
  };
  map.addEventListener("click", (event) => {
    const near = links.reduce((one, other) => (off(event, other) < off(event, one) ? other : one));
    const link = event.target.closest("a") ?? near;
    const place = document.querySelector(link.getAttribute("href"));
    event.preventDefault(); // the address keeps what it tells
    for (const other of place.parentElement.children) other.classList.toggle("open", other === place);
    place.scrollIntoView({ block: "center" });
    place.focus({ preventScroll: true });
  });
})();
