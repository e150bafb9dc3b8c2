import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { Reader, Writer } from '../../src/consensus/binary.ts';
import { expectCode } from '../helpers/expect-code.ts';

const ID = '00112233445566778899aabbccddeeff'.repeat(2);

/** A field: how it is written, read, and put by a DataView, the slow twin. */
interface Field {
  readonly length: number;
  write(writer: Writer): void;
  read(reader: Reader): unknown;
  put(view: DataView, at: number): void;
  readonly value: unknown;
}

const fields: fc.Arbitrary<Field> = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 8 - 1 }).map((value) => ({
    value,
    length: 1,
    write: (writer: Writer) => writer.uint8(value),
    read: (reader: Reader) => reader.uint8(),
    put: (view: DataView, at: number) => view.setUint8(at, value),
  })),
  fc.integer({ min: 0, max: 2 ** 16 - 1 }).map((value) => ({
    value,
    length: 2,
    write: (writer: Writer) => writer.uint16(value),
    read: (reader: Reader) => reader.uint16(),
    put: (view: DataView, at: number) => view.setUint16(at, value),
  })),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((value) => ({
    value,
    length: 4,
    write: (writer: Writer) => writer.uint32(value),
    read: (reader: Reader) => reader.uint32(),
    put: (view: DataView, at: number) => view.setUint32(at, value),
  })),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map((value) => ({
    value,
    length: 4,
    write: (writer: Writer) => writer.int32(value),
    read: (reader: Reader) => reader.int32(),
    put: (view: DataView, at: number) => view.setInt32(at, value),
  })),
  fc.maxSafeNat().map((value) => ({
    value,
    length: 8,
    write: (writer: Writer) => writer.uint64(value),
    read: (reader: Reader) => reader.uint64(),
    put: (view: DataView, at: number) => view.setBigUint64(at, BigInt(value)),
  })),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => ({
    value,
    length: 8,
    write: (writer: Writer) => writer.bigUint64(value),
    read: (reader: Reader) => reader.bigUint64(),
    put: (view: DataView, at: number) => view.setBigUint64(at, value),
  })),
);

describe('fields', () => {
  test('are those that a DataView puts, and come back', () => {
    fc.assert(
      fc.property(fc.array(fields, { maxLength: 20 }), (list) => {
        const length = list.reduce((sum, field) => sum + field.length, 0);
        const writer = new Writer(length);
        const twin = new DataView(new ArrayBuffer(length));
        let at = 0;
        for (const field of list) {
          field.write(writer);
          field.put(twin, at);
          at += field.length;
        }
        const bytes = writer.finish();
        expect(toHex(bytes)).toBe(toHex(new Uint8Array(twin.buffer)));
        const reader = new Reader(bytes, 'sample');
        expect(list.map((field) => field.read(reader))).toEqual(list.map((field) => field.value));
        reader.end();
      }),
    );
  });

  test('of raw bytes and ids come back as copies', () => {
    const writer = new Writer(35);
    writer.raw(new Uint8Array([1, 2, 3]));
    writer.digest(ID);
    const bytes = Uint8Array.from(writer.finish());
    expect(toHex(bytes)).toBe(`010203${ID}`);
    const reader = new Reader(bytes, 'sample');
    const raw = reader.raw(3);
    bytes.fill(0, 0, 3);
    expect(toHex(raw)).toBe('010203');
    expect(reader.remaining).toBe(32);
    expect(reader.digest()).toBe(ID);
  });

  test('written by many writers never share bytes', () => {
    const written = Array.from({ length: 3000 }, (_, index) => {
      const writer = new Writer(1 + (index % 1500));
      writer.raw(new Uint8Array(1 + (index % 1500)).fill(index));
      return writer.finish();
    });
    for (const [index, bytes] of written.entries()) {
      expect(bytes.length).toBe(1 + (index % 1500));
      expect(bytes.every((byte) => byte === (index & 0xff))).toBe(true);
    }
  });
});

describe('the writer stops the process', () => {
  test.each([
    ['too little', 3, (writer: Writer): void => writer.uint16(1)],
    ['too much', 1, (writer: Writer): void => writer.uint16(1)],
    ['too many raw bytes', 1, (writer: Writer): void => writer.raw(new Uint8Array(2))],
    ['a short id', 32, (writer: Writer): void => writer.digest(ID.slice(1))],
    ['an id in capitals', 32, (writer: Writer): void => writer.digest(ID.toUpperCase())],
    [
      'an id with a letter of another script',
      32,
      (writer: Writer): void => writer.digest(`\u0161${ID.slice(1)}`),
    ],
    ['an id with a blank', 32, (writer: Writer): void => writer.digest(` ${ID.slice(1)}`)],
  ])('on %s', (_name, length, write) => {
    expect(() => {
      const writer = new Writer(length);
      write(writer);
      writer.finish();
    }).toThrow(AssertionError);
  });
});

describe('the reader refuses', () => {
  const reads: readonly [string, number, (reader: Reader) => unknown][] = [
    ['uint8', 1, (reader) => reader.uint8()],
    ['uint16', 2, (reader) => reader.uint16()],
    ['uint32', 4, (reader) => reader.uint32()],
    ['int32', 4, (reader) => reader.int32()],
    ['uint64', 8, (reader) => reader.uint64()],
    ['bigUint64', 8, (reader) => reader.bigUint64()],
    ['raw', 9, (reader) => reader.raw(9)],
    ['digest', 32, (reader) => reader.digest()],
  ];

  test.each(reads)('%s beyond the end', (_name, length, read) => {
    read(new Reader(new Uint8Array(length), 'sample'));
    for (let short = 0; short < length; short++) {
      const error = expectCode('INVALID_ENCODING', () => read(new Reader(new Uint8Array(short), 'sample')));
      expect(error.message).toBe('sample: it ends too early');
    }
  });

  test('a number that is no safe integer', () => {
    expect(new Reader(fromHex('001fffffffffffff'), 'sample').uint64()).toBe(Number.MAX_SAFE_INTEGER);
    expectCode('INVALID_ENCODING', () => new Reader(fromHex('0020000000000000'), 'sample').uint64());
  });

  test('bytes behind the end', () => {
    const reader = new Reader(new Uint8Array(2), 'sample');
    reader.uint8();
    expect(expectCode('INVALID_ENCODING', () => reader.end()).message).toBe('sample: 1 bytes follow its end');
  });
});
