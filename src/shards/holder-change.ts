// Pieces of an object, or copies of its manifest, change hands: the new holder has confirmed that it has them and is independent of the holders of
// the other pieces. Who may ask for it is the affair of the operations.

import { z } from 'zod';
import { equal } from '../base/bytes.ts';
import { bytesOf, listOf, uint } from '../base/codec.ts';
import type { NodeId, ObjectId, PieceRoot, Signature } from '../base/ids.ts';
import { CODE_PIECES_MAX, MANIFEST_PAGES_MAX, PAGE_SEGMENTS_MAX, REPLACEMENTS_MAX } from '../base/limits.ts';
import { manifestCopies } from '../replication/code.ts';
import { confirmedRecord, verifyConfirmation } from '../replication/confirmation.ts';
import { areIndependent } from './availability.ts';
import { presentObject } from './object-access.ts';
import {
  isExpired,
  objectKey,
  type ObjectRecord,
  putObject,
  putSegments,
  segmentsKey,
  segmentsOf,
} from './object-record.ts';
import { pieceLengthOf, segmentsPerRecord } from './object-shape.ts';
import type { ExecuteContext, RefusalCode } from './operation.ts';
import { readAll } from './read-all.ts';
import type { StateKey } from './state-key.ts';
import { type StorageMembers, storageMembersOf, touchesOfMembers } from './storage-members.ts';

/** What changes hands. */
export interface Replacement {
  /** Null: a copy of the manifest. */
  readonly segmentIndex: number | null;
  /** Of the piece; of a copy, its place among the manifest's holders, or the next place while there are fewer than the code wants. */
  readonly pieceIndex: number;
  /** The new holder's confirmation. */
  readonly signature: Signature;
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

export const replacementsSchema: z.ZodType<readonly Replacement[]> = listOf(
  replacementSchema,
  REPLACEMENTS_MAX,
).refine((list) => list.length > 0, 'nothing to replace');

export function replacementsTuple(replacements: readonly Replacement[]): readonly unknown[] {
  return replacements.map(({ segmentIndex, pieceIndex, signature }) => [segmentIndex, pieceIndex, signature]);
}

/** All of them or none. */
export interface HolderChange {
  readonly object: ObjectId;
  /** The new one. */
  readonly holder: NodeId;
  readonly replacements: readonly Replacement[];
  /** Why what `old` holds, or nobody yet, may not be given to the new holder; undefined when it may. */
  readonly problem: (
    members: StorageMembers,
    object: ObjectRecord,
    old: NodeId | undefined,
  ) => RefusalCode | undefined;
}

export function touchesOfHolderChange(object: ObjectId): readonly StateKey[] {
  return [...touchesOfMembers(), objectKey(object)];
}

/** At the object's home. */
export function changeHolder(context: ExecuteContext, change: HolderChange): RefusalCode | undefined {
  const { state, block } = context;
  const object = presentObject(state, change.object);
  if (typeof object === 'string') return object;
  if (isExpired(object, block.timeMs)) return 'expired';
  const members = storageMembersOf(state, block);
  if (members.get(change.holder) === undefined) return 'no-such-node';
  loadSegments(context, object, change);
  const attempt = new Attempt(context, members, change, object);
  for (const replacement of change.replacements) {
    const refusal = attempt.replace(replacement);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** All records at once, that there are of those asked for. */
function loadSegments({ state }: ExecuteContext, object: ObjectRecord, change: HolderChange): void {
  const size = segmentsPerRecord(object.shape.code);
  const parts = new Set(
    change.replacements.flatMap(({ segmentIndex }) =>
      segmentIndex === null ? [] : [Math.floor(segmentIndex / size)],
    ),
  );
  readAll(
    state,
    [...parts].map((part) => segmentsKey(change.object, part)),
  );
}

class Attempt {
  readonly #context: ExecuteContext;
  readonly #members: StorageMembers;
  readonly #change: HolderChange;
  #object: ObjectRecord;

  constructor(context: ExecuteContext, members: StorageMembers, change: HolderChange, object: ObjectRecord) {
    this.#context = context;
    this.#members = members;
    this.#change = change;
    this.#object = object;
  }

  replace(replacement: Replacement): RefusalCode | undefined {
    const { segmentIndex } = replacement;
    return segmentIndex === null ? this.#copy(replacement) : this.#piece(segmentIndex, replacement);
  }

  #piece(segmentIndex: number, { pieceIndex, signature }: Replacement): RefusalCode | undefined {
    const { state, block } = this.#context;
    const { object: id, holder } = this.#change;
    const { shape } = this.#object;
    const size = segmentsPerRecord(shape.code);
    const part = Math.floor(segmentIndex / size);
    const segments = segmentsOf(state, id, part);
    const segment = segments[segmentIndex % size];
    const old = segment?.holders[pieceIndex];
    if (segment === undefined || old === undefined) return 'invalid-argument';
    const refusal = this.#problem(old);
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
    const { object: id, holder } = this.#change;
    const { manifest, shape } = this.#object;
    // A put waits for some copies and not for all: the others are added when they are there.
    const isNext = pieceIndex === manifest.holders.length && pieceIndex < manifestCopies(shape.code);
    const old = manifest.holders[pieceIndex];
    if (old === undefined && !isNext) return 'invalid-argument';
    const refusal = this.#problem(old);
    if (refusal !== undefined) return refusal;
    if (manifest.holders.some((other) => equal(other, holder))) return 'invalid-argument';
    const record = confirmedRecord(block.network, id, manifest.digest, manifest.lengthBytes);
    if (!verifyConfirmation(record, holder, signature, block.verify)) return 'invalid-certificate';
    const holders = manifest.holders.toSpliced(pieceIndex, 1, holder);
    this.#object = { ...this.#object, manifest: { ...manifest, holders } };
    putObject(state, id, this.#object);
    return undefined;
  }

  #problem(old: NodeId | undefined): RefusalCode | undefined {
    return this.#change.problem(this.#members, this.#object, old);
  }

  /** Whether the new holder is independent of those of the other pieces that are still members. */
  #fits(others: readonly NodeId[]): boolean {
    const { holder } = this.#change;
    if (others.some((other) => equal(other, holder))) return false;
    const present = others.filter((other) => this.#members.get(other) !== undefined);
    const isApart = (other: NodeId): boolean => areIndependent(this.#members, [other, holder]);
    return present.every(isApart);
  }
}
