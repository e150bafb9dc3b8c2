import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encode } from '../../src/base/codec.ts';
import type { Digest, NetworkId, NodeId, Signature } from '../../src/base/ids.ts';
import { AUDIT_GROUP_NODES_MAX } from '../../src/base/limits.ts';
import {
  type AnchorText,
  anchorProblem,
  type Auditors,
  isAnchorSigned,
  isEnough,
  signAnchor,
} from '../../src/proofs/anchor.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { digestFrom } from '../helpers/records.ts';
import { CONTEXT, keyOf } from './kit.ts';

const anchor: AnchorText = {
  network: CONTEXT.network,
  round: 7,
  group: 3,
  root: digestFrom<Digest>('root'),
  count: 12,
  counts: [
    { asked: 8, failed: 1, heldKib: 70_000 },
    { asked: 4, failed: 0, heldKib: 3 },
  ],
};
const KEYS = Array.from({ length: 6 }, (_, index) => keyOf(`validator ${index}`));
/** 21 seats; the fifth has none. */
const auditors: Auditors = { keys: KEYS.map((key) => key.publicKey as NodeId), seats: [7, 7, 4, 2, 0, 1] };
const signed = (...indices: number[]) =>
  indices.map((auditor) => ({ auditor, signature: signAnchor(anchor, KEYS[auditor]!) }));
const problem = (signatures: ReturnType<typeof signed>, text = anchor) =>
  anchorProblem(text, signatures, auditors, nativeVerify);

describe('an anchor', () => {
  test('takes more than two thirds of the seats, which are not heads', () => {
    expect(problem(signed(0, 1))).toBe('too-few-seats');
    expect(problem(signed(0, 1, 5))).toBeUndefined();
    expect(problem(signed(0, 2, 3, 5))).toBe('too-few-seats');
    expect(problem(signed(0, 1, 2, 3, 5))).toBeUndefined();
    expect(problem([])).toBe('too-few-seats');
  });

  test('needs each signature once, in order, of who has a seat, and good', () => {
    const good = signed(0, 1, 5);
    expect(problem(good.toReversed())).toBe('malformed');
    expect(problem([good[0]!, good[0]!, good[1]!])).toBe('malformed');
    expect(problem([...good.slice(0, 2), ...signed(4)])).toBe('no-seat');
    expect(problem([...good, { auditor: 6, signature: good[0]!.signature }])).toBe('no-seat');
    expect(problem([{ auditor: -1, signature: good[0]!.signature }, ...good])).toBe('no-seat');
    expect(problem([{ auditor: 0.5, signature: good[0]!.signature }, ...good.slice(1)])).toBe('no-seat');
    expect(problem(good.with(1, { auditor: 1, signature: good[0]!.signature }))).toBe('bad-signature');
    // One bad signature beside enough good ones: still refused, or the same anchor would have many forms.
    expect(
      problem([...good.slice(0, 2), { auditor: 2, signature: new Uint8Array(64) as Signature }, good[2]!]),
    ).toBe('bad-signature');
  });

  test('of other counts, results, round, group or network was not signed', () => {
    const others: Partial<AnchorText>[] = [
      { counts: [{ asked: 8, failed: 0, heldKib: 70_000 }, anchor.counts[1]!] },
      { counts: anchor.counts.with(1, { asked: 4, failed: 0, heldKib: 4 }) },
      { counts: anchor.counts.slice(1) },
      { root: digestFrom('other') },
      { count: 13 },
      { round: 8 },
      { group: 4 },
      { network: digestFrom<NetworkId>('other') },
    ];
    for (const other of others) {
      expect(problem(signed(0, 1, 5), { ...anchor, ...other })).toBe('bad-signature');
      const signature = signAnchor(anchor, KEYS[0]!);
      expect(isAnchorSigned({ ...anchor, ...other }, auditors.keys[0]!, signature, nativeVerify)).toBe(false);
      expect(isAnchorSigned(anchor, auditors.keys[0]!, signature, nativeVerify)).toBe(true);
    }
  });

  test('is never made by two sets of auditors that share less than a third of the seats', () => {
    const some = fc
      .array(fc.nat(9), { minLength: 1, maxLength: 12 })
      .filter((seats) => seats.some((each) => each > 0));
    fc.assert(
      fc.property(some, fc.nat(), fc.nat(), (seats, one, other) => {
        const sum = (mask: number) =>
          seats.reduce((total, each, index) => total + ((mask >> index) & 1) * each, 0);
        if (!isEnough(sum(one), { keys: [], seats }) || !isEnough(sum(other), { keys: [], seats })) return;
        expect(3 * sum(one & other)).toBeGreaterThan(sum(-1));
      }),
    );
  });

  test('costs the chain less than 200 bytes for a node of a group of sixteen', () => {
    const counts = Array.from({ length: 16 }, () => ({ asked: 8704, failed: 8704, heldKib: 2 ** 40 }));
    const body = [7, 3, digestFrom('root'), 2 ** 17, counts.map((each) => Object.values(each))];
    const signatures = Array.from({ length: 21 }, (_, index) => [index, new Uint8Array(64)]);
    expect(encode([...body, signatures]).length / 16).toBeLessThan(125);
    expect(AUDIT_GROUP_NODES_MAX).toBeGreaterThanOrEqual(16);
  });
});
