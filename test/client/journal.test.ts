// An upload that was interrupted goes on: what was acknowledged is not sent again.

import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ContentKey, NetworkId, NodeId, OwnerId, PieceRoot, Signature } from '../../src/base/ids.ts';
import { openJournal, type JournalHeader } from '../../src/client/journal.ts';
import type { NoticeEvent } from '../../src/client/types.ts';
import type { SegmentRecord } from '../../src/replication/manifest.ts';
import { decodePutPiece, SERVICES } from '../../src/replication/messages.ts';
import { type Cluster, createCluster, patterned, type TestClient } from '../helpers/cluster.ts';
import { type Files, systemFiles } from '../../src/runtime/files.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';

const filled = <T>(length: number, value: number): T => new Uint8Array(length).fill(value) as T;
const header: JournalHeader = {
  network: filled<NetworkId>(32, 1),
  owner: filled<OwnerId>(32, 2),
  objectSalt: filled(16, 3),
  key: filled<ContentKey>(32, 4),
  code: { k: 1, n: 2 },
  segmentCells: 16,
  createdAtMs: 1000,
};
const segment = (value: number): SegmentRecord => ({
  salt: filled(16, value),
  roots: [filled<PieceRoot>(32, value), filled<PieceRoot>(32, value + 1)],
  holders: [filled<NodeId>(32, 7), filled<NodeId>(32, 8)],
  confirmations: [{ pieceIndex: 0, signature: filled<Signature>(64, 9) }],
});

const DAY_MS = 24 * 3600 * 1000;

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'holdfast-journal-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));
const pathOf = async (): Promise<string> => {
  const [folder] = await readdir(join(home, 'uploads'));
  return join(home, 'uploads', folder!, 'journal');
};

describe('a journal', () => {
  test('gives back what was added, under the name and key of the first put', async () => {
    const first = await openJournal(home, 'file', header);
    await Promise.all([first.add(0, segment(10)), first.add(2, segment(12))]);
    await first.close(false);
    const later = {
      ...header,
      objectSalt: filled<Uint8Array>(16, 99),
      key: filled<ContentKey>(32, 98),
      createdAtMs: 2000,
    };
    const again = await openJournal(home, 'file', later);
    expect(again.header).toEqual(header);
    expect([...again.segments]).toEqual([
      [0, segment(10)],
      [2, segment(12)],
    ]);
    await again.add(1, segment(11));
    await again.close(false);
    const third = await openJournal(home, 'file', later);
    expect([...third.segments.keys()].sort((a, b) => a - b)).toEqual([0, 1, 2]);
    await third.close(true);
    const fourth = await openJournal(home, 'file', later);
    expect(fourth.segments.size).toBe(0);
    await fourth.close(true);
  });

  test('is readable by its owner alone', async () => {
    const journal = await openJournal(home, 'file', header);
    expect((await stat(await pathOf())).mode & 0o777).toBe(0o600);
    expect((await stat(join(home, 'uploads'))).mode & 0o777).toBe(0o700);
    await journal.close(true);
  });

  test('is kept apart by resume key, and starts afresh when anything else differs', async () => {
    const others: readonly [string, Partial<JournalHeader>][] = [
      ['other', {}],
      ['file', { code: { k: 1, n: 3 } }],
      ['file', { segmentCells: 17 }],
      ['file', { key: undefined }],
      ['file', { owner: filled<OwnerId>(32, 50) }],
      ['file', { network: filled<NetworkId>(32, 50) }],
      ['file', { createdAtMs: 1000 + 8 * 24 * 3600 * 1000 }],
    ];
    for (const [name, change] of others) {
      const first = await openJournal(home, 'file', header);
      await first.add(0, segment(10));
      await first.close(false);
      const other = await openJournal(home, name, { ...header, ...change });
      expect(other.segments.size, JSON.stringify(Object.keys(change))).toBe(0);
      await other.close(true);
      await (await openJournal(home, 'file', header)).close(true);
    }
  });

  test('of a finished upload is empty on the disk: a power cut that brings its name back brings no content', async () => {
    const calls: string[] = [];
    const files: Files = {
      ...systemFiles,
      open: async (path, mode) => {
        const file = await systemFiles.open(path, mode);
        if (!path.endsWith('journal')) return file;
        return {
          ...file,
          truncate: (length) => (calls.push(`truncate ${length}`), file.truncate(length)),
          sync: () => (calls.push('sync'), file.sync()),
        };
      },
      rename: (from, to) => (calls.push('rename'), systemFiles.rename(from, to)),
    };
    const journal = await openJournal(home, 'file', header, files);
    await journal.add(0, segment(10));
    calls.length = 0;
    await journal.close(true);
    expect(calls).toEqual(['truncate 0', 'sync', 'rename']);
    expect(await readdir(join(home, 'uploads'))).toEqual([]);
  });

  test('that cannot be emptied is DISK, and the next put goes on with it', async () => {
    const files: Files = {
      ...systemFiles,
      open: async (path, mode) => {
        const file = await systemFiles.open(path, mode);
        const fail = async (): Promise<void> => {
          throw Object.assign(new Error('EIO'), { code: 'EIO' });
        };
        return path.endsWith('journal') ? { ...file, truncate: fail } : file;
      },
    };
    const journal = await openJournal(home, 'file', header, files);
    await journal.add(0, segment(10));
    await expectCodeAsync('DISK', journal.close(true));
    const again = await openJournal(home, 'file', { ...header, objectSalt: filled<Uint8Array>(16, 99) });
    expect(again.header).toEqual(header);
    await again.close(true);
  });

  test('that nobody went on with for a week goes with the next upload, unless it is in use', async () => {
    for (const name of ['forgotten', 'recent', 'in use']) {
      const createdAtMs = name === 'recent' ? header.createdAtMs + 6 * DAY_MS : header.createdAtMs;
      const journal = await openJournal(home, name, { ...header, createdAtMs });
      await journal.add(0, segment(10));
      await journal.close(false);
    }
    const used = await openJournal(home, 'in use', header);
    const next = await openJournal(home, 'next', { ...header, createdAtMs: header.createdAtMs + 8 * DAY_MS });
    await next.close(true);
    expect((await readdir(join(home, 'uploads'))).length).toBe(2);
    await used.close(false);
    const recent = await openJournal(home, 'recent', {
      ...header,
      createdAtMs: header.createdAtMs + 8 * DAY_MS,
    });
    expect(recent.segments.size).toBe(1);
    await recent.close(true);
  });

  test('is used by one put at a time: LOCKED', async () => {
    const first = await openJournal(home, 'file', header);
    await expectCodeAsync('LOCKED', openJournal(home, 'file', header));
    await first.close(false);
    await (await openJournal(home, 'file', header)).close(true);
  });

  test('cut anywhere gives the whole frames before the cut', async () => {
    const journal = await openJournal(home, 'file', header);
    for (let index = 0; index < 3; index++) await journal.add(index, segment(10 + index));
    await journal.close(false);
    const path = await pathOf();
    const whole = await readFile(path);
    for (let length = 0; length <= whole.length; length += 37) {
      await writeFile(path, whole.subarray(0, length));
      const again = await openJournal(home, 'file', header);
      const indices = [...again.segments.keys()];
      expect(indices).toEqual([0, 1, 2].slice(0, indices.length));
      await again.add(9, segment(30));
      await again.close(false);
      const after = await openJournal(home, 'file', header);
      expect([...after.segments.keys()]).toEqual([...indices, 9]);
      await after.close(false);
    }
  });

  test('with a flipped bit gives nothing wrong', async () => {
    const journal = await openJournal(home, 'file', header);
    for (let index = 0; index < 3; index++) await journal.add(index, segment(10 + index));
    await journal.close(false);
    const path = await pathOf();
    const whole = await readFile(path);
    for (let at = 0; at < whole.length; at += 23) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 0x10;
      await writeFile(path, damaged);
      const again = await openJournal(home, 'file', header);
      for (const [index, record] of again.segments) expect(record).toEqual(segment(10 + index));
      expect(again.segments.size).toBeLessThan(3);
      await again.close(false);
    }
  });
});

describe('a put that was interrupted', () => {
  const code = { k: 2, n: 4 };
  const segmentBytes = 1024 * 1024;
  const bytes = patterned(4_500_000);
  let cluster: Cluster;
  let client: TestClient;
  beforeEach(async () => {
    cluster = await createCluster({ nodes: 4 });
    client = await cluster.client({ home, memoryBytes: 1 });
  });
  afterEach(() => cluster.close());

  /** Put that dies after `segments` acknowledged segments. */
  const interrupted = async (segments: number, resumeKey: string): Promise<void> => {
    const doomed = await cluster.client({ home, memoryBytes: 1 });
    let sent = 0;
    const source = (async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += 100_000) {
        sent = at;
        if (at > (segments + 0.5) * 1_048_320) {
          // What was sent before must have been acknowledged; then the process is gone.
          await new Promise((resolve) => setTimeout(resolve, 150));
          await doomed.memory.close();
          await new Promise((resolve) => setTimeout(resolve, 20));
          throw new Error('the machine lost power');
        }
        yield bytes.subarray(at, at + 100_000);
      }
    })();
    await expect(doomed.put(source, { code, segmentBytes, resumeKey })).rejects.toBeDefined();
    expect(sent).toBeGreaterThan(0);
  };

  /** Segments whose pieces arrive at nodes from now on. */
  const watchSegments = (): Set<number> => {
    const seen = new Set<number>();
    for (const { memory } of cluster.nodes) {
      memory.faults.refuse = (service, request) => {
        if (service === SERVICES.putPiece) seen.add(decodePutPiece(request).segmentIndex);
        return undefined;
      };
    }
    return seen;
  };

  test('goes on from the last complete segment, and the object is whole', async () => {
    await interrupted(2, 'a file');
    const seen = watchSegments();
    const notices: NoticeEvent[] = [];
    const put = await client.put(bytes, {
      code,
      segmentBytes,
      resumeKey: 'a file',
      onNotice: (notice) => notices.push(notice),
    });
    expect(put.resumedSegments).toBe(2);
    expect([...seen].sort((a, b) => a - b)).toEqual([2, 3, 4]);
    expect(notices[0]).toMatchObject({ kind: 'resumed', segmentIndex: 2 });
    expect(Buffer.compare(await (await client.get(put.uri)).bytes(), bytes)).toBe(0);
    expect((await client.stat(put.uri)).isCertified).toBe(true);
    expect(await readdir(join(home, 'uploads'))).toEqual([]);
  });

  test('starts afresh under another resume key', async () => {
    await interrupted(2, 'a file');
    const put = await client.put(bytes, { code, segmentBytes, resumeKey: 'the file, changed' });
    expect(put.resumedSegments).toBe(0);
    expect(Buffer.compare(await (await client.get(put.uri)).bytes(), bytes)).toBe(0);
  });

  test('of a source that has become shorter is refused once, then starts afresh', async () => {
    await interrupted(2, 'a file');
    const shorter = bytes.subarray(0, 1_500_000);
    await expectCodeAsync(
      'INVALID_ARGUMENT',
      client.put(shorter, { code, segmentBytes, resumeKey: 'a file' }),
    );
    const put = await client.put(shorter, { code, segmentBytes, resumeKey: 'a file' });
    expect(put.resumedSegments).toBe(0);
    expect(Buffer.compare(await (await client.get(put.uri)).bytes(), shorter)).toBe(0);
  });

  test('never encrypts under the same segment key again, though the rest of the source changed', async () => {
    await interrupted(2, 'a file');
    const changed = bytes.slice();
    changed.fill(0, 2_200_000);
    const put = await client.put(changed, { code, segmentBytes, resumeKey: 'a file' });
    const expected = Buffer.concat([bytes.subarray(0, 2_096_640), changed.subarray(2_096_640)]);
    expect(Buffer.compare(await (await client.get(put.uri)).bytes(), expected)).toBe(0);
  });
});
