import { readFileSync } from 'node:fs';
import { decode as decodeDagCbor, encode as encodeDagCbor } from '@ipld/dag-cbor';
import fc from 'fast-check';
import { CID } from 'multiformats/cid';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { concat, equal, fromHex, toHex, toUtf8 } from '../../src/base/bytes.ts';
import { scanCbor } from '../../src/base/cbor-scan.ts';
import { cidOf } from '../../src/base/cid.ts';
import {
  bigUint,
  bytesOf,
  bytesUpTo,
  decodeCanonical,
  digestOf,
  encode,
  label,
  listOf,
  text,
  uint,
} from '../../src/base/codec.ts';
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX } from '../../src/base/limits.ts';
import { expectCode } from '../helpers/expect-code.ts';

const MIB = 1024 * 1024;
const anything = z.unknown();
const decode = (bytes: Uint8Array): unknown => decodeCanonical(anything, bytes, 16 * MIB, 'record');
const refuse = (bytes: Uint8Array, reason?: string): void => {
  const error = expectCode('INVALID_ENCODING', () => decode(bytes));
  expect(error.message).toMatch(/^record: /);
  if (reason !== undefined) expect(error.message).toContain(reason);
};

/** Values a record can hold, as the decoder gives them back: integers beyond 2^53 as bigint, smaller ones as number. */
const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger().map((number) => number + 0),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: -(2n ** 64n), max: -(2n ** 53n) }),
    fc.uint8Array().map((bytes) => Uint8Array.from(bytes)),
    fc.string({ unit: 'binary' }).filter((value) => !value.startsWith('\ufeff')),
    fc.uint8Array().map((bytes) => cidOf(bytes)),
    fc.array(tie('value'), { maxLength: 6 }),
    fc.dictionary(fc.string({ minLength: 1 }), tie('value'), { maxKeys: 5, noNullPrototype: true }),
  ),
}));

describe('canonical bytes', () => {
  test('come back as the value that was encoded', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        expect(decode(encode(value))).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  test('are those of plain dag-cbor', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        expect(toHex(encode(value))).toBe(toHex(encodeDagCbor(value)));
      }),
      { numRuns: 100 },
    );
  });

  test('stay as they were frozen', () => {
    const file = new URL('../vectors/codec.json', import.meta.url);
    const { accepted, refused } = JSON.parse(readFileSync(file, 'utf8')) as {
      accepted: { what: string; bytes: string }[];
      refused: { what: string; bytes: string }[];
    };
    for (const { what, bytes } of accepted) {
      expect(toHex(encode(decode(fromHex(bytes)))), what).toBe(bytes);
    }
    for (const { what, bytes } of refused) {
      expect(scanCbor(fromHex(bytes)), what).not.toBeUndefined();
      refuse(fromHex(bytes));
    }
  });

  test('are the only bytes accepted: whatever mutation is accepted decodes to another value', () => {
    fc.assert(
      fc.property(anyValue, fc.nat(), fc.nat(255), fc.nat(2), (value, at, byte, kind) => {
        const bytes = encode(value);
        const index = at % bytes.length;
        const mutated =
          kind === 0
            ? bytes.map((old, place) => (place === index ? byte : old))
            : kind === 1
              ? concat(bytes.subarray(0, index), Uint8Array.of(byte), bytes.subarray(index))
              : concat(bytes.subarray(0, index), bytes.subarray(index + 1));
        const isAccepted = scanCbor(mutated) === undefined && twinAccepts(mutated) !== 'no';
        if (!isAccepted) return refuse(mutated);
        expect(equal(encode(decode(mutated)), mutated)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('pass the scan exactly when the encoder could have made them, by a slow twin that decodes and encodes again', () => {
    const soup = fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.tuple(anyValue, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
        const bytes = encode(value);
        bytes[at % bytes.length] = byte;
        return bytes;
      }),
    );
    fc.assert(
      fc.property(soup, (bytes) => {
        const isScanned = scanCbor(bytes) === undefined;
        const twin = twinAccepts(bytes);
        // Only the decoder knows what makes a CID; only the scan refuses floats.
        if (twin === 'yes') expect(isScanned).toBe(true);
        if (isScanned && !hasTag(bytes)) expect(twin).toBe('yes');
      }),
      { numRuns: 2000 },
    );
  });

  /** 0xd8 0x2a anywhere: may be a CID. */
  function hasTag(bytes: Uint8Array): boolean {
    return bytes.some((byte, index) => byte === 0xd8 && bytes[index + 1] === 42);
  }

  function twinAccepts(bytes: Uint8Array): 'yes' | 'no' {
    try {
      const value = decodeDagCbor(bytes);
      return equal(encodeDagCbor(value), bytes) && !hasFloat(value) ? 'yes' : 'no';
    } catch {
      return 'no';
    }
  }

  function hasFloat(value: unknown): boolean {
    if (typeof value === 'number') return !Number.isSafeInteger(value) || Object.is(value, -0);
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false;
    if (CID.asCID(value) !== null) return false;
    return Object.values(value).some(hasFloat);
  }
});

describe('the decoder', () => {
  test('gives plain byte arrays that own their memory, also when it reads a Node Buffer', () => {
    const bytes = encode([new Uint8Array(40).fill(7)]);
    const [inner] = decodeCanonical(z.tuple([bytesOf(40)]), Buffer.from(bytes), 100, 'record');
    expect(Object.getPrototypeOf(inner)).toBe(Uint8Array.prototype);
    expect(inner.buffer.byteLength).toBe(40);
  });

  test('refuses longer bytes before it looks at them', () => {
    const error = expectCode('INVALID_ENCODING', () =>
      decodeCanonical(anything, new Uint8Array(11), 10, 'ping'),
    );
    expect(error.message).toBe('ping: longer than 10 bytes');
  });

  test('refuses bytes cut at any place', () => {
    const bytes = encode([
      1,
      'text',
      new Uint8Array(30),
      { a: [300, -70_000], bb: cidOf(new Uint8Array(1)) },
    ]);
    for (let length = 0; length < bytes.length; length++) refuse(bytes.subarray(0, length));
  });

  test('says which field is off, and not what was in it', () => {
    const secret = 'swordfish';
    const schema = z.tuple([uint(), z.tuple([text(3)])]);
    const error = expectCode('INVALID_ENCODING', () =>
      decodeCanonical(schema, encode([1, [secret]]), 100, 'login'),
    );
    expect(error.message).toContain('login: field 1.0');
    expect(`${error.message}${String(error.cause)}`).not.toContain(secret);
  });

  test('refuses tuples with a field too many or too few, and strict objects with a foreign key', () => {
    const tuple = z.tuple([uint(), uint()]);
    for (const value of [[1], [1, 2, 3], [1, null], { 0: 1, 1: 2 }]) {
      expectCode('INVALID_ENCODING', () => decodeCanonical(tuple, encode(value), 100, 'pair'));
    }
    const object = z.strictObject({ a: uint() });
    expect(decodeCanonical(object, encode({ a: 1 }), 100, 'object')).toEqual({ a: 1 });
    expectCode('INVALID_ENCODING', () => decodeCanonical(object, encode({ a: 1, b: 2 }), 100, 'object'));
  });

  test('lets a schema reshape', () => {
    const schema = z.tuple([uint(), text(9)]).transform(([id, name]) => ({ id, name }));
    expect(decodeCanonical(schema, encode([4, 'four']), 100, 'pair')).toEqual({ id: 4, name: 'four' });
  });

  test('sets no prototype from a key', () => {
    const value = decode(fromHex('a1695f5f70726f746f5f5fa1616101')) as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['a']).toBeUndefined();
  });

  test('refuses a tag 42 that holds no CID', () => {
    refuse(fromHex('d82a4100'));
    refuse(fromHex('d82a4400017112'));
  });
});

describe('bombs are refused by their headers', () => {
  const bombs: Record<string, () => Uint8Array> = {
    'ten million empty maps in an array': () => {
      const bytes = new Uint8Array(10_000_005).fill(0xa0);
      bytes.set(fromHex('9a00989680'));
      return bytes;
    },
    'ten million maps, each in the one before': () =>
      new Uint8Array(10_000_000).map((_, index) => (index % 3 === 0 ? 0xa1 : 0x61)),
    'ten million arrays, each in the one before': () => new Uint8Array(10_000_000).fill(0x81),
    'ten million tags': () => new Uint8Array(10_000_000).fill(0xc6),
    'arrays of arrays that multiply': () => {
      const inner = concat(fromHex('990400'), new Uint8Array(1024).fill(0x80));
      return concat(fromHex('990400'), ...Array.from({ length: 1024 }, () => inner));
    },
    'an array that declares 2^64 - 1 items': () => fromHex('9bffffffffffffffff00'),
    'a map that declares 2^32 entries': () => fromHex('bb000000010000000061'),
    'a byte string that declares 2^53 bytes': () => fromHex('5b002000000000000000'),
    'text that declares 4 GiB': () => fromHex('7affffffff61'),
  };

  test.each(Object.keys(bombs))('%s', (name) => {
    const bytes = bombs[name]!();
    // The scan refuses, before a decoder allocates anything.
    refuse(bytes, 'not canonical');
  });

  test('while the deepest and the largest that are allowed pass', () => {
    let deep: unknown = [];
    for (let depth = 1; depth < CBOR_DEPTH_MAX; depth++) deep = [deep];
    expect(decode(encode(deep))).toEqual(deep);
    expectCode('INVALID_ENCODING', () => encode([deep]));
    refuse(encodeDagCbor([deep]), 'nested deeper');
    const wide = Array.from({ length: CBOR_ITEMS_MAX }, () => 0);
    expect(decode(encode(wide))).toHaveLength(CBOR_ITEMS_MAX);
    expectCode('INVALID_ENCODING', () => encode([...wide, 0]));
    refuse(encodeDagCbor([...wide, 0]), 'items');
  });
});

describe('the encoder', () => {
  test.each<[string, unknown]>([
    ['a fraction', 0.5],
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a number beyond 2^53', 2 ** 53],
    ['undefined', undefined],
    ['a hole in an array', Object.assign([], { length: 1 })],
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    ['a date', new Date(0)],
    ['a map', new Map([['a', 1]])],
    ['an integer of 65 bits', 2n ** 64n],
    ['a negative integer of 66 bits', -(2n ** 64n) - 1n],
    ['half a character', 'a\ud800'],
    ['half a character in a key', { '\udc00': 1 }],
    ['a byte order mark', '\ufeffname'],
  ])('refuses %s at any depth', (_, value) => {
    expectCode('INVALID_ENCODING', () => encode(value));
    expectCode('INVALID_ENCODING', () => encode([[value]]));
    expectCode('INVALID_ENCODING', () => encode({ a: [value] }));
  });

  test('refuses a value that contains itself', () => {
    const loop: unknown[] = [];
    loop.push(loop);
    expectCode('INVALID_ENCODING', () => encode(loop));
  });

  test('writes an integer the same as number and as bigint', () => {
    for (const value of [
      0,
      23,
      24,
      255,
      256,
      65_535,
      65_536,
      2 ** 32 - 1,
      2 ** 32,
      Number.MAX_SAFE_INTEGER,
    ]) {
      expect(encode(BigInt(value))).toEqual(encode(value));
      expect(encode(-1n - BigInt(value - 1))).toEqual(encode(-value));
    }
  });
});

describe('the words for schemas', () => {
  const accepts = (schema: z.ZodType, value: unknown) => schema.safeParse(value).success;

  test('bytes have their length and are no Buffer', () => {
    expect(accepts(bytesOf(2), new Uint8Array(2))).toBe(true);
    expect(accepts(bytesOf(2), new Uint8Array(3))).toBe(false);
    expect(accepts(bytesOf(2), Buffer.alloc(2))).toBe(false);
    expect(accepts(bytesOf(2), 'ab')).toBe(false);
    expect(accepts(bytesUpTo(2), new Uint8Array(0))).toBe(true);
    expect(accepts(bytesUpTo(2), new Uint8Array(3))).toBe(false);
    expect(accepts(digestOf(), new Uint8Array(32))).toBe(true);
    expect(accepts(digestOf(), new Uint8Array(31))).toBe(false);
  });

  test('integers have their bounds, and bigUint is always a bigint', () => {
    for (const value of [-1, 11, 0.5, 1n, '1', null]) expect(accepts(uint(10), value)).toBe(false);
    expect(accepts(uint(10), 10)).toBe(true);
    expect(accepts(uint(), Number.MAX_SAFE_INTEGER)).toBe(true);
    for (const value of [0n, 1n, 2n ** 53n, 2n ** 64n - 1n]) {
      expect(decodeCanonical(bigUint, encode(value), 9, 'stake')).toBe(value);
    }
    for (const value of [-1n, -1, -(2n ** 60n), 2n ** 64n, 0.5, '1'])
      expect(accepts(bigUint, value)).toBe(false);
  });

  test('text is counted in UTF-8 bytes', () => {
    expect(accepts(text(4), 'äö')).toBe(true);
    expect(accepts(text(3), 'äö')).toBe(false);
    expect(accepts(text(4), toUtf8('äö'))).toBe(false);
  });

  test('labels are short and plain', () => {
    for (const good of ['a', '0', 'rack-1.b_c', 'x'.repeat(64)]) expect(accepts(label, good)).toBe(true);
    for (const bad of ['', '-a', '.a', 'A', 'ä', 'a b', 'a\n', 'x'.repeat(65), 7])
      expect(accepts(label, bad)).toBe(false);
  });

  test('lists have their bound', () => {
    expect(accepts(listOf(uint(), 2), [1, 2])).toBe(true);
    expect(accepts(listOf(uint(), 2), [1, 2, 3])).toBe(false);
    expect(accepts(listOf(uint(), 2), [1, 'x'])).toBe(false);
  });
});
