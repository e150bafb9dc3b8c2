// Repair at a node: it keeps what it holds, and takes over what others have lost. Both follow the chain: who holds what by the index of holdings, who is
// lost by standings and members, what failed by the anchors that this node has signed.

import { equal } from '../../base/bytes.ts';
import { toStoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { OWN_GRACE_MS } from '../../base/limits.ts';
import type { Hashes } from '../../proofs/opening.ts';
import type { Place } from '../../proofs/place.ts';
import { anchorRecord } from '../../shards/anchors.ts';
import { type AuditRules, DEFAULT_AUDIT } from '../../shards/audit-rules.ts';
import { standingRecord, stateOf } from '../../shards/standing.ts';
import { type Change, decodeRecord } from '../../shards/view.ts';
import type { Action } from '../../shards/transaction.ts';
import type { GroupAudit } from '../audit/group-audit.ts';
import type { HoldingsStore } from '../audit/holdings-store.ts';
import type { RoundWatcher } from '../audit/round-watcher.ts';
import type { Membership } from '../membership.ts';
import { damagedPlace } from './damage.ts';
import { HandOver, type HandOverPorts } from './hand-over.ts';
import { handOverService } from './hand-over-service.ts';
import { LostPieces } from './lost-pieces.ts';
import { OwnPlaces } from './own-places.ts';
import { lossesOf } from './proven-losses.ts';

export interface RepairPorts extends Omit<HandOverPorts, 'epoch' | 'hasher' | 'holdings' | 'submit'> {
  readonly hashes: Hashes;
  readonly membership: Pick<Membership, 'current' | 'onChange'>;
  readonly holdings: Pick<HoldingsStore, 'isWhole' | 'piecesOf' | 'holders' | 'onMoved'>;
  readonly watcher: Pick<RoundWatcher, 'onRound'>;
  /** Hands in an action of this node's operator. Where it has no key of one, it makes nothing again that others have lost. */
  readonly submit: ((action: Action) => Promise<unknown>) | undefined;
  /** Groups that this node audits, of the last rounds. */
  readonly groups: () => readonly GroupAudit[];
}

export interface Repair {
  /** This node was asked for what it should have and has not got. */
  lacking(place: Place): void;
  /** An entry of the log is damaged and no longer served. */
  damaged(key: Uint8Array): void;
  /** A block has changed these records, for good. */
  committed(changes: readonly Change[]): void;
  /** Resolves when nothing is under way. */
  stop(): Promise<void>;
}

export function startRepair(ports: RepairPorts): Repair {
  return new RunningRepair(ports);
}

class RunningRepair implements Repair {
  readonly #ports: RepairPorts;
  readonly #self: NodeId;
  readonly #own: OwnPlaces;
  readonly #lost: LostPieces | undefined;
  readonly #handOver: HandOver | undefined;
  readonly #ends: readonly (() => void)[];
  #rules: AuditRules = DEFAULT_AUDIT;

  constructor(ports: RepairPorts) {
    const { membership, watcher, holdings, hashes } = ports;
    this.#ports = ports;
    this.#self = ports.signer.publicKey as NodeId;
    const common = { ...ports, epoch: () => membership.current(), hasher: hashes.hasher };
    this.#own = new OwnPlaces(common);
    const { submit } = ports;
    this.#lost = submit === undefined ? undefined : new LostPieces({ ...common, submit }, this.#rules);
    this.#handOver = submit === undefined ? undefined : new HandOver({ ...common, submit });
    ports.network.serve(handOverService(common));
    this.#ends = [
      watcher.onRound(({ rules }) => {
        this.#rules = rules;
        this.#lost?.setRules(rules);
      }),
      membership.onChange(() => this.#lost?.standingsChanged()),
      holdings.onMoved((moved) => {
        const isOwn = ({ node }: { readonly node: NodeId }): boolean => equal(node, this.#self);
        for (const { place } of moved.lost.filter(isOwn)) this.#own.lost(place);
        const graceMs = Math.min(OWN_GRACE_MS, this.#rules.roundMs);
        for (const { place } of moved.gained.filter(isOwn)) this.#own.gained(place, graceMs);
        this.#lost?.moved(moved);
      }),
    ];
  }

  lacking(place: Place): void {
    this.#own.lacking(place);
  }

  damaged(key: Uint8Array): void {
    const { log, chain, logger } = this.#ports;
    void damagedPlace(log, chain, this.#self, key)
      .then((place) => (place === undefined ? undefined : this.#own.lacking(place)))
      .catch((error: unknown) => {
        const { code, message } = toStoreError(error, 'INTERNAL', 'damaged entry');
        logger.debug({ code, reason: message }, 'a damaged entry is left to the walk over all places');
      });
  }

  committed(changes: readonly Change[]): void {
    for (const change of changes) {
      const { kind } = change.key;
      if (kind === 'standing' && this.#isOtherStanding(change)) this.#lost?.standingsChanged();
      else if (kind === 'node') this.#lost?.standingsChanged();
      else if (kind === 'anchor' && change.after !== null) this.#anchored(change.key.id, change.after);
    }
  }

  #isOtherStanding({ before, after }: Change): boolean {
    const stateIn = (bytes: Uint8Array | null): string =>
      bytes === null ? 'good' : stateOf(decodeRecord(standingRecord, bytes), this.#rules);
    return stateIn(before) !== stateIn(after);
  }

  #anchored(id: Uint8Array, bytes: Uint8Array): void {
    const view = new DataView(id.buffer, id.byteOffset, id.length);
    const [round, group] = [view.getUint32(0), view.getUint32(4)];
    const audit = this.#ports
      .groups()
      .find((each) => each.watched.round.round === round && each.group.group === group);
    const lost = this.#lost;
    if (audit === undefined || lost === undefined) return;
    const { root } = decodeRecord(anchorRecord, bytes);
    lost.proven(lossesOf(audit, root, this.#ports.hashes, lost.provenDueMs), round);
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) end();
    await Promise.all([this.#own.stop(), this.#lost?.stop(), this.#handOver?.stop()]);
  }
}
