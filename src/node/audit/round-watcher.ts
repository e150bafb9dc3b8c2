// Watches for audit rounds: when a block begins one, draws what is asked of this node, and of all nodes that it is to audit, from what
// they held before that block.
//
// The draws of a round take thousands of reads, and blocks do not wait for them: the index is frozen as it was before the block, and
// read beside the chain. Who listens hears of a round when its block is durable and everything is drawn.
//
// Nothing is kept on the disk. A node that was not there when a round began, or whose index was not, takes no part in it; the next one
// is minutes away, and there are other auditors.

import { setImmediate } from 'node:timers/promises';
import { equal, toHex } from '../../base/bytes.ts';
import { type StoreError, toStoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { NodeId } from '../../base/ids.ts';
import { AUDIT_ROUNDS_WATCHED } from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import {
  type AuditGroup,
  auditGroup,
  auditGroups,
  type AuditRound,
  auditRoundsRecord,
} from '../../shards/audit-rounds.ts';
import type { AuditRules } from '../../shards/audit-rules.ts';
import { parametersOf } from '../../shards/parameters.ts';
import type { Executed } from '../../shards/session.ts';
import { type SetEntries, settledEntries } from '../../shards/validator-sets.ts';
import { decodeRecord, LoadedState, Overlay } from '../../shards/view.ts';
import { type RecordSource, settle } from '../chain/settle.ts';
import type { Decided, Derived, Head, NextDerived } from '../chain/types.ts';
import type { NodeLogger } from '../storage-node.ts';
import type { Drawn, HoldingsSnapshot } from './holdings-reader.ts';
import type { HoldingsStore } from './holdings-store.ts';

export interface WatcherPorts {
  readonly holdings: HoldingsStore;
  readonly clock: Pick<Clock, 'now'>;
  readonly sha256: Sha256;
  readonly logger: NodeLogger;
}

/** A round, as far as it concerns this node. */
export interface WatchedRound {
  readonly round: AuditRound;
  readonly rules: AuditRules;
  /** Validators of the round's epoch: seats are by index here. */
  readonly validators: SetEntries;
  /** What this node has to show. */
  readonly own: Drawn;
  /** The group that it is audited in; undefined where it is no member. */
  readonly ownGroup: AuditGroup | undefined;
  /** Groups in which it has seats, in order. */
  readonly groups: readonly AuditGroup[];
  /** By id in hex: this node, and the nodes of `groups`. */
  readonly drawn: ReadonlyMap<string, Drawn>;
}

/** Whether `node` has a seat in the group in which this node is audited. */
export function isAuditorOf({ validators, ownGroup }: WatchedRound, node: NodeId): boolean {
  const index = validators.findIndex((each) => equal(each.node, node));
  return (ownGroup?.seats[index] ?? 0) > 0;
}

/** What is known of a round when its block is written. */
interface Begun {
  readonly round: AuditRound;
  readonly rules: AuditRules;
  readonly validators: SetEntries;
  /** The state before the block. */
  readonly state: Overlay;
  readonly holdings: HoldingsSnapshot;
}

interface Job {
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

/** Stands between the chain's store and the index: in its `derived`. */
export class RoundWatcher implements Derived {
  readonly #ports: WatcherPorts;
  readonly #self: NodeId;
  readonly #listeners = new Set<(watched: WatchedRound) => void>();
  readonly #rounds: WatchedRound[] = [];
  readonly #jobs = new Set<Job>();
  #last: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(ports: WatcherPorts, self: NodeId) {
    this.#ports = ports;
    this.#self = self;
  }

  /** The last rounds that this node takes part in, oldest first. */
  get rounds(): readonly WatchedRound[] {
    return [...this.#rounds];
  }

  /** Undefined for a round that this node takes no part in, or not any more, or not yet. */
  round(number: number): WatchedRound | undefined {
    return this.#rounds.find(({ round }) => round.round === number);
  }

  /** `listener` is told of every round that this node takes part in, in order. The returned function ends that. */
  onRound(listener: (watched: WatchedRound) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when nothing is read any more. To be called before the database is closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { abort } of this.#jobs) abort.abort();
    await this.#last;
  }

  // ---- With the chain ----------------------------------------------------------------------------------------

  async next(decided: Decided, executed: Executed, parent: Head, state: RecordSource): Promise<NextDerived> {
    const { holdings } = this.#ports;
    const begun = await this.#begun(decided, executed, state);
    const { operations, remember } = await holdings.next(decided, executed, parent, state);
    return {
      operations,
      remember: () => {
        remember();
        if (begun !== undefined) this.#start(begun);
      },
    };
  }

  replaced(): void {
    this.#ports.holdings.replaced();
  }

  async #begun({ block }: Decided, executed: Executed, source: RecordSource): Promise<Begun | undefined> {
    const round = roundBegun(executed, block.header.height);
    if (round === undefined || this.#isClosed) return undefined;
    const { holdings, sha256 } = this.#ports;
    const loaded = new LoadedState();
    const state = new Overlay(loaded);
    const { epoch } = block.header;
    const { rules, validators } = await settle(source, loaded, () => {
      // Groups of a round are made of the same records.
      auditGroup(state, { epoch, sha256 }, round, 0);
      return { rules: parametersOf(state).audit, validators: settledEntries(state, epoch) };
    });
    const problem = this.#absence(round, rules);
    if (problem === undefined) return { round, rules, validators, state, holdings: holdings.snapshot() };
    this.#ports.logger.debug({ round: round.round, problem }, 'takes no part in an audit round');
    return undefined;
  }

  /** Why this node takes no part in a round. */
  #absence({ timeMs }: AuditRound, { roundMs }: AuditRules): string | undefined {
    // While the chain is caught up with, rounds go by that were over long ago.
    if (this.#ports.clock.now() - timeMs > AUDIT_ROUNDS_WATCHED * roundMs) return 'it is over';
    return this.#ports.holdings.isWhole ? undefined : 'the index of what nodes hold is being built';
  }

  // ---- Drawing -----------------------------------------------------------------------------------------------

  #start(begun: Begun): void {
    const abort = new AbortController();
    if (this.#isClosed) abort.abort();
    // Where rounds come faster than they are drawn, the oldest are given up.
    const older = [...this.#jobs].slice(0, Math.max(0, this.#jobs.size + 1 - AUDIT_ROUNDS_WATCHED));
    for (const job of older) job.abort.abort();
    const done = this.#last.then(() => this.#run(begun, abort.signal));
    const job = { abort, done };
    this.#jobs.add(job);
    this.#last = done.finally(() => this.#jobs.delete(job));
  }

  /** Never throws: a round that is not drawn is one without this node. */
  async #run(begun: Begun, signal: AbortSignal): Promise<void> {
    let watched: WatchedRound | undefined;
    try {
      watched = await this.#draw(begun, signal);
    } catch (error) {
      if (!signal.aborted)
        this.#failed(begun.round, toStoreError(error, 'INTERNAL', 'drawing an audit round'));
    } finally {
      await begun.holdings.close().catch(() => undefined);
    }
    if (watched === undefined) return;
    this.#rounds.push(watched);
    if (this.#rounds.length > AUDIT_ROUNDS_WATCHED) this.#rounds.shift();
    for (const listener of this.#listeners) listener(watched);
  }

  #failed({ round }: AuditRound, error: StoreError): void {
    this.#ports.logger.error(
      { round, code: error.code, reason: error.message },
      'an audit round was not drawn',
    );
  }

  async #draw(begun: Begun, signal: AbortSignal): Promise<WatchedRound> {
    const { round, rules, validators, holdings } = begun;
    const { ownGroup, groups } = await this.#groups(begun, signal);
    const nodes = [this.#self, ...groups.flatMap((group) => group.nodes)];
    const drawn = new Map<string, Drawn>();
    for (const node of nodes) {
      const text = toHex(node);
      if (!drawn.has(text)) drawn.set(text, await holdings.drawOf(round, node, rules, signal));
    }
    return { round, rules, validators, own: drawn.get(toHex(this.#self))!, ownGroup, groups, drawn };
  }

  async #groups(
    { round, validators, state }: Begun,
    signal: AbortSignal,
  ): Promise<Pick<WatchedRound, 'groups' | 'ownGroup'>> {
    const isSelf = (node: NodeId): boolean => equal(node, this.#self);
    const index = validators.findIndex(({ node }) => isSelf(node));
    const groups: AuditGroup[] = [];
    let ownGroup: AuditGroup | undefined;
    for (const group of auditGroups(state, { epoch: round.epoch, sha256: this.#ports.sha256 }, round)) {
      signal.throwIfAborted();
      if ((group.seats[index] ?? 0) > 0) groups.push(group);
      if (group.nodes.some(isSelf)) ownGroup = group;
      // There are hundreds: others get their turn in between.
      await setImmediate();
    }
    return { groups, ownGroup };
  }
}

/** The round that the block of `height` began. */
function roundBegun({ changes }: Executed, height: number): AuditRound | undefined {
  const after = changes.find(({ key }) => key.kind === 'audit')?.after ?? null;
  if (after === null) return undefined;
  const last = decodeRecord(auditRoundsRecord, after).at(-1);
  return last?.height === height ? last : undefined;
}
