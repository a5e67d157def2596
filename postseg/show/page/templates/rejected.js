// The rejected regions of a choice, as the table asks for those of a run.
const rejectedOf = (() => {
  // whole numbers, or four digits, but none cut before the point
  const fourDigits = (value) =>
    value !== value ? null : Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4));

  return (facts, { first, kept, counts, bounds }) => {
    const { columns } = facts;
    const rows = new Int32Array(facts.n - counts[kept]);
    for (let i = 0, n = 0; i < facts.n; i++) if (first[i] !== kept) rows[n++] = i;
    // sorted, as the options of a list are
    const codes = [...counts.keys()].filter((code) => code < kept && counts[code]);
    codes.sort((a, b) => (facts.reasons[a].title < facts.reasons[b].title ? -1 : 1));
    const place = new Map(codes.map((code, at) => [code, at]));
    const tests = facts.reasons.map(({ name }) =>
      facts.tests.filter((test) => test.reason === name && bounds.get(test) !== null));
    const margin = (i) => {
      const margins = tests[first[i]].map((test) => (columns[test.metric][i] - bounds.get(test)) * (test.bound === "min" ? 1 : -1));
      return margins.length ? fourDigits(Math.min(...margins)) : null;
    };
    const asked = {
      region: (i) => i + 1,
      reason: (i) => place.get(first[i]),
      margin,
      centroid_row: (i) => columns.row_tenths[i] / 10,
      centroid_col: (i) => columns.col_tenths[i] / 10,
    };
    function value(key, row) {
      const i = rows[row];
      if (key in asked) return asked[key](i);
      const found = columns[key][i];
      return columns[key] instanceof Float64Array ? fourDigits(found) : found;
    }
    return {
      reasons: codes.map((code) => facts.reasons[code].name),
      names: codes.map((code) => facts.reasons[code].title),
      n: rows.length,
      value,
    };
  };
})();
