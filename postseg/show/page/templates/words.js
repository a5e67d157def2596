// Numbers as people read them, and elements made in one line.
const byId = (id) => document.getElementById(id);
// numbers that fill a line unless they are written with an exponent
const isLong = (value) => Number.isFinite(value) && value !== 0 && !(Math.abs(value) >= 1e-6 && Math.abs(value) < 1e16);
const signed = (text) => text.replace(/^-/, "−");
const whole = (value) => signed(Math.round(value).toLocaleString("en-US"));
const inDigits = (digits) => (value) =>
  signed(isLong(value) ? Number(value.toPrecision(digits)).toExponential() : value.toLocaleString("en-US", { maximumSignificantDigits: digits }));
const brief = inDigits(6), short = inDigits(4);
const tidy = (value) => Number(value.toPrecision(15)); // 0.3, where three tenths were added up
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
