import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromHex, toHex } from '../../../src/base/bytes.ts';
import { encode } from '../../../src/base/codec.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { Signature } from '../../../src/base/ids.ts';
import { GOSSIP_MESSAGE_LENGTH_MAX, VALIDATORS_MAX } from '../../../src/base/limits.ts';
import { encodeMessage } from '../../../src/consensus/messages.ts';
import type { BlockId, CommitCertificate } from '../../../src/consensus/types.ts';
import { decodeDecisionNews, encodeDecisionNews } from '../../../src/node/chain/decision-news.ts';
import { blockIdOf } from '../../../src/shards/block.ts';
import { expectCode } from '../../helpers/expect-code.ts';
import { LEDGER } from '../../shards/ledger-vectors.ts';

const vectors = JSON.parse(
  readFileSync(new URL('../../vectors/chain-gossip.json', import.meta.url), 'utf8'),
) as {
  readonly height: number;
  readonly round: number;
  readonly blockId: BlockId;
  readonly signatures: readonly (readonly [number, string])[];
  readonly whole: string;
  readonly withoutBlock: string;
};

const { height, round, blockId } = vectors;
const certificate: CommitCertificate = {
  kind: 'commit-certificate',
  height,
  round,
  blockId,
  signatures: vectors.signatures.map(([validator, digits]) => ({
    validator,
    signature: fromHex(digits) as Signature,
  })),
};
const block = LEDGER.block;

test('a decision has the frozen form, with its block and without', () => {
  expect(toHex(encodeDecisionNews({ certificate, block }))).toBe(vectors.whole);
  expect(toHex(encodeDecisionNews({ certificate, block: undefined }))).toBe(vectors.withoutBlock);
  expect(decodeDecisionNews(fromHex(vectors.whole))).toEqual({ certificate, block });
  expect(decodeDecisionNews(fromHex(vectors.withoutBlock))).toEqual({ certificate, block: undefined });
});

test('the block goes along exactly when the message then fits', () => {
  const signatures = Array.from({ length: VALIDATORS_MAX }, (_, validator) => ({
    validator,
    signature: new Uint8Array(64) as Signature,
  }));
  const many = { ...certificate, signatures };
  const rest = encode([encodeMessage(many), new Uint8Array(40_000)]).length - 40_000;
  const longest = GOSSIP_MESSAGE_LENGTH_MAX - rest;
  const lengthWith = (length: number): number =>
    encodeDecisionNews({ certificate: many, block: new Uint8Array(length) }).length;
  expect(lengthWith(longest)).toBe(GOSSIP_MESSAGE_LENGTH_MAX);
  for (const length of [longest + 1, GOSSIP_MESSAGE_LENGTH_MAX, 1_000_000]) {
    expect(lengthWith(length)).toBe(encodeDecisionNews({ certificate: many, block: undefined }).length);
  }
});

test('a block that is not the one that was decided, and a certificate of another kind, are refused', () => {
  const other = { ...certificate, blockId: 'ab'.repeat(32) as BlockId };
  expectCode('INVALID_ENCODING', () => decodeDecisionNews(encodeDecisionNews({ certificate: other, block })));
  // Bytes that are no block have a name too, which nobody can have decided.
  const noise = new Uint8Array([1, 2, 3]);
  const named = { ...certificate, blockId: blockIdOf(noise) };
  expect(decodeDecisionNews(encodeDecisionNews({ certificate: named, block: noise })).block).toEqual(noise);
  const polka = { ...certificate, kind: 'polka-certificate', validRound: -1 } as const;
  expectCode('INVALID_ENCODING', () => decodeDecisionNews(encode([encodeMessage(polka), null])));
});

test('what is not to the bit the form of a decision is refused in words', () => {
  const whole = fromHex(vectors.whole);
  const damage = fc.oneof(
    fc.record({ at: fc.nat(whole.length - 1), by: fc.integer({ min: 1, max: 255 }) }).map(({ at, by }) => {
      const changed = whole.slice();
      changed[at]! ^= by;
      return changed;
    }),
    fc.nat(whole.length - 1).map((length) => whole.subarray(0, length)),
    fc.uint8Array({ minLength: 1, maxLength: 64 }).map((tail) => new Uint8Array([...whole, ...tail])),
    fc.uint8Array({ maxLength: 300 }),
    fc.constant(new Uint8Array(GOSSIP_MESSAGE_LENGTH_MAX + 1)),
  );
  fc.assert(
    fc.property(damage, (bytes) => {
      try {
        // Within the certificate another height or signature is as good a form; the bytes then say so.
        expect(encodeDecisionNews(decodeDecisionNews(bytes))).toEqual(bytes);
        expect(bytes.length).toBe(whole.length);
      } catch (error) {
        expect(error).toBeInstanceOf(StoreError);
        expect((error as StoreError).code).toBe('INVALID_ENCODING');
      }
    }),
    { numRuns: 500 },
  );
});
