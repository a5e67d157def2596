// The table of reasons, which is the legend of the picture too.
function makeOutcomes(state) {
  const { facts } = state;

  function ruleOf(reason, bounds) {
    const { settings } = state;
    const tests = facts.tests.filter((test) => test.reason === reason.name);
    const field = reason.name === "cut_by_border" ? "border" : tests[0]?.threshold;
    if (!field || settings[field] === facts.run[field]) return reason.rule;
    if (field === "border") return settings.border === "drop" ? "not cut by the border" : "";
    if (settings[field] === null) return "";
    const { name, unit } = facts.metrics[tests[0].metric];
    const parts = tests.map((test) => `${test.bound === "min" ? "≥" : "≤"} ${brief(bounds.get(test))}`);
    const [test] = tests;
    const [, rule] = test.kind === "area" || test.kind === "rule" ? decide.area(test.kind, settings[field], facts) : [0, "pixels"];
    const how = rule === "pixels" ? "" : rule === "um2" ? ` (${settings[field].replace("um2", "µm²")})` : `, ${rule}`;
    return `${name} ${parts.join(", ")}${unit ? " px" : ""}${how}`;
  }

  // rows of the table of reasons, made once: new pictures and tables take long to lay out
  function makeRow(title, swatch) {
    const bar = (extra) => el("span", { className: `bar${extra}` }, el("i"));
    const rule = el("small"), n = el("td", { className: "number" });
    const shares = ["", ...(facts.transcripts ? [" counted"] : [])].map((extra) => ({ text: new Text(), bar: bar(extra) }));
    const row = el("tr", {},
      el("th", { scope: "row" },
        el("img", { className: "swatch", src: swatch, width: 34, height: 14, alt: "" }),
        el("span", {}, title, rule)),
      n, ...shares.map((share) => el("td", { className: "number" }, share.text, share.bar)));
    const show = (text, count, parts) => {
      row.className = count ? "" : "none";
      set(rule, text);
      rule.hidden = !text;
      set(n, whole(count));
      shares.forEach((share, k) => {
        set(share.text, parts[k]);
        share.bar.hidden = !count;
        share.bar.firstChild.style.width = parts[k];
      });
    };
    return { row, show };
  }
  const keptRow = makeRow("Kept", facts.kept.swatch);
  const reasonRows = facts.reasons.map((reason) => makeRow(reason.title, reason.swatch));
  byId("outcomes").replaceChildren(...[keptRow, ...reasonRows].map(({ row }) => row));

  function show({ counts, sums, bounds, kept }) {
    const parts = (code) => [percent(counts[code], facts.n), ...(sums ? [percent(sums[code], facts.nTranscripts)] : [])];
    const spared = state.settings.border === "keep" ? "or cut by the border, whatever its shape and size" : "";
    keptRow.show(spared, counts[kept], parts(kept));
    reasonRows.forEach(({ row, show }, code) => {
      const rule = ruleOf(facts.reasons[code], bounds);
      show(rule, counts[code], parts(code));
      row.hidden = !counts[code] && !rule;
    });
    const off = Object.keys(facts.fields).filter((field) => state.settings[field] === null && !facts.fields[field].measured);
    if (byId("off").dataset.fields === off.join()) return;
    byId("off").dataset.fields = off.join();
    byId("off").replaceChildren(...(off.length ? ["Off: ", ...off.flatMap((field, k) => [k ? ", " : "", el("code", { textContent: field })]), "."] : []));
  }

  return { show };
}
