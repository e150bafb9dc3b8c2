// Gives up old blocks and states while the chain goes on: in the background, a run every few blocks, each in small steps between which
// others write.
//
// What stays: the last blocks, as many as the operator says; the last states, from which proofs are made; and the states of the last two
// borders between epochs, for those who begin there. Of those two the blocks after the first stay as well, for whoever has fetched the
// state goes on with them.

import { type StoreError, toStoreError } from '../../base/errors.ts';
import {
  BLOCKS_KEPT,
  BORDER_STATES_KEPT,
  PRUNE_BLOCKS_PER_RUN,
  PRUNE_EVERY_HEIGHTS,
  STATES_KEPT_MAX,
  STATES_KEPT_MIN,
  STATES_KEPT_MS,
} from '../../base/limits.ts';
import type { Chain } from './chain.ts';
import { bordersOf } from './state-borders.ts';
import type { ChainStore } from './types.ts';

/** What a node keeps. Where absent, what limits.ts says. */
export interface Keeping {
  readonly blocks?: number | 'all';
  readonly states?: number;
}

export interface PrunerPorts {
  readonly chain: Pick<Chain, 'head' | 'load' | 'onCommit'>;
  readonly store: Pick<ChainStore, 'oldestBlock' | 'prune'>;
  readonly failed: (error: StoreError) => void;
}

export class Pruner {
  readonly #ports: PrunerPorts;
  readonly #keeping: Keeping;
  readonly #stopListening: () => void;
  /** Times of the last blocks, the newest last. */
  readonly #timesMs: number[] = [];
  #sinceRun = 0;
  #run: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(ports: PrunerPorts, keeping: Keeping = {}) {
    this.#ports = ports;
    this.#keeping = keeping;
    this.#stopListening = ports.chain.onCommit(({ head }) => this.#committed(head.timeMs));
  }

  /** Resolves when nothing is under way: after one step of the store, however much there is to give up. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#stopListening();
    await this.#run;
  }

  get #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  #committed(timeMs: number): void {
    this.#timesMs.push(timeMs);
    if (this.#timesMs.length > STATES_KEPT_MAX) this.#timesMs.shift();
    if (++this.#sinceRun < PRUNE_EVERY_HEIGHTS || this.#run !== undefined || this.#isStopped) return;
    this.#sinceRun = 0;
    this.#run = this.#prune()
      .catch((error: unknown) => this.#ports.failed(toStoreError(error, 'INTERNAL', 'pruning')))
      .then(() => {
        this.#run = undefined;
      });
  }

  async #prune(): Promise<void> {
    const { chain, store } = this.#ports;
    const { height } = chain.head;
    const borders = (await bordersOf(chain)).slice(0, BORDER_STATES_KEPT).map((border) => border.height);
    const state = height - this.#statesKept();
    const block = this.#oldestBlock(height, Math.min(height, ...borders));
    // After a change of what is kept there may be millions: they are given up in parts, so that readers learn of it as it goes.
    while (!this.#isStopped) {
      const part = Math.min(block, store.oldestBlock + PRUNE_BLOCKS_PER_RUN);
      await store.prune({ block: part, state, states: borders }, this.#stop.signal);
      if (part >= block) return;
    }
  }

  #statesKept(): number {
    const { states } = this.#keeping;
    if (states !== undefined) return states;
    const newest = this.#timesMs.at(-1) ?? 0;
    const recent = this.#timesMs.filter((timeMs) => timeMs >= newest - STATES_KEPT_MS).length;
    return Math.max(STATES_KEPT_MIN, recent);
  }

  #oldestBlock(height: number, border: number): number {
    const { blocks = BLOCKS_KEPT } = this.#keeping;
    return blocks === 'all' ? 0 : Math.min(border, height - blocks + 1);
  }
}
