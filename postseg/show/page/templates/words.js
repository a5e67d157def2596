// Numbers as people read them, and elements made in one line.
const byId = (id) => document.getElementById(id);
const whole = (value) => Math.round(value).toLocaleString("en-US");
const brief = (value) => value.toLocaleString("en-US", { maximumSignificantDigits: 6 }).replace("-", "−");
const short = (value) => value.toLocaleString("en-US", { maximumSignificantDigits: 4 }).replace("-", "−");
const percent = (part, of) => `${of ? ((100 * part) / of).toFixed(1) : "0.0"}%`;

// what stays as it is need not be laid out again
function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}
