// Usage counted anew from the index, after a crash.

import type { DamageList } from './report.ts';
import type { Location, LogIndex } from './log-index.ts';
import { type LogUsageCount, rowLength } from './usage.ts';

const CHANGES_MAX = 1000;

/** Sums up all rows. Those whose record cannot be there are quarantined and reported. */
export async function countRows(
  context: { readonly index: LogIndex; readonly usage: LogUsageCount },
  damage: DamageList,
): Promise<void> {
  const { index, usage } = context;
  let marked: (readonly [Uint8Array, Location])[] = [];
  for await (const [key, row] of index.rows(new Uint8Array())) {
    usage.addRow(row);
    const file = usage.files.get(row.file);
    const isThere = file !== undefined && row.offset + rowLength(row) <= file.length;
    if (isThere || row.isDamaged) continue;
    const reason = file === undefined ? 'the log file is missing' : 'the end of the file is missing';
    damage.add({ file: row.file, offset: row.offset, length: rowLength(row), reason, key });
    marked.push([key, { ...row, isDamaged: true }]);
    if (marked.length >= CHANGES_MAX) {
      await index.change(marked);
      marked = [];
    }
  }
  if (marked.length > 0) await index.change(marked);
}
