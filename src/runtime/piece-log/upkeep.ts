// The work that keeps an open log in shape: it looks at free space, writes checkpoints, and decides which file is
// worth compacting. One compaction runs at a time.

import { StoreError } from '../../base/errors.ts';
import type { Clock } from '../../base/ports.ts';
import { LOG_HOUSEKEEPING_MS } from '../../base/limits.ts';
import type { Files } from '../files.ts';
import type { Checkpoints } from './checkpoints.ts';
import { deleteFile, emptyFile } from './compact.ts';
import type { LogFiles } from './log-files.ts';
import type { Location, LogIndex } from './log-index.ts';
import type { Identity } from './record.ts';
import type { Space } from './space.ts';
import type { LogUsageCount } from './usage.ts';
import type { LogWriter } from './writer.ts';

export interface UpkeepContext {
  readonly files: Files;
  readonly logFiles: LogFiles;
  readonly identity: Identity;
  readonly index: LogIndex;
  readonly usage: LogUsageCount;
  readonly clock: Clock;
  readonly logFileLength: number;
  readonly writer: LogWriter;
  readonly space: Space;
  readonly checkpoints: Checkpoints;
  /** Marks the entry at `row` damaged and tells of it. */
  readonly quarantine: (key: Uint8Array, row: Location, reason: string) => void;
  /** Fires when the log closes. */
  readonly signal: AbortSignal;
}

/** At the quota a file with more than this share of dead bytes is rewritten: its space is what puts wait for. */
const LIVE_PERCENT_AT_QUOTA = 95;

export class Upkeep {
  readonly #context: UpkeepContext;
  /** Files that stay though little in them is live, because a head is damaged. */
  readonly #keptFiles: Set<number> = new Set();
  /** Files of which all that is needed was copied, but which could not be deleted yet. */
  readonly #emptiedFiles: Set<number> = new Set();
  /** Files that the system would not read or delete; each is tried again after a while. */
  readonly #failedFiles: Set<number> = new Set();
  #compacting: Promise<void> | undefined;
  #cancelTimer: () => void = () => undefined;

  constructor(context: UpkeepContext) {
    this.#context = context;
  }

  start(): void {
    this.#cancelTimer = this.#context.clock.timer(LOG_HOUSEKEEPING_MS, () => {
      void this.#keepHouse().then(() => {
        if (!this.#context.signal.aborted) this.start();
      });
    });
  }

  /** Once the signal has fired: resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#cancelTimer();
    await this.#compacting;
  }

  /** Starts a compaction when a file deserves it and none runs. */
  considerCompaction(): void {
    if (this.#context.signal.aborted || this.#compacting !== undefined) return;
    if (this.#candidate() === undefined) return;
    // What fails here, a full disk say, is tried again when the next one asks.
    this.#compacting = this.#compact()
      .catch(() => undefined)
      .finally(() => {
        this.#compacting = undefined;
      });
  }

  async #keepHouse(): Promise<void> {
    const { space, checkpoints, signal } = this.#context;
    await space.refresh().catch(() => undefined);
    if (signal.aborted) return;
    await checkpoints.write().catch(() => undefined);
    if (this.#compacting === undefined) this.#failedFiles.clear();
    this.considerCompaction();
  }

  #candidate(): number | undefined {
    const { writer, space, usage, logFileLength } = this.#context;
    if (writer.failure !== undefined) return undefined;
    const livePercent = space.isQuotaReached ? LIVE_PERCENT_AT_QUOTA : undefined;
    return usage.compactionCandidate((file) => {
      if (this.#failedFiles.has(file)) return false;
      if (this.#keptFiles.has(file) && usage.files.get(file)!.liveBytes > 0) return false;
      const isActive = file === writer.end.file && !writer.end.isSealed;
      return !isActive || livePercent !== undefined || writer.end.offset > logFileLength / 2;
    }, livePercent);
  }

  async #compact(): Promise<void> {
    const { writer, checkpoints, signal } = this.#context;
    const context = {
      ...this.#context,
      submit: writer.submit.bind(writer),
      checkpoint: () => checkpoints.write(),
    };
    for (let file = this.#candidate(); file !== undefined; file = this.#candidate()) {
      if (file === writer.end.file) await writer.seal();
      try {
        if (!this.#emptiedFiles.has(file) && !(await emptyFile(context, file, signal))) {
          this.#keptFiles.add(file);
          continue;
        }
        this.#emptiedFiles.add(file);
        await deleteFile(context, file);
        this.#emptiedFiles.delete(file);
        this.#keptFiles.delete(file);
      } catch (error) {
        // One of ours says that the log takes no copies now; one of the system is about this file, and others may go.
        if (signal.aborted || error instanceof StoreError) throw error;
        this.#failedFiles.add(file);
      }
    }
  }
}
