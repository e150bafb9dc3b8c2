import { base58btc } from 'multiformats/bases/base58';
import { CID } from 'multiformats/cid';
import { create as createMultihash } from 'multiformats/hashes/digest';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blake3 } from '@noble/hashes/blake3.js';
import { AssertionError } from '../../src/base/assert.ts';
import { cidOf, cidOfDigest, cidOfPiece, cidToText, digestOfCid, parseCid } from '../../src/base/cid.ts';
import { encode } from '../../src/base/codec.ts';
import { portableSha256 } from '../../src/base/hash.ts';
import { expectCode } from '../helpers/expect-code.ts';

const record = encode([1, 'a record']);

describe('the CID of a record', () => {
  test('is CIDv1 of dag-cbor and sha2-256 over the plain bytes, as other tools compute it', () => {
    const cid = cidOf(record);
    expect([cid.version, cid.code, cid.multihash.code]).toEqual([1, 0x71, 0x12]);
    expect(cid.multihash.digest).toEqual(portableSha256(record));
    // The CID of the empty map, `{}`, as IPLD tools print it.
    expect(cidToText(cidOf(encode({})))).toBe('bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua');
  });

  test('reads back from its text and gives its digest', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (digest) => {
        const cid = parseCid(cidToText(cidOfDigest(digest)));
        expect(digestOfCid(cid)).toEqual(Uint8Array.from(digest));
      }),
    );
  });

  test('has one text only: other bases, cases, lengths and paddings are refused', () => {
    const text = cidToText(cidOf(record));
    const alphabet = Array.from('abcdefghijklmnopqrstuvwxyz234567');
    const sameDigest = alphabet
      .filter((letter) => letter !== text.at(-1))
      .map((letter) => text.slice(0, -1) + letter);
    const others = [
      '',
      'b',
      text.slice(1),
      text.slice(0, -1),
      `${text}a`,
      `${text}=`,
      ` ${text}`,
      `${text}\n`,
      text.toUpperCase(),
      `B${text.slice(1).toUpperCase()}`,
      cidOf(record).toString(base58btc),
      text.replace(/.$/, '1'),
      'Qmdfzd5fXBJYpGbGHVTBDGFGwVbYpGTEVtmWyRGz1n6rXC',
      `b${'a'.repeat(58)}`,
      'x'.repeat(100_000),
    ];
    for (const other of others) expectCode('INVALID_URI', () => parseCid(other));
    // The last letter carries bits beyond the digest, which must be zero: most of its neighbours are no CID at all.
    const accepted = sameDigest.filter((other) => {
      try {
        return parseCid(other).toString() === other;
      } catch {
        return false;
      }
    });
    expect(accepted.length).toBeLessThan(sameDigest.length);
    for (const other of accepted)
      expect(digestOfCid(parseCid(other))).not.toEqual(digestOfCid(parseCid(text)));
  });

  test('is not any other kind of CID', () => {
    const digest = portableSha256(record);
    const raw = CID.createV1(0x55, createMultihash(0x12, digest));
    const otherHash = CID.createV1(0x71, createMultihash(0x1e, digest));
    const short = CID.createV1(0x71, createMultihash(0x12, digest.subarray(0, 20)));
    const old = CID.createV0(createMultihash(0x12, digest) as Parameters<typeof CID.createV0>[0]);
    for (const cid of [raw, otherHash, short, old]) {
      expectCode('INVALID_URI', () => digestOfCid(cid));
      expectCode('INVALID_URI', () => parseCid(cid.toString()));
    }
  });

  test('needs 32 bytes of digest', () => {
    expect(() => cidOfDigest(new Uint8Array(31))).toThrow(AssertionError);
  });

  test('tells the person what to do', () => {
    expect(expectCode('INVALID_URI', () => parseCid('nonsense')).next).toContain('Copy the URI');
  });
});

test('the CID of a piece is raw bytes under BLAKE3', () => {
  const root = blake3(new Uint8Array(5000));
  const cid = cidOfPiece(root);
  expect([cid.version, cid.code, cid.multihash.code]).toEqual([1, 0x55, 0x1e]);
  expect(cid.multihash.digest).toEqual(root);
  expectCode('INVALID_URI', () => digestOfCid(cid));
});
