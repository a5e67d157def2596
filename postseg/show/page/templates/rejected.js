// The rejected regions of a choice, as data.py has those of the run for the table.
const rejectedOf = (() => {
  // whole numbers, or four digits, but none cut before the point
  const fourDigits = (value) =>
    value !== value ? null : Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4));

  return (facts, { first, kept, counts, bounds }, keys) => {
    const { columns } = facts;
    const some = Array.from(first.keys()).filter((i) => first[i] !== kept);
    // sorted, as the options of a list are
    const codes = [...counts.keys()].filter((code) => code < kept && counts[code]);
    codes.sort((a, b) => (facts.reasons[a].title < facts.reasons[b].title ? -1 : 1));
    const margin = (i) => {
      const tests = facts.tests.filter((test) => test.reason === facts.reasons[first[i]].name && bounds.get(test) !== null);
      const margins = tests.map((test) => (columns[test.metric][i] - bounds.get(test)) * (test.bound === "min" ? 1 : -1));
      return margins.length ? fourDigits(Math.min(...margins)) : null;
    };
    const places = { centroid_row: columns.row_tenths, centroid_col: columns.col_tenths };
    const column = (key) =>
      key === "region" ? some.map((i) => i + 1)
      : key === "reason" ? some.map((i) => codes.indexOf(first[i]))
      : key === "margin" ? some.map(margin)
      : key in places ? some.map((i) => places[key][i] / 10)
      : columns[key] instanceof Float64Array ? some.map((i) => fourDigits(columns[key][i]))
      : some.map((i) => columns[key][i]);
    return {
      reasons: codes.map((code) => facts.reasons[code].name),
      names: codes.map((code) => facts.reasons[code].title),
      columns: Object.fromEntries(keys.map((key) => [key, column(key)])),
    };
  };
})();
