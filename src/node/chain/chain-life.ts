// The chain of a node through its lives: a chain service, and when it is too far behind for block after block, none until the state of a
// checkpoint is here, and then another on that. So nothing is signed, executed or shown while a state is fetched.
//
// Invariants: at most one chain service at a time, and none while a state is fetched; services and topics are bound to the network once,
// and to each life in turn; `ended` resolves once.

import { StoreError, toStoreError } from '../../base/errors.ts';
import { epochStateOf } from '../../shards/epoch-state.ts';
import { LoadedState, Overlay } from '../../shards/view.ts';
import { TrustExpired } from '../../client/chain/trust-lost.ts';
import type { Chain } from './chain.ts';
import {
  type ChainService,
  type ChainServiceOptions,
  type ChainServicePorts,
  type ChainStatus,
  startChainService,
} from './chain-service.ts';
import { rebindable, rebindableGossip } from './rebindable-services.ts';
import { settle } from './settle.ts';
import { stateAhead, StateSync } from './state-sync.ts';
import type { ChainStore, RestoreTarget } from './types.ts';

export type ChainLifeOptions = Omit<ChainServiceOptions, 'isTooFar'>;

export interface ChainLife {
  /** Undefined while a state is fetched. */
  readonly service: ChainService | undefined;
  /** What to tell whoever asks for the chain while there is no service. */
  readonly absence: StoreError;
  /** What is on the disk, also while a state is fetched. */
  readonly store: Pick<ChainStore, 'head' | 'oldestBlock' | 'oldestState' | 'still'>;
  /** `listener` is told of the service that runs and of each that takes its place. */
  onService(listener: (service: ChainService) => void): void;
  status(): ChainStatus;
  /** Resolves when it has stopped: with what ended it, or undefined after `stop`. */
  readonly ended: Promise<StoreError | undefined>;
  stop(): Promise<void>;
}

/** On a store that has a head. Throws DAMAGED, DISK. */
export async function startChainLife(
  ports: ChainServicePorts,
  options: ChainLifeOptions,
): Promise<ChainLife> {
  const life = new Life(ports, options);
  await life.start();
  return life;
}

class Life implements ChainLife {
  readonly ended: Promise<StoreError | undefined>;
  readonly #ports: ChainServicePorts;
  readonly #network: ReturnType<typeof rebindable>;
  readonly #options: ChainLifeOptions;
  readonly #end = Promise.withResolvers<StoreError | undefined>();
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(service: ChainService) => void>();
  #service: ChainService | undefined;
  #sync: StateSync | undefined;
  /** Of the chain that was, while a state is fetched. */
  #epoch = 0;
  #change: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(ports: ChainServicePorts, options: ChainLifeOptions) {
    this.#network = rebindable(ports.network, () => this.absence);
    this.#ports = { ...ports, network: this.#network, gossip: rebindableGossip(ports.gossip) };
    this.#options = options;
    this.ended = this.#end.promise;
  }

  async start(): Promise<void> {
    // What a crash interrupted is fetched to its end: what it took the place of is further behind.
    if (this.#ports.store.restoring === undefined) await this.#serve();
    else this.#fetchInstead(undefined);
  }

  get service(): ChainService | undefined {
    return this.#service;
  }

  get store(): ChainStore {
    return this.#ports.store;
  }

  get absence(): StoreError {
    const progress = this.#sync?.progress;
    const what =
      progress === undefined
        ? 'this node is far behind and looks for a state to fetch'
        : `this node fetches the state after height ${progress.height}: ${progress.percent} % of it is here`;
    return new StoreError('BUSY', what, { next: 'Ask again later, or ask another node.' });
  }

  onService(listener: (service: ChainService) => void): void {
    this.#listeners.add(listener);
    if (this.#service !== undefined) listener(this.#service);
  }

  status(): ChainStatus {
    if (this.#service !== undefined) return this.#service.status();
    const height = this.#ports.store.head?.height ?? 0;
    const progress = this.#sync?.progress;
    return {
      role: 'fetching',
      height,
      epoch: this.#epoch,
      waitingTransactions: 0,
      validator: undefined,
      ...(progress === undefined ? {} : { fetching: progress }),
    };
  }

  stop(): Promise<void> {
    return this.#close(undefined);
  }

  #close(reason: StoreError | undefined): Promise<void> {
    this.#stopping ??= (async () => {
      this.#stop.abort();
      await this.#change;
      await this.#service?.stop();
      this.#end.resolve(reason);
    })();
    return this.#stopping;
  }

  // ---- Lives -------------------------------------------------------------------------------------------------

  async #serve(): Promise<void> {
    const service = await startChainService(this.#ports, {
      ...this.#options,
      isTooFar: (chain, isGone, signal) => this.#isTooFar(chain, isGone, signal),
    });
    this.#service = service;
    for (const listener of this.#listeners) listener(service);
    void service.ended.then((error) => {
      if (this.#service === service && error !== undefined) void this.#close(error);
    });
  }

  /** Who keeps every block would rather have the blocks, as long as somebody gives them. */
  async #isTooFar(chain: Chain, isGone: boolean, signal: AbortSignal): Promise<boolean> {
    if (this.#change !== undefined) return true;
    if (!isGone && this.#options.keeping?.blocks === 'all') return false;
    const target = await this.#stateAhead(chain, signal);
    if (target === undefined || signal.aborted) return false;
    this.#ports.logger.warn(
      { height: chain.head.height, target: target.head.height },
      'is too far behind for block after block: fetches a state',
    );
    this.#epoch = chain.next.context.epoch;
    this.#fetchInstead(target);
    return true;
  }

  /**
   * Trust that is too old ends only who has nothing to go on from: that others are ahead is so far no more than what they say, and of a
   * chain that stood still for long all headers are old.
   */
  async #stateAhead(chain: Chain, signal: AbortSignal): Promise<RestoreTarget | undefined> {
    try {
      return await stateAhead(this.#ports, this.#options, chain, signal);
    } catch (error) {
      if (!(error instanceof TrustExpired) || chain.head.height === 0) throw error;
      this.#ports.logger.warn({ reason: error.message, next: error.next }, 'no state can be trusted');
      return undefined;
    }
  }

  /** In the background: whoever calls may be a part of what is stopped first. */
  #fetchInstead(target: RestoreTarget | undefined): void {
    this.#change = this.#fetch(target)
      .catch((error: unknown) => {
        const isStopped = this.#stop.signal.aborted;
        if (!isStopped) void this.#close(toStoreError(error, 'INTERNAL', 'fetching a state'));
      })
      .then(() => {
        this.#change = undefined;
      });
  }

  async #fetch(target: RestoreTarget | undefined): Promise<void> {
    const before = this.#service;
    const owed = before?.owed() ?? [];
    this.#service = undefined;
    const sync = new StateSync(this.#ports, this.#options);
    this.#sync = sync;
    try {
      await before?.stop();
      this.#network.unbind();
      if (before === undefined) this.#epoch = await this.#epochHere();
      await sync.run(target, this.#stop.signal);
    } finally {
      this.#sync = undefined;
    }
    if (this.#stop.signal.aborted) return;
    await this.#serve();
    await this.#takeAgain(owed);
  }

  /** Clients were told that it was taken. What the state has already, or is too late for, is refused. */
  async #takeAgain(owed: readonly Uint8Array[]): Promise<void> {
    for (const bytes of owed) await this.#service?.submit(bytes).catch(() => undefined);
  }

  async #epochHere(): Promise<number> {
    const { epoch } = await settle(this.#ports.store, new LoadedState(), (loaded) =>
      epochStateOf(new Overlay(loaded)),
    );
    return epoch;
  }
}
