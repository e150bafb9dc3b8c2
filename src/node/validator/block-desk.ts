// The blocks of the current height and the next: where they lie, who is asked for one that is missing, and what the application
// said of each. Every block is checked against its id before anything is done with it.
//
// Invariants: a block is judged at most once at a time; of a block that is wanted, fetching goes on until it is there or the height
// is over; at most BLOCKS_HELD_MAX blocks are held, the newest, because a valid one is in the application's own store.

import { BLOCK_FETCH_RETRY_MS, BLOCKS_HELD_MAX } from '../../base/limits.ts';
import type { BlockId, ValidatorIndex } from '../../consensus/types.ts';
import type { ApplicationPort, TimersPort } from './host-ports.ts';

type Obtained = (block: Uint8Array) => void;

interface Held {
  readonly height: number;
  readonly block: Uint8Array;
}

interface Wanted {
  readonly height: number;
  holders: readonly ValidatorIndex[];
  readonly waiting: Obtained[];
}

export interface BlockDeskPorts {
  readonly application: Pick<ApplicationPort, 'fetch' | 'judge'>;
  readonly timers: TimersPort;
  readonly blockId: (block: Uint8Array) => BlockId;
  /** The application has judged. */
  readonly verdict: (height: number, blockId: BlockId, isValid: boolean) => void;
}

export class BlockDesk {
  readonly #ports: BlockDeskPorts;
  /** In order of arrival. */
  readonly #held = new Map<BlockId, Held>();
  readonly #wanted = new Map<BlockId, Wanted>();
  readonly #judging = new Set<BlockId>();
  /** Waits for the next attempt at a block. */
  readonly #retries = new Map<BlockId, () => void>();
  #height = 0;
  #isStopped = false;

  constructor(ports: BlockDeskPorts) {
    this.#ports = ports;
  }

  get(blockId: BlockId): Uint8Array | undefined {
    return this.#held.get(blockId)?.block;
  }

  isWanted(blockId: BlockId): boolean {
    return this.#wanted.has(blockId);
  }

  /** A block that came beside a message which names it. False when it is another block. */
  offer(height: number, blockId: BlockId, block: Uint8Array): boolean {
    if (this.#held.has(blockId)) return true;
    if (this.#ports.blockId(block) !== blockId) return false;
    this.keep(height, blockId, block);
    return true;
  }

  /** A block whose id was taken from it. */
  keep(height: number, blockId: BlockId, block: Uint8Array): void {
    if (height < this.#height || this.#isStopped) return;
    if (!this.#held.has(blockId) && this.#held.size >= BLOCKS_HELD_MAX) this.#dropOldest();
    this.#held.set(blockId, { height, block });
    const wanted = this.#wanted.get(blockId);
    if (wanted === undefined) return;
    this.#wanted.delete(blockId);
    this.#cancelRetry(blockId);
    for (const done of wanted.waiting) done(block);
  }

  /** `done` gets the block, however long that takes; never, when the height is over before. */
  obtain(height: number, blockId: BlockId, holders: readonly ValidatorIndex[], done: Obtained): void {
    const held = this.#held.get(blockId);
    if (held !== undefined) {
      done(held.block);
      return;
    }
    const wanted = this.#wanted.get(blockId);
    if (wanted !== undefined) {
      if (holders.length > 0) wanted.holders = holders;
      wanted.waiting.push(done);
      return;
    }
    this.#wanted.set(blockId, { height, holders, waiting: [done] });
    this.#fetch(blockId);
  }

  /** Answers by `verdict`, unless the height is over before. */
  judge(height: number, blockId: BlockId, holders: readonly ValidatorIndex[]): void {
    if (this.#judging.has(blockId)) {
      const wanted = this.#wanted.get(blockId);
      if (wanted !== undefined) wanted.holders = holders;
      return;
    }
    this.#judging.add(blockId);
    this.obtain(height, blockId, holders, (block) => {
      this.#ports.application.judge(height, blockId, block, (isValid) => {
        if (this.#isStopped || height < this.#height) return;
        this.#judging.delete(blockId);
        this.#ports.verdict(height, blockId, isValid);
      });
    });
  }

  /** Blocks of heights before are of no use any more. */
  startHeight(height: number): void {
    this.#height = height;
    for (const [blockId, held] of this.#held) if (held.height < height) this.#held.delete(blockId);
    for (const [blockId, wanted] of this.#wanted) if (wanted.height < height) this.#forget(blockId);
    this.#judging.clear();
  }

  stop(): void {
    this.#isStopped = true;
    for (const blockId of this.#wanted.keys()) this.#forget(blockId);
    this.#held.clear();
  }

  #fetch(blockId: BlockId): void {
    const wanted = this.#wanted.get(blockId);
    if (wanted === undefined || this.#isStopped) return;
    this.#ports.application.fetch(wanted.height, blockId, wanted.holders, (block) => {
      if (this.#isStopped || this.#wanted.get(blockId) !== wanted) return;
      if (block !== undefined && this.offer(wanted.height, blockId, block)) return;
      this.#retries.set(
        blockId,
        this.#ports.timers.schedule(BLOCK_FETCH_RETRY_MS, () => {
          this.#retries.delete(blockId);
          this.#fetch(blockId);
        }),
      );
    });
  }

  #forget(blockId: BlockId): void {
    this.#wanted.delete(blockId);
    this.#cancelRetry(blockId);
  }

  #cancelRetry(blockId: BlockId): void {
    this.#retries.get(blockId)?.();
    this.#retries.delete(blockId);
  }

  #dropOldest(): void {
    for (const blockId of this.#held.keys()) {
      this.#held.delete(blockId);
      return;
    }
  }
}
