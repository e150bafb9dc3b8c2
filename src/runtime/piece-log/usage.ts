// What the log files hold, counted as it changes, so that nobody walks the index to answer `usage`. The numbers are
// sums over index rows and tombstones: whatever adds or drops one says so here, in the same turn as the index.

import { COMPACTION_LIVE_PERCENT } from '../../base/limits.ts';
import type { Location } from './log-index.ts';
import { FILE_HEADER_LENGTH } from './record.ts';

export interface FileUsage {
  length: number;
  /** Bytes of whole records that the index points to. */
  liveBytes: number;
  /** Bytes of `remove` records. They stay until every file they speak about is gone. */
  tombstoneBytes: number;
}

export class LogUsageCount {
  readonly files: Map<number, FileUsage> = new Map();
  entries = 0;
  livePayloadBytes = 0;
  logBytes = 0;
  /** Files whose numbers changed, and files that went, since `takeChanges`. */
  readonly #changed: Set<number> = new Set();
  readonly #gone: Set<number> = new Set();

  setFile(file: number, usage: FileUsage): void {
    this.logBytes += usage.length - (this.files.get(file)?.length ?? 0);
    this.files.set(file, usage);
    this.#changed.add(file);
  }

  deleteFile(file: number): void {
    this.logBytes -= this.files.get(file)?.length ?? 0;
    this.files.delete(file);
    this.#changed.delete(file);
    this.#gone.add(file);
  }

  setLength(file: number, length: number): void {
    const usage = this.files.get(file)!;
    this.logBytes += length - usage.length;
    usage.length = length;
    this.#changed.add(file);
  }

  /** A row of a file that is missing counts as an entry; its bytes are nowhere. */
  addRow(row: Location): void {
    this.entries++;
    this.livePayloadBytes += row.payloadLength;
    const usage = this.files.get(row.file);
    if (usage === undefined) return;
    usage.liveBytes += rowLength(row);
    this.#changed.add(row.file);
  }

  dropRow(row: Location): void {
    this.entries--;
    this.livePayloadBytes -= row.payloadLength;
    const usage = this.files.get(row.file);
    if (usage === undefined) return;
    usage.liveBytes -= rowLength(row);
    this.#changed.add(row.file);
  }

  addTombstone(file: number, length: number): void {
    this.files.get(file)!.tombstoneBytes += length;
  }

  /** What the next checkpoint has to write down. */
  takeChanges(): { readonly changed: (readonly [number, FileUsage])[]; readonly gone: number[] } {
    const changed = [...this.#changed].map((file) => [file, { ...this.files.get(file)! }] as const);
    const gone = [...this.#gone];
    this.#changed.clear();
    this.#gone.clear();
    return { changed, gone };
  }

  /** Changes that could not be written down are due again. */
  restoreChanges(changed: readonly (readonly [number, FileUsage])[], gone: readonly number[]): void {
    for (const [file] of changed) if (this.files.has(file)) this.#changed.add(file);
    for (const file of gone) this.#gone.add(file);
  }

  /** Bytes of all records that the index points to. */
  liveRecordBytes(): number {
    let sum = 0;
    for (const { liveBytes } of this.files.values()) sum += liveBytes;
    return sum;
  }

  /** Infinity when there is none. */
  oldestFile(except?: number): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const file of this.files.keys()) if (file !== except && file < oldest) oldest = file;
    return oldest;
  }

  /**
   * Of the files that `mayGo`, the one with the least worth keeping, if that is less than the threshold. Copying a file
   * without dead bytes would give another such file, so each round must give back more than the header of a new one.
   */
  compactionCandidate(
    mayGo: (file: number) => boolean,
    livePercent: number = COMPACTION_LIVE_PERCENT,
  ): number | undefined {
    const oldest = this.oldestFile();
    let best: number | undefined;
    let bestShare = livePercent / 100;
    for (const [file, usage] of this.files) {
      if (!mayGo(file)) continue;
      // Tombstones of the oldest file speak about no other file: they go with it.
      const kept = usage.liveBytes + (file === oldest ? 0 : usage.tombstoneBytes);
      const recordBytes = usage.length - FILE_HEADER_LENGTH;
      const gain = recordBytes - kept;
      if (gain <= (kept === 0 ? 0 : FILE_HEADER_LENGTH)) continue;
      const share = kept / recordBytes;
      if (share < bestShare) {
        best = file;
        bestShare = share;
      }
    }
    return best;
  }
}

/** Bytes of the whole record behind a row. */
export function rowLength(row: Location): number {
  return row.headLength + row.metaLength + row.payloadLength;
}
