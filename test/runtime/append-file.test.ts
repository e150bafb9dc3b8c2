import { expect, test } from 'vitest';
import { concat } from '../../src/base/bytes.ts';
import type { StoreError } from '../../src/base/errors.ts';
import { APPEND_WAITING_BYTES } from '../../src/base/limits.ts';
import { AppendFile } from '../../src/runtime/append-file.ts';
import { type DiskOperation, SimulatedDisk, systemError } from './simulated-disk.ts';

const PATH = '/file';
const HEAD = new Uint8Array([1, 2, 3]);

interface Bench {
  readonly disk: SimulatedDisk;
  readonly file: AppendFile;
  readonly operations: DiskOperation['kind'][];
  readonly synced: () => Promise<StoreError | undefined>;
}

async function open(): Promise<Bench> {
  const disk = new SimulatedDisk();
  const handle = await disk.open(PATH, 'create');
  await handle.write([HEAD], 0);
  await handle.sync();
  await disk.syncDirectory('/');
  const operations: DiskOperation['kind'][] = [];
  disk.hook = ({ kind }) => {
    operations.push(kind);
    return undefined;
  };
  const file = new AppendFile(handle, HEAD.length, PATH);
  return { disk, file, operations, synced: () => new Promise((resolve) => file.sync(resolve)) };
}

const part = (seed: number): Uint8Array => new Uint8Array(seed % 7).fill(seed);
const keepsNothing = (): number => 0.99;

test('what was synced is on the disk behind what was there, in order, whatever happens to the rest', async () => {
  const { disk, file, synced } = await open();
  let expected = HEAD;
  for (let round = 0; round < 50; round++) {
    file.append(part(round));
    expected = concat(expected, part(round));
    if (round % 3 !== 0) continue;
    expect(await synced()).toBeUndefined();
    expect(file.syncedLength).toBe(expected.length);
    expect(disk.restart(keepsNothing, true).bytesOf(PATH)).toEqual(expected);
  }
  expect(file.length).toBe(expected.length);
});

test('a sync of nothing new is done at once and costs nothing', async () => {
  const { file, operations, synced } = await open();
  let isDone = false;
  file.sync(() => {
    isDone = true;
  });
  expect(isDone).toBe(true);
  file.append(part(3));
  await synced();
  await synced();
  expect(operations).toEqual(['write', 'sync']);
});

test('whoever asks while a sync runs shares the next one, and each is told once, in order', async () => {
  const { file, operations, synced } = await open();
  const told: number[] = [];
  for (let caller = 0; caller < 20; caller++) {
    file.append(part(caller + 1));
    file.sync(() => told.push(caller));
  }
  await synced();
  expect(operations).toEqual(['write', 'sync', 'write', 'sync']);
  expect(told).toEqual(Array.from({ length: 20 }, (_, caller) => caller));
});

test('a caller may append and ask again from within its answer', async () => {
  const { disk, file } = await open();
  await new Promise<void>((resolve) => {
    const again = (left: number): void => {
      if (left === 0) {
        resolve();
        return;
      }
      file.append(part(left));
      file.sync(() => again(left - 1));
    };
    again(5);
  });
  expect(disk.restart(keepsNothing, true).bytesOf(PATH)).toEqual(concat(HEAD, ...[5, 4, 3, 2, 1].map(part)));
});

test('much that nobody asks to sync is written all the same, so that it does not stay in memory', async () => {
  const { disk, file, operations } = await open();
  for (let count = 0; count < 3; count++) file.append(new Uint8Array(APPEND_WAITING_BYTES / 2).fill(7));
  await file.close();
  expect(operations).toEqual(['write']);
  expect(disk.bytesOf(PATH).length).toBe(HEAD.length + APPEND_WAITING_BYTES);
});

test('any number of parts may come at once', async () => {
  const { disk, file, synced } = await open();
  for (let count = 0; count < 300_000; count++) file.append(part(1));
  expect(await synced()).toBeUndefined();
  expect(disk.bytesOf(PATH).length).toBe(HEAD.length + 300_000);
});

test.each(['write', 'sync'] as const)(
  'a failed %s is final: all get it, nothing is tried again',
  async (kind) => {
    const { disk, file, operations, synced } = await open();
    disk.hook = (operation) => {
      operations.push(operation.kind);
      if (operation.kind === kind) throw systemError('EIO');
      return undefined;
    };
    file.append(part(1));
    const answers = await Promise.all([synced(), synced(), synced()]);
    expect(answers.map((error) => error?.code)).toEqual(['DISK', 'DISK', 'DISK']);
    expect(answers[0]!.message).toContain(PATH);
    const count = operations.length;
    disk.hook = (operation) => {
      operations.push(operation.kind);
      return undefined;
    };
    file.append(part(2));
    expect((await synced())?.code).toBe('DISK');
    await file.close();
    expect(operations.length).toBe(count);
    expect(disk.openFiles).toBe(0);
  },
);

test('a full disk is named, with the way out', async () => {
  const { disk, file, synced } = await open();
  disk.hook = ({ kind }) => {
    if (kind === 'write') throw systemError('ENOSPC');
    return undefined;
  };
  file.append(part(1));
  const error = await synced();
  expect(error).toMatchObject({ code: 'DISK' });
  expect(error!.next).toContain('Make space');
});

test('closing waits for the sync under way; afterwards calls get CLOSED', async () => {
  const { disk, file, synced } = await open();
  file.append(part(4));
  const asked = synced();
  await file.close();
  expect(await asked).toBeUndefined();
  expect((await synced())?.code).toBe('CLOSED');
  file.append(part(5));
  expect(disk.bytesOf(PATH)).toEqual(concat(HEAD, part(4)));
  expect(disk.openFiles).toBe(0);
  await file.close();
});
