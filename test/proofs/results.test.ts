import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { placeOf } from '../../src/proofs/place.ts';
import {
  countsOf,
  decodeResultProof,
  encodeResultProof,
  type NodeFindings,
  proveResult,
  RESULTS_MAX,
  resultDigest,
  resultDigests,
  resultTree,
  VERDICTS,
  verifyResult,
} from '../../src/proofs/results.ts';
import { pathLengthMax } from '../../src/proofs/path.ts';
import { digestFrom } from '../helpers/records.ts';
import { object, SOME_ASKED } from './kit.ts';

const nodeOf = (index: number): NodeId => digestFrom<NodeId>(`node ${index}`);
const group = fc
  .array(fc.array(fc.constantFrom(...VERDICTS), { maxLength: SOME_ASKED.length }), {
    minLength: 1,
    maxLength: 6,
  })
  .map((nodes): NodeFindings[] =>
    nodes.map((verdicts, index) => ({
      node: nodeOf(index),
      heldKib: 1000 * index,
      findings: verdicts.map((verdict, at) => ({ asked: SOME_ASKED[at]!, verdict })),
    })),
  );

describe('the results of a group', () => {
  test('are each proven under one root, and nothing else is', () => {
    fc.assert(
      fc.property(group, (nodes) => {
        const tree = resultTree(resultDigests(7, nodes));
        for (let index = 0; index < tree.count; index++) {
          const proof = proveResult(7, nodes, index)!;
          expect(verifyResult(tree, 7, proof)).toBe(true);
          expect(decodeResultProof(encodeResultProof(proof))).toEqual(proof);
          expect(verifyResult(tree, 8, proof)).toBe(false);
          for (const verdict of VERDICTS.filter((other) => other !== proof.verdict)) {
            expect(verifyResult(tree, 7, { ...proof, verdict })).toBe(false);
          }
          expect(verifyResult(tree, 7, { ...proof, node: nodeOf(99) })).toBe(false);
          expect(verifyResult(tree, 7, { ...proof, asked: { ...proof.asked, leafIndex: 77 } })).toBe(false);
          expect(verifyResult(tree, 7, { ...proof, index: index + 1 })).toBe(false);
          expect(verifyResult({ ...tree, count: tree.count + 1 }, 7, proof)).toBe(false);
        }
        expect(proveResult(7, nodes, tree.count)).toBeUndefined();
      }),
      { numRuns: 30 },
    );
  });

  test('are counted per node, without what moved', () => {
    const verdicts = ['held', 'failed', 'moved', 'held', 'failed', 'failed'] as const;
    const findings = verdicts.map((verdict, at) => ({ asked: SOME_ASKED[at]!, verdict }));
    expect(countsOf({ node: nodeOf(0), heldKib: 12, findings })).toEqual({
      asked: 5,
      failed: 3,
      heldKib: 12,
    });
  });

  test('differ for every verdict', () => {
    const result = { round: 7, node: nodeOf(0), asked: SOME_ASKED[0]! };
    expect(new Set(VERDICTS.map((verdict) => toHex(resultDigest({ ...result, verdict })))).size).toBe(3);
  });

  test('are shown one at a time in less than a kilobyte', () => {
    const longest = {
      node: nodeOf(0),
      asked: { place: placeOf(object(0), 2 ** 23 - 1, 254), leafIndex: 65_599 },
      verdict: 'moved',
      index: RESULTS_MAX - 1,
      path: Array.from({ length: pathLengthMax(RESULTS_MAX) }, () => digestFrom('sibling')),
    } as const;
    expect(encodeResultProof(longest).length).toBeLessThan(1024);
    expect(decodeResultProof(encodeResultProof(longest))).toEqual(longest);
  });
});
