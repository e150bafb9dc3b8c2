import { expect, test } from 'vitest';
import { StoreError } from '../../src/base/errors.ts';
import type { NetworkId, NodeId } from '../../src/base/ids.ts';
import { AUDIT_ASKED_MAX } from '../../src/base/limits.ts';
import { type Asked, compareAsked } from '../../src/proofs/draw.ts';
import { placeOf } from '../../src/proofs/place.ts';
import {
  decodeReceipt,
  encodeReceipt,
  RECEIPT_LENGTH_MAX,
  receiptText,
  signReceipt,
  verifyReceipt,
} from '../../src/proofs/receipt.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { digestFrom } from '../helpers/records.ts';
import { AUDITOR, CONTEXT, HOLDER, object, SOME_ASKED } from './kit.ts';

const { network, round, node } = CONTEXT;
const HELD = SOME_ASKED.toSorted(compareAsked);
const text = receiptText(network, round, node, HELD);
const signature = signReceipt(text, AUDITOR);
const auditor = AUDITOR.publicKey as NodeId;

test('a receipt is for exactly this list, of this node and round, and of its auditor', () => {
  const check = (other = text, by = auditor) => verifyReceipt(other, by, signature, nativeVerify);
  expect(check()).toBe(true);
  expect(check(receiptText(network, round, node, HELD.slice(1)))).toBe(false);
  expect(check(receiptText(network, round, node, HELD.with(0, { ...HELD[0]!, leafIndex: 9 })))).toBe(false);
  expect(check(receiptText(network, round + 1, node, HELD))).toBe(false);
  expect(check(receiptText(network, round, auditor, HELD))).toBe(false);
  expect(check(receiptText(digestFrom<NetworkId>('other'), round, node, HELD))).toBe(false);
  expect(check(text, HOLDER.publicKey as NodeId)).toBe(false);
});

test('a receipt comes back from its bytes, the longest one too', () => {
  const receipt = { round, held: HELD, signature };
  expect(decodeReceipt(encodeReceipt(receipt))).toEqual(receipt);
  const held = Array.from({ length: AUDIT_ASKED_MAX }, (_, index): Asked => {
    return { place: placeOf(object(0), 2 ** 23 - 1, 254), leafIndex: 65_599 - AUDIT_ASKED_MAX + index };
  });
  const longest = encodeReceipt({ round: 2 ** 32 - 1, held, signature });
  expect(longest.length).toBeLessThanOrEqual(RECEIPT_LENGTH_MAX);
  expect(decodeReceipt(longest).held.length).toBe(AUDIT_ASKED_MAX);
});

test('a list that is out of order or names the same twice is no receipt', () => {
  for (const held of [HELD.toReversed(), [HELD[0]!, HELD[0]!]]) {
    expect(() => decodeReceipt(encodeReceipt({ round, held, signature }))).toThrow(StoreError);
  }
});
