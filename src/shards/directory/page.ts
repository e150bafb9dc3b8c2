// Pages of a directory: runs of names in byte order. A page says which names it covers, [from, next), so a page that is proven to be in the
// state proves for each of these names what it stands for or that it is not there, and pages that follow on one another prove a
// listing complete.
//
// Level 0 holds names with their values; a page above holds the `from` of each of its pages on the level below. A page lies under
// (level, from), so whoever has a page knows the key of the next one on its level.

import { z } from 'zod';
import { assert } from '../../base/assert.ts';
import { compare, concat, equal } from '../../base/bytes.ts';
import { bytesUpTo, decodeCanonical, uint } from '../../base/codec.ts';
import {
  DIRECTORY_CONTENT_MAX,
  DIRECTORY_HEIGHT_MAX,
  DIRECTORY_VALUE_LENGTH_MAX,
  NAME_LENGTH_MAX,
  STATE_RECORD_LENGTH_MAX,
} from '../../base/limits.ts';
import { nameOfBytes, RecentKeys } from '../recent-keys.ts';
import type { RecordType } from '../record.ts';
import { type Home, type StateKey, stateKey } from '../state-key.ts';

export interface Page {
  readonly level: number;
  /** The first name that it covers; empty: from the beginning. */
  readonly from: Uint8Array;
  /** The first name behind it; null: it covers everything from `from` on. */
  readonly next: Uint8Array | null;
  /** Ascending, all in [from, next). Above level 0 the first is `from` itself. */
  readonly keys: readonly Uint8Array[];
  /** Of each key; empty above level 0. */
  readonly values: readonly Uint8Array[];
}

/** Removing names may add levels above those that names may fill, never as many again. */
const LEVEL_MAX = 2 * DIRECTORY_HEIGHT_MAX - 1;
/** Length of a name or value, in front of it. */
const FRAME_LENGTH = 2;
/** Two pages, joined before they are split anew: we write less. */
const PACKED_LENGTH_MAX = 2 * DIRECTORY_CONTENT_MAX;

/** Keys and values are packed into one string of bytes, each after its length: pages are read and written far more often than anything else. */
const pageSchema: z.ZodType<Page> = z
  .tuple([
    uint(LEVEL_MAX),
    bytesUpTo(NAME_LENGTH_MAX),
    bytesUpTo(NAME_LENGTH_MAX).nullable(),
    bytesUpTo(PACKED_LENGTH_MAX),
  ])
  .transform(([level, from, next, packed], context): Page => {
    const parts = unpack(packed);
    if (parts === undefined || (level === 0 && parts.length % 2 !== 0)) {
      context.addIssue({ code: 'custom', message: 'not keys and values' });
      return z.NEVER;
    }
    return { level, from, next, ...keysAndValues(level, parts) };
  })
  .refine(isOrdered, 'keys that are not in order within the bounds');

function unpack(packed: Uint8Array): Uint8Array[] | undefined {
  const parts: Uint8Array[] = [];
  let at = 0;
  while (at < packed.length) {
    if (at + FRAME_LENGTH > packed.length) return undefined;
    const start = at + FRAME_LENGTH;
    at = start + (packed[at]! << 8) + packed[at + 1]!;
    if (at > packed.length) return undefined;
    parts.push(packed.subarray(start, at));
  }
  return parts;
}

function keysAndValues(level: number, parts: readonly Uint8Array[]): Pick<Page, 'keys' | 'values'> {
  if (level > 0) return { keys: parts, values: [] };
  return {
    keys: parts.filter((_, index) => index % 2 === 0),
    values: parts.filter((_, index) => index % 2 === 1),
  };
}

/** The same page in memory of its own: others were read or put together from pages and transactions that it would keep alive. */
export function compact(page: Page): Page {
  const parts = unpack(pack(page));
  assert(parts !== undefined, 'what is packed can be unpacked');
  return { ...page, ...keysAndValues(page.level, parts) };
}

function pack(page: Page): Uint8Array {
  const packed = new Uint8Array(contentLength(page));
  let at = 0;
  const add = (part: Uint8Array): void => {
    packed[at] = part.length >>> 8;
    packed[at + 1] = part.length;
    packed.set(part, at + FRAME_LENGTH);
    at += FRAME_LENGTH + part.length;
  };
  for (const [index, key] of page.keys.entries()) {
    add(key);
    if (page.level === 0) add(page.values[index]!);
  }
  return packed;
}

export const pageRecord: RecordType<Page> = {
  name: 'directory page',
  schema: pageSchema,
  tuple: (page) => [page.level, page.from, page.next, pack(page)],
  isExact: true,
  compact,
};

function isOrdered({ level, from, next, keys, values }: Page): boolean {
  if (level > 0 && (keys.length === 0 || !equal(keys[0]!, from))) return false;
  if (next !== null && compare(from, next) >= 0) return false;
  if (keys.some(({ length }) => length > NAME_LENGTH_MAX)) return false;
  if (values.some(({ length }) => length > DIRECTORY_VALUE_LENGTH_MAX)) return false;
  for (let index = 1; index < keys.length; index++) {
    if (compare(keys[index - 1]!, keys[index]!) >= 0) return false;
  }
  const [first, last] = [keys[0], keys.at(-1)];
  if (first === undefined || last === undefined) return true;
  return compare(from, first) <= 0 && (next === null || compare(last, next) < 0);
}

/** A page as others send it. Throws INVALID_ENCODING. */
export function decodePage(bytes: Uint8Array): Page {
  return decodeCanonical(pageSchema, bytes, STATE_RECORD_LENGTH_MAX, pageRecord.name);
}

export function pageKey(bucket: Home, level: number, from: Uint8Array): StateKey {
  const compute = (): StateKey =>
    stateKey(bucket, 'directory-page', concat(new Uint8Array([level]), from.slice()));
  if (from.length > REMEMBERED_LENGTH_MAX) return compute();
  return recent.get(`${level}/${nameOfBytes(bucket.digest)}${nameOfBytes(from)}`, compute);
}

const recent = new RecentKeys<StateKey>();
/** Borders between pages are kept short; long ones would take much memory. */
const REMEMBERED_LENGTH_MAX = 64;

/** Where `page` of this bucket's directory lies. */
export function keyOfPage(bucket: Home, { level, from }: Page): StateKey {
  return pageKey(bucket, level, from);
}

// ---- Places --------------------------------------------------------------------------------------------------

/** Number of the first key that is not below `name`. */
export function lowerBound(keys: readonly Uint8Array[], name: Uint8Array): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(keys[middle]!, name) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Number of the page below that covers `name`. */
export function childIndex({ keys }: Page, name: Uint8Array): number {
  const bound = lowerBound(keys, name);
  return bound < keys.length && equal(keys[bound]!, name) ? bound : bound - 1;
}

/** What a page of level 0 has for `name`. */
export function valueIn(page: Page, name: Uint8Array): Uint8Array | undefined {
  const index = lowerBound(page.keys, name);
  const key = page.keys[index];
  return key !== undefined && equal(key, name) ? page.values[index] : undefined;
}

export function covers({ from, next }: Page, name: Uint8Array): boolean {
  return compare(from, name) <= 0 && (next === null || compare(name, next) < 0);
}

// ---- Changes -------------------------------------------------------------------------------------------------

export function withValue(page: Page, name: Uint8Array, value: Uint8Array): Page {
  const index = lowerBound(page.keys, name);
  const key = page.keys[index];
  if (key !== undefined && equal(key, name)) return { ...page, values: page.values.with(index, value) };
  return {
    ...page,
    keys: page.keys.toSpliced(index, 0, name),
    values: page.values.toSpliced(index, 0, value),
  };
}

export function withoutName(page: Page, name: Uint8Array): Page {
  const index = lowerBound(page.keys, name);
  return { ...page, keys: page.keys.toSpliced(index, 1), values: page.values.toSpliced(index, 1) };
}

/** Bytes of keys and values as they are packed. */
export function contentLength({ keys, values }: Page): number {
  return packedLength(keys) + packedLength(values);
}

/** The two as one; `right` begins where `left` ends. */
export function join(left: Page, right: Page): Page {
  return {
    ...left,
    next: right.next,
    keys: [...left.keys, ...right.keys],
    values: [...left.values, ...right.values],
  };
}

/** As one page, or as two of lengths as equal as can be when it is too long for one. */
export function split(page: Page): readonly Page[] {
  if (contentLength(page) <= DIRECTORY_CONTENT_MAX) return [page];
  const at = middleOf(page);
  const { level, keys, values, next } = page;
  const border = level === 0 ? shortestBetween(keys[at - 1]!, keys[at]!) : keys[at]!.slice();
  return [
    { ...page, next: border, keys: keys.slice(0, at), values: values.slice(0, at) },
    { level, from: border, next, keys: keys.slice(at), values: values.slice(at) },
  ];
}

/** Number of keys on the left, at least one and not all, that leaves the longer side shortest. */
function middleOf(page: Page): number {
  const total = contentLength(page);
  let left = 0;
  let best = { at: 1, longer: Number.POSITIVE_INFINITY };
  for (let at = 1; at < page.keys.length; at++) {
    left += packedLength(page.keys.slice(at - 1, at)) + packedLength(page.values.slice(at - 1, at));
    const longer = Math.max(left, total - left);
    if (longer < best.longer) best = { at, longer };
  }
  return best.at;
}

/** The shortest name above `low` and not above `high`: borders are copied into the levels above, so they are kept short. */
function shortestBetween(low: Uint8Array, high: Uint8Array): Uint8Array {
  let shared = 0;
  while (shared < low.length && low[shared] === high[shared]) shared++;
  return high.slice(0, shared + 1);
}

function packedLength(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + FRAME_LENGTH + length, 0);
}
