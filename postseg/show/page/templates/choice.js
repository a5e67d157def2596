// A choice of thresholds as a config to copy, and as a link.
const choice = (() => {
  const LINK = "#choice&";

  function line(facts, field, setting) {
    if (setting === facts.run[field]) return facts.fields[field].line; // as Python wrote it
    return `${field} = ${typeof setting === "number" ? String(setting) : `"${setting ?? "none"}"`}`;
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
      const problem = field in facts.fields ? decide.problem(field, setting, facts) : `there is no ${field}`;
      if (problem) problems.push(problem);
      else settings[field] = setting;
    }
    return { settings, problems };
  }

  return { LINK, line, changed, link, read };
})();
