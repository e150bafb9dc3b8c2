// Brings the index in line with the log files: takes it as it is after an orderly stop, replays the end of the log
// after a crash, and makes it anew when it is missing, damaged or of another log.

import { join } from 'node:path';
import { equal } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { fileLength, type Files } from '../files.ts';
import { type LocalKeyValue, openKeyValue } from '../key-value.ts';
import { LogIndex } from './log-index.ts';
import type { LogFiles } from './log-files.ts';
import type { RecordReader } from './reader.ts';
import type { Identity } from './record.ts';
import { recover, type Recovered } from './recover.ts';
import { DamageList } from './report.ts';
import { LogUsageCount } from './usage.ts';

export interface StartedIndex {
  readonly start: 'clean' | 'recovered' | 'rebuilt';
  readonly index: LogIndex;
  readonly usage: LogUsageCount;
  readonly recovered: Recovered;
}

export interface StartContext {
  readonly files: Files;
  readonly logFiles: LogFiles;
  readonly identity: Identity;
  readonly reader: RecordReader;
  /** The log files found, ascending. */
  readonly numbers: readonly number[];
}

/** The index brought up to date; one that is damaged or of another log is dropped and made anew. */
export async function startIndex(
  options: { readonly folder: string; readonly openIndex?: (folder: string) => Promise<LocalKeyValue> },
  context: StartContext,
  damage: DamageList,
): Promise<StartedIndex> {
  const open = options.openIndex ?? openKeyValue;
  const indexFolder = join(options.folder, 'index');
  let store: LocalKeyValue | undefined;
  try {
    store = await open(indexFolder);
    const started = await resume(new LogIndex(store), context, damage);
    if (started !== undefined) return started;
  } catch (error) {
    await store?.close();
    if (!(error instanceof StoreError) || error.code !== 'DAMAGED') throw error;
  }
  await store?.close();
  await context.files.removeTree(indexFolder);
  const index = new LogIndex(await open(indexFolder));
  try {
    const usage = new LogUsageCount();
    const recovered = await recover({ ...context, index, usage }, undefined, damage);
    return { start: 'rebuilt', index, usage, recovered };
  } catch (error) {
    await index.close();
    throw error;
  }
}

/** Undefined when the index has to be made anew. */
async function resume(
  index: LogIndex,
  context: StartContext,
  damage: DamageList,
): Promise<StartedIndex | undefined> {
  const checkpoint = await index.checkpoint();
  const isOurs = checkpoint !== undefined && equal(checkpoint.marker, context.identity.marker);
  if (!isOurs) return undefined;
  const usage = new LogUsageCount();
  if (checkpoint.isClean && (await isAsLeft(index, context))) {
    for (const [file, counts] of await index.fileTable()) usage.setFile(file, counts);
    usage.entries = checkpoint.entries;
    usage.livePayloadBytes = checkpoint.livePayloadBytes;
    const hasFile = usage.files.has(checkpoint.file);
    const end = { file: checkpoint.file, offset: checkpoint.offset, isSealed: !hasFile };
    return { start: 'clean', index, usage, recovered: { end, recordsReplayed: 0, tornBytes: 0 } };
  }
  const places = new DamageList();
  const recovered = await recover({ ...context, index, usage }, checkpoint, places);
  for (const place of places.places) damage.add(place);
  damage.count += places.count - places.places.length;
  return { start: 'recovered', index, usage, recovered };
}

/** Whether the files are those of the table, each as long as it says. */
async function isAsLeft(index: LogIndex, { files, logFiles, numbers }: StartContext): Promise<boolean> {
  const table = await index.fileTable();
  if (table.size !== numbers.length) return false;
  for (const number of numbers) {
    if (table.get(number)?.length !== (await fileLength(logFiles.path(number), files))) return false;
  }
  return true;
}
