// At the object's home: rebuilt pieces go from who has lost them to who has rebuilt them. It must be a storage member of the object's shard, so that
// whoever repairs cannot draw pieces to nodes of its own choice; and what the loss is known by has been found good at the system's home, but for
// admissions, which name the root of the piece.

import { z } from 'zod';
import { equal } from '../../base/bytes.ts';
import { bytesOf, digestOf, listOf, uint } from '../../base/codec.ts';
import type { NodeId, ObjectId, Signature } from '../../base/ids.ts';
import { AUDIT_ROUND_MAX, REPLACEMENTS_MAX } from '../../base/limits.ts';
import { verifyAdmission } from '../../proofs/admission.ts';
import { COPY_SEGMENT } from '../../proofs/place.ts';
import {
  changeHolder,
  type Replacement,
  replacementsSchema,
  replacementsTuple,
  touchesOfHolderChange,
} from '../holder-change.ts';
import { emptyMessage } from '../home-operation.ts';
import { objectOf, segmentsKey, segmentsOf } from '../object-record.ts';
import { segmentsPerRecord } from '../object-shape.ts';
import type { Delivery, ExecuteContext } from '../operation.ts';
import { parametersOf } from '../parameters.ts';
import { readAll } from '../read-all.ts';
import { SYSTEM } from '../system-key.ts';
import type { Overlay } from '../view.ts';
import type { ChargeLoss } from './charge-loss.ts';
import { LOSS_KINDS, type LossKind } from './loss.ts';

export interface TakeOver {
  readonly from: NodeId;
  readonly holder: NodeId;
  readonly loss: LossKind;
  /** When it was known to lack them: the block that began the round; of a silent holder, the round in which it last showed everything. */
  readonly atHeight: number;
  /** Of an admitted loss: a signature for each replacement. */
  readonly admissions: { readonly round: number; readonly signatures: readonly Signature[] } | null;
  readonly replacements: readonly Replacement[];
}

const admissionsSchema = z.tuple([uint(AUDIT_ROUND_MAX), listOf(bytesOf(64), REPLACEMENTS_MAX)]).transform(
  ([round, signatures]): NonNullable<TakeOver['admissions']> => ({
    round,
    signatures: signatures as readonly Uint8Array[] as readonly Signature[],
  }),
);

export const takeOverDelivery: Delivery<TakeOver> = {
  kind: 'take-over',
  tag: 55,
  schema: z
    .tuple([
      digestOf<NodeId>(),
      digestOf<NodeId>(),
      uint(LOSS_KINDS.length - 1),
      uint(),
      admissionsSchema.nullable(),
      replacementsSchema,
    ])
    .transform(
      ([from, holder, loss, atHeight, admissions, replacements]): TakeOver => ({
        from,
        holder,
        loss: LOSS_KINDS[loss]!,
        atHeight,
        admissions,
        replacements,
      }),
    ),
  tuple: ({ from, holder, loss, atHeight, admissions, replacements }) => [
    from,
    holder,
    LOSS_KINDS.indexOf(loss),
    atHeight,
    admissions === null ? null : [admissions.round, admissions.signatures],
    replacementsTuple(replacements),
  ],
  touches: ({ to }) => touchesOfHolderChange(to.id as ObjectId),
  execute: (context, takeOver) => {
    const { message } = context;
    const object = message.to.id as ObjectId;
    const { from, holder, loss, replacements } = takeOver;
    if (!areAdmitted(context, object, takeOver)) return 'invalid-evidence';
    const refusal = changeHolder(context, {
      object,
      holder,
      replacements,
      problem: (members, _object, old) => {
        if (old === undefined || !equal(old, from)) return 'condition-failed';
        return members.storesFor(holder, object) ? undefined : 'invalid-argument';
      },
    });
    if (refusal !== undefined) return refusal;
    if (isGraced(context.state, object, takeOver.atHeight)) return undefined;
    const payload: ChargeLoss = { from, repairer: holder, loss, pieces: replacements.length };
    context.send(emptyMessage(SYSTEM, 'charge-loss', payload, message.refundTo));
    return undefined;
  },
};

/**
 * A registration names all holders and needs a quorum of their confirmations: the others fetch their pieces from those, and have some time for
 * it. Until then what they lack costs them nothing, as nobody can tell it from what they never had.
 */
function isGraced(state: Overlay, object: ObjectId, atHeight: number): boolean {
  const { registeredAtHeight } = objectOf(state, object)!;
  return atHeight < registeredAtHeight + parametersOf(state).audit.graceBlocks;
}

/** What the holder says it has not got is what the chain says it holds. */
function areAdmitted(
  { state, block }: ExecuteContext,
  object: ObjectId,
  { from, admissions, replacements }: TakeOver,
): boolean {
  if (admissions === null) return true;
  const record = objectOf(state, object);
  if (record === undefined || admissions.signatures.length !== replacements.length) return false;
  const size = segmentsPerRecord(record.shape.code);
  const partOf = (segmentIndex: number): number => Math.floor(segmentIndex / size);
  const parts = replacements.flatMap(({ segmentIndex }) =>
    segmentIndex === null ? [] : [partOf(segmentIndex)],
  );
  readAll(
    state,
    [...new Set(parts)].map((part) => segmentsKey(object, part)),
  );
  return replacements.every(({ segmentIndex, pieceIndex }, index) => {
    const root =
      segmentIndex === null
        ? record.manifest.digest
        : segmentsOf(state, object, partOf(segmentIndex))[segmentIndex % size]?.roots[pieceIndex];
    if (root === undefined) return false;
    const place = { object, segmentIndex: segmentIndex ?? COPY_SEGMENT, pieceIndex };
    const admitted = { network: block.network, round: admissions.round, node: from, place, root };
    return verifyAdmission(admitted, admissions.signatures[index]!, block.verify);
  });
}
