import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { StoreError } from '../../../src/base/errors.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { WAL_LENGTH_MAX } from '../../../src/base/limits.ts';
import type { HeightStart, Input } from '../../../src/consensus/types.ts';
import type { WalPort } from '../../../src/node/validator/ports.ts';
import { type OpenedWal, openWal, type WalFileOptions } from '../../../src/node/validator/wal-file.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { castOf, network, vote } from '../../consensus/signed.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { digestFrom } from '../../helpers/records.ts';
import { seededChance, SimulatedDisk, systemError } from '../../runtime/simulated-disk.ts';

const FOLDER = '/wal';
const FILE = '/wal/wal';
const cast = castOf(1, 1, 1, 1);
const owner = { network, node: digestFrom<NodeId>('validator') };

const startOf = (height: number): HeightStart => ({
  height,
  validators: cast.set,
  proposers: { firstHeight: 1, slots: [0, 1, 2, 3] },
  self: 0,
});
const inputOf = (height: number, round: number): Input => ({
  kind: 'message',
  message: vote(cast, round % 4, { height, round }),
});
/** The start of a height and so many votes. */
const history = (height: number, count: number): Input[] => [
  { kind: 'start-height', start: startOf(height) },
  ...Array.from({ length: count }, (_, round) => inputOf(height, round)),
];

const open = (disk: SimulatedDisk, options: Partial<WalFileOptions> = {}): Promise<OpenedWal> =>
  openWal({ folder: FOLDER, ...owner, random: systemRandom, files: disk, ...options });
const synced = (wal: WalPort): Promise<StoreError | undefined> => new Promise((done) => wal.sync(done));
const begun = (wal: WalPort, height: number): Promise<StoreError | undefined> =>
  new Promise((done) => wal.startHeight(startOf(height), done));

/** A log of height 5 with so many votes, each synced. */
async function written(disk: SimulatedDisk, count: number): Promise<WalPort> {
  const { wal } = await open(disk);
  expect(await begun(wal, 5)).toBeUndefined();
  for (let round = 0; round < count; round++) {
    wal.append(inputOf(5, round));
    expect(await synced(wal)).toBeUndefined();
  }
  return wal;
}

test('a new folder has nothing to replay; what was synced comes back after a restart, then more may follow', async () => {
  const disk = new SimulatedDisk();
  const { wal, inputs } = await open(disk);
  expect(inputs).toEqual([]);
  await wal.close();
  await (await written(disk, 3)).close();
  const again = await open(disk);
  expect(again).toMatchObject({ inputs: history(5, 3), cutBytes: 0 });
  again.wal.append(inputOf(5, 3));
  expect(await synced(again.wal)).toBeUndefined();
  await again.wal.close();
  expect((await open(disk)).inputs).toEqual(history(5, 4));
});

test('the next height begins with an empty log; that of the height before is gone', async () => {
  const disk = new SimulatedDisk();
  const wal = await written(disk, 3);
  expect(await begun(wal, 6)).toBeUndefined();
  wal.append(inputOf(6, 0));
  await synced(wal);
  await wal.close();
  expect((await open(disk)).inputs).toEqual(history(6, 1));
  expect(disk.paths().filter((path) => !path.endsWith('LOCK'))).toEqual([FILE]);
});

interface Lived {
  /** What was confirmed as durable. */
  readonly confirmed: readonly Input[];
  /** All that may be there: each height's inputs, as far as they were appended. */
  readonly possible: readonly (readonly Input[])[];
}

/** Opens, replays, and goes on from there by a few heights and votes, until something fails. */
async function live(disk: SimulatedDisk, before: Lived): Promise<Lived> {
  let confirmed = before.confirmed;
  const possible = [...before.possible];
  const attempt = async (
    history: readonly Input[],
    result: Promise<StoreError | undefined>,
  ): Promise<boolean> => {
    const error = await result;
    if (error === undefined) confirmed = history;
    return error === undefined;
  };
  try {
    const { wal, inputs } = await open(disk);
    check(inputs, before);
    confirmed = inputs;
    const first = inputs[0]?.kind === 'start-height' ? inputs[0].start.height : 0;
    for (let height = first + 1; height < first + 3; height++) {
      const written = history(height, 0);
      possible.push(written);
      if (!(await attempt([...written], begun(wal, height)))) break;
      for (let round = 0; round < 4; round++) {
        written.push(inputOf(height, round));
        wal.append(inputOf(height, round));
        if (round % 2 === 1 && !(await attempt([...written], synced(wal)))) break;
      }
    }
    await wal.close();
  } catch (error) {
    if (!disk.isDead) throw error;
  }
  return { confirmed, possible };
}

/** All that was confirmed is there, and nothing that nobody appended. */
function check(inputs: readonly Input[], { confirmed, possible }: Lived): void {
  const isPossible = possible.some(
    (one) => JSON.stringify(one.slice(0, inputs.length), asText) === JSON.stringify(inputs, asText),
  );
  expect(isPossible || inputs.length === 0).toBe(true);
  const heightOf = (list: readonly Input[]): number =>
    list[0]?.kind === 'start-height' ? list[0].start.height : 0;
  expect(heightOf(inputs)).toBeGreaterThanOrEqual(heightOf(confirmed));
  if (heightOf(inputs) === heightOf(confirmed))
    expect(inputs.length).toBeGreaterThanOrEqual(confirmed.length);
}

const asText = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
const NOTHING: Lived = { confirmed: [], possible: [] };

/** Operations of two lives without a failure. */
async function operationsOfALife(): Promise<number> {
  const disk = new SimulatedDisk();
  await live(disk, NOTHING);
  return disk.operations;
}

test('the power fails before any operation of the disk: what was confirmed is there, and nothing but what was appended', async () => {
  const count = await operationsOfALife();
  expect(count).toBeGreaterThan(20);
  for (let at = 1; at <= count; at++) {
    for (const seed of [1, 2, 3]) {
      const chance = seededChance(at * 10 + seed);
      let disk = new SimulatedDisk();
      let lived = await live(disk, NOTHING);
      // Two lives end by a power cut, the second somewhere in what the first left.
      for (let life = 0; life < 2; life++) {
        disk = disk.restart(chance, true);
        let left = life === 0 ? at : 1 + Math.floor(chance() * count);
        const current = disk;
        disk.hook = () => (--left === 0 ? current.cut() : undefined);
        lived = await live(disk, lived);
      }
      disk = disk.restart(chance, true);
      check((await open(disk)).inputs, lived);
    }
  }
});

test('any operation of the disk fails: all that follows fails, and what was confirmed before is there after a restart', async () => {
  const count = await operationsOfALife();
  for (let at = 1; at <= count; at++) {
    const chance = seededChance(at);
    const first = new SimulatedDisk();
    const before = await live(first, NOTHING);
    const disk = first.restart(chance, true);
    let left = at;
    disk.hook = ({ kind }) => {
      if (--left > 0) return undefined;
      if (left === 0 && kind === 'write') return Math.floor(chance() * 300);
      // A disk that fails once and then works again must change nothing.
      if (left === 0) throw systemError('EIO');
      return undefined;
    };
    let lived = before;
    try {
      lived = await live(disk, before);
    } catch (error) {
      expect(error).toMatchObject({ code: 'DISK' });
    }
    expect(disk.openFiles).toBe(0);
    const next = disk.restart(chance, true);
    check((await open(next)).inputs, lived);
  }
});

test('after a failed sync nothing is confirmed any more, though the disk works again', async () => {
  const disk = new SimulatedDisk();
  const wal = await written(disk, 1);
  disk.hook = ({ kind }) => {
    if (kind === 'sync') throw systemError('EIO');
    return undefined;
  };
  wal.append(inputOf(5, 1));
  expect(await synced(wal)).toMatchObject({ code: 'DISK' });
  disk.hook = () => undefined;
  wal.append(inputOf(5, 2));
  expect(await synced(wal)).toMatchObject({ code: 'DISK' });
  await wal.close();
  expect(disk.openFiles).toBe(0);
});

test('a full disk is named, and the log is whole when there is space again', async () => {
  const disk = new SimulatedDisk();
  const wal = await written(disk, 2);
  disk.hook = ({ kind }) => {
    if (kind === 'write' || kind === 'create') throw systemError('ENOSPC');
    return undefined;
  };
  wal.append(inputOf(5, 2));
  const error = await synced(wal);
  expect(error).toMatchObject({ code: 'DISK', message: expect.stringContaining(FILE) });
  expect(error!.next).toContain('Make space');
  await wal.close();
  disk.hook = () => undefined;
  expect((await open(disk)).inputs).toEqual(history(5, 2));
});

test('a torn end is cut, told, and written over by what follows', async () => {
  const disk = new SimulatedDisk();
  await (await written(disk, 3)).close();
  const file = await disk.open(FILE, 'write');
  const { length } = disk.bytesOf(FILE);
  await file.truncate(length - 5);
  const { wal, inputs, cutBytes } = await open(disk);
  expect(inputs).toEqual(history(5, 2));
  expect(cutBytes).toBeGreaterThan(50);
  wal.append(inputOf(5, 2));
  await synced(wal);
  await wal.close();
  expect((await open(disk)).inputs).toEqual(history(5, 3));
});

test('damage in the middle is fatal: the error names file and place, the file stays as it is, the lock is given back', async () => {
  const disk = new SimulatedDisk();
  await (await written(disk, 4)).close();
  const bytes = disk.bytesOf(FILE);
  bytes[bytes.length - 300]! ^= 0xff;
  const kept = Uint8Array.from(bytes);
  for (let round = 0; round < 2; round++) {
    const error = await expectCodeAsync('DAMAGED', open(disk));
    expect(error.message).toMatch(/^\/wal\/wal is damaged at byte \d+: /);
    expect(error.next).toBeDefined();
  }
  expect(disk.bytesOf(FILE)).toEqual(kept);
});

test('a log of another network or validator is refused', async () => {
  const disk = new SimulatedDisk();
  await (await written(disk, 1)).close();
  await expectCodeAsync('WRONG_NETWORK', open(disk, { network: digestFrom('other') }));
  await expectCodeAsync('INVALID_CONFIG', open(disk, { node: digestFrom('other') }));
});

test('a second user of the folder is turned away', async () => {
  const disk = new SimulatedDisk();
  const wal = await written(disk, 1);
  await expectCodeAsync('LOCKED', open(disk));
  await wal.close();
  await (await open(disk)).wal.close();
});

describe('the bound', () => {
  test('a log that reached it takes nothing more, and what it has stays readable', async () => {
    const disk = new SimulatedDisk();
    const { wal } = await open(disk, { lengthMax: 1500 });
    await begun(wal, 5);
    let count = 0;
    for (; count < 50; count++) {
      wal.append(inputOf(5, count));
      const error = await synced(wal);
      if (error === undefined) continue;
      expect(error).toMatchObject({ code: 'FULL', message: expect.stringContaining('for height 5 alone') });
      break;
    }
    expect(count).toBeGreaterThan(3);
    expect(disk.bytesOf(FILE).length).toBeLessThanOrEqual(1500);
    expect(await begun(wal, 6)).toMatchObject({ code: 'FULL' });
    await wal.close();
    expect((await open(disk)).inputs).toEqual(history(5, count));
  });

  test('a file that is longer than any log is refused unread', async () => {
    const disk = new SimulatedDisk();
    const file = await disk.open(FILE, 'create');
    await file.truncate(WAL_LENGTH_MAX + 1);
    const error = await expectCodeAsync('DISK', open(disk));
    expect(error.message).toContain(`${WAL_LENGTH_MAX + 1} bytes`);
  });
});

test('after closing everything gets CLOSED', async () => {
  const wal = await written(new SimulatedDisk(), 1);
  await wal.close();
  wal.append(inputOf(5, 1));
  expect(await synced(wal)).toMatchObject({ code: 'CLOSED' });
  expect(await begun(wal, 6)).toMatchObject({ code: 'CLOSED' });
});

test('on a real disk the log is private to its user, and what a crash left aside is swept', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-wal-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'validator', 'wal');
  const options: WalFileOptions = { folder: path, ...owner, random: systemRandom };
  const { wal } = await openWal(options);
  await begun(wal, 5);
  wal.append(inputOf(5, 0));
  expect(await synced(wal)).toBeUndefined();
  await wal.close();
  await writeFile(join(path, '.wal.0123456789abcdef.tmp'), 'half');
  const again = await openWal(options);
  expect(again.inputs).toEqual(history(5, 1));
  await again.wal.close();
  expect(await readdir(path)).toEqual(['wal']);
  expect((await stat(join(path, 'wal'))).mode & 0o777).toBe(0o600);
});
