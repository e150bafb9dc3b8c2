import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toUtf8 } from '../../../src/base/bytes.ts';
import type { Verify } from '../../../src/base/ports.ts';
import { rememberingVerify } from '../../../src/node/chain/verified-signatures.ts';
import { nativeSigner, nativeVerify } from '../../../src/runtime/crypto.ts';
import { digestFrom } from '../../helpers/records.ts';

/** Counts how often the real check was asked. */
function counting(verify: Verify = nativeVerify) {
  const counts = { asked: 0 };
  const counted: Verify = (...all) => {
    counts.asked++;
    return verify(...all);
  };
  return { counts, counted };
}

const signer = nativeSigner(digestFrom('signer'));
const signed = (text: string) => ({ message: toUtf8(text), signature: signer.sign(toUtf8(text)) });

test('a valid signature is checked once, an invalid one whenever it is asked for', () => {
  const { counts, counted } = counting();
  const verify = rememberingVerify(counted, 10);
  const { message, signature } = signed('a');
  for (let again = 0; again < 3; again++) expect(verify(signer.publicKey, message, signature)).toBe(true);
  expect(counts.asked).toBe(1);
  const wrong = signed('b').signature;
  for (let again = 0; again < 3; again++) expect(verify(signer.publicKey, message, wrong)).toBe(false);
  expect(counts.asked).toBe(4);
});

test('nothing but an exact repetition is taken for it, whichever bit differs', () => {
  const { counts, counted } = counting();
  const verify = rememberingVerify(counted, 10);
  const { message, signature } = signed('the message');
  const parts = [signer.publicKey, message, signature] as const;
  expect(verify(...parts)).toBe(true);
  let asked = counts.asked;
  for (const [which, part] of parts.entries()) {
    for (let bit = 0; bit < part.length * 8; bit += 5) {
      const changed = parts.map((each) => each.slice()) as [Uint8Array, Uint8Array, Uint8Array];
      changed[which]![bit >> 3]! ^= 1 << (bit & 7);
      expect(verify(...changed)).toBe(false);
      expect(counts.asked).toBe(++asked);
    }
    const cut = parts.map((each, index) => (index === which ? each.subarray(0, -1) : each));
    expect(verify(cut[0]!, cut[1]!, cut[2]!)).toBe(false);
    asked++;
  }
});

test('what is remembered is a copy: whoever changes its bytes afterwards changes nothing', () => {
  const verify = rememberingVerify(nativeVerify, 10);
  const { message, signature } = signed('mine');
  expect(verify(signer.publicKey, message, signature)).toBe(true);
  message.set(toUtf8('your'));
  expect(verify(signer.publicKey, message, signature)).toBe(false);
});

test('answers as the check itself does, and never remembers more than it may', () => {
  // A check of two bytes, of which many pairs are valid for one signature.
  const check: Verify = (publicKey, message, signature) => (publicKey[0]! + message[0]!) % 4 === signature[0];
  const asking = fc.record({ key: fc.nat(5), message: fc.nat(5), length: fc.nat(6), signature: fc.nat(4) });
  fc.assert(
    fc.property(
      fc.array(asking, { maxLength: 80 }),
      fc.nat(8),
      fc.integer({ min: 4, max: 40 }),
      (all, max, bytes) => {
        const { counts, counted } = counting(check);
        const verify = rememberingVerify(counted, max, bytes);
        for (const { key, message, length, signature } of all) {
          const parts = [[key], [message, ...Array<number>(length).fill(0)], [signature]] as const;
          const [publicKey, text, sign] = parts.map((part) => new Uint8Array(part));
          expect(verify(publicKey!, text!, sign!)).toBe(check(publicKey!, text!, sign!));
        }
        expect(counts.asked).toBeLessThanOrEqual(all.length);
        if (max < 2) expect(counts.asked).toBe(all.length);
      },
    ),
  );
});

test.each([
  ['entries', 8, 1_000_000],
  ['bytes', 1_000_000, 8],
])('what is used stays, and what is not is forgotten: bounded in %s', (_what, max, bytes) => {
  const { counts, counted } = counting(() => true);
  const verify = rememberingVerify(counted, max, bytes);
  const ask = (name: number): boolean => {
    const before = counts.asked;
    verify(new Uint8Array(1), new Uint8Array([name]), new Uint8Array([name]));
    return counts.asked > before;
  };
  for (let name = 0; name < 20; name++) ask(name);
  expect([17, 19, 16, 18, 16].map(ask), 'the last half').toEqual([false, false, false, false, false]);
  expect(ask(3)).toBe(true);
  ask(0);
  for (let name = 20; name < 100; name++) {
    expect(ask(name), 'it is new').toBe(true);
    expect(ask(0), 'it is in use').toBe(false);
  }
  expect(ask(1)).toBe(true);
});
