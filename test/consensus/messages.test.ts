import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { concat, fromHex, toHex } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { Signature } from '../../src/base/ids.ts';
import { CONSENSUS_MESSAGE_LENGTH_MAX, HEIGHT_MAX, VALIDATORS_MAX } from '../../src/base/limits.ts';
import { decodeMessage, encodeMessage } from '../../src/consensus/messages.ts';
import type { Message, Vote } from '../../src/consensus/types.ts';
import { mutate, seeded } from '../fuzz/mutate.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { A, anyMessage } from './signed.ts';
import { documented, VECTORS } from './vectors.ts';

const BYTES_OF_VOTE = 117;

describe('messages', () => {
  test.each(VECTORS.messages.map((entry) => [entry.name, entry] as const))(
    '%s: frozen bytes',
    (_name, entry) => {
      expect(toHex(encodeMessage(entry.message))).toBe(toHex(entry.encoded));
      expect(decodeMessage(entry.encoded)).toEqual(entry.message);
    },
  );

  test('a precommit has the bytes of the documented example', () => {
    const { message } = VECTORS.messages.find((entry) => entry.name === 'precommit')!;
    expect(toHex(encodeMessage(message))).toBe(toHex(documented('Message')));
  });

  test('come back as they were', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        expect(decodeMessage(encodeMessage(message))).toEqual(message);
      }),
      { numRuns: 500 },
    );
  });

  test('have one encoding: whatever is accepted encodes to the same bytes', () => {
    const samples = VECTORS.messages.map(({ encoded }) => encoded);
    const next = seeded(7);
    let accepted = 0;
    for (let round = 0; round < 20_000; round++) {
      const bytes = mutate(samples, next);
      const message = decoded(bytes);
      if (message === undefined) continue;
      accepted++;
      expect(toHex(encodeMessage(message))).toBe(toHex(bytes));
    }
    expect(accepted).toBeGreaterThan(1000);
  });

  test('share no memory with the bytes they were read from', () => {
    const { message, encoded } = VECTORS.messages.find((entry) => entry.name === 'commit certificate')!;
    const bytes = Uint8Array.from(encoded);
    const read = decodeMessage(bytes);
    bytes.fill(0);
    expect(read).toEqual(message);
  });

  test('of the largest set fit, and longer ones are refused unread', () => {
    const signature = new Uint8Array(64).fill(1) as Signature;
    const votes = Array.from({ length: VALIDATORS_MAX }, (_, validator): Vote => {
      return {
        kind: 'prevote',
        height: HEIGHT_MAX,
        round: 9,
        blockId: A,
        validRound: 8,
        validator,
        signature,
      };
    });
    const whole: Message = { kind: 'round-certificate', height: HEIGHT_MAX, round: 8, reason: 'skip', votes };
    const bytes = encodeMessage(whole);
    expect(bytes.length).toBeLessThan(CONSENSUS_MESSAGE_LENGTH_MAX);
    expect(decodeMessage(bytes)).toEqual(whole);
    const long = new Uint8Array(CONSENSUS_MESSAGE_LENGTH_MAX + 1).fill(0xff);
    expect(expectCode('INVALID_ENCODING', () => decodeMessage(long)).message).toContain('32769 bytes');
  });

  test('out of form are not encoded', () => {
    const message = VECTORS.messages[2]!.message as Vote;
    const wrong: Message[] = [
      { ...message, round: 2 ** 31 },
      { ...message, validator: 100 },
      { ...message, signature: new Uint8Array(63) as Signature },
      { ...message, blockId: 'A'.repeat(64) as never },
    ];
    for (const each of wrong) expect(() => encodeMessage(each)).toThrow(AssertionError);
  });
});

function decoded(bytes: Uint8Array): Message | undefined {
  try {
    return decodeMessage(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(StoreError);
    return undefined;
  }
}

describe('decoding refuses', () => {
  const encodedOf = (name: string): Uint8Array =>
    VECTORS.messages.find((entry) => entry.name === name)!.encoded;
  const refusal = (bytes: Uint8Array): string =>
    expectCode('INVALID_ENCODING', () => decodeMessage(bytes)).message;
  const replaced = (name: string, offset: number, hex: string): Uint8Array => {
    const bytes = Uint8Array.from(encodedOf(name));
    bytes.set(fromHex(hex), offset);
    return bytes;
  };

  test.each(VECTORS.messages.map((entry) => [entry.name, entry.encoded] as const))(
    '%s cut anywhere, and with a byte behind',
    (_name, encoded) => {
      for (let length = 0; length < encoded.length; length++) refusal(encoded.subarray(0, length));
      expect(refusal(concat(encoded, new Uint8Array(1)))).toContain('1 bytes follow its end');
    },
  );

  // protocol 0, kind 1, height 2, round 10, value 14, id 15, valid round 47, validator 51, signature 53.
  test.each([
    ['protocol 0', 'prevote', 0, '00', 'protocol 0 is unknown'],
    ['protocol 2', 'prevote', 0, '02', 'protocol 2 is unknown'],
    ['kind 0', 'prevote', 1, '00', 'kind 0 is unknown'],
    ['kind 7', 'prevote', 1, '07', 'kind 7 is unknown'],
    ['a height above the last', 'prevote', 2, '0001000000000001', 'the height is out of range'],
    ['a height that is no safe integer', 'prevote', 2, 'ffffffffffffffff', 'a number is too large'],
    ['a round above the last', 'prevote', 10, '80000000', 'the round is out of range'],
    ['value 2', 'prevote', 14, '02', 'value 2 is unknown'],
    ['a valid round that is the round', 'prevote', 47, '00000001', 'the valid round is out of range'],
    ['valid round -2', 'prevote', 47, 'fffffffe', 'the valid round is out of range'],
    ['valid round of a vote for nil', 'prevote for nil', 15, '00000000', 'the valid round is out of range'],
    ['a proposal on its own round', 'fresh proposal', 47, '00000000', 'the valid round is out of range'],
    ['validator 100', 'prevote', 51, '0064', 'a signer is out of range'],
    ['validator 65535', 'precommit', 47, 'ffff', 'a signer is out of range'],
    // Certificates: round 10, id 14, then valid round 46 of a polka.
    ['a polka on its own round', 'polka certificate', 46, '00000001', 'the valid round is out of range'],
    ['scheme 0', 'polka certificate', 50, '00', 'signature scheme 0 is unknown'],
    ['scheme 2', 'commit certificate', 46, '02', 'signature scheme 2 is unknown'],
    ['too many signers', 'commit certificate', 47, '0065', 'it has 101 signers'],
    ['most signers', 'commit certificate', 47, 'ffff', 'it has 65535 signers'],
    ['one signer less', 'commit certificate', 47, '0003', '66 bytes follow its end'],
    ['one signer more', 'commit certificate', 47, '0005', 'it ends too early'],
    ['a signer twice', 'commit certificate', 115, '0000', 'signers are repeated or not in ascending order'],
    [
      'signers out of order',
      'commit certificate',
      49,
      '0002',
      'signers are repeated or not in ascending order',
    ],
    // Reason 14, count 15, kind of the first vote 17.
    ['reason 0', 'round certificate, skip', 14, '00', 'reason 0 is unknown'],
    ['reason 3', 'round certificate, skip', 14, '03', 'reason 3 is unknown'],
    ['a round certificate for round 0', 'round certificate, skip', 10, '00000000', 'round 0 needs no reason'],
    ['a proposal in a round certificate', 'round certificate, skip', 17, '01', 'kind 1 is no vote'],
    ['kind 4 in a round certificate', 'round certificate, skip', 17, '04', 'kind 4 is no vote'],
  ])('%s', (_name, of, offset, hex, reason) => {
    expect(refusal(replaced(of, offset, hex))).toContain(reason);
  });

  test('certificates of nobody', () => {
    const cut = (name: string, offset: number): Uint8Array =>
      concat(encodedOf(name).subarray(0, offset), new Uint8Array(2));
    expect(refusal(cut('commit certificate', 47))).toContain('it has 0 signers');
    expect(refusal(cut('polka certificate', 51))).toContain('it has 0 signers');
    expect(refusal(cut('round certificate, skip', 15))).toContain('it has 0 signers');
  });

  test('a proposal of nil', () => {
    const bytes = encodedOf('prevote for nil').with(1, 1);
    expect(bytes.length).toBe(BYTES_OF_VOTE - 32);
    expect(refusal(bytes)).toContain('it proposes nil');
  });
});
