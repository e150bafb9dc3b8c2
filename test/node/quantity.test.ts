import { expect, test } from 'vitest';
import { parseBytes } from '../../src/node/quantity.ts';

test.each([
  ['0', 0],
  ['4096', 4096],
  [4096, 4096],
  ['1 KiB', 1024],
  ['16M', 16 * 2 ** 20],
  ['16MB', 16_000_000],
  ['1.5gib', 1.5 * 2 ** 30],
  ['2TB', 2e12],
  ['7B', 7],
])('%j is %d bytes', (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes);
});

test.each([
  '',
  'x',
  '-1',
  '1.5.5',
  '1e3',
  '1 KiBs',
  'GiB',
  '99999999999TiB',
  -1,
  1.5,
  Number.NaN,
  null,
  undefined,
  [1],
  { a: 1 },
])('%j is no size', (value) => {
  expect(parseBytes(value)).toBeUndefined();
});
