// A node has what the chain says it holds. What it was named for and nobody brought, what rotted, what an audit asked for in vain, and what a walk over
// all of its places finds missing, is fetched from the other holders. Nothing goes on the chain: nothing changes hands.
//
// Work that presses comes first; all of it takes a share of the time (`pace.ts`) and one segment's memory. What cannot be had now is
// tried again later, until the chain gives the place to another.

import { equal, short } from '../../base/bytes.ts';
import { type ErrorCode, StoreError, toStoreError } from '../../base/errors.ts';
import type { Digest, NodeId, PieceRoot } from '../../base/ids.ts';
import { OWN_BATCH, OWN_WALK_MS, REPAIR_SAID_EVERY_MS } from '../../base/limits.ts';
import { isCopy, type Place } from '../../proofs/place.ts';
import { contentsOf, type HeldContent } from '../audit/contents.ts';
import type { HoldingsStore } from '../audit/holdings-store.ts';
import type { RecordSource } from '../chain/settle.ts';
import { pieceKey, recordKey } from '../entry-keys.ts';
import { isHere } from '../stored.ts';
import { heldSegment } from './held-segment.ts';
import { OwnQueue, type OwnTask } from './own-queue.ts';
import { paced } from './pace.ts';
import { restoreCopy } from './restore-copy.ts';
import { type RestoredBy, restorePiece } from './restore-piece.ts';
import type { RestorePorts } from './restore-ports.ts';

export interface OwnPlacesPorts extends RestorePorts {
  readonly chain: RecordSource;
  readonly holdings: Pick<HoldingsStore, 'isWhole' | 'piecesOf'>;
  /** False while the chain here is behind: what it says may be over long ago. */
  readonly isCurrent: () => boolean;
}

/** How often it looks whether the chain is current, or the queue has room. */
const LOOK_MS = 1000;

export class OwnPlaces {
  readonly #ports: OwnPlacesPorts;
  readonly #queue: OwnQueue;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  #wake: () => void = () => undefined;
  #restored = 0;
  #failed = 0;
  #lastFailure: { readonly code: ErrorCode; readonly reason: string } | undefined;
  #saidMs: number;

  constructor(ports: OwnPlacesPorts, queue: OwnQueue = new OwnQueue()) {
    this.#ports = ports;
    this.#queue = queue;
    this.#saidMs = ports.clock.monotonic();
    this.#running = Promise.allSettled([this.#work(), this.#walks()]);
  }

  /** Places that wait to be looked at. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** The chain names this node for a place; whoever put the object may still be about to bring it. */
  gained(place: Place, graceMs: number): void {
    this.#offer({ place, dueMs: this.#nowMs + graceMs, isUrgent: false });
  }

  /** Somebody wanted it and did not get it. */
  lacking(place: Place): void {
    this.#offer({ place, dueMs: this.#nowMs, isUrgent: true });
  }

  lost(place: Place): void {
    this.#queue.remove(place);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new StoreError('ABORTED', 'the node stops'));
    this.#wake();
    await this.#running;
  }

  get #nowMs(): number {
    return this.#ports.clock.monotonic();
  }

  #offer(task: Omit<OwnTask, 'tries'>): void {
    this.#queue.offer(task);
    this.#wake();
  }

  // ---- Walking -----------------------------------------------------------------------------------------------

  /** Ends by throwing, when this is stopped. */
  async #walks(): Promise<never> {
    const { clock } = this.#ports;
    const { signal } = this.#stop;
    for (;;) {
      const isDone = await this.#walk().catch((error: unknown) => this.#walkFailed(error));
      await clock.sleep(isDone ? OWN_WALK_MS : LOOK_MS, signal);
    }
  }

  /** False when it cannot be done now. */
  async #walk(): Promise<boolean> {
    const { holdings, signer, clock, logger } = this.#ports;
    const { signal } = this.#stop;
    if (!this.#canLook()) return false;
    let places = 0;
    for await (const { place } of holdings.piecesOf(signer.publicKey as NodeId)) {
      while (!this.#queue.hasRoomForWalk) await clock.sleep(LOOK_MS, signal);
      signal.throwIfAborted();
      this.#offer({ place, dueMs: this.#nowMs, isUrgent: false });
      places++;
    }
    logger.debug({ places }, 'compares what it has with what the chain says it holds');
    return true;
  }

  #walkFailed(error: unknown): false {
    this.#stop.signal.throwIfAborted();
    const { code, message } = toStoreError(error, 'INTERNAL', 'walk over own places');
    // While the index is built it says BUSY.
    if (code !== 'BUSY')
      this.#ports.logger.warn({ code, reason: message }, 'could not look at all that it holds');
    return false;
  }

  #canLook(): boolean {
    return this.#ports.isCurrent() && this.#ports.holdings.isWhole;
  }

  // ---- Working -----------------------------------------------------------------------------------------------

  async #work(): Promise<never> {
    const { clock } = this.#ports;
    const { signal } = this.#stop;
    for (;;) {
      signal.throwIfAborted();
      const tasks = this.#ports.isCurrent() ? this.#queue.takeDue(this.#nowMs, OWN_BATCH) : [];
      if (tasks.length === 0) {
        await this.#untilDue();
        continue;
      }
      const isUrgent = tasks.some((task) => task.isUrgent);
      const lacking = await paced(clock, isUrgent, signal, () => this.#lackingOf(tasks));
      for (const task of lacking) await paced(clock, task.isUrgent, signal, () => this.#restore(task));
      this.#say();
    }
  }

  /** Until something is due, or comes in. */
  async #untilDue(): Promise<void> {
    const { clock } = this.#ports;
    const nextMs = this.#ports.isCurrent() ? this.#queue.nextMs : undefined;
    const delayMs = nextMs === undefined ? LOOK_MS : Math.max(1, Math.min(nextMs - this.#nowMs, LOOK_MS));
    await new Promise<void>((resolve) => {
      const cancel = clock.timer(delayMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = () => undefined;
  }

  /** Those of which the chain still names this node as holder and which are not here. */
  async #lackingOf(tasks: readonly OwnTask[]): Promise<readonly OwnTask[]> {
    const { chain, signer } = this.#ports;
    try {
      const contents = await contentsOf(
        chain,
        tasks.map(({ place }) => place),
      );
      const lacking: OwnTask[] = [];
      for (const task of tasks) {
        this.#stop.signal.throwIfAborted();
        const content = contents.at(task.place);
        if (content === undefined || !equal(content.holder, signer.publicKey)) continue;
        // Of a copy also the pages are looked for.
        if (isCopy(task.place) || !(await this.#has(task.place, content))) lacking.push(task);
      }
      return lacking;
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      for (const task of tasks) this.#queue.retry(task, this.#nowMs);
      this.#note(error);
      return [];
    }
  }

  #has(place: Place, { root, lengthBytes }: HeldContent): Promise<boolean> {
    const key = isCopy(place) ? recordKey(root as Digest) : pieceKey({ ...place, root: root as PieceRoot });
    return isHere(this.#ports, key, lengthBytes);
  }

  async #restore(task: OwnTask): Promise<void> {
    const { place } = task;
    const begunMs = this.#nowMs;
    try {
      const by = await this.#restorePlace(task);
      if (by === undefined || by === 'here') return;
      this.#restored++;
      const tookMs = Math.round(this.#nowMs - begunMs);
      this.#ports.logger.debug({ ...factsOf(place), by, tookMs }, 'has got what it holds back');
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      const { code, message } = toStoreError(error, 'INTERNAL', 'restore');
      this.#ports.logger.debug(
        { ...factsOf(place), code, reason: message },
        'cannot get back what it holds yet',
      );
      this.#note(error);
      this.#queue.retry(task, this.#nowMs);
    }
  }

  async #restorePlace({ place }: OwnTask): Promise<RestoredBy | undefined> {
    const { signal } = this.#stop;
    const held = await heldSegment(this.#ports.chain, place);
    const holder = held?.holders[place.pieceIndex];
    if (held === undefined || holder === undefined || !equal(holder, this.#ports.signer.publicKey))
      return undefined;
    if (!isCopy(place)) return restorePiece(this.#ports, held, place.pieceIndex, { signal });
    return restoreCopy(this.#ports, held, signal);
  }

  // ---- Saying ------------------------------------------------------------------------------------------------

  #note(error: unknown): void {
    const { code, message } = toStoreError(error, 'INTERNAL', 'restore');
    this.#failed++;
    this.#lastFailure = { code, reason: message };
  }

  /** Now and then, when there is something to say. */
  #say(): void {
    const isFirst = this.#restored === 1;
    if (!isFirst && this.#nowMs - this.#saidMs < REPAIR_SAID_EVERY_MS) return;
    if (this.#restored + this.#failed === 0) return;
    this.#saidMs = this.#nowMs;
    const facts = { restored: this.#restored, failed: this.#failed, waiting: this.#queue.size };
    const { logger } = this.#ports;
    if (this.#lastFailure === undefined) logger.info(facts, 'gets back what it should hold');
    else
      logger.warn(
        { ...facts, ...this.#lastFailure },
        'not all that this node should hold can be got back yet',
      );
    [this.#restored, this.#failed, this.#lastFailure] = [0, 0, undefined];
  }
}

function factsOf({ object, segmentIndex, pieceIndex }: Place): object {
  return { object: short(object), segmentIndex, pieceIndex };
}
