// State sync: a node that is too far behind for block after block, or that finds nobody who still has the next block, takes the state of a
// checkpoint instead. It knows the checkpoint by a header that it has verified, and every part of the state by the checkpoint.
//
// Invariants: nobody is believed; while a state is fetched no chain runs on the store; what was fetched is durable, so whoever stops goes on
// there. The blocks that are here stay.

import { short } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { STATE_SYNC_LOG_MS, STATE_SYNC_RETRY_MS } from '../../base/limits.ts';
import type { NodeLogger } from '../storage-node.ts';
import type { Providers } from '../../client/chain/providers.ts';
import { Chain } from './chain.ts';
import { type ChunkCounts, ChunkFetch } from './state-sync-chunks.ts';
import { findTarget } from './state-sync-target.ts';
import {
  lightClientAt,
  providersOf,
  type SyncTrustOptions,
  type SyncTrustPorts,
} from './state-sync-trust.ts';
import type { Head, RestoreTarget, StateRestore } from './types.ts';

export interface StateSyncPorts extends SyncTrustPorts {
  readonly logger: NodeLogger;
}

export interface StateSyncProgress extends ChunkCounts {
  /** Of the state that is fetched. */
  readonly height: number;
  /** Of its key space, in percent: records are spread evenly over it. */
  readonly percent: number;
}

/**
 * A state worth fetching, when others are proven to be ahead of `chain`: undefined when they are not, or show no state above its head.
 * Throws ABORTED, and TrustLost when only the operator can say whom to believe.
 */
export async function stateAhead(
  ports: StateSyncPorts,
  options: SyncTrustOptions,
  chain: Chain,
  signal: AbortSignal,
  providers: Providers = loggedProviders(ports, options),
): Promise<RestoreTarget | undefined> {
  const { logger } = ports;
  try {
    const light = await lightClientAt(chain, ports, options, providers);
    const { header } = await light.head(signal);
    if (header.height <= chain.head.height) return undefined;
    return await findTarget({ ...ports, light, providers }, chain.head.height, signal);
  } catch (error) {
    if (!(error instanceof StoreError) || !ONLY_NOW.has(error.code)) throw error;
    logger.warn({ reason: error.message }, 'no state of a later height can be had now');
    return undefined;
  }
}

function loggedProviders(ports: StateSyncPorts, options: SyncTrustOptions): Providers {
  return providersOf(ports, options, (node, reason) =>
    ports.logger.warn({ peer: short(node), reason }, 'a peer lies about the chain: it is asked no more'),
  );
}

/** Nobody who knows can be asked at the moment. */
const ONLY_NOW: ReadonlySet<string> = new Set(['UNREACHABLE', 'TIMEOUT', 'NOT_FOUND', 'PROTOCOL', 'BUSY']);

export class StateSync {
  readonly #ports: StateSyncPorts;
  readonly #options: SyncTrustOptions;
  readonly #providers: Providers;
  #fetch: ChunkFetch | undefined;
  #restore: StateRestore | undefined;

  constructor(ports: StateSyncPorts, options: SyncTrustOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#providers = loggedProviders(ports, options);
    this.#restore = ports.store.restoring;
  }

  /** Undefined before it is known what is fetched. */
  get progress(): StateSyncProgress | undefined {
    if (this.#restore === undefined) return undefined;
    const { head, pending } = this.#restore;
    const left = pending.reduce((sum, { length }) => sum + 2 ** -length, 0);
    const counts = this.#fetch?.counts ?? { chunks: 0, records: 0, bytes: 0 };
    return { ...counts, height: head.height, percent: Math.floor(100 * (1 - left)) };
  }

  /** Goes on with what a crash interrupted, or fetches `target`, or a later state when nobody has that one any more. Throws ABORTED, DISK, TrustLost. */
  async run(target: RestoreTarget | undefined, signal: AbortSignal): Promise<Head> {
    const { store, logger, clock } = this.#ports;
    let wanted = target ?? (store.restoring === undefined ? await this.#nextTarget(signal) : undefined);
    for (;;) {
      const restore = wanted === undefined ? store.restoring! : await store.restore(wanted);
      this.#restore = restore;
      logger.info({ height: restore.head.height }, 'fetches the state of a checkpoint');
      const startedMs = clock.monotonic();
      if (await this.#fetchAll(restore, signal)) {
        const head = await restore.finish();
        const tookMs = Math.round(clock.monotonic() - startedMs);
        logger.info({ ...this.#fetch!.counts, height: head.height, tookMs }, 'has the state of a checkpoint');
        return head;
      }
      logger.warn({ height: restore.head.height }, 'nobody gives this state any more: looks for another');
      wanted = await this.#nextTarget(signal);
    }
  }

  async #fetchAll(restore: StateRestore, signal: AbortSignal): Promise<boolean> {
    const { clock, logger } = this.#ports;
    const providers = this.#providers;
    const failed = (node: NodeId, error: StoreError): void =>
      logger.debug({ peer: short(node), reason: error.message }, 'a peer gives no chunk');
    const fetch = new ChunkFetch({ providers, clock, failed }, restore);
    this.#fetch = fetch;
    let cancel = (): void => undefined;
    const logLater = (): void => {
      cancel = clock.timer(STATE_SYNC_LOG_MS, () => {
        logger.info({ ...this.progress }, 'fetches a state');
        logLater();
      });
    };
    logLater();
    try {
      return await fetch.run(signal);
    } finally {
      cancel();
    }
  }

  /** Waits until somebody shows one. */
  async #nextTarget(signal: AbortSignal): Promise<RestoreTarget> {
    // The store is as it was before: its chain says from where the way is to be found.
    const chain = await Chain.open(this.#ports);
    try {
      for (;;) {
        const target = await stateAhead(this.#ports, this.#options, chain, signal, this.#providers);
        if (target !== undefined) return target;
        await this.#ports.clock.sleep(STATE_SYNC_RETRY_MS, signal);
      }
    } finally {
      await chain.close();
    }
  }
}
