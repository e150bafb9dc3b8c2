import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, equal } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import { HEIGHT_MAX } from '../../src/base/limits.ts';
import type { HeightStart, Input } from '../../src/consensus/types.ts';
import { decodeInput, encodeInput, heightOf, inputLength } from '../../src/consensus/wal-input.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { anyHistory } from './inputs.ts';
import { A, castOf, precommit } from './signed.ts';

const cast = castOf(1, 2, 3);
const start: HeightStart = {
  height: 5,
  validators: cast.set,
  proposers: { firstHeight: 1, slots: [2, 0, 1, 2] },
  self: 1,
};
const samples: readonly Input[] = [
  { kind: 'start-height', start },
  { kind: 'message', message: precommit(cast, 2) },
  { kind: 'signed', message: precommit(cast, 1) },
  { kind: 'value', height: 5, round: 3, blockId: A },
  { kind: 'verdict', height: 5, blockId: A, isValid: true },
  { kind: 'timeout', timeout: 'rebroadcast', height: 5, round: 3 },
];

test('an input comes back as it was, and its length and height are known beforehand', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: HEIGHT_MAX }).chain((height) => anyHistory(height, 5)),
      (inputs) => {
        for (const input of inputs) {
          const bytes = encodeInput(input);
          expect(bytes.length).toBe(inputLength(input));
          expect(decodeInput(bytes)).toEqual(input);
          expect(heightOf(input)).toBe(heightOf(inputs[0]!));
        }
      },
    ),
  );
});

test.each(samples)('$kind: nothing may be missing, nothing may follow', (input) => {
  const bytes = encodeInput(input);
  for (let length = 0; length < bytes.length; length++)
    expectCode('INVALID_ENCODING', () => decodeInput(bytes.subarray(0, length)));
  expectCode('INVALID_ENCODING', () => decodeInput(concat(bytes, new Uint8Array(1))));
});

test.each(samples)('$kind: whatever is accepted is the one encoding of what was read', (input) => {
  const bytes = Uint8Array.from(encodeInput(input));
  for (let at = 0; at < bytes.length; at++) {
    for (const change of [0x01, 0x80, 0xff]) {
      bytes[at]! ^= change;
      try {
        expect(equal(encodeInput(decodeInput(bytes)), bytes)).toBe(true);
      } catch (error) {
        if (!(error instanceof StoreError) || error.code !== 'INVALID_ENCODING') throw error;
      }
      bytes[at]! ^= change;
    }
  }
});

describe('refuses', () => {
  const encoded = encodeInput(samples[0]!);
  const spoilt = (at: number, ...bytes: readonly number[]): Uint8Array => {
    const copy = Uint8Array.from(encoded);
    copy.set(bytes, at);
    return copy;
  };
  const refused = (bytes: Uint8Array, reason: RegExp): void =>
    expect(expectCode('INVALID_ENCODING', () => decodeInput(bytes)).message).toMatch(reason);

  test('a kind that does not exist', () => {
    refused(spoilt(0, 0), /kind 0 is unknown/);
    refused(spoilt(0, 7), /kind 7 is unknown/);
  });

  test('a height above the bound', () => refused(spoilt(1, 0, 2), /out of bounds/));

  test('an own place outside the set', () => refused(spoilt(9, 0, 3), /own place/));

  test('a set that is empty, larger than its bytes, out of order, repeated or without power', () => {
    const [first, second] = [encoded.subarray(13, 53), encoded.subarray(53, 93)];
    refused(spoilt(9, 0xff, 0xff, 0, 0), /empty/);
    refused(spoilt(11, 0, 101), /does not fit/);
    refused(spoilt(11, 0, 99), /does not fit/);
    refused(spoilt(13, ...second, ...first), /out of order/);
    refused(spoilt(13, ...second), /out of order/);
    refused(spoilt(45, ...new Uint8Array(8)), /no power/);
    refused(spoilt(45, 0xff), /total power/);
  });

  test('a schedule that is empty, too long, or names nobody of the set', () => {
    const countAt = encoded.length - 4 * 2 - 2;
    refused(spoilt(countAt, 0, 0), /schedule of 0/);
    refused(spoilt(countAt, 0xff, 0xff), /schedule of 65535/);
    refused(spoilt(countAt + 2, 0, 3), /names no validator/);
  });

  test('a certificate as an own signature', () => {
    const message = {
      kind: 'commit-certificate',
      height: 5,
      round: 2,
      blockId: A,
      signatures: [{ validator: 1, signature: precommit(cast, 1).signature }],
    } as const;
    const bytes = Uint8Array.from(encodeInput({ kind: 'message', message }));
    bytes[0] = 3;
    refused(bytes, /not signed by one validator/);
  });

  test('a verdict that is neither', () => {
    const bytes = Uint8Array.from(encodeInput(samples[4]!));
    bytes[bytes.length - 1] = 2;
    refused(bytes, /0 or 1/);
  });

  test('a time-out that does not exist', () => {
    const bytes = Uint8Array.from(encodeInput(samples[5]!));
    bytes[1] = 5;
    refused(bytes, /time-out/);
  });
});
