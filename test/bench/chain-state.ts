// The state of many objects on disk: records as registrations leave them, written through the store block by block.

import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from '../../src/base/codec.ts';
import type { NodeId, ObjectId, OwnerId, PieceRoot } from '../../src/base/ids.ts';
import { StateStore } from '../../src/node/chain/state-store.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { openKeyValue } from '../../src/runtime/key-value.ts';
import { merkleRoot } from '../../src/base/merkle.ts';
import { objectKey, objectRecord, segmentsKey } from '../../src/shards/object-record.ts';
import { segmentsRecord } from '../../src/shards/segments.ts';
import type { Change } from '../../src/shards/view.ts';
import { digestFrom } from '../helpers/records.ts';
import type { BenchOptions } from './main.ts';
import type { BenchTable } from './table.ts';

const PER_BLOCK = 500;
const CODE = { k: 4, n: 7 };
const SEGMENT_CELLS = 64;

export async function benchState({ quick, million = false }: BenchOptions): Promise<BenchTable> {
  const objects = million ? 1_000_000 : quick ? 5_000 : 50_000;
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-state-'));
  const keyValue = await openKeyValue(join(folder, 'chain'));
  try {
    const store = new StateStore(keyValue, 0, nativeSha256);
    const first = await store.first({ height: 0, id: digestFrom('genesis'), timeMs: 1, shardBits: 0 }, []);
    await keyValue.batch(first.operations, { isDurable: true });
    first.remember();
    let { kept } = first;
    const outboxRoots = [merkleRoot([], nativeSha256)];
    const rows: (string | number)[][] = [];
    const milestones = new Set([objects / 10, objects / 2, objects]);
    let cpuMs = 0;
    let wallMs = 0;
    let commits = 0;
    let recordBytes = 0;
    for (let from = 0, height = 1; from < objects; from += PER_BLOCK, height++) {
      const changes = changesAt(from, Math.min(PER_BLOCK, objects - from));
      recordBytes += changes.reduce((sum, { after }) => sum + (after?.length ?? 0), 0);
      const began = performance.now();
      const before = process.cpuUsage();
      const about = { height, id: digestFrom(`block ${height}`), timeMs: height, shardBits: 0 };
      const executed = { changes, outcomes: [], sent: [], outboxRoots, shardBits: 0 };
      const next = await store.next(kept.nextTrees, about, executed);
      await keyValue.batch(next.operations, { isDurable: true });
      next.remember();
      kept = next.kept;
      const { user, system } = process.cpuUsage(before);
      cpuMs += (user + system) / 1000;
      wallMs += performance.now() - began;
      commits++;
      while (await store.pruneStep(Math.max(0, height - 16)));
      const done = Math.min(objects, from + PER_BLOCK);
      if (!milestones.has(done)) continue;
      await keyValue.flush();
      rows.push([
        done,
        (folderBytes(folder) / done).toFixed(0),
        (recordBytes / done).toFixed(0),
        (wallMs / commits).toFixed(1),
        (cpuMs / commits).toFixed(1),
        (process.memoryUsage().rss / 1024 / 1024).toFixed(0),
      ]);
      cpuMs = 0;
      wallMs = 0;
      commits = 0;
    }
    return {
      title: `State of objects on disk: ${PER_BLOCK} registered in each block, one segment of ${CODE.k} of ${CODE.n} each, 16 states kept`,
      columns: ['objects', 'bytes/object', 'of them records', 'commit ms', 'CPU ms', 'RSS MiB'],
      rows,
      notes: [
        'bytes of the database folder after a compaction; commits since the row before; --million for the whole',
      ],
    };
  } finally {
    await keyValue.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const HOLDERS = Array.from({ length: 32 }, (_, index) => digestFrom<NodeId>(`holder ${index}`));
const OWNER = digestFrom<OwnerId>('owner');

/** As good as random: hashing each anew would take longer than what is measured. */
const digestAt = (index: number, part: number): Uint8Array =>
  nativeSha256(new Uint8Array(Uint32Array.of(index, part).buffer));

function changesAt(from: number, count: number): readonly Change[] {
  const changes: Change[] = [];
  for (let index = from; index < from + count; index++) {
    const id = digestAt(index, 0) as ObjectId;
    const holders = Array.from(
      { length: CODE.n },
      (_, piece) => HOLDERS[(index + 5 * piece) % HOLDERS.length]!,
    );
    const object = {
      owner: OWNER,
      salt: digestAt(index, 1).slice(0, 16),
      shape: {
        lengthBytes: 500_000,
        code: CODE,
        segmentCells: SEGMENT_CELLS,
        isEncrypted: true,
        isInline: false,
      },
      keyCheck: digestAt(index, 2),
      manifest: { digest: digestFrom('manifest'), lengthBytes: 900, holders: holders.slice(0, 3) },
      registered: 1,
      registeredAtHeight: 1 + index,
      expiresAtMs: null,
      isLeaving: false,
      deposits: [],
    };
    const roots = Array.from({ length: CODE.n }, (_, piece) => digestAt(index, 10 + piece) as PieceRoot);
    const segments = [{ salt: digestAt(index, 3).slice(0, 16), roots, holders }];
    changes.push(
      { key: objectKey(id), before: null, after: encode(objectRecord.tuple(object)) },
      { key: segmentsKey(id, 0), before: null, after: encode(segmentsRecord.tuple(segments)) },
    );
  }
  return changes.sort((a, b) => (a.key.text < b.key.text ? -1 : 1));
}

function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
