import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compare, concat, equal, fromHex, short, toHex, toUtf8, uint32 } from '../../src/base/bytes.ts';

describe('the order of bytes', () => {
  test('is that of Buffer.compare, and a prefix comes first', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ maxLength: 4 }), (a, b) => {
        expect(Math.sign(compare(a, b))).toBe(Buffer.compare(a, b));
        expect(equal(a, b)).toBe(Buffer.compare(a, b) === 0);
      }),
    );
    expect(compare(fromHex('00ff'), fromHex('00ff00'))).toBeLessThan(0);
    expect(compare(fromHex('80'), fromHex('7f'))).toBeGreaterThan(0);
  });
});

test('equality needs equal lengths', () => {
  expect(equal(new Uint8Array(2), new Uint8Array(3))).toBe(false);
  expect(equal(new Uint8Array(0), new Uint8Array(0))).toBe(true);
});

test('hex reads back and is lower case', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
      expect(fromHex(toHex(bytes))).toEqual(Uint8Array.from(bytes));
    }),
  );
  for (const bad of ['0', 'zz', '0x', ' 00']) expect(() => fromHex(bad)).toThrow();
});

test('text becomes UTF-8', () => {
  expect(toHex(toUtf8('ä€😀'))).toBe('c3a4e282acf09f9880');
});

test('numbers become four bytes, most significant first', () => {
  for (const value of [0, 1, 255, 256, 2 ** 31, 2 ** 32 - 1]) {
    expect(Buffer.from(uint32(value)).readUInt32BE()).toBe(value);
  }
});

test('joining keeps the order and copies', () => {
  const part = Uint8Array.of(1, 2);
  const joined = concat(part, new Uint8Array(0), Uint8Array.of(3));
  part[0] = 9;
  expect([...joined]).toEqual([1, 2, 3]);
});

test('people see the first eight digits of an id', () => {
  expect(short(fromHex('0123456789abcdef'))).toBe('01234567');
});
