// Makes pieces again that others have lost, and takes them over: rebuild, store, confirm, hand in. Until the records say whose a piece is, it is pending; when
// somebody else was first, it is dropped, unless the segment is in danger.

import { equal, short } from '../../base/bytes.ts';
import { toStoreError } from '../../base/errors.ts';
import type { NodeId, ObjectId } from '../../base/ids.ts';
import { TAKE_OVERS_PENDING_MAX } from '../../base/limits.ts';
import { COPY_SEGMENT, type Place } from '../../proofs/place.ts';
import { returnedPiece } from '../../replication/repair.ts';
import type { Action } from '../../shards/transaction.ts';
import { placeText } from '../audit/contents.ts';
import type { RecordSource } from '../chain/settle.ts';
import { recordKey } from '../entry-keys.ts';
import { confirmPlace } from './hand-over-service.ts';
import { type HeldSegment, heldSegment, isOfCopies } from './held-segment.ts';
import { holdingsOf, type OwnShare, type RepairView } from './own-share.ts';
import { restoreCopy } from './restore-copy.ts';
import { pieceKeyOf, type RestoredBy, restorePiece } from './restore-piece.ts';
import type { RestorePorts } from './restore-ports.ts';
import { type TakenPiece, TakeOvers } from './take-overs.ts';

export interface PieceMakerPorts extends RestorePorts {
  readonly chain: RecordSource;
  readonly submit: (action: Action) => Promise<unknown>;
}

/** What was made again, and is remembered until its place changes hands. */
interface Pending {
  /** It was not here before. */
  readonly isMade: boolean;
  /** Until then the records are waited for; later it may be handed in again. */
  readonly untilMs: number;
}

export class PieceMaker {
  readonly #ports: PieceMakerPorts;
  readonly #self: NodeId;
  readonly #signal: AbortSignal;
  readonly #takeOvers: TakeOvers;
  readonly #pending = new Map<string, Pending>();
  /** Pending ones that changed hands. */
  readonly #moved: Place[] = [];

  constructor(ports: PieceMakerPorts, signal: AbortSignal) {
    this.#ports = ports;
    this.#self = ports.signer.publicKey as NodeId;
    this.#signal = signal;
    this.#takeOvers = new TakeOvers(this.#self);
  }

  /** It is made, and the records have time to say whose it is. */
  isPending(place: Place): boolean {
    return (this.#pending.get(placeText(place))?.untilMs ?? 0) > this.#ports.clock.monotonic();
  }

  /** The place has another holder than before. */
  moved(place: Place): void {
    if (this.#pending.has(placeText(place))) this.#moved.push(place);
  }

  // ---- Making ------------------------------------------------------------------------------------------------

  /** Durable here when it resolves, and to be handed in. The records have `lifeMs` to say whose it is. Throws NOT_ENOUGH_PIECES, NOT_FOUND, and what the log throws. */
  async make(held: HeldSegment, share: OwnShare, lifeMs: number): Promise<void> {
    const { clock, logger } = this.#ports;
    const { object, segmentIndex } = held;
    const { pieceIndex, from, cause } = share;
    const begunMs = clock.monotonic();
    const by = await this.#restore(held, pieceIndex);
    const signature = confirmPlace(this.#ports, held, pieceIndex);
    const replacement = { segmentIndex: isOfCopies(held) ? null : segmentIndex, pieceIndex, signature };
    const nowMs = clock.monotonic();
    this.#takeOvers.add({ object, from, cause, replacement }, nowMs);
    this.#expect({ object, segmentIndex, pieceIndex }, { isMade: by !== 'here', untilMs: nowMs + lifeMs });
    const what = { object: short(object), segmentIndex, pieceIndex };
    const facts = { ...what, from: short(from), by, tookMs: Math.round(nowMs - begunMs) };
    logger.debug(facts, 'has made a piece again that another has lost');
  }

  #restore(held: HeldSegment, pieceIndex: number): Promise<RestoredBy> {
    const signal = this.#signal;
    if (isOfCopies(held)) return restoreCopy(this.#ports, held, signal);
    return restorePiece(this.#ports, held, pieceIndex, { signal });
  }

  #expect(place: Place, pending: Pending): void {
    const text = placeText(place);
    const wasMade = this.#pending.get(text)?.isMade === true;
    this.#pending.delete(text);
    if (this.#pending.size === TAKE_OVERS_PENDING_MAX) {
      this.#pending.delete(this.#pending.keys().next().value!);
    }
    this.#pending.set(text, { ...pending, isMade: pending.isMade || wasMade });
  }

  // ---- Handing in --------------------------------------------------------------------------------------------

  /** What is full, or was begun before `begunBeforeMs`. */
  async handIn(begunBeforeMs: number): Promise<void> {
    for (const { action, pieces } of this.#takeOvers.take(begunBeforeMs)) await this.#submit(action, pieces);
  }

  async #submit(action: Action, pieces: readonly TakenPiece[]): Promise<void> {
    const { submit, logger } = this.#ports;
    const { object, from, cause } = pieces[0]!;
    const kind = cause.kind === 'proven' ? cause.loss.proof.kind : cause.kind;
    const facts = { object: short(object), from: short(from), pieces: pieces.length, cause: kind };
    try {
      await submit(action);
      logger.info(facts, 'takes over pieces that their holder has lost');
    } catch (error) {
      this.#signal.throwIfAborted();
      for (const piece of pieces) this.#reopen(placeOf(piece));
      const { code, message } = toStoreError(error, 'INTERNAL', 'take over');
      logger.warn({ ...facts, code, reason: message }, 'pieces made again could not be taken over yet');
    }
  }

  #reopen(place: Place): void {
    const pending = this.#pending.get(placeText(place));
    if (pending !== undefined) this.#pending.set(placeText(place), { ...pending, untilMs: 0 });
  }

  // ---- What came of it ---------------------------------------------------------------------------------------

  async settleMoved(view: RepairView): Promise<void> {
    for (const place of this.#moved.splice(0)) {
      const pending = this.#pending.get(placeText(place));
      this.#pending.delete(placeText(place));
      if (pending?.isMade === true) await this.#dropUnlessOwn(place, view);
    }
  }

  async #dropUnlessOwn(place: Place, view: RepairView): Promise<void> {
    const held = await heldSegment(this.#ports.chain, place);
    if (held?.holders[place.pieceIndex] === undefined) return;
    if (held.holders.some((holder) => equal(holder, this.#self))) return;
    const fate = returnedPiece(held.code, holdingsOf(held, view), place.pieceIndex);
    if (fate !== 'drop') return;
    const key = isOfCopies(held)
      ? recordKey(held.record.manifest.digest)
      : pieceKeyOf(held, place.pieceIndex);
    await this.#ports.log.remove([key]);
  }
}

function placeOf({
  object,
  replacement,
}: { readonly object: ObjectId } & Pick<TakenPiece, 'replacement'>): Place {
  const { segmentIndex, pieceIndex } = replacement;
  return { object, segmentIndex: segmentIndex ?? COPY_SEGMENT, pieceIndex };
}
