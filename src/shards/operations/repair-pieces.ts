// A storage member of the object's shard has rebuilt pieces that their holder has lost, and takes them over. What the loss is known by is checked
// at the system's home, where audits are; the pieces change hands at the object's home; then whoever lost them pays, at the system's home again.
//
// - Silent: by its standing the holder has shown nothing for so long that what it holds counts as lost.
// - Failed: an anchor says of each piece that it failed.
// - Admitted: the holder itself has signed of each piece that it has not got it.

import { z } from 'zod';
import { bytesOf, digestOf, listOf, uint } from '../../base/codec.ts';
import type { NodeId, ObjectId, Signature } from '../../base/ids.ts';
import { AUDIT_GROUPS_MAX, AUDIT_ROUND_MAX, REPLACEMENTS_MAX } from '../../base/limits.ts';
import { askedSchema, askedTuple } from '../../proofs/opening.ts';
import { type Path, pathBytes } from '../../proofs/path.ts';
import { COPY_SEGMENT, comparePlaces, type Place } from '../../proofs/place.ts';
import { resultPathSchema, RESULTS_MAX, verifyResult } from '../../proofs/results.ts';
import type { Asked } from '../../proofs/draw.ts';
import { anchorKey, anchorOf } from '../anchors.ts';
import { auditRoundOf, auditRoundsKey } from '../audit-rounds.ts';
import { type Replacement, replacementsSchema, replacementsTuple } from '../holder-change.ts';
import { emptyMessage } from '../home-operation.ts';
import { nodeKeyStateKey, nodeWithKey } from '../node.ts';
import type { ExecuteContext, RefusalCode } from '../operation.ts';
import { parametersKey, parametersOf } from '../parameters.ts';
import { standingOf, stateOf } from '../standing.ts';
import { objectHome } from '../state-key.ts';
import { systemOperation, type SystemOperation } from '../system-operation.ts';
import type { TakeOver } from './take-over.ts';

/** Where under an anchor it stands that a piece failed. */
export interface FailedResult {
  readonly asked: Asked;
  readonly index: number;
  readonly path: Path;
}

export type Loss =
  | { readonly kind: 'silent' }
  /** In the order of the replacements. */
  | {
      readonly kind: 'failed';
      readonly round: number;
      readonly group: number;
      readonly results: readonly FailedResult[];
    }
  | { readonly kind: 'admitted'; readonly round: number; readonly signatures: readonly Signature[] };

export interface RepairPieces {
  readonly object: ObjectId;
  /** Who has lost them, by the key that the object names. */
  readonly from: NodeId;
  /** Who has rebuilt them. */
  readonly holder: NodeId;
  readonly loss: Loss;
  /** All of them or none. */
  readonly replacements: readonly Replacement[];
}

// ---- Form ----------------------------------------------------------------------------------------------------

const failedSchema = z
  .tuple([askedSchema, uint(RESULTS_MAX - 1), resultPathSchema])
  .transform(([asked, index, path]): FailedResult => ({ asked, index, path }));

const lossSchema: z.ZodType<Loss> = z.union([
  z.tuple([z.literal(0)]).transform((): Loss => ({ kind: 'silent' })),
  z
    .tuple([
      z.literal(1),
      uint(AUDIT_ROUND_MAX),
      uint(AUDIT_GROUPS_MAX - 1),
      listOf(failedSchema, REPLACEMENTS_MAX),
    ])
    .transform(([, round, group, results]): Loss => ({ kind: 'failed', round, group, results })),
  z.tuple([z.literal(2), uint(AUDIT_ROUND_MAX), listOf(bytesOf(64), REPLACEMENTS_MAX)]).transform(
    ([, round, signatures]): Loss => ({
      kind: 'admitted',
      round,
      signatures: signatures as readonly Uint8Array[] as readonly Signature[],
    }),
  ),
]);

function lossTuple(loss: Loss): readonly unknown[] {
  switch (loss.kind) {
    case 'silent':
      return [0];
    case 'failed':
      return [
        1,
        loss.round,
        loss.group,
        loss.results.map(({ asked, index, path }) => [askedTuple(asked), index, pathBytes(path)]),
      ];
    case 'admitted':
      return [2, loss.round, loss.signatures];
  }
}

// ---- At the system's home ------------------------------------------------------------------------------------

export const repairPieces: SystemOperation<RepairPieces> = systemOperation({
  kind: 'repair-pieces',
  tag: 54,
  schema: z
    .tuple([digestOf<ObjectId>(), digestOf<NodeId>(), digestOf<NodeId>(), lossSchema, replacementsSchema])
    .transform(
      ([object, from, holder, loss, replacements]): RepairPieces => ({
        object,
        from,
        holder,
        loss,
        replacements,
      }),
    )
    .refine(
      ({ loss, replacements }) => loss.kind === 'silent' || proofsIn(loss) === replacements.length,
      'not a proof for every piece',
    ),
  tuple: ({ object, from, holder, loss, replacements }) => [
    object,
    from,
    holder,
    lossTuple(loss),
    replacementsTuple(replacements),
  ],
  touches: (_sender, { from, loss }) => [
    parametersKey(),
    auditRoundsKey(),
    nodeKeyStateKey(from),
    ...(loss.kind === 'failed' ? [anchorKey(loss.round, loss.group)] : []),
  ],
  execute: (context, { from: sender, action }) => {
    const { object, from, holder, loss, replacements } = action;
    const atHeight = lossHeight(context, action);
    if (typeof atHeight === 'string') return atHeight;
    const admissions = loss.kind === 'admitted' ? { round: loss.round, signatures: loss.signatures } : null;
    const payload: TakeOver = { from, holder, loss: loss.kind, atHeight, admissions, replacements };
    context.send(emptyMessage(objectHome(object), 'take-over', payload, sender));
    return undefined;
  },
});

function proofsIn(loss: Exclude<Loss, { kind: 'silent' }>): number {
  return loss.kind === 'failed' ? loss.results.length : loss.signatures.length;
}

/** When the holder was known to lack them, or last known to have everything; why it is not shown that it does. */
function lossHeight({ state, block }: ExecuteContext, action: RepairPieces): number | RefusalCode {
  const { from, loss } = action;
  switch (loss.kind) {
    case 'silent': {
      const node = nodeWithKey(state, from);
      if (node === undefined) return 'no-such-node';
      const standing = standingOf(state, node.registration);
      const stands = stateOf(standing, parametersOf(state).audit);
      return stands === 'lost' || stands === 'expelled' ? standing.provenHeight : 'too-early';
    }
    case 'failed': {
      const anchor = anchorOf(state, loss.round, loss.group);
      const round = auditRoundOf(state, loss.round);
      if (anchor === undefined || round === undefined) return 'too-late';
      const isShown = loss.results.every(({ asked, index, path }, each) => {
        const proof = { node: from, asked, verdict: 'failed', index, path } as const;
        const isSame = comparePlaces(asked.place, placeOf(action, each)) === 0;
        return isSame && verifyResult(anchor, loss.round, proof, block.sha256);
      });
      return isShown ? round.height : 'invalid-evidence';
    }
    case 'admitted':
      return auditRoundOf(state, loss.round)?.height ?? 'too-late';
  }
}

function placeOf({ object, replacements }: RepairPieces, index: number): Place {
  const { segmentIndex, pieceIndex } = replacements[index]!;
  return { object, segmentIndex: segmentIndex ?? COPY_SEGMENT, pieceIndex };
}
