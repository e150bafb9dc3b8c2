import { describe, expect, test } from 'vitest';
import type { NetworkId, NodeId } from '../../src/base/ids.ts';
import {
  type Contradiction,
  contradiction,
  decodeContradiction,
  encodeContradiction,
  isContradiction,
} from '../../src/proofs/contradiction.ts';
import { compareAsked, drawAsked } from '../../src/proofs/draw.ts';
import { MemoryHoldings } from '../../src/proofs/memory-holdings.ts';
import { type Receipt, receiptText, signReceipt } from '../../src/proofs/receipt.ts';
import {
  type NodeFindings,
  proveResult,
  resultDigests,
  resultTree,
  type Verdict,
} from '../../src/proofs/results.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { digestFrom } from '../helpers/records.ts';
import { AUDITOR, CONTEXT, heldPlaces, keyOf, SOME_ASKED } from './kit.ts';

const { network, round, node } = CONTEXT;
const HELD = SOME_ASKED.toSorted(compareAsked);
const auditor = AUDITOR.publicKey as NodeId;
const receiptFor = (held = HELD): Receipt => ({
  round,
  held,
  signature: signReceipt(receiptText(network, round, node, held), AUDITOR),
});

/** What the anchor of group 3 says: number `at` of the node is `verdict`, the others are held; two other nodes are before and behind. */
function groupWith(at: number, verdict: Verdict): NodeFindings[] {
  const findings = HELD.map((asked, index) => ({ asked, verdict: index === at ? verdict : 'held' }) as const);
  return [digestFrom<NodeId>('before'), node, digestFrom<NodeId>('behind')].map((each) => ({
    node: each,
    heldKib: 1,
    findings,
  }));
}

const WHO = { group: 3, auditor: 2 };
const nodes = groupWith(4, 'failed');
const anchor = resultTree(resultDigests(round, nodes));
const proof = proveResult(round, nodes, HELD.length + 4)!;
const evidence = contradiction(WHO, receiptFor(), proof)!;
const convicts = (given: Contradiction, by = auditor, tree = anchor, net = network) =>
  isContradiction(given, net, tree, by, nativeVerify);

describe('a receipt and an anchor that contradict each other', () => {
  test('convict who signed both', () => {
    expect(convicts(evidence)).toBe(true);
    expect(decodeContradiction(encodeContradiction(evidence))).toEqual(evidence);
  });

  test('convict nobody else, and not in another network or round', () => {
    expect(convicts(evidence, keyOf('other').publicKey as NodeId)).toBe(false);
    expect(convicts(evidence, auditor, anchor, digestFrom<NetworkId>('other'))).toBe(false);
    expect(convicts({ ...evidence, round: round + 1 })).toBe(false);
    expect(convicts({ ...evidence, node: digestFrom<NodeId>('before') })).toBe(false);
  });

  test('are none when the anchor says held or moved', () => {
    for (const verdict of ['held', 'moved'] as const) {
      const honest = groupWith(4, verdict);
      const tree = resultTree(resultDigests(round, honest));
      const { index, path } = proveResult(round, honest, HELD.length + 4)!;
      expect(convicts({ ...evidence, result: { index, path } }, auditor, tree)).toBe(false);
    }
  });

  test('are none when the receipt does not list what failed', () => {
    const without = receiptFor(HELD.toSpliced(4, 1));
    expect(contradiction(WHO, without, proof)).toBeUndefined();
    const other = contradiction(
      WHO,
      receiptFor(),
      proveResult(round, groupWith(5, 'failed'), HELD.length + 5)!,
    )!;
    expect(convicts({ ...other, result: evidence.result })).toBe(false);
    expect(convicts({ ...evidence, receipt: { ...evidence.receipt, index: 5 } })).toBe(false);
    expect(convicts({ ...evidence, receipt: { ...evidence.receipt, count: 4 } })).toBe(false);
  });

  test('take less than a kilobyte for a group of sixteen nodes with ten terabytes each', () => {
    const held = heldPlaces(6000, [5600]);
    const params = { leaves: 32, sweepRounds: 20 };
    const asked = drawAsked(CONTEXT, node, new MemoryHoldings(held), params);
    // As many as 1.8 million pieces show in a round of ninety days.
    expect(asked.length).toBeGreaterThan(300);
    const findings = asked.map(
      (each, index) => ({ asked: each, verdict: index === 100 ? 'failed' : 'held' }) as const,
    );
    const group = Array.from({ length: 16 }, (_, index) => ({
      node: index === 0 ? node : digestFrom<NodeId>(`node ${index}`),
      heldKib: 1,
      findings,
    }));
    const tree = resultTree(resultDigests(round, group));
    const large = contradiction(WHO, receiptFor([...asked]), proveResult(round, group, 100)!)!;
    expect(convicts(large, auditor, tree)).toBe(true);
    expect(encodeContradiction(large).length).toBeLessThan(1024);
  });
});
