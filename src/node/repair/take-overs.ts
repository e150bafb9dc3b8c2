// Pieces that this node has made again become its own by a transaction: those of one object that one holder lost by one cause go together, for a
// transaction is all or nothing, and costs about the same for one piece as for many.
//
// Whether it came through is seen by what the records say, not by receipts: the place changes hands at the object's home, blocks later.

import { toHex } from '../../base/bytes.ts';
import type { NodeId, ObjectId, Signature } from '../../base/ids.ts';
import { REPLACEMENTS_MAX, TAKE_OVERS_OPEN_MAX } from '../../base/limits.ts';
import type { Replacement } from '../../shards/holder-change.ts';
import type { Loss } from '../../shards/operations/repair-pieces.ts';
import type { Action } from '../../shards/transaction.ts';
import type { LossCause } from './own-share.ts';

export interface TakenPiece {
  readonly object: ObjectId;
  readonly from: NodeId;
  readonly cause: LossCause;
  readonly replacement: Replacement;
}

interface Batch {
  readonly object: ObjectId;
  readonly from: NodeId;
  readonly begunMs: number;
  readonly pieces: TakenPiece[];
}

export class TakeOvers {
  readonly #self: NodeId;
  readonly #open = new Map<string, Batch>();

  constructor(self: NodeId) {
    this.#self = self;
  }

  get size(): number {
    return this.#open.size;
  }

  add(piece: TakenPiece, nowMs: number): void {
    const key = `${toHex(piece.object)}/${toHex(piece.from)}/${causeText(piece.cause)}`;
    const batch = this.#open.get(key) ?? { ...piece, begunMs: nowMs, pieces: [] };
    batch.pieces.push(piece);
    this.#open.set(key, batch);
  }

  /** Takes out what is full, or was begun before `begunBeforeMs`, and the oldest where there are too many. */
  take(
    begunBeforeMs: number,
  ): readonly { readonly action: Action; readonly pieces: readonly TakenPiece[] }[] {
    const ready = [...this.#open].filter(
      ([, { begunMs, pieces }], index) =>
        begunMs < begunBeforeMs ||
        pieces.length >= REPLACEMENTS_MAX ||
        index < this.#open.size - TAKE_OVERS_OPEN_MAX,
    );
    for (const [key] of ready) this.#open.delete(key);
    return ready.map(([, { pieces }]) => ({ action: actionOf(this.#self, pieces), pieces }));
  }
}

function causeText(cause: LossCause): string {
  if (cause.kind !== 'proven') return cause.kind;
  const { round, proof } = cause.loss;
  return proof.kind === 'failed' ? `failed ${round} ${proof.group}` : `admitted ${round}`;
}

/** `pieces` are of one object, holder and cause. */
function actionOf(holder: NodeId, pieces: readonly TakenPiece[]): Action {
  const { object, from, cause } = pieces[0]!;
  const replacements = pieces.map(({ replacement }) => replacement);
  if (cause.kind === 'gone') {
    return { kind: 'replace-holder', parameters: { object, holder, reason: 'gone', replacements } };
  }
  return { kind: 'repair-pieces', parameters: { object, from, holder, loss: lossOf(pieces), replacements } };
}

function lossOf(pieces: readonly TakenPiece[]): Loss {
  const losses = pieces.flatMap(({ cause }) => (cause.kind === 'proven' ? [cause.loss] : []));
  const [first] = losses;
  if (first === undefined) return { kind: 'silent' };
  const { round, proof } = first;
  if (proof.kind === 'admitted') {
    const signatures = losses.flatMap((loss): Signature[] =>
      loss.proof.kind === 'admitted' ? [loss.proof.signature] : [],
    );
    return { kind: 'admitted', round, signatures };
  }
  const results = losses.flatMap((loss) => (loss.proof.kind === 'failed' ? [loss.proof.result] : []));
  return { kind: 'failed', round, group: proof.group, results };
}
