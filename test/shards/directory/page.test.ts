import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compare, fromHex, toHex, toUtf8 } from '../../../src/base/bytes.ts';
import { encode } from '../../../src/base/codec.ts';
import { DIRECTORY_CONTENT_MAX, NAME_LENGTH_MAX } from '../../../src/base/limits.ts';
import {
  childIndex,
  compact,
  contentLength,
  covers,
  decodePage,
  join,
  lowerBound,
  type Page,
  pageRecord,
  split,
  valueIn,
  withoutName,
  withValue,
} from '../../../src/shards/directory/page.ts';
import { expectCode } from '../../helpers/expect-code.ts';

const bytes = (text: string): Uint8Array => toUtf8(text);
const leaf = (names: readonly string[], from = '', next: string | null = null): Page => ({
  level: 0,
  from: bytes(from),
  next: next === null ? null : bytes(next),
  keys: names.map(bytes),
  values: names.map((name) => bytes(`value of ${name}`)),
});
const encoded = (page: Page): Uint8Array => encode(pageRecord.tuple(page));

test.each([
  ['names out of order', leaf(['b', 'a'])],
  ['a name twice', leaf(['a', 'a'])],
  ['a name before the bounds', leaf(['a'], 'b')],
  ['a name behind the bounds', leaf(['c'], 'a', 'c')],
  ['bounds the wrong way round', leaf([], 'c', 'a')],
  ['a level above without pages', { level: 1, from: bytes(''), next: null, keys: [], values: [] }],
  [
    'a level above that does not begin at its bound',
    { level: 1, from: bytes(''), next: null, keys: [bytes('a')], values: [] },
  ],
  ['a level beyond the highest', { ...leaf([]), level: 32 }],
] as const)('a page with %s is refused', (_what, page) => {
  expectCode('INVALID_ENCODING', () => decodePage(encoded(page as Page)));
});

test.each([
  ['half a length', '00'],
  ['a length beyond the end', '000261'],
  ['a name without a value', '000161'],
  [
    'a name that is too long',
    `${(NAME_LENGTH_MAX + 1).toString(16).padStart(4, '0')}${'61'.repeat(NAME_LENGTH_MAX + 1)}0000`,
  ],
  ['a value that is too long', `0001610141${'00'.repeat(0x141)}`],
])('a page packed with %s is refused', (_what, packed) => {
  expectCode('INVALID_ENCODING', () => decodePage(encode([0, new Uint8Array(0), null, fromHex(packed)])));
});

const names = fc
  .uniqueArray(fc.uint8Array({ minLength: 1, maxLength: 300 }), {
    selector: toHex,
    maxLength: 60,
    size: 'max',
  })
  .map((all) => all.sort(compare));

test('what is split and joined is as before, each part within its bounds, and neither much longer than the other', () => {
  fc.assert(
    fc.property(names, fc.nat(300), (keys, valueLength) => {
      const values = keys.map(() => new Uint8Array(valueLength));
      const page: Page = { level: 0, from: new Uint8Array(0), next: null, keys, values };
      const parts = split(page);
      expect(parts.reduce(join)).toEqual(page);
      expect(parts.length).toBe(contentLength(page) > DIRECTORY_CONTENT_MAX ? 2 : 1);
      const [left, right] = parts;
      if (left === undefined || right === undefined) return;
      for (const part of parts) {
        for (const key of part.keys) expect(covers(part, key)).toBe(true);
      }
      expect(left.next).toEqual(right.from);
      // The border is no longer than it must be: without its last byte it would be at or below what is on the left.
      expect(compare(right.from.subarray(0, -1), left.keys.at(-1)!)).toBeLessThanOrEqual(0);
      // Neither could take another entry from the other and be better for it.
      const longest = 604;
      expect(Math.abs(contentLength(left) - contentLength(right))).toBeLessThanOrEqual(longest);
    }),
  );
});

test('a page in memory of its own is the same page', () => {
  const page = withValue(leaf(['a', 'c']), bytes('b'), bytes('1'));
  const own = compact(page);
  expect(own).toEqual(page);
  const { buffer } = own.keys[0]!;
  for (const part of [...own.keys, ...own.values]) expect(part.buffer).toBe(buffer);
  const above: Page = { level: 1, from: bytes(''), next: null, keys: [bytes(''), bytes('m')], values: [] };
  expect(compact(above)).toEqual(above);
});

test('a key is found where a search from the front finds it', () => {
  fc.assert(
    fc.property(names, fc.uint8Array({ minLength: 0, maxLength: 3 }), (keys, name) => {
      const expected = keys.findIndex((key) => compare(key, name) >= 0);
      expect(lowerBound(keys, name)).toBe(expected < 0 ? keys.length : expected);
      const inner = [new Uint8Array(0), ...keys];
      const page: Page = { level: 1, from: new Uint8Array(0), next: null, keys: inner, values: [] };
      expect(childIndex(page, name)).toBe(inner.findLastIndex((key) => compare(key, name) <= 0));
    }),
  );
});

test('a value is put, put again and taken away', () => {
  const page = leaf(['a', 'c']);
  const more = withValue(page, bytes('b'), bytes('1'));
  expect(more.keys).toEqual([bytes('a'), bytes('b'), bytes('c')]);
  const other = withValue(more, bytes('b'), bytes('2'));
  expect(valueIn(other, bytes('b'))).toEqual(bytes('2'));
  expect(withoutName(other, bytes('b'))).toEqual(page);
  expect(valueIn(page, bytes('b'))).toBeUndefined();
});
