// Audits at a node: it answers those who audit it, and audits the groups in which it has seats. All of a round is timed from when this node heard that
// it began; nothing here is exact to the second, and who is late for one round is there for the next.
//
// Invariants: it signs an anchor only for a round whose draws it made itself, and failures only when it has asked for the last time; after `stop`
// nothing runs.

import { equal, short } from '../../base/bytes.ts';
import { StoreError, toStoreError } from '../../base/errors.ts';
import type { NetworkId, NodeId } from '../../base/ids.ts';
import {
  AUDIT_ASK_EVERY,
  AUDIT_ASKS,
  AUDIT_COPIES_LENGTH_MAX,
  AUDIT_JUDGE_AT,
  AUDIT_LEADERS_MAX,
  AUDIT_PARTS_OF_ROUND,
  AUDIT_PAST_GROUPS_MAX,
  AUDIT_ROUNDS_WATCHED,
  AUDIT_TIMEOUT_MS,
} from '../../base/limits.ts';
import type { Clock, Network, PieceLog, Service, Signer, Verify } from '../../base/ports.ts';
import type { Hashes } from '../../proofs/opening.ts';
import type { Place } from '../../proofs/place.ts';
import { anchorOf } from '../../shards/anchors.ts';
import { nodeWithKey } from '../../shards/node.ts';
import { standingOf } from '../../shards/standing.ts';
import type { Action } from '../../shards/transaction.ts';
import { LoadedState, Overlay } from '../../shards/view.ts';
import { type RecordSource, settle } from '../chain/settle.ts';
import { EMPTY_HEADER } from '../keeper-ports.ts';
import type { NodeLogger } from '../storage-node.ts';
import { askGroup } from './asking.ts';
import { defend } from './defending.ts';
import { type CopyRoom, GroupAudit } from './group-audit.ts';
import { lead, leadersOf, summaryOf } from './leading.ts';
import { Receipts } from './receipts.ts';
import { auditServices } from './responder.ts';
import { decodeReview, encodeReviewReply, REVIEW_LENGTH_MAX, REVIEW_SERVICE } from './review-messages.ts';
import { review } from './reviewing.ts';
import type { RoundWatcher, WatchedRound } from './round-watcher.ts';

export interface AuditsPorts {
  readonly networkId: NetworkId;
  readonly signer: Signer;
  readonly network: Network;
  readonly log: Pick<PieceLog, 'read' | 'stat'>;
  readonly clock: Clock;
  readonly verify: Verify;
  readonly hashes: Hashes;
  readonly chain: RecordSource;
  readonly watcher: RoundWatcher;
  readonly logger: NodeLogger;
  /** Hands in an action of this node's operator; undefined where the folder has no key of one. */
  readonly submit: ((action: Action) => Promise<unknown>) | undefined;
  /** Told of every place that this node should have shown and has not got. */
  readonly onLacking?: (place: Place) => void;
}

export interface Audits {
  /** Of the last rounds that this node takes part in, newest last: for people. */
  readonly groups: readonly GroupAudit[];
  stop(): Promise<void>;
}

/** Serves at once, and takes part from the next round on. */
export function startAudits(ports: AuditsPorts): Audits {
  const audits = new RunningAudits(ports);
  for (const service of audits.services()) ports.network.serve(service);
  return audits;
}

interface Work {
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

class RunningAudits implements Audits {
  readonly #ports: AuditsPorts;
  readonly #receipts: Receipts;
  readonly #own: readonly Service[];
  readonly #work = new Map<number, Work>();
  readonly #groups: GroupAudit[] = [];
  /** Of rounds that are over and can still be disputed, the oldest first. */
  readonly #past: GroupAudit[] = [];
  readonly #room: CopyRoom = { left: AUDIT_COPIES_LENGTH_MAX };
  readonly #endWatch: () => void;

  constructor(ports: AuditsPorts) {
    const { networkId, signer, watcher } = ports;
    this.#ports = ports;
    this.#receipts = new Receipts({
      ...ports,
      network: networkId,
      self: signer.publicKey as NodeId,
      sha256: ports.hashes.sha256,
    });
    this.#own = auditServices({ ...ports, network: networkId, receipts: this.#receipts });
    this.#endWatch = watcher.onRound((watched) => this.#begin(watched));
  }

  get groups(): readonly GroupAudit[] {
    return [...this.#groups];
  }

  services(): readonly Service[] {
    const reviewService: Service = {
      name: REVIEW_SERVICE,
      maxHeaderLength: EMPTY_HEADER.length,
      maxBodyLength: REVIEW_LENGTH_MAX,
      timeoutMs: AUDIT_TIMEOUT_MS,
      maxConcurrentPerPeer: 2,
      maxPerSecondPerPeer: 10,
      admit: async (from) => {
        if (this.#groups.some((each) => each.isAuditor(from))) return;
        throw new StoreError('UNAUTHORIZED', `node ${short(from)} audits nothing together with this one`);
      },
      handle: async (from, _header, body) => {
        const asked = decodeReview(body);
        const audit = this.#groupOf(asked.round, asked.group);
        return {
          header: EMPTY_HEADER,
          body: [encodeReviewReply(await review(this.#ports, audit, from, asked))],
        };
      },
    };
    return [...this.#own, reviewService];
  }

  /** Throws NOT_FOUND. */
  #groupOf(round: number, group: number): GroupAudit {
    const audit = this.#groups.find(
      (each) => each.watched.round.round === round && each.group.group === group,
    );
    if (audit !== undefined) return audit;
    throw new StoreError('NOT_FOUND', `group ${group} of audit round ${round} is not audited here`);
  }

  async stop(): Promise<void> {
    this.#endWatch();
    const work = [...this.#work.values()];
    for (const { abort } of work) abort.abort();
    await Promise.all(work.map(({ done }) => done));
  }

  // ---- A round -----------------------------------------------------------------------------------------------

  #begin(watched: WatchedRound): void {
    const { round } = watched.round;
    const oldest = round - AUDIT_ROUNDS_WATCHED;
    while (this.#groups.length > 0 && this.#groups[0]!.watched.round.round <= oldest)
      this.#keep(this.#groups.shift()!);
    const audits = watched.groups.map(
      (group) => new GroupAudit(this.#ports.networkId, watched, group, this.#room),
    );
    this.#groups.push(...audits);
    for (const [number, { abort }] of this.#work) if (number <= oldest) abort.abort();
    const abort = new AbortController();
    const begunMs = this.#ports.clock.monotonic();
    const parts = [
      this.#comeBack(watched, abort.signal),
      this.#defend(watched, begunMs, abort.signal),
      ...audits.map((audit) => this.#audit(audit, begunMs, abort.signal)),
    ];
    // One that fails ends none of the others: all have ended when the round has.
    const ended = parts.map((part) =>
      part.catch((error: unknown) => this.#failed(round, error, abort.signal)),
    );
    const done = Promise.all(ended).then(() => {
      this.#work.delete(round);
    });
    this.#work.set(round, { abort, done });
  }

  #keep(audit: GroupAudit): void {
    audit.close();
    this.#past.push(audit);
    const { rules } = audit.watched;
    const { round } = audit.watched.round;
    const isOld = ({ watched }: GroupAudit): boolean => watched.round.round <= round - rules.roundsKept;
    while (this.#past.length > AUDIT_PAST_GROUPS_MAX || (this.#past.length > 0 && isOld(this.#past[0]!)))
      this.#past.shift();
  }

  async #defend({ rules }: WatchedRound, begunMs: number, signal: AbortSignal): Promise<void> {
    const { submit } = this.#ports;
    if (submit === undefined) return;
    const partMs = rules.roundMs / AUDIT_PARTS_OF_ROUND;
    await defend({ ...this.#ports, submit }, [...this.#past, ...this.#groups], (turn) =>
      this.#until(begunMs + turn * partMs, signal),
    );
  }

  /** A node that holds nothing is asked for nothing: if it counts as silent, its operator has to say that it is back. */
  async #comeBack({ own, ownGroup }: WatchedRound, signal: AbortSignal): Promise<void> {
    const { chain, signer, submit, logger } = this.#ports;
    if (own.asked.length > 0 || ownGroup === undefined || submit === undefined) return;
    const self = signer.publicKey as NodeId;
    const { isSilent } = await settle(chain, new LoadedState(), (loaded) => {
      const state = new Overlay(loaded);
      const node = nodeWithKey(state, self);
      return { isSilent: node !== undefined && standingOf(state, node.registration).silentRounds > 0 };
    });
    if (!isSilent || signal.aborted) return;
    await submit({ kind: 'return-node', parameters: { node: self } });
    logger.info({}, 'was silent until all it held went to others: says that it is back');
  }

  #failed(round: number, error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    const { code, message } = toStoreError(error, 'INTERNAL', 'audit');
    this.#ports.logger.warn({ round, code, reason: message }, 'an audit round was given up');
  }

  async #audit(audit: GroupAudit, begunMs: number, signal: AbortSignal): Promise<void> {
    const { rules } = audit.watched;
    const at = (part: number): number => begunMs + (part * rules.roundMs) / AUDIT_PARTS_OF_ROUND;
    for (let time = 0; time < AUDIT_ASKS; time++) {
      await this.#until(at(time * AUDIT_ASK_EVERY), signal);
      const untilMs = at(Math.min((time + 1) * AUDIT_ASK_EVERY, AUDIT_JUDGE_AT));
      await askGroup(
        { ...this.#ports, answerSelf: (header, abort) => this.#answerSelf(header, abort) },
        audit,
        untilMs,
        signal,
      );
    }
    audit.endAsking();
    const leaders = leadersOf(audit, this.#ports.hashes);
    for (let turn = 0; turn < AUDIT_LEADERS_MAX; turn++) {
      const leader = leaders[turn % leaders.length]!;
      await this.#until(at(AUDIT_JUDGE_AT + turn), signal);
      if (await this.#isAnchored(audit)) return;
      if (equal(leader, this.#ports.signer.publicKey)) await this.#lead(audit, signal);
    }
  }

  async #until(timeMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    const delayMs = timeMs - clock.monotonic();
    if (delayMs > 0) await clock.sleep(delayMs, signal);
    signal.throwIfAborted();
  }

  async #answerSelf(header: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { body = [] } = await this.#own[0]!.handle(
      this.#ports.signer.publicKey as NodeId,
      header,
      new Uint8Array(0),
      signal,
    );
    return body[0]!;
  }

  async #isAnchored({ watched, group }: GroupAudit): Promise<boolean> {
    const { round } = watched.round;
    const { isThere } = await settle(this.#ports.chain, new LoadedState(), (loaded) => {
      const state = new Overlay(loaded);
      return { isThere: anchorOf(state, round, group.group) !== undefined };
    });
    return isThere;
  }

  async #lead(audit: GroupAudit, signal: AbortSignal): Promise<void> {
    const { submit, logger } = this.#ports;
    if (submit === undefined) return;
    const { round } = audit.watched.round;
    try {
      const anchor = await lead(this.#ports, audit, signal);
      if (anchor === undefined) {
        logger.info({ round }, 'too few auditors agree yet: the next one leads');
        return;
      }
      await submit({ kind: 'anchor-audit', parameters: anchor });
      logger.info(summaryOf(anchor, audit), 'handed in the results of an audit');
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = toStoreError(error, 'INTERNAL', 'audit');
      logger.warn({ round, code, reason: message }, 'could not hand in the results of an audit');
    }
  }
}
