// Thresholds to be moved, and all that follows them.
(() => {
  const source = document.getElementById("run");
  if (!source) return;
  const $ = byId;
  const { LINK, line, code, changed, link, read } = choice;

  function build(facts) {
    const state = { facts, settings: { ...facts.run }, moved: null, region: 0, problems: [] };
    const overview = facts.bins
      ? makeBins(facts.bins, facts, $("overview"))
      : makePicture(facts.maps[0], facts, $("overview"));
    const places = makePlaces(facts, overview);
    const pictures = [overview, ...places.pictures];
    overview.frame.closest(".overview").classList.add("live", ...(facts.bins ? ["binned"] : []));

    const outcomes = makeOutcomes(state);
    const thresholds = makeThresholds(state, move);
    const cells = makeCells(state, pictures, thresholds.controls, choose);

    // counts, the way back, the link: beside the picture
    const count = el("p", { className: "count" });
    const spoken = el("span", { className: "spoken", role: "status" });
    const back = el("button", { type: "button", id: "back", textContent: "Back to the run’s thresholds" });
    const share = el("button", { type: "button", id: "share", textContent: "Copy link" });
    const number = el("input", { type: "number", min: 1, max: facts.n, id: "region", inputMode: "numeric" });
    const warning = el("p", { className: "warning", role: "alert", id: "refused", hidden: true });
    const inPicture = !facts.bins ? "or click on a cell" : facts.maps.length ? "or click on one in a closer look" : "";
    const find = el("div", { className: "buttons find" },
      el("label", {}, "Region ", number), el("span", { className: "small soft", textContent: inPicture }), facts.bins ? "" : $("zoom"));
    overview.frame.after(
      el("div", { className: "choice" }, count, el("div", { className: "buttons" }, back, share), spoken, warning),
      find, cells.cell);
    if (facts.bins) overview.frame.after(overview.key);

    $("live").append(thresholds.box);
    $("live").hidden = false;
    for (const stale of document.querySelectorAll(".without-live")) stale.hidden = true;
    for (const nav of document.querySelectorAll(".with-live")) nav.hidden = false;

    // ---- what follows a choice

    function showCounts({ counts, sums, kept }) {
      const passed = counts[kept];
      const before = live?.before ?? passed;
      const difference = passed - before;
      const sign = difference > 0 ? "+" : difference < 0 ? "−" : "±";
      const against = changed(state).length ? `, ${sign}${whole(Math.abs(difference))} against the run` : "";
      let text = `${whole(passed)} of ${whole(facts.n)} kept (${percent(passed, facts.n)})${against}`;
      if (sums) text += `, ${percent(sums[kept], facts.nTranscripts)} of the transcripts in cells`;
      set(count, text);
      $("passed").textContent = whole(passed);
      $("passed-share").textContent = $("passed-bar").style.width = percent(passed, facts.n);
      if (sums) {
        $("in-cells").textContent = $("in-cells-bar").style.width = percent(sums[kept], facts.nTranscripts);
        $("in-cells-count").textContent = `${whole(sums[kept])} of ${whole(facts.nTranscripts)}`;
      }
      overview.canvas.ariaLabel = `The label image: ${whole(passed)} of ${whole(facts.n)} regions kept`;
      return text;
    }

    function showConfig() {
      const fields = Object.keys(facts.fields).filter((field) => !facts.fields[field].measured);
      set($("toml"), fields.map((field) => `${line(facts, field, state.settings[field])}\n`).join(""));
      set($("python"), code(facts, state.settings));
      $("measured").hidden = !$("python").textContent;
      const problems = decide.contradictions(state.settings, facts);
      const texts = [...state.problems.map((text) => `This link was not understood: ${text}`), ...problems];
      set(warning, texts.map((text) => `${text}.`).join(" "));
      warning.hidden = !texts.length;
      const { min_area: smallest } = state.settings;
      $("came-to").hidden = smallest !== facts.run.min_area;
      const needsSize = Object.values(state.settings).some((setting) => String(setting).endsWith("um2"));
      set($("needs-size"), needsSize ? " --pixel-size …" : "");
      const same = !changed(state).length;
      back.setAttribute("aria-disabled", same);
      for (const note of document.querySelectorAll(".stale")) note.hidden = same;
    }

    // ---- a cell

    function choose(region) {
      state.region = region;
      cells.showCell(live.result);
      if (region) {
        const { row_tenths: rows, col_tenths: cols } = facts.columns;
        for (const picture of pictures) picture.point(rows[region - 1] / 10, cols[region - 1] / 10);
        spoken.textContent = cells.cell.querySelector("p").textContent;
      }
      if (document.activeElement !== number || !region) number.value = region || "";
    }

    const fillTable = () => rejectedTable.fill(rejectedOf(facts, live.result));

    // ---- moving

    let saying = 0;
    function refresh() {
      const result = decide.regions(facts, state.settings);
      live = Object.assign(live ?? { before: result.counts[result.kept] }, { result });
      for (const picture of pictures) picture.paint(result.first, result.kept);
      places.show(result, !changed(state).length);
      const text = showCounts(result);
      outcomes.show(result);
      thresholds.show(result);
      cells.showFlip(result);
      cells.showCell(result);
      showConfig();
      clearTimeout(saying);
      saying = setTimeout(() => {
        if (state.moved === null) return;
        fillTable();
        spoken.textContent = text; // not while it moves
        tell();
      }, 400);
    }

    let asked = 0;
    function move(field, setting) {
      state.settings[field] = setting;
      state.moved = field;
      state.problems = [];
      cancelAnimationFrame(asked); // many moves between two pictures are one
      asked = requestAnimationFrame(refresh);
    }

    function take(settings, problems = []) {
      Object.assign(state, { settings: { ...settings }, problems });
      refresh();
    }

    function takeRun() {
      state.moved = ""; // none, but some were
      take(facts.run);
    }

    function takeLink() {
      if (!location.hash.startsWith(LINK)) return;
      const { settings, problems } = read(facts, location.hash);
      state.moved = "";
      take(settings, problems);
      thresholds.open(live.result);
    }

    function tell() {
      try {
        history.replaceState(null, "", changed(state).length ? link(state) : location.pathname + location.search);
      } catch {
        // a browser may forbid it to files; the button gives the link anyway
      }
    }

    // a link to a section must not lose the choice, which the address tells
    function followAddress({ oldURL }) {
      if (location.hash.startsWith(LINK)) takeLink();
      else if (!location.hash && oldURL.includes(LINK)) takeRun(); // back to before it
      else if (changed(state).length) tell();
    }

    back.onclick = takeRun;
    share.onclick = async () => {
      const url = location.href.split("#")[0] + (changed(state).length ? link(state) : "");
      spoken.textContent = "";
      const said = await copyText(url, null);
      share.textContent = said ? "Copied" : "Could not be copied";
      setTimeout(() => (share.textContent = "Copy link"), 2000);
      spoken.textContent = share.textContent;
    };
    number.oninput = () => {
      const region = Number(number.value);
      choose(Number.isInteger(region) && region >= 1 && region <= facts.n ? region : 0);
    };
    for (const { canvas, pick } of pictures) if (pick) canvas.onclick = (event) => choose(pick(event));
    addEventListener("hashchange", followAddress);
    addEventListener("resize", () => thresholds.measure(live.result));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => thresholds.show(live.result));

    refresh();
    Object.assign(live, {
      ready: performance.now(), facts, state, take, choose, refresh, fillTable, link: () => link(state), pictures,
    });
    takeLink();
    fillTable();
    document.documentElement.dataset.live = "ready";
    dispatchEvent(new Event("resize")); // the picture may have another size now
  }

  unpackRun(source.textContent).then(build).catch((error) => {
    $("live").append(el("p", { className: "warning", role: "alert", textContent:
      `Thresholds cannot be moved in this browser (${error.message}). A newer one can.` }));
    $("live").hidden = false;
    rejectedTable.fail(error);
  });
})();
