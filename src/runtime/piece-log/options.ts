// What a log is opened with.

import type { StoreError } from '../../base/errors.ts';
import type { Clock, Random } from '../../base/ports.ts';
import type { Files } from '../files.ts';
import type { LocalKeyValue } from '../key-value.ts';

export interface PieceLogOptions {
  readonly folder: string;
  /** Network and node that the folder belongs to, 32 bytes each. */
  readonly network: Uint8Array;
  readonly node: Uint8Array;
  readonly clock: Clock;
  /** Bytes that the log files may take, dead records included. Compaction may exceed it by one file for a while. */
  readonly quotaBytes: number;
  /** Where log files are cut; LOG_FILE_LENGTH when absent. */
  readonly logFileLength?: number;
  /** Bytes of the disk to keep free; max(DISK_RESERVE, DISK_RESERVE_PER_MILLE of the disk) when absent. */
  readonly reserveBytes?: number;
  readonly scrubPeriodMs?: number;
  /** Told once about each entry that is newly found damaged, with the reason. What `open` finds is in its report. */
  readonly onDamage?: (key: Uint8Array, reason: string) => void;
  /** Told once, when writing ends for good; reading goes on. */
  readonly onFailure?: (failure: StoreError) => void;
  readonly files?: Files;
  readonly random?: Random;
  /** Opens the index in its folder; Level when absent. */
  readonly openIndex?: (folder: string) => Promise<LocalKeyValue>;
}
