// Whatever a liar sends, nothing passes for a proof that is none. 100,000 forgeries, more with HOLDFAST_FORGERIES=10000000: bytes changed at random, and parts
// of one true proof put into another, which is as near as a liar gets.

import { expect, test, vi } from 'vitest';
import { equal, toHex } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { Digest, NodeId, Signature } from '../../src/base/ids.ts';
import { signAnchor, anchorProblem } from '../../src/proofs/anchor.ts';
import {
  contradiction,
  decodeContradiction,
  encodeContradiction,
  isContradiction,
} from '../../src/proofs/contradiction.ts';
import { compareAsked } from '../../src/proofs/draw.ts';
import {
  decodeOpening,
  encodeOpening,
  type Opening,
  PORTABLE_HASHES,
  verifyOpening,
} from '../../src/proofs/opening.ts';
import {
  decodeReceipt,
  encodeReceipt,
  receiptText,
  signReceipt,
  verifyReceipt,
} from '../../src/proofs/receipt.ts';
import { decodeResponse, encodeResponse, judgeResponse, signResponse } from '../../src/proofs/response.ts';
import {
  countsOf,
  decodeResultProof,
  encodeResultProof,
  proveResult,
  resultDigests,
  resultTree,
  verifyResult,
} from '../../src/proofs/results.ts';
import { decodeShown, encodeShown, showOpening, verifyShown } from '../../src/proofs/shown.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { mutate, seeded } from '../fuzz/mutate.ts';
import { AUDITOR, CONTEXT, contentAt, contentOf, HOLDER, open, SOME_ASKED } from './kit.ts';

const TOTAL = Number(process.env['HOLDFAST_FORGERIES'] ?? 100_000);
vi.setConfig({ testTimeout: Math.max(60_000, 2 * TOTAL) });
const HASHES = { ...PORTABLE_HASHES, sha256: nativeSha256 };
const { network, round, node } = CONTEXT;
const auditor = AUDITOR.publicKey as NodeId;
/** Leaves of short and of long pieces, and the copy. */
const ASKED = [SOME_ASKED[2]!, SOME_ASKED[6]!, SOME_ASKED[7]!, SOME_ASKED[9]!, SOME_ASKED[10]!];
const CONTENT = new Map(ASKED.map(({ place }) => [place, contentAt(place)]));

/** How often `accept` takes one of `share` times TOTAL forgeries of `samples`. Anything but a StoreError, it does not throw. */
function accepted(
  share: number,
  seed: number,
  samples: readonly Uint8Array[],
  accept: (bytes: Uint8Array) => boolean,
) {
  const next = seeded(seed);
  const taken: string[] = [];
  for (let count = Math.ceil(share * TOTAL); count > 0; count--) {
    const bytes = mutate(samples, next);
    if (samples.some((sample) => equal(sample, bytes))) continue;
    if (isTaken(() => accept(bytes))) taken.push(toHex(bytes));
  }
  return taken;
}

function isTaken(accept: () => boolean): boolean {
  try {
    return accept();
  } catch (error) {
    if (error instanceof StoreError) return false;
    throw error;
  }
}

test('the proofs that forgeries begin with are true', () => {
  for (const asked of ASKED) expect(verifyOpening(open(asked), CONTENT.get(asked.place)!, HASHES)).toBe(true);
});

test('no forged opening is of any place', () => {
  const samples = ASKED.map((asked) => encodeOpening(open(asked)));
  const truths = new Set(ASKED.map((asked) => toHex(encodeOpening(open(asked)))));
  const taken = accepted(0.2, 1, samples, (bytes) => {
    const opening = decodeOpening(bytes);
    const content = contentOf(opening.place) ?? contentAt(ASKED[opening.leafIndex % ASKED.length]!.place);
    return verifyOpening(opening, content, HASHES);
  });
  // A leaf is not forged when only the place in front of it was changed: the place says which root it is checked against.
  const isTrue = (hex: string): boolean => {
    const opening = decodeOpening(Uint8Array.from(Buffer.from(hex, 'hex')));
    return ASKED.some(({ place }) => truths.has(toHex(encodeOpening({ ...opening, place }))));
  };
  expect(taken.filter((hex) => !isTrue(hex))).toEqual([]);
});

test('no opening put together from two true ones is of any place', () => {
  const next = seeded(2);
  const openings = ASKED.map(open);
  const pick = (): Opening => openings[next() % openings.length]!;
  let taken = 0;
  for (let count = Math.ceil(0.05 * TOTAL); count > 0; count--) {
    const mixed: Opening = {
      place: pick().place,
      leafIndex: next() % 2 === 0 ? pick().leafIndex : next() % 200,
      bytes: pick().bytes,
      path: pick().path,
    };
    const isOne = openings.some((opening) => toHex(encodeOpening(opening)) === toHex(encodeOpening(mixed)));
    if (!isOne && verifyOpening(mixed, CONTENT.get(mixed.place)!, HASHES)) taken++;
  }
  expect(taken).toBe(0);
});

test('no forged response counts for its node, in its round', () => {
  const admitted = { place: ASKED[1]!.place, root: CONTENT.get(ASKED[1]!.place)!.root };
  const part = signResponse(CONTEXT, [open(ASKED[0]!)], [admitted], HOLDER);
  const other = signResponse(CONTEXT, [open(ASKED[0]!), open(ASKED[2]!)], [], HOLDER);
  const earlier = signResponse({ ...CONTEXT, round: 6 }, [open(ASKED[0]!)], [], HOLDER);
  const samples = [part, other].map(encodeResponse);
  const judged = (bytes: Uint8Array) =>
    judgeResponse(CONTEXT, ASKED, decodeResponse(bytes), contentOf, nativeVerify, HASHES) !== undefined;
  expect(samples.map(judged)).toEqual([true, true]);
  expect(accepted(0.15, 3, samples, judged)).toEqual([]);
  expect(judged(encodeResponse({ ...part, signature: earlier.signature }))).toBe(false);
  expect(judged(encodeResponse(earlier))).toBe(false);
});

test('no forged opening of a response is shown to others', () => {
  const part = signResponse(CONTEXT, ASKED.map(open), [], HOLDER);
  const samples = ASKED.map((_, index) => encodeShown(showOpening(part, index)));
  const accept = (bytes: Uint8Array): boolean => {
    const shown = decodeShown(bytes);
    const content = contentOf(shown.opening.place);
    return content !== undefined && verifyShown(CONTEXT, shown, content, nativeVerify, HASHES);
  };
  expect(samples.every(accept)).toBe(true);
  expect(accepted(0.1, 4, samples, accept)).toEqual([]);
});

const HELD = ASKED.toSorted(compareAsked);
const receipt = {
  round,
  held: HELD,
  signature: signReceipt(receiptText(network, round, node, HELD), AUDITOR),
};
const verdicts = ['failed', 'held', 'moved', 'held', 'held'] as const;
const group = [
  { node, heldKib: 9, findings: HELD.map((asked, index) => ({ asked, verdict: verdicts[index]! })) },
];
const tree = resultTree(resultDigests(round, group));

test('no forged receipt is the auditor’s', () => {
  const accept = (bytes: Uint8Array): boolean => {
    const { round: of, held, signature } = decodeReceipt(bytes);
    return verifyReceipt(
      receiptText(network, of, node, held, nativeSha256),
      auditor,
      signature,
      nativeVerify,
    );
  };
  expect(accept(encodeReceipt(receipt))).toBe(true);
  expect(accepted(0.1, 5, [encodeReceipt(receipt)], accept)).toEqual([]);
});

test('no forged result is under the root', () => {
  const samples = HELD.map((_, index) => encodeResultProof(proveResult(round, group, index)!));
  const accept = (bytes: Uint8Array): boolean =>
    verifyResult(tree, round, decodeResultProof(bytes), nativeSha256);
  expect(samples.every(accept)).toBe(true);
  expect(accepted(0.25, 6, samples, accept)).toEqual([]);
});

test('no forged evidence convicts an auditor of another contradiction', () => {
  const evidence = contradiction({ group: 3, auditor: 2 }, receipt, proveResult(round, group, 0)!)!;
  const accept = (bytes: Uint8Array): boolean =>
    isContradiction(decodeContradiction(bytes), network, tree, auditor, nativeVerify, nativeSha256);
  expect(accept(encodeContradiction(evidence))).toBe(true);
  const taken = accepted(0.1, 7, [encodeContradiction(evidence)], accept);
  // Group and auditor say where to look for the anchor and its signer; who is looked up there is convicted by own signatures only.
  const isSame = (hex: string): boolean => {
    const forged = decodeContradiction(Uint8Array.from(Buffer.from(hex, 'hex')));
    return equal(encodeContradiction({ ...forged, group: 3, auditor: 2 }), encodeContradiction(evidence));
  };
  expect(taken.filter((hex) => !isSame(hex))).toEqual([]);
});

test('no anchor is signed by changed signatures', () => {
  const text = { network, round, group: 3, ...tree, counts: group.map(countsOf) };
  const auditors = { keys: [auditor], seats: [21] };
  const signature = signAnchor(text, AUDITOR);
  const problem = (root: Digest, given: Signature) =>
    anchorProblem({ ...text, root }, [{ auditor: 0, signature: given }], auditors, nativeVerify);
  expect(problem(tree.root, signature)).toBeUndefined();
  const next = seeded(8);
  for (let count = Math.ceil(0.025 * TOTAL); count > 0; count--) {
    const flipped = (bytes: Uint8Array) => {
      const at = next() % bytes.length;
      return bytes.with(at, bytes[at]! ^ (1 << (next() % 8)));
    };
    expect(problem(tree.root, flipped(signature) as Signature)).toBe('bad-signature');
    expect(problem(flipped(tree.root) as Digest, signature)).toBe('bad-signature');
  }
});
