// Pieces of an object, or copies of its manifest, go to another holder, which has confirmed that it has them. Who may say so follows from the
// reason: the owner, for its own object; the operator of a holder that hands over; anybody when the holder is no member any more, and
// then only to a storage member of the object's shard, so that whoever repairs cannot draw pieces to nodes of its own choice.

import { z } from 'zod';
import { equal } from '../../base/bytes.ts';
import { bytesOf, digestOf, listOf, uint } from '../../base/codec.ts';
import type { NodeId, ObjectId, OwnerId, PieceRoot, Signature } from '../../base/ids.ts';
import {
  CODE_PIECES_MAX,
  MANIFEST_PAGES_MAX,
  PAGE_SEGMENTS_MAX,
  REPLACEMENTS_MAX,
} from '../../base/limits.ts';
import { manifestCopies } from '../../replication/code.ts';
import { confirmedRecord, verifyConfirmation } from '../../replication/confirmation.ts';
import { areIndependent } from '../availability.ts';
import { homeOperation, type HomeOperation } from '../home-operation.ts';
import { operatorIdOf } from '../members.ts';
import { presentObject } from '../object-access.ts';
import {
  isExpired,
  objectKey,
  type ObjectRecord,
  putObject,
  putSegments,
  segmentsKey,
  segmentsOf,
} from '../object-record.ts';
import { pieceLengthOf, segmentsPerRecord } from '../object-shape.ts';
import type { ExecuteContext, RefusalCode } from '../operation.ts';
import { readAll } from '../read-all.ts';
import { objectHome } from '../state-key.ts';
import { type StorageMembers, storageMembersOf, touchesOfMembers } from '../storage-members.ts';

/** Why: the owner wants it, the holder hands over, the holder is no member any more. */
export const REPLACEMENT_REASONS = ['chosen', 'handover', 'gone'] as const;
export type ReplacementReason = (typeof REPLACEMENT_REASONS)[number];

/** What changes hands. */
export interface Replacement {
  /** Null: a copy of the manifest. */
  readonly segmentIndex: number | null;
  /** Of the piece; of a copy, its place among the manifest's holders, or the next place while there are fewer than the code wants. */
  readonly pieceIndex: number;
  /** The new holder's confirmation. */
  readonly signature: Signature;
}

export interface ReplaceHolder {
  readonly object: ObjectId;
  /** The new one. */
  readonly holder: NodeId;
  readonly reason: ReplacementReason;
  /** All of them or none. */
  readonly replacements: readonly Replacement[];
}

const replacementSchema: z.ZodType<Replacement> = z
  .tuple([
    uint(MANIFEST_PAGES_MAX * PAGE_SEGMENTS_MAX - 1).nullable(),
    uint(CODE_PIECES_MAX - 1),
    bytesOf(64),
  ])
  .transform(
    ([segmentIndex, pieceIndex, signature]): Replacement => ({
      segmentIndex,
      pieceIndex,
      signature: signature as Signature,
    }),
  );

export const replaceHolder: HomeOperation<ReplaceHolder> = homeOperation({
  kind: 'replace-holder',
  tag: 50,
  schema: z
    .tuple([
      digestOf<ObjectId>(),
      digestOf<NodeId>(),
      uint(REPLACEMENT_REASONS.length - 1),
      listOf(replacementSchema, REPLACEMENTS_MAX).refine((list) => list.length > 0, 'nothing to replace'),
    ])
    .transform(
      ([object, holder, reason, replacements]): ReplaceHolder => ({
        object,
        holder,
        reason: REPLACEMENT_REASONS[reason]!,
        replacements,
      }),
    ),
  tuple: ({ object, holder, reason, replacements }) => [
    object,
    holder,
    REPLACEMENT_REASONS.indexOf(reason),
    replacements.map(({ segmentIndex, pieceIndex, signature }) => [segmentIndex, pieceIndex, signature]),
  ],
  home: ({ object }) => objectHome(object),
  touches: (_from, { object }) => [...touchesOfMembers(), objectKey(object)],
  execute: (context, { from, action }) => {
    const { state, block } = context;
    const object = presentObject(state, action.object);
    if (typeof object === 'string') return object;
    if (isExpired(object, block.timeMs)) return 'expired';
    const members = storageMembersOf(state, block);
    if (members.get(action.holder) === undefined) return 'no-such-node';
    loadSegments(context, object, action);
    const attempt = new Attempt(context, members, from, action, object);
    for (const replacement of action.replacements) {
      const refusal = attempt.replace(replacement);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  },
});

/** All records at once, that there are of those asked for. */
function loadSegments({ state }: ExecuteContext, object: ObjectRecord, action: ReplaceHolder): void {
  const size = segmentsPerRecord(object.shape.code);
  const parts = new Set(
    action.replacements.flatMap(({ segmentIndex }) =>
      segmentIndex === null ? [] : [Math.floor(segmentIndex / size)],
    ),
  );
  readAll(
    state,
    [...parts].map((part) => segmentsKey(action.object, part)),
  );
}

class Attempt {
  readonly #context: ExecuteContext;
  readonly #members: StorageMembers;
  readonly #from: OwnerId;
  readonly #action: ReplaceHolder;
  #object: ObjectRecord;

  constructor(
    context: ExecuteContext,
    members: StorageMembers,
    from: OwnerId,
    action: ReplaceHolder,
    object: ObjectRecord,
  ) {
    this.#context = context;
    this.#members = members;
    this.#from = from;
    this.#action = action;
    this.#object = object;
  }

  replace(replacement: Replacement): RefusalCode | undefined {
    const { segmentIndex } = replacement;
    return segmentIndex === null ? this.#copy(replacement) : this.#piece(segmentIndex, replacement);
  }

  #piece(segmentIndex: number, { pieceIndex, signature }: Replacement): RefusalCode | undefined {
    const { state, block } = this.#context;
    const { object: id, holder } = this.#action;
    const { shape } = this.#object;
    const size = segmentsPerRecord(shape.code);
    const part = Math.floor(segmentIndex / size);
    const segments = segmentsOf(state, id, part);
    const segment = segments[segmentIndex % size];
    const old = segment?.holders[pieceIndex];
    if (segment === undefined || old === undefined) return 'invalid-argument';
    const refusal = this.#authority(old);
    if (refusal !== undefined) return refusal;
    const others = segment.holders.toSpliced(pieceIndex, 1);
    if (!this.#fits(others)) return 'invalid-argument';
    const root: PieceRoot = segment.roots[pieceIndex]!;
    const lengthBytes = pieceLengthOf(shape, segmentIndex);
    const piece = { network: block.network, object: id, segmentIndex, pieceIndex, root, lengthBytes };
    if (!verifyConfirmation(piece, holder, signature, block.verify)) return 'invalid-certificate';
    const changed = { ...segment, holders: segment.holders.with(pieceIndex, holder) };
    putSegments(state, id, part, segments.with(segmentIndex % size, changed));
    return undefined;
  }

  #copy({ pieceIndex, signature }: Replacement): RefusalCode | undefined {
    const { state, block } = this.#context;
    const { object: id, holder } = this.#action;
    const { manifest, shape } = this.#object;
    // A put waits for some copies and not for all: the others are added when they are there.
    const isNext = pieceIndex === manifest.holders.length && pieceIndex < manifestCopies(shape.code);
    const old = manifest.holders[pieceIndex];
    if (old === undefined && !isNext) return 'invalid-argument';
    const refusal = this.#authority(old);
    if (refusal !== undefined) return refusal;
    if (manifest.holders.some((other) => equal(other, holder))) return 'invalid-argument';
    const record = confirmedRecord(block.network, id, manifest.digest, manifest.lengthBytes);
    if (!verifyConfirmation(record, holder, signature, block.verify)) return 'invalid-certificate';
    const holders = manifest.holders.toSpliced(pieceIndex, 1, holder);
    this.#object = { ...this.#object, manifest: { ...manifest, holders } };
    putObject(state, id, this.#object);
    return undefined;
  }

  /** Whether the sender may take this from `old`, or from nobody. */
  #authority(old: NodeId | undefined): RefusalCode | undefined {
    const { reason, holder, object } = this.#action;
    const member = old === undefined ? undefined : this.#members.get(old);
    switch (reason) {
      case 'chosen':
        return equal(this.#object.owner, this.#from) ? undefined : 'not-the-owner';
      case 'handover':
        return member?.operator === operatorIdOf(this.#from) ? undefined : 'not-the-operator';
      case 'gone':
        if (member !== undefined) return 'too-early';
        return this.#members.storesFor(holder, object) ? undefined : 'invalid-argument';
    }
  }

  /** Whether the new holder is independent of those of the other pieces that are still members. */
  #fits(others: readonly NodeId[]): boolean {
    const { holder } = this.#action;
    if (others.some((other) => equal(other, holder))) return false;
    const present = others.filter((other) => this.#members.get(other) !== undefined);
    const isApart = (other: NodeId): boolean => areIndependent(this.#members, [other, holder]);
    return present.every(isApart);
  }
}
