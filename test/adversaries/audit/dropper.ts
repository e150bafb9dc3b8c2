// A holder that has thrown part of its data away and says nothing about it.

import type { Asked } from '../../../src/proofs/draw.ts';
import type { Auditor, AuditWorld } from '../../node/audit/audit-kit.ts';
import { answersWith, leavesOut } from './answering.ts';

/** Every other of its pieces; what it has not got it leaves out of its answers. */
export async function dropsHalf(world: AuditWorld, auditor: Auditor): Promise<void> {
  const held = world.held(auditor.name);
  await auditor.log.remove(held.filter((_, index) => index % 2 === 0).map((each) => world.keyOf(each)));
  answersWith(auditor, ({ openings }) => ({ openings }));
}

/** The end of each of its pieces. */
export function dropsEnds(world: AuditWorld, auditor: Auditor, share: number): void {
  const kept = new Map(
    world
      .held(auditor.name)
      .map(({ place, weight }) => [textOf({ place, leafIndex: 0 }), weight * (1 - share)]),
  );
  leavesOut(auditor, (asked) => asked.leafIndex >= kept.get(textOf(asked))!);
}

const textOf = ({ place }: Asked): string => `${place.segmentIndex}/${place.pieceIndex}`;
