// The PieceLog port on disk: append-only log files, an index in Level, one process per folder. This file opens the
// folder and ties the parts together; each part has its own file:
//
//   record.ts   bytes of a log file          writer.ts   group commit            recover.ts  start after a crash
//   batch.ts    what a batch writes          reader.ts   checked reads           compact.ts  space given back
//   log-index.ts where records stand          scan.ts     a file without index    scrub.ts    rot found early
//   disk-log.ts the log while it is open     start.ts    index and log in line   identity.ts whose folder it is
//
// What it promises: a put or removal that resolved survives any crash; a read returns exact bytes or throws; the
// index never runs ahead of the log files, and can be lost. `recover.ts` has the argument, docs/format-disk.md the format.

import { StoreError, toStoreError } from '../../base/errors.ts';
import type { PieceLog } from '../../base/ports.ts';
import { type Files, systemFiles } from '../files.ts';
import { type FolderLock, lockFolder } from '../folder-lock.ts';
import { systemRandom } from '../random.ts';
import { DiskLog, type LogParts } from './disk-log.ts';
import { openIdentity } from './identity.ts';
import { LogFiles } from './log-files.ts';
import type { PieceLogOptions } from './options.ts';
import { RecordReader } from './reader.ts';
import { listLogFiles } from './recover.ts';
import { DamageList, type OpenReport } from './report.ts';
import { startIndex } from './start.ts';

export type { PieceLogOptions } from './options.ts';
export type { OpenReport } from './report.ts';

/**
 * Opens or creates the log in `options.folder`. Throws LOCKED, INVALID_CONFIG (another network's or node's folder),
 * UNSUPPORTED, DAMAGED (nothing in the folder says whose it is), DISK.
 */
export async function openPieceLog(
  options: PieceLogOptions,
): Promise<{ readonly log: PieceLog; readonly report: OpenReport }> {
  const { folder } = options;
  const files = options.files ?? systemFiles;
  checkOptions(options);
  try {
    await files.makeDirectory(folder);
    const lock = await lockFolder(folder, { files });
    try {
      return await openLocked(options, files, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  } catch (error) {
    throw toStoreError(error, 'DISK', `cannot open the log in ${folder}`);
  }
}

async function openLocked(
  options: PieceLogOptions,
  files: Files,
  lock: FolderLock,
): Promise<{ log: PieceLog; report: OpenReport }> {
  const { folder } = options;
  const numbers = await listLogFiles(folder, files);
  const found = await openIdentity(options, numbers, files, options.random ?? systemRandom);
  const { identity } = found;
  const damage = new DamageList();
  for (const file of found.damagedHeaders) {
    damage.add({ file, offset: 0, length: 128, reason: 'the header is damaged' });
  }
  const logFiles = new LogFiles(folder, files);
  const reader = new RecordReader(logFiles, identity);
  const context = { files, logFiles, identity, reader, numbers };
  const started = await startIndex(options, context, damage);
  const parts: LogParts = { ...context, ...started, options, lock };
  const log = new DiskLog(parts);
  try {
    await log.start();
  } catch (error) {
    await started.index.close();
    throw error;
  }
  const { recordsReplayed, tornBytes } = started.recovered;
  return {
    log,
    report: {
      start: found.isNew ? 'created' : started.start,
      recordsReplayed,
      tornBytes,
      damaged: damage.places,
      damagedCount: damage.count,
    },
  };
}

function checkOptions({ folder, network, node, quotaBytes, reserveBytes = 0 }: PieceLogOptions): void {
  if (network.length !== 32 || node.length !== 32) {
    throw new StoreError('INVALID_ARGUMENT', `log in ${folder}: network and node ids have 32 bytes`);
  }
  if (!(quotaBytes >= 0) || !(reserveBytes >= 0)) {
    throw new StoreError('INVALID_ARGUMENT', `log in ${folder}: quota and reserve are numbers of bytes`);
  }
}
