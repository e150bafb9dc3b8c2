// Gives space back: rewrites a log file of which little is live, then deletes it. Each step may be the last before a
// crash:
//   copies are appended through the writer, with the guarantees of a put; until then the old record is the live one,
//   and one that changed meanwhile is not copied;
//   when nothing in the index points into the file, a checkpoint makes that durable;
//   only then the file goes, and the folder is synced before any tombstone about it may be dropped.
//
// A tombstone is needed as long as any file up to its horizon exists, since that one may hold an older record of its
// key; so it is copied along. A live record with places that the disk cannot read is quarantined and copied with zeros
// there, which its checksums tell from the truth. A file with live records that cannot be copied because their heads are
// damaged stays.

import type { Clock } from '../../base/ports.ts';
import { COMPACTION_BYTES_PER_SECOND, LOG_BATCH_OPERATIONS } from '../../base/limits.ts';
import { type Files, type OpenFile, systemCode } from '../files.ts';
import type { WriteOperation } from './batch.ts';
import type { Location, LogIndex } from './log-index.ts';
import type { LogFiles } from './log-files.ts';
import { headLength, type Identity, type RecordHead, recordLength } from './record.ts';
import { readThrough, scanFile } from './scan.ts';
import type { LogUsageCount } from './usage.ts';

export interface CompactContext {
  readonly files: Files;
  readonly logFiles: LogFiles;
  readonly identity: Identity;
  readonly index: LogIndex;
  readonly usage: LogUsageCount;
  readonly clock: Clock;
  readonly submit: (operation: WriteOperation) => Promise<number>;
  /** What is submitted after it finds the row marked. */
  readonly quarantine: (key: Uint8Array, row: Location, reason: string) => void;
  readonly checkpoint: () => Promise<void>;
}

/** Copies in flight at once: enough for one batch of small records, little enough to leave the writer to puts. */
const COPY_LENGTH = 4 * 1024 * 1024;

/** Copies what is needed of the sealed log file `file`, so that it may go; false when damage makes it stay. */
export async function emptyFile(
  context: CompactContext,
  file: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { logFiles, usage } = context;
  const copier = new Copier(context, file, signal);
  await logFiles.use(file, (open) => copier.copyAll(open));
  return usage.files.get(file)!.liveBytes === 0;
}

/** Deletes a file that was emptied. After a failure it counts as there, and may be deleted again. */
export async function deleteFile(context: CompactContext, file: number): Promise<void> {
  const { files, logFiles, usage } = context;
  await context.checkpoint();
  await logFiles.forget(file);
  await files.remove(logFiles.path(file)).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error;
  });
  await files.syncDirectory(logFiles.folder);
  usage.deleteFile(file);
}

class Copier {
  readonly #context: CompactContext;
  readonly #file: number;
  readonly #signal: AbortSignal;
  #inFlight: Promise<number>[] = [];
  #inFlightBytes = 0;

  constructor(context: CompactContext, file: number, signal: AbortSignal) {
    this.#context = context;
    this.#file = file;
    this.#signal = signal;
  }

  async copyAll(open: OpenFile): Promise<void> {
    const { identity, usage } = this.#context;
    const range = { file: this.#file, from: 0, to: usage.files.get(this.#file)!.length };
    for await (const scanned of scanFile(open, range, identity)) {
      this.#signal.throwIfAborted();
      if (scanned.kind === 'gap') continue;
      const operation = await this.#operationFor(open, scanned.head);
      if (operation !== undefined) await this.#submit(operation, recordLength(scanned.head));
    }
    await this.#drain();
  }

  /** What keeps the record's meaning when its file goes; undefined when it has none left. */
  async #operationFor(open: OpenFile, head: RecordHead): Promise<WriteOperation | undefined> {
    const { index, usage, quarantine } = this.#context;
    if (head.kind === 'remove') {
      const isNeeded = usage.oldestFile(this.#file) <= head.horizon;
      return isNeeded ? { kind: 'keep', key: head.key, horizon: head.horizon } : undefined;
    }
    const row = await index.get(head.key);
    if (row?.file !== head.file || row.offset !== head.offset) return undefined;
    const body = new Uint8Array(head.metaLength + head.payloadLength);
    const bodyAt = head.offset + headLength(head.key.length, head.payloadLength);
    let reason: string | undefined;
    await readThrough(open, body, bodyAt, (damage) => {
      reason = damage.message;
    });
    if (reason !== undefined) quarantine(head.key, row, reason);
    return { kind: 'move', key: head.key, head, body };
  }

  async #submit(operation: WriteOperation, length: number): Promise<void> {
    const copy = this.#context.submit(operation);
    // It is awaited in `#drain`; until then a rejection must not count as unhandled.
    copy.catch(() => undefined);
    this.#inFlight.push(copy);
    this.#inFlightBytes += length;
    if (this.#inFlightBytes >= COPY_LENGTH || this.#inFlight.length >= LOG_BATCH_OPERATIONS)
      await this.#drain();
  }

  /** Waits for the copies and then as long as they would have taken at the allowed rate. */
  async #drain(): Promise<void> {
    const { clock } = this.#context;
    await Promise.all(this.#inFlight);
    const pauseMs = (this.#inFlightBytes * 1000) / COMPACTION_BYTES_PER_SECOND;
    this.#inFlight = [];
    this.#inFlightBytes = 0;
    if (pauseMs >= 1) await clock.sleep(pauseMs, this.#signal);
  }
}
