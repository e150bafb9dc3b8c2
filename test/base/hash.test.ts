import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, toHex, toUtf8 } from '../../src/base/bytes.ts';
import { DOMAINS, digest, portableSha256, signedBytes } from '../../src/base/hash.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';

describe('SHA-256', () => {
  test('of the texts of FIPS 180-4', () => {
    for (const sha256 of [portableSha256, nativeSha256]) {
      expect(toHex(sha256())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
      expect(toHex(sha256(toUtf8('abc')))).toBe(
        'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      );
    }
  });

  test('is the same portable and native, however the bytes are cut into parts', () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 3000, size: 'max' }), { maxLength: 6 });
    fc.assert(
      fc.property(parts, (pieces) => {
        const expected = toHex(portableSha256(concat(...pieces)));
        expect(toHex(portableSha256(...pieces))).toBe(expected);
        expect(toHex(nativeSha256(...pieces))).toBe(expected);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a digest under a domain', () => {
  test('is SHA-256 of the length of the tag, the tag, and the parts', () => {
    const expected = createHash('sha256')
      .update(Buffer.from([16]))
      .update('holdfast/network')
      .update('body')
      .digest('hex');
    expect(toHex(digest('network', [toUtf8('bo'), toUtf8('dy')]))).toBe(expected);
    expect(toHex(digest('network', [toUtf8('body')], nativeSha256))).toBe(expected);
  });

  test('differs between any two domains, which are all different', () => {
    const body = new Uint8Array(32);
    expect(new Set(DOMAINS.map((domain) => toHex(digest(domain, [body])))).size).toBe(DOMAINS.length);
    for (const domain of DOMAINS) expect(domain).toMatch(/^[a-z-]{1,50}$/);
  });

  test('no domain with its bytes can be read as another with others: tags carry their length', () => {
    for (const a of DOMAINS) {
      for (const b of DOMAINS) {
        if (a === b) continue;
        const [first, second] = [signedBytes(a, new Uint8Array(0)), signedBytes(b, new Uint8Array(0))];
        expect(toHex(second).startsWith(toHex(first))).toBe(false);
      }
    }
  });
});

test('what is signed is what is hashed', () => {
  const body = toUtf8('a ticket');
  expect(portableSha256(signedBytes('ticket-put', body))).toEqual(digest('ticket-put', [body]));
});
