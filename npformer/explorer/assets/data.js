// The page's data: JSON, with tensors as base64 that are decoded when they are first looked at.

const page = JSON.parse(document.getElementById("data").textContent);
const sourceTokens = page.sentence.source.tokens; // none, if the model reads the target alone
const hasSource = sourceTokens.length > 0;
const heard = page.sentence.source.heard; // a sound, of which stretches of time are named
const targetStack = page.stacks.at(-1);
const sourceStack = page.stacks[0];
const targetRead = page.sentence.target.read;
const targetWritten = page.sentence.target.written;

const HALF = (() => {
  const table = new Float64Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    table[bits] =
      exponent === 0
        ? sign * fraction * 2 ** -24
        : exponent === 31
          ? fraction
            ? NaN
            : sign * Infinity
          : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return table;
})();

const decoded = new Map();

/** The values of an entry with `type`, `exponent` and `data`, as one flat array. */
function values(entry) {
  if (!decoded.has(entry)) {
    const text = atob(entry.data);
    const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    if (entry.type === "i32") {
      decoded.set(
        entry,
        Float64Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(4 * i, true)),
      );
    } else {
      const scale = 2 ** entry.exponent;
      decoded.set(
        entry,
        Float64Array.from(
          { length: bytes.length / 2 },
          (_, i) => HALF[view.getUint16(2 * i, true)] * scale,
        ),
      );
    }
  }
  return decoded.get(entry);
}

/** Three digits, as many as the page keeps; integers whole. */
function number(value) {
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e5) return String(value).replace("-", "−");
  const text = size < 1e-3 || size >= 1e5 ? value.toExponential(2) : value.toPrecision(3);
  return text
    .replace(/e\+?(-?)(\d+)$/, (_, sign, digits) => `e${sign}${digits}`)
    .replaceAll("-", "−");
}

function bytes(count) {
  return count < 1024
    ? `${count} B`
    : count < 1024 ** 2
      ? `${(count / 1024).toFixed(1)} KiB`
      : `${(count / 1024 ** 2).toFixed(1)} MiB`;
}

/** The head of a panel: not all of a tensor may be on the page. */
const headOf = (entry, panel) => (entry.panels ? entry.panels[panel] : panel);

/** Which layers and heads are on the page; null where all are. */
function leftOut() {
  const listed = (numbers) =>
    numbers.length > 2 && numbers.at(-1) === numbers.length - 1
      ? `0 to ${numbers.at(-1)}`
      : numbers.join(", ");
  const one = (what, numbers, all) =>
    numbers.length === all ? null : `${what} ${listed(numbers)} of ${all}`;
  const { layers, heads, of_layers, of_heads } = page.choice;
  const found = [one("layers", layers, of_layers), one("heads", heads, of_heads)].filter(Boolean);
  return found.length
    ? `On this page: ${found.join("; ")}, counted from 0. Others: npformer explore --layers, --heads.`
    : null;
}

/** A target position: what is written there, and after what, unless it is read where it stands. */
const positionText = (t) =>
  page.causal ? `“${targetWritten[t]}” after “${targetRead[t]}”` : `“${targetWritten[t]}”`;

const shapeText = (shape) =>
  shape.length ? `(${shape.join(", ")}${shape.length === 1 ? "," : ""})` : "()";

/** A part of a path as words: "self-attention" of "self_attn". */
function words(part) {
  const names = { self_attn: "self-attention", cross_attn: "cross-attention", feed_forward: "feed-forward" };
  return part
    .replace(/layers\.(\d+)/, "layer $1")
    .replace(/self_attn|cross_attn|feed_forward/, (name) => names[name])
    .replace("_proj", " projection")
    .replaceAll("_", " ");
}

/** "encoder.layers.0.self_attn" as "encoder · layer 0 · self-attention", for reading aloud. */
function spoken(path, use) {
  const parts = (path || page.calls[0].kind.toLowerCase()).replace(/layers\.(\d+)/, "layer $1");
  return parts.split(".").map(words).join(" · ") + (use ? ` (${use})` : "");
}
