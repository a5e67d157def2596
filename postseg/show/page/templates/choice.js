// A choice of thresholds as a config and as code to copy, and as a link.
const choice = (() => {
  const LINK = "#choice&";

  function line(facts, field, setting) {
    if (setting === facts.run[field]) return facts.fields[field].line; // as Python wrote it
    return `${field} = ${typeof setting === "number" ? String(setting) : `"${setting ?? "none"}"`}`;
  }

  // what no config holds: the tests of a subclass
  function code(facts, settings) {
    const tests = facts.tests.filter(({ measured, threshold }) => measured && settings[threshold] !== null);
    if (!tests.length) return "";
    const isOwn = facts.changed.length || facts.reasons.some(({ own }) => own);
    const lines = tests.map(({ reason, metric, bound, threshold }) =>
      `        failed[${JSON.stringify(reason)}] = regions[${JSON.stringify(metric)}] ${bound === "min" ? "<" : ">"} ${settings[threshold]}\n`);
    return [
      "from postseg import PostSegmentation\n\n\n",
      `class WithMeasures(PostSegmentation):${isOwn ? "  # in place of it your own, of which the run is" : ""}\n`,
      "    def rejections(self, regions):\n",
      "        failed = super().rejections(regions)\n",
      ...lines,
      "        return failed\n",
    ].join("");
  }

  const changed = ({ facts, settings }) =>
    Object.keys(facts.fields).filter((field) => settings[field] !== facts.run[field]);

  function link(state) {
    const choice = changed(state).map((field) => [field, String(state.settings[field] ?? "none")]);
    return LINK + new URLSearchParams(choice);
  }

  // settings that a link carries, and what is wrong with it
  function read(facts, hash) {
    const settings = { ...facts.run };
    const problems = [];
    for (const [field, text] of new URLSearchParams(hash.slice(LINK.length))) {
      const setting = text === "none" ? null : text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
      const problem = Object.hasOwn(facts.fields, field) ? decide.problem(field, setting, facts) : `there is no ${field}`;
      if (problem) problems.push(problem);
      else settings[field] = setting;
    }
    return { settings, problems };
  }

  return { LINK, line, code, changed, link, read };
})();
