// Light and dark, and the colour scales of both: one hue for sizes, two for signed numbers.

const dark = matchMedia("(prefers-color-scheme: dark)");
const redraws = [];
let chosenTheme = null;

const isDark = () => (chosenTheme === null ? dark.matches : chosenTheme === "dark");

/** Call `draw` whenever colours must be chosen anew. */
function whenRecoloured(draw) {
  redraws.push(draw);
}

function applyTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  byId("theme").textContent = isDark() ? "Light colours" : "Dark colours";
  for (const draw of redraws) draw();
}

byId("theme").addEventListener("click", () => {
  chosenTheme = isDark() ? "light" : "dark";
  applyTheme();
});
dark.addEventListener("change", applyTheme);

const RAMPS = {
  light: {
    signed: ["#0b3c6f", "#3a86bf", "#a9d0e8", "#f7f5f1", "#f6c3a3", "#d9683f", "#7f1d12"],
    size: ["#f7f5f1", "#bcdcec", "#5fa8d0", "#1f6ea8", "#0b3c6f"],
    reach: ["#f7f5f1", "#f8d3b4", "#e8925c", "#c2552a", "#7f1d12"],
  },
  dark: {
    signed: ["#bfe3ff", "#5fa9e0", "#2a587f", "#1d2127", "#7c3a26", "#dd7a50", "#ffd9c2"],
    size: ["#1d2127", "#1f4868", "#2f7fb5", "#76bbe6", "#d8eefc"],
    reach: ["#1d2127", "#5e2f20", "#a8542f", "#e6905f", "#ffdcc4"],
  },
};

const ramp = (name) => d3.piecewise(d3.interpolateLab, RAMPS[isDark() ? "dark" : "light"][name]);
const NOT_A_NUMBER = [198, 26, 255, 255];
const HIDDEN = -Infinity; // a score that a mask hides: the hatching behind it shows
const CLEAR = [0, 0, 0, 0];

const tables = new Map();

/** A ramp as 1024 ready pixels, for canvases. */
function pixels(name) {
  const key = `${name}${isDark()}`;
  if (!tables.has(key)) {
    const colours = ramp(name);
    tables.set(
      key,
      d3.range(1024).map((i) => {
        const { r, g, b } = d3.rgb(colours(i / 1023));
        return [r, g, b, 255];
      }),
    );
  }
  return tables.get(key);
}

/** Draw `parts`, each from 0 to 1 of the ramp, NaN or HIDDEN, as the pixels of a canvas. */
function paint(canvas, name, parts) {
  const table = pixels(name);
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const pixel = (part) =>
    part === HIDDEN ? CLEAR : part >= 0 && part <= 1 ? table[Math.round(1023 * part)] : NOT_A_NUMBER;
  parts.forEach((part, i) => image.data.set(pixel(part), 4 * i));
  context.putImageData(image, 0, 0);
}

/** Numbers from `low` to `high` to a ramp: signed around 0, or one hue from 0. `root` widens small ones. */
function colourScale(low, high, { root = false } = {}) {
  const signed = low < 0;
  const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const shape = root ? Math.sqrt : (part) => part;
  const name = signed ? "signed" : "size";
  const at = (value) => {
    const part = shape(Math.min(Math.abs(value) / most, 1));
    return signed ? 0.5 + (Math.sign(value) * part) / 2 : part;
  };
  return {
    signed,
    at: (value) => (value === HIDDEN ? HIDDEN : Number.isFinite(value) ? at(value) : NaN),
    name,
    domain: signed ? [-most, most] : [0, most],
  };
}

/** Black or white, whichever stands out more from a colour: 4.5 to 1 at least. */
function inkOn(colour) {
  const { r, g, b } = d3.rgb(colour);
  const linear = (c) => (c <= 10 ? c / 3295 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) > 0.179
    ? "#000000"
    : "#ffffff";
}
