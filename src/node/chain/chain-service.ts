// The chain of a node as one thing that starts and stops: store, chain, transactions, sync, and a validator while the node is one.
//
// A node catches up first. Then, if the next height counts it among the validators, sync ends and the validator starts; when it is none
// any more, the validator ends and sync goes on. So what was decided elsewhere never comes in beside what this node signs.
//
// Invariants: sync and validator are never at work together; when `ended` resolves with an error nothing here runs any more, and the node
// must be started again; `stop` returns when everything is closed but the ports, which stay their owner's.

import { equal, fromHex, short } from '../../base/bytes.ts';
import { type StoreError, toStoreError } from '../../base/errors.ts';
import type { Digest, NodeId } from '../../base/ids.ts';
import {
  HEARTBEAT_MS,
  KEY_WATCH_MS,
  POOL_TRANSACTIONS_MAX,
  REBROADCAST_MAX,
  TEND_MS,
} from '../../base/limits.ts';
import type { Clock, Gossip, Network, Random } from '../../base/ports.ts';
import type { CommitCertificate } from '../../consensus/types.ts';
import { indexOf } from '../../consensus/validator-set.ts';
import type { TrustedBlock } from '../../client/chain/light-client.ts';
import type { Files } from '../../runtime/files.ts';
import type { Identity } from '../../runtime/identity.ts';
import { encodeFounding, type FoundingDocument } from '../../shards/founding.ts';
import type { LightBlock } from '../../shards/light-block.ts';
import type { NodeLogger } from '../storage-node.ts';
import {
  lastSignedIn,
  startValidator,
  type Validator,
  type ValidatorStatus,
} from '../validator/validator.ts';
import { ChainApplication } from './application.ts';
import type { Proposing } from './block-maker.ts';
import { Chain, type Committed } from './chain.ts';
import { type ChainGossip, createChainGossip } from './gossip.ts';
import { EvidencePool } from './evidence-pool.ts';
import { HandOn } from './hand-on.ts';
import { Intake } from './intake.ts';
import { KeyWatch } from './key-watch.ts';
import type { ChainRules } from './next-height.ts';
import { Pace } from './pace.ts';
import { type Keeping, Pruner } from './pruner.ts';
import { ChainQueries } from './queries.ts';
import { queryServices } from './query-services.ts';
import { rebindable } from './rebindable-services.ts';
import type { StateSyncProgress } from './state-sync.ts';
import { trustPeriodAt } from './state-sync-trust.ts';
import { BlockSync } from './sync.ts';
import { syncServices } from './sync-services.ts';
import { TaskQueue } from './task-queue.ts';
import type { ChainStore } from './types.ts';

export interface ChainServicePorts extends ChainRules {
  readonly store: ChainStore;
  readonly identity: Identity;
  readonly network: Network;
  readonly gossip: Gossip;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: NodeLogger;
  readonly files?: Files;
}

export interface ChainServiceOptions {
  readonly founding: FoundingDocument;
  /** Of the validator: its log, and the guard of its key. */
  readonly folder: string;
  /** Nodes that are up, for catching up. */
  readonly peers: () => readonly NodeId[];
  readonly reveal?: Proposing['reveal'];
  readonly heartbeatMs?: number;
  /** How long to look out for a second copy of the key before it signs: following the chain, and again as a validator. */
  readonly listenMs?: number;
  readonly keeping?: Keeping;
  /** A block that the operator vouches for: where the founding and what is here are too old to judge others by. */
  readonly trust?: TrustedBlock;
  /**
   * Others are said to be so far ahead that block after block is not the way, and if `isGone`, not to have the next block any more. True when
   * `chain` need not go on: it is stopped.
   */
  readonly isTooFar?: (chain: Chain, isGone: boolean, signal: AbortSignal) => Promise<boolean>;
}

/** Fetching: the state of a checkpoint is on its way, and there is no chain to ask. */
export type ChainRole = 'syncing' | 'following' | 'validating' | 'fetching';

export interface ChainStatus {
  readonly role: ChainRole;
  readonly height: number;
  readonly epoch: number;
  readonly waitingTransactions: number;
  readonly validator: ValidatorStatus | undefined;
  /** How far it is, while fetching. */
  readonly fetching?: StateSyncProgress;
}

export interface ChainService {
  readonly chain: Chain;
  readonly store: ChainStore;
  readonly queries: ChainQueries;
  status(): ChainStatus;
  /** Throws what the transaction is refused with. */
  submit(bytes: Uint8Array): Promise<Digest>;
  /** Whether the transaction of this id (hex) waits for a block here. */
  isWaiting(id: string): boolean;
  /** What clients handed in here and no block has, encoded. */
  owed(): readonly Uint8Array[];
  /** Resolves when it has stopped: with what ended it, or undefined after `stop`. */
  readonly ended: Promise<StoreError | undefined>;
  stop(): Promise<void>;
}

/** On a store that has a head. Throws DAMAGED, DISK. */
export async function startChainService(
  ports: ChainServicePorts,
  options: ChainServiceOptions,
): Promise<ChainService> {
  const chain = await Chain.open(ports);
  const service = new RunningChain(ports, options, chain);
  service.start();
  return service;
}

class RunningChain implements ChainService {
  readonly chain: Chain;
  readonly store: ChainStore;
  readonly queries: ChainQueries;
  readonly ended: Promise<StoreError | undefined>;
  readonly #ports: ChainServicePorts;
  readonly #options: ChainServiceOptions;
  readonly #end = Promise.withResolvers<StoreError | undefined>();
  readonly #intake: Intake;
  readonly #evidence = new EvidencePool();
  readonly #pace: Pace;
  readonly #watch: KeyWatch;
  #cancelWatch: () => void = () => undefined;
  /** A second copy of the key was seen. */
  #isCopied = false;
  readonly #sync: BlockSync;
  readonly #pruner: Pruner;
  readonly #gossip: ChainGossip;
  readonly #handOn: HandOn;
  readonly #validatorNetwork: ReturnType<typeof rebindable>;
  /** Changes of role, one after the other. */
  readonly #roles = new TaskQueue();
  #role: ChainRole = 'syncing';
  #validator: Validator | undefined;
  /** The last block did what people will ask about: the next one proves it. */
  #isToBeProven = false;
  #cancelTending: () => void = () => undefined;
  readonly #stop = new AbortController();
  #stopping: Promise<void> | undefined;

  constructor(ports: ChainServicePorts, options: ChainServiceOptions, chain: Chain) {
    const { network, clock, logger } = ports;
    this.chain = chain;
    this.store = ports.store;
    this.ended = this.#end.promise;
    this.#ports = ports;
    this.#options = options;
    // Nothing of what the network began with can be shown before the first block.
    this.#isToBeProven = chain.head.height === 0;
    this.#pace = new Pace(clock, options.heartbeatMs ?? HEARTBEAT_MS);
    this.#watch = new KeyWatch({
      ...ports,
      node: ports.identity.nodeId,
      watchMs: options.listenMs ?? KEY_WATCH_MS,
    });
    this.#intake = new Intake(chain, ports, () => this.#pace.wake());
    this.#sync = new BlockSync({
      chain,
      network,
      clock,
      peers: options.peers,
      failed: (error) => void this.#close(error),
      noted: (node, error) =>
        logger.warn({ peer: short(node), reason: error.message }, 'a peer does not help to catch up'),
      caughtUp: () => this.#considerRole(),
      // Nodes of a trial are all run by the same person, so nobody is left whose old keys could be turned against the others.
      trustPeriodMs: async () =>
        options.founding.signed.record.params.isTrial ? Number.POSITIVE_INFINITY : trustPeriodAt(chain),
      trust: options.trust,
      isTooFar: async (isGone, signal) => (await options.isTooFar?.(chain, isGone, signal)) ?? false,
    });
    const failed = (error: StoreError): void => void this.#close(error);
    this.#pruner = new Pruner({ chain, store: ports.store, failed }, options.keeping);
    this.#gossip = createChainGossip(ports, {
      transaction: async (bytes) => {
        const { kind } = (await this.#intake.offer(bytes)).admission;
        return kind === 'added' || kind === 'replaced' ? 'accept' : 'ignore';
      },
      decision: async ({ certificate, block }, from) => {
        if (await this.#sync.take(from, certificate, block)) return 'accept';
        return this.chain.isDecided(certificate) ? 'accept' : 'ignore';
      },
    });
    this.#handOn = new HandOn({
      network,
      clock,
      chain,
      isWaiting: (id) => this.#intake.pool.has(id),
      take: (bytes) => this.#intake.offer(bytes),
      sayToAll: (bytes) => this.#gossip.publishTransaction(bytes),
    });
    this.#validatorNetwork = rebindable(network);
    this.queries = new ChainQueries({
      chain,
      store: ports.store,
      clock,
      sha256: ports.sha256,
      kinds: ports.rules,
      founding: encodeFounding(options.founding),
      isWaiting: (id) => this.isWaiting(id),
      submit: (bytes) => this.submit(bytes),
    });
    const light = (height: number): Promise<LightBlock> => this.queries.light(height);
    const sync = syncServices({ chain, store: ports.store, sha256: ports.sha256, light });
    for (const service of [...queryServices(this.queries), ...sync]) network.serve(service);
    chain.onCommit((committed) => this.#committed(committed));
  }

  owed(): readonly Uint8Array[] {
    return this.#intake.own(POOL_TRANSACTIONS_MAX);
  }

  start(): void {
    this.#sync.start();
    this.#tendLater();
  }

  status(): ChainStatus {
    return {
      role: this.#role,
      height: this.chain.head.height,
      epoch: this.chain.next.context.epoch,
      waitingTransactions: this.#intake.pool.size,
      validator: this.#validator?.status(),
    };
  }

  async submit(bytes: Uint8Array): Promise<Digest> {
    const id = await this.#intake.submit(bytes);
    this.#handOn.pass(id, bytes);
    return id;
  }

  isWaiting(id: string): boolean {
    return this.#intake.pool.has(fromHex(id) as Digest);
  }

  async stop(): Promise<void> {
    await this.#close(undefined);
  }

  #close(reason: StoreError | undefined): Promise<void> {
    this.#stopping ??= (async () => {
      if (reason !== undefined) this.#ports.logger.error({ reason: reason.message }, 'the chain has stopped');
      this.#stop.abort();
      this.#cancelTending();
      this.#cancelWatch();
      this.#pace.stop();
      this.#gossip.stop();
      this.#handOn.stop();
      this.queries.close();
      const sync = this.#sync.stop();
      await this.#roles.idle();
      await Promise.all([sync, this.#validator?.stop(), this.#pruner.stop()]);
      await this.chain.close();
      this.#end.resolve(reason);
    })();
    return this.#stopping;
  }

  // ---- Roles -------------------------------------------------------------------------------------------------

  get #isCalled(): boolean {
    return indexOf(this.chain.next.roles.validators, this.#ports.identity.nodeId) !== undefined;
  }

  /** Called when a round of questions found nobody ahead, and whenever the validators have changed. */
  #considerRole(): void {
    void this.#roles
      .run(async () => {
        if (this.#stopping !== undefined) return;
        if (this.#isCalled && this.#validator === undefined) await this.#validateUnlessCopied();
        else if (!this.#isCalled) await this.#follow();
      })
      .catch((error: unknown) => this.#close(toStoreError(error, 'INTERNAL', 'the validator')));
  }

  /** Until it is known that no second copy of the key is at work, the node goes on following; when one is, for good. */
  async #validateUnlessCopied(): Promise<void> {
    const { networkId, identity, files, clock, logger } = this.#ports;
    const last = await lastSignedIn(
      this.#options.folder,
      { network: networkId, node: identity.nodeId },
      files,
    );
    if (this.#watch.isForeign(last)) {
      if (!this.#isCopied) logger.error({ next: SECOND_COPY }, COPIED);
      this.#isCopied = true;
      return this.#follow();
    }
    // Nobody has signed anything of a chain that has not begun.
    const isNew = last === undefined && this.chain.head.height === 0;
    const waitMs = isNew ? 0 : this.#watch.waitMs;
    if (waitMs === 0) return this.#validate();
    this.#cancelWatch();
    this.#cancelWatch = clock.timer(waitMs, () => this.#considerRole());
  }

  async #validate(): Promise<void> {
    const { chain } = this;
    await this.#sync.stop();
    // A decision that gossip brought may still be on its way, and the next height may not call this node any more.
    await chain.idle();
    if (!this.#isCalled) return this.#follow();
    const { identity, logger, networkId, clock, random, verify, files } = this.#ports;
    const events = {
      evidence: (evidence: Parameters<EvidencePool['add']>[0]) => {
        logger.warn({ kind: evidence.kind }, 'evidence against a validator');
        if (this.#evidence.add(evidence)) this.#pace.wake();
      },
      foreignSignature: () => logger.error({ next: SECOND_COPY }, COPIED),
      refused: (_message: unknown, error: StoreError) =>
        logger.error({ reason: error.message }, 'the guard of the key refused a signature'),
    };
    this.#validator = await startValidator({
      folder: this.#options.folder,
      networkId,
      identity,
      network: this.#validatorNetwork,
      application: this.#application(),
      get timeouts() {
        return chain.next.timeouts;
      },
      clock,
      random,
      verify,
      ...(files === undefined ? {} : { files }),
      ...(this.#options.listenMs === undefined ? {} : { listenMs: this.#options.listenMs }),
      events,
    });
    void this.#validator.ended.then((error) => {
      if (error !== undefined) void this.#close(error);
    });
    this.#role = 'validating';
    this.#gossip.hearDecisions(false);
    logger.info({ height: chain.next.height }, 'takes part in agreement');
  }

  #application(): ChainApplication {
    const { clock, identity } = this.#ports;
    return new ChainApplication({
      chain: this.chain,
      clock,
      self: identity.nodeId,
      pace: this.#pace,
      evidence: this.#evidence,
      candidates: (round) => this.#intake.candidates(round),
      reveal: this.#options.reveal ?? (() => undefined),
      hasWork: () => this.#hasWork,
      failed: (error) => void this.#close(error),
    });
  }

  async #follow(): Promise<void> {
    if (this.#validator !== undefined) {
      this.#ports.logger.info({ height: this.chain.next.height }, 'is no validator any more');
      await this.#endValidator();
    }
    this.#role = 'following';
    this.#sync.start();
  }

  // ---- Work --------------------------------------------------------------------------------------------------

  get #hasWork(): boolean {
    return (
      this.#isToBeProven || this.chain.next.hasReceipts || this.#evidence.size > 0 || this.#intake.hasWork
    );
  }

  #committed({ block, certificate }: Committed): void {
    if (this.#validator === undefined) this.#watchKey(block.body.lastCommit, certificate);
    const { transactions, parcels, reclaims, evidence } = block.body;
    this.#evidence.remove(evidence);
    const isNewEpoch = this.chain.next.context.epoch !== block.header.epoch;
    const size = transactions.length + parcels.length + reclaims.length + evidence.length;
    this.#isToBeProven = size > 0 || isNewEpoch;
    const isOwn = equal(block.header.proposer, this.#ports.identity.nodeId);
    if (isOwn && this.#validator !== undefined)
      this.#gossip.publishDecision({ certificate, block: block.bytes });
    if (isNewEpoch && this.#role !== 'syncing') this.#considerRole();
  }

  #watchKey(...certificates: readonly (CommitCertificate | null)[]): void {
    for (const certificate of certificates) {
      if (certificate === null) continue;
      this.#watch.decided(certificate, this.chain.rolesAt(certificate.height)?.validators);
    }
    this.#watch.moved();
  }

  /** Every while: what was handed in and not included is said again, and a validator that stands still looks around. */
  #tendLater(): void {
    const { height } = this.chain.head;
    this.#cancelTending = this.#ports.clock.timer(TEND_MS, () => {
      for (const bytes of this.#intake.own(REBROADCAST_MAX)) this.#gossip.publishTransaction(bytes);
      if (this.#validator !== undefined && this.chain.head.height === height) this.#lookAround();
      this.#tendLater();
    });
  }

  /**
   * Validators help each other to catch up one by one, but not one that they no longer count among them: it has to sync. Only a decision
   * that holds brings it to that, for each start of a validator begins with listening.
   */
  #lookAround(): void {
    void this.#roles
      .run(async () => {
        if (this.#stopping !== undefined || this.#validator === undefined) return;
        if (!(await this.#sync.isBehind(this.#stop.signal))) return;
        this.#ports.logger.warn({ height: this.chain.next.height }, 'has fallen behind: catches up');
        await this.#endValidator();
        this.#role = 'syncing';
        this.#sync.start();
      })
      .catch((error: unknown) => this.#close(toStoreError(error, 'INTERNAL', 'the validator')));
  }

  async #endValidator(): Promise<void> {
    await this.#validator?.stop();
    this.#validator = undefined;
    this.#gossip.hearDecisions(true);
    this.#validatorNetwork.unbind();
  }
}

const COPIED = 'a second copy of the key is at work: no more signatures';
const SECOND_COPY = 'Find the other machine that runs with this key and stop it; then start this node again.';
