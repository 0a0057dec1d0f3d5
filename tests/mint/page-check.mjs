// What the scripts of pages share.

export const MIB = 1 << 20;

export function check(condition, text) {
  if (!condition) {
    throw new Error(text);
  }
}

export function bytes(size) {
  const content = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) {
    crypto.getRandomValues(content.subarray(at, Math.min(at + 65_536, size)));
  }
  return content;
}

export async function same(blob, content) {
  const found = new Uint8Array(await blob.arrayBuffer());
  return found.length === content.length && found.every((byte, at) => byte === content[at]);
}
