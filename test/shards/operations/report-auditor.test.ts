import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../../src/base/ids.ts';
import type { Asked } from '../../../src/proofs/draw.ts';
import { type Contradiction, contradiction } from '../../../src/proofs/contradiction.ts';
import { type Receipt, receiptText, signReceipt } from '../../../src/proofs/receipt.ts';
import type { NodeFindings, Verdict } from '../../../src/proofs/results.ts';
import { AuditWorld, nodeSigner, STAKE } from '../audit-world.ts';
import { idOf, nodeId } from '../objects.ts';
import { NETWORK } from '../world.ts';

const askedAt = (leafIndex: number): Asked => ({
  place: { object: idOf('ann', 'film'), segmentIndex: 1, pieceIndex: 2 },
  leafIndex,
});
const ASKED = [3, 4, 5].map(askedAt);

/** Node 5 showed everything but one; so say the anchors, unless told otherwise. */
const findings = (verdict: Verdict = 'failed'): readonly NodeFindings[] => [
  { node: nodeId(4), heldKib: 9, findings: [{ asked: askedAt(0), verdict: 'held' }] },
  {
    node: nodeId(5),
    heldKib: 9,
    findings: ASKED.map((asked, index) => ({ asked, verdict: index === 1 ? verdict : 'held' })),
  },
];

function receiptOf(round: number, auditor: number, held = ASKED, node: NodeId = nodeId(5)): Receipt {
  const signature = signReceipt(receiptText(NETWORK, round, node, held), nodeSigner(auditor));
  return { round, held, signature };
}

/** What node 5 has against an auditor that gave it a receipt for all. */
function evidence(
  world: AuditWorld,
  auditor: number,
  receipt = receiptOf(world.round.round, auditor),
): Contradiction {
  const who = { group: 0, auditor: world.auditorOf(auditor) };
  return contradiction(who, receipt, world.prove(findings(), 2))!;
}

const report = (world: AuditWorld, what: Contradiction) =>
  world.do('eve', 'report-auditor', { evidence: what });

test('an auditor that signed against its receipt pays a share of its stake, and who shows it gets a part', () => {
  const world = new AuditWorld();
  world.anchor(findings());
  const before = world.balance('eve');
  expect(report(world, evidence(world, 1))).toBeUndefined();
  // One per cent of a million, of which one part in twenty goes to whoever shows it.
  expect(world.stake(1)).toBe(STAKE - 10_000n);
  expect(world.balance('eve')).toBe(before + 500n);
  expect(world.burned).toBe(9_500n);
});

test('it pays once for an anchor, and others pay for themselves', () => {
  const world = new AuditWorld();
  world.anchor(findings());
  expect(report(world, evidence(world, 1))).toBeUndefined();
  expect(report(world, evidence(world, 1))).toBe('already-exists');
  expect(report(world, evidence(world, 0))).toBeUndefined();
  expect(world.charged(world.round.round)).toEqual(
    [0, 1].map((index) => world.auditorOf(index)).sort((a, b) => a - b),
  );
  expect([world.stake(0), world.stake(1), world.stake(2)]).toEqual([STAKE - 10_000n, STAKE - 10_000n, STAKE]);
});

describe('nobody is convicted', () => {
  const refused = (world: AuditWorld, what: Contradiction): string | undefined => {
    const refusal = report(world, what);
    expect(world.burned).toBe(0n);
    return refusal;
  };

  test('who has not signed the anchor', () => {
    const world = new AuditWorld();
    world.anchor(findings(), [0, 1]);
    expect(refused(world, evidence(world, 2))).toBe('invalid-evidence');
    expect(refused(world, { ...evidence(world, 2), auditor: 99 })).toBe('invalid-evidence');
  });

  test('by a receipt of another auditor, for another node or another round', () => {
    const world = new AuditWorld();
    world.anchor(findings());
    const { round } = world.round;
    expect(refused(world, evidence(world, 1, receiptOf(round, 0)))).toBe('invalid-evidence');
    expect(refused(world, evidence(world, 1, receiptOf(round, 1, ASKED, nodeId(4))))).toBe(
      'invalid-evidence',
    );
    const other = { ...receiptOf(round + 1, 1), round };
    expect(refused(world, evidence(world, 1, other))).toBe('invalid-evidence');
  });

  test('by an anchor that says nothing else, or is another', () => {
    const world = new AuditWorld();
    world.anchor(findings('held'));
    expect(refused(world, evidence(world, 1))).toBe('invalid-evidence');
    expect(refused(world, { ...evidence(world, 1), group: 1 })).toBe('too-late');
  });

  test('of what is forgotten', () => {
    const world = new AuditWorld();
    world.anchor(findings());
    const what = evidence(world, 1);
    for (let rounds = 0; rounds < 5; rounds++) world.nextRound();
    expect(report(world, what)).toBeUndefined();
    const later = new AuditWorld();
    later.anchor(findings());
    for (let rounds = 0; rounds < 6; rounds++) later.nextRound();
    expect(refused(later, what)).toBe('too-late');
  });
});
