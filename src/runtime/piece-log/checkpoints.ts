// When the index is made durable, and up to where. One checkpoint is written at a time; the log goes on meanwhile,
// since a checkpoint only speaks about the position and the counts taken when it started.

import { LOG_CHECKPOINT_LENGTH } from '../../base/limits.ts';
import type { LogIndex } from './log-index.ts';
import type { Identity } from './record.ts';
import type { LogUsageCount } from './usage.ts';
import type { LogEnd } from './writer.ts';

export class Checkpoints {
  readonly #index: LogIndex;
  readonly #usage: LogUsageCount;
  readonly #identity: Identity;
  readonly #end: () => LogEnd;
  #bytesSince = 0;
  #lastWritten = '';
  #running: Promise<void> = Promise.resolve();

  constructor(index: LogIndex, usage: LogUsageCount, identity: Identity, end: () => LogEnd) {
    this.#index = index;
    this.#usage = usage;
    this.#identity = identity;
    this.#end = end;
  }

  /** Log bytes were written; starts a checkpoint when there are many. */
  written(length: number): void {
    this.#bytesSince += length;
    if (this.#bytesSince < LOG_CHECKPOINT_LENGTH) return;
    // One that fails is tried again at the next call; until then a start after a crash only replays more.
    this.write().catch(() => undefined);
  }

  /** Resolves when everything up to the present end of the log is behind a durable checkpoint. */
  write(isClean = false): Promise<void> {
    this.#bytesSince = 0;
    const next = this.#running.then(() => this.#write(isClean));
    this.#running = next.catch(() => undefined);
    return next;
  }

  async settle(): Promise<void> {
    await this.#running;
  }

  async #write(isClean: boolean): Promise<void> {
    const { file, offset } = this.#end();
    const { changed, gone } = this.#usage.takeChanges();
    const name = `${file}:${offset}:${isClean}`;
    if (name === this.#lastWritten && changed.length === 0 && gone.length === 0) return;
    const { entries, livePayloadBytes } = this.#usage;
    const { marker } = this.#identity;
    const checkpoint = { file, offset, isClean, entries, livePayloadBytes, marker };
    try {
      await this.#index.setCheckpoint(checkpoint, changed, gone);
      this.#lastWritten = name;
    } catch (error) {
      this.#usage.restoreChanges(changed, gone);
      throw error;
    }
  }
}
