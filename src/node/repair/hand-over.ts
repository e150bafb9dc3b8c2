// A node that leaves gives what it holds to others while it is still a member: each piece is copied from it by the member that is next in the segment's
// placement, and changes hands by a transaction of its operator. So nothing has to be rebuilt, and no segment is ever short of a piece.
//
// It walks over all its places as long as there are any. What nobody took in one walk is offered to the next in line in another.

import { equal, short, toHex } from '../../base/bytes.ts';
import { StoreError, toStoreError } from '../../base/errors.ts';
import type { NodeId, Signature } from '../../base/ids.ts';
import { HAND_OVER_LOOK_MS, RESTORE_FETCH_TIMEOUT_MS, REPLACEMENTS_MAX } from '../../base/limits.ts';
import type { HeldPlace } from '../../proofs/draw.ts';
import type { Place } from '../../proofs/place.ts';
import { repairLease } from '../../replication/repair-lease.ts';
import type { Replacement } from '../../shards/holder-change.ts';
import { nodeWithKey } from '../../shards/node.ts';
import { LoadedState, Overlay } from '../../shards/view.ts';
import { settle } from '../chain/settle.ts';
import { decodeHandOverReply, encodeHandOver, HAND_OVER_SERVICE } from './hand-over-service.ts';
import { type HeldSegment, heldSegment, holderOrder, isOfCopies } from './held-segment.ts';
import { holdingsOf, type RepairView } from './own-share.ts';
import { paced } from './pace.ts';
import type { LostPiecesPorts } from './lost-pieces.ts';

export type HandOverPorts = LostPiecesPorts;

interface Batch {
  readonly place: Place;
  readonly holder: NodeId;
  readonly replacements: Replacement[];
}

export class HandOver {
  readonly #ports: HandOverPorts;
  readonly #self: NodeId;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #batches = new Map<string, Batch>();
  #walks = 0;

  constructor(ports: HandOverPorts) {
    this.#ports = ports;
    this.#self = ports.signer.publicKey as NodeId;
    this.#running = this.#run().catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new StoreError('ABORTED', 'the node stops'));
    await this.#running;
  }

  async #run(): Promise<never> {
    const { clock, logger } = this.#ports;
    const { signal } = this.#stop;
    for (;;) {
      try {
        if (await this.#isLeaving()) await this.#walk();
      } catch (error) {
        signal.throwIfAborted();
        const { code, message } = toStoreError(error, 'INTERNAL', 'hand over');
        logger.warn({ code, reason: message }, 'could not hand over what it holds: it is tried again');
      }
      await clock.sleep(HAND_OVER_LOOK_MS, signal);
    }
  }

  /** It was retired, and is a member until the border. */
  async #isLeaving(): Promise<boolean> {
    const { isCurrent, holdings, chain, epoch } = this.#ports;
    if (!isCurrent() || !holdings.isWhole) return false;
    if (!epoch().members.some(({ node }) => equal(node, this.#self))) return false;
    const { isRetired } = await settle(chain, new LoadedState(), (loaded) => ({
      isRetired: nodeWithKey(new Overlay(loaded), this.#self)?.isRetired === true,
    }));
    return isRetired;
  }

  async #walk(): Promise<void> {
    const { clock, holdings, logger } = this.#ports;
    const { signal } = this.#stop;
    this.#walks++;
    let [places, given] = [0, 0];
    const next = async ({ place }: HeldPlace): Promise<void> => {
      places++;
      if (await paced(clock, true, signal, () => this.#give(place))) given++;
    };
    for await (const held of holdings.piecesOf(this.#self)) await next(held);
    for (const key of this.#batches.keys()) await this.#submit(key);
    if (places > 0) logger.info({ places, given }, 'leaves, and hands over what it holds');
  }

  /** True when a member has it and confirmed that. */
  async #give(place: Place): Promise<boolean> {
    const held = await heldSegment(this.#ports.chain, place);
    const holder = held?.holders[place.pieceIndex];
    if (held === undefined || holder === undefined || !equal(holder, this.#self)) return false;
    const heir = this.#heirOf(held, place.pieceIndex);
    if (heir === undefined) return false;
    try {
      const signature = await this.#ask(heir, place);
      await this.#add(heir, held, place, signature);
      return true;
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      const { code, message } = toStoreError(error, 'INTERNAL', 'hand over');
      const facts = { peer: short(heir), object: short(place.object), code, reason: message };
      this.#ports.logger.debug(facts, 'a member does not take a piece over');
      return false;
    }
  }

  #heirOf(held: HeldSegment, pieceIndex: number): NodeId | undefined {
    const epoch = this.#ports.epoch();
    const view: RepairView = { epoch, standings: new Map(), losses: { at: () => undefined } };
    const lease = repairLease(holderOrder(epoch, held), {
      holdings: holdingsOf(held, view),
      missing: [pieceIndex],
      mayHold: ({ isSuspended }) => isSuspended !== true,
      turn: this.#walks - 1,
      allowSameOperator: epoch.params.isTrial || isOfCopies(held),
    });
    return lease?.targets[0]?.holder.node;
  }

  async #ask(heir: NodeId, place: Place): Promise<Signature> {
    const { network } = this.#ports;
    const options = { signal: this.#stop.signal, timeoutMs: 2 * RESTORE_FETCH_TIMEOUT_MS };
    const { header } = await network.call(
      heir,
      HAND_OVER_SERVICE,
      { header: encodeHandOver(place) },
      options,
    );
    return decodeHandOverReply(header);
  }

  async #add(holder: NodeId, held: HeldSegment, place: Place, signature: Signature): Promise<void> {
    const { segmentIndex, pieceIndex } = place;
    const key = `${toHex(place.object)}/${toHex(holder)}`;
    const batch: Batch = this.#batches.get(key) ?? { place, holder, replacements: [] };
    batch.replacements.push({
      segmentIndex: isOfCopies(held) ? null : segmentIndex,
      pieceIndex,
      signature,
    });
    this.#batches.set(key, batch);
    if (batch.replacements.length === REPLACEMENTS_MAX) await this.#submit(key);
  }

  async #submit(key: string): Promise<void> {
    const { place, holder, replacements } = this.#batches.get(key)!;
    this.#batches.delete(key);
    const parameters = { object: place.object, holder, reason: 'handover', replacements };
    await this.#ports.submit({ kind: 'replace-holder', parameters });
  }
}
