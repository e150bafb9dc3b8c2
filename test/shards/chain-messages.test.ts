import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { encode } from '../../src/base/codec.ts';
import { StoreError } from '../../src/base/errors.ts';
import { digest } from '../../src/base/hash.ts';
import { CHAIN_WAIT_MS_MAX, DECISIONS_MAX, HEIGHT_MAX, PROVEN_PATHS_MAX } from '../../src/base/limits.ts';
import { encodeMessage } from '../../src/consensus/messages.ts';
import type { Vote } from '../../src/consensus/types.ts';
import { validatorSetDigest } from '../../src/consensus/validator-set.ts';
import {
  CHAIN_SERVICES,
  decodeHeight,
  decodeProve,
  decodeProveReply,
  decodeTransactionRequest,
  encodeProve,
  encodeSubmitted,
  SUBMIT_REPLY_LENGTH_MAX,
} from '../../src/shards/chain-messages.ts';
import { headerId } from '../../src/shards/header.ts';
import {
  decodeCommit,
  decodeLightBlock,
  decodeValidatorSet,
  encodeLightBlock,
  encodeValidatorSet,
} from '../../src/shards/light-block.ts';
import { decodeChunkReply, decodeChunkRequest, decodeDecisions } from '../../src/shards/sync-messages.ts';
import { encodeChunk } from '../../src/shards/tree/chunk.ts';
import type { StatePath, Prefix } from '../../src/shards/tree/path.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { digestFrom } from '../helpers/records.ts';
import { SAMPLES, sampleLight } from './chain-samples.ts';

const frozen = JSON.parse(
  readFileSync(new URL('../vectors/chain-messages.json', import.meta.url), 'utf8'),
) as Record<string, string>;

describe.each(Object.entries(SAMPLES))('%s', (name, { bytes, again }) => {
  test('has the frozen bytes, and they are read back', () => {
    expect(toHex(bytes)).toBe(frozen[name]);
    expect(toHex(again(fromHex(frozen[name]!)))).toBe(frozen[name]);
  });

  test('is refused as INVALID_ENCODING when it is cut short, longer, or has another byte that matters', () => {
    for (let length = 0; length < bytes.length; length += 1 + (bytes.length >> 6)) {
      expectCode('INVALID_ENCODING', () => again(bytes.subarray(0, length)));
    }
    expectCode('INVALID_ENCODING', () => again(new Uint8Array([...bytes, 0])));
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const other = bytes.slice();
        other[at]! ^= change;
        expectSameOrRefused(again, other);
      }),
      { numRuns: 200 },
    );
  });

  test('is refused when it is any bytes, and nothing but INVALID_ENCODING is ever thrown', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => expectSameOrRefused(again, noise)),
      { numRuns: 200 },
    );
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4, noUnicodeString: true } as object), (value) => {
        try {
          encode(value);
        } catch {
          return;
        }
        expectSameOrRefused(again, encode(value));
      }),
      { numRuns: 100 },
    );
  });
});

/** One message, one encoding: what is read at all is written back as it was. */
function expectSameOrRefused(again: (bytes: Uint8Array) => Uint8Array, bytes: Uint8Array): void {
  let written: Uint8Array;
  try {
    written = again(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(StoreError);
    expect((error as StoreError).code).toBe('INVALID_ENCODING');
    return;
  }
  expect(toHex(written)).toBe(toHex(bytes));
}

// ---- Light blocks ------------------------------------------------------------------------------------------------

test('a light block names itself by the digest of its header, and its set by what header.validators is the digest of', () => {
  const light = decodeLightBlock(encodeLightBlock(sampleLight(7)));
  expect(toHex(light.id)).toBe(toHex(headerId(light.headerBytes)));
  expect(light.certificate.blockId).toBe(toHex(light.id));
  expect(light.header.height).toBe(7);
  const hashed = digest('validator-set', [encodeValidatorSet(light.validators)]);
  expect(toHex(hashed)).toBe(toHex(validatorSetDigest(light.validators)));
});

test('a set that is empty, out of order, repeated, without power or too heavy is none', () => {
  const { validators } = sampleLight(1);
  const [first, second] = validators.validators;
  const of = (...list: readonly unknown[]) => ({ validators: list, totalPower: 1n }) as typeof validators;
  for (const bad of [
    of(),
    of(second, first),
    of(first, first),
    of({ ...first, power: 0n }),
    of({ ...first, power: 2n ** 62n }, second),
  ]) {
    expectCode('INVALID_ENCODING', () => decodeValidatorSet(encodeValidatorSet(bad)));
  }
  const many = encodeValidatorSet(of(...Array.from({ length: 101 }, () => first)));
  expectCode('INVALID_ENCODING', () => decodeValidatorSet(many));
  expectCode('INVALID_ENCODING', () => decodeValidatorSet(new Uint8Array([0xff, 0xff, 0xff, 0xff])));
});

test('another message than a commit certificate decides nothing', () => {
  const { certificate } = sampleLight(1);
  const { signature } = certificate.signatures[0]!;
  const vote: Vote = { ...certificate, kind: 'precommit', validRound: -1, validator: 0, signature };
  expectCode('INVALID_ENCODING', () => decodeCommit(encodeMessage(vote)));
  expect(decodeCommit(encodeMessage(certificate))).toEqual(certificate);
});

// ---- Bounds ------------------------------------------------------------------------------------------------------

const paths = (count: number): StatePath[] =>
  Array.from({ length: count }, (_, index) => digestFrom(`${index}`) as Uint8Array as StatePath);
const prove = { atLeast: 0, exactly: undefined, waitMs: 0, isHeaderKnown: false };

test('a request asks for one path at least and 64 at most, and fits a header', () => {
  expect(decodeProve(encodeProve({ ...prove, paths: paths(PROVEN_PATHS_MAX) })).paths).toHaveLength(64);
  expectCode('INVALID_ENCODING', () => decodeProve(encodeProve({ ...prove, paths: [] })));
  expectCode('INVALID_ENCODING', () => decodeProve(encodeProve({ ...prove, paths: paths(65) })));
});

test('a request for a header below the least that it takes is refused, and one that waits too long', () => {
  const one = { ...prove, paths: paths(1) };
  expectCode('INVALID_ENCODING', () => decodeProve(encodeProve({ ...one, atLeast: 9, exactly: 8 })));
  const waitMs = CHAIN_WAIT_MS_MAX + 1;
  expectCode('INVALID_ENCODING', () => decodeProve(encodeProve({ ...one, waitMs })));
  expectCode('INVALID_ENCODING', () => decodeTransactionRequest(encode([digestFrom('id'), waitMs])));
});

test('heights, counts and prefixes are bounded', () => {
  expectCode('INVALID_ENCODING', () => decodeHeight(encode([HEIGHT_MAX + 1]), 'chain-light'));
  expectCode('INVALID_ENCODING', () => decodeDecisions(encode([1, DECISIONS_MAX + 1, 1])));
  expect(decodeChunkRequest(encode([1, '01'.repeat(128)])).prefix).toHaveLength(256);
  expectCode('INVALID_ENCODING', () => decodeChunkRequest(encode([1, '0'.repeat(257)])));
  expectCode('INVALID_ENCODING', () => decodeChunkRequest(encode([1, '012'])));
});

test('records come with as many proofs, and those of a chunk with as many leaves', () => {
  expectCode('INVALID_ENCODING', () => decodeProveReply(encode([1, null, [null], []])));
  const chunk = encodeChunk({ prefix: '' as Prefix, siblings: [], leaves: [] });
  expect(decodeChunkReply(encode([chunk, []])).records).toEqual([]);
  expectCode('INVALID_ENCODING', () => decodeChunkReply(encode([chunk, [new Uint8Array(1)]])));
});

test('the names of services are distinct, and short answers fit their bounds', () => {
  const names = Object.values(CHAIN_SERVICES);
  expect(new Set(names).size).toBe(names.length);
  expect(encodeSubmitted(digestFrom('id')).length).toBeLessThanOrEqual(SUBMIT_REPLY_LENGTH_MAX);
});
