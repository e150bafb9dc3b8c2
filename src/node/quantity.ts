// Sizes as people write them: `500GiB`, `500G` (binary both), `2TB` (decimal), `1048576`.

const UNITS = ['', 'k', 'm', 'g', 't'];

/** Whole bytes, or undefined when `value` is no size. */
export function parseBytes(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  if (typeof value !== 'string') return undefined;
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?)(i?b)?$/i.exec(value.trim());
  if (match === null) return undefined;
  const [, digits, unit, suffix] = match;
  const base = suffix?.toLowerCase() === 'b' ? 1000 : 1024;
  const bytes = Math.floor(Number(digits) * base ** UNITS.indexOf(unit!.toLowerCase()));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
