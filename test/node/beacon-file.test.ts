import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import type { Epoch, NetworkId, NodeId } from '../../src/base/ids.ts';
import { BEACON_CHAIN_LENGTH, BEACON_CHAINS_KEPT_MAX } from '../../src/base/limits.ts';
import {
  commitChain,
  contribute,
  type Contributor,
  foundingContributor,
  foundingMix,
} from '../../src/consensus/beacon.ts';
import { type Beacon, openBeacon } from '../../src/node/beacon-file.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import { digestFrom } from '../helpers/records.ts';

let folder = '';
let path = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-beacon-'));
  path = join(folder, 'beacon.key');
});
afterEach(() => rm(folder, { recursive: true }));

const owner = { network: digestFrom<NetworkId>('network'), node: digestFrom<NodeId>('node') };
const LENGTH = 40;
const FIRST = 0 as Epoch;

const open = (length?: number): Promise<Beacon> =>
  openBeacon({ path, owner, random: systemRandom, ...(length === undefined ? {} : { length }) });

/** Reveals in one block as the ledger judges it. */
function step(beacon: Beacon, contributor: Contributor, epoch: Epoch = FIRST): Contributor {
  const reveal = beacon.reveal(contributor, epoch);
  const mix = foundingMix(owner.network);
  const judged = contribute(owner, contributor, epoch, mix, reveal ?? null, nativeSha256);
  if (judged.kind !== 'revealed') throw new Error(judged.kind);
  return judged.contributor;
}

describe('a beacon key', () => {
  test('is made once, private, and the same after a restart', async () => {
    const made = await open();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['beacon.key']);
    const text = await readFile(path, 'utf8');
    expect(text).toMatch(/^holdfast-beacon-key [0-9a-f]{64} 16384 [0-9a-f]{8}\n$/);
    expect(made.commitment().remaining).toBe(BEACON_CHAIN_LENGTH);
    expect((await open()).commitment()).toEqual(made.commitment());
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  test('differs from any other, and by network and node', async () => {
    const made = (await open(LENGTH)).commitment();
    const options = { path, random: systemRandom };
    const elsewhere = { ...owner, network: digestFrom<NetworkId>('another') };
    const other = await openBeacon({ ...options, owner: elsewhere });
    expect(toHex(other.commitment().tip)).not.toBe(toHex(made.tip));
    await rm(path);
    expect(toHex((await open(LENGTH)).commitment().tip)).not.toBe(toHex(made.tip));
  });

  test('made by two at once is one', async () => {
    const both = await Promise.all([open(LENGTH), open(LENGTH), open(LENGTH)]);
    expect(new Set(both.map((beacon) => toHex(beacon.commitment().tip))).size).toBe(1);
    expect(await readdir(folder)).toEqual(['beacon.key']);
  });

  test('damaged, open to others, or of another form is refused', async () => {
    await open(LENGTH);
    const text = await readFile(path, 'utf8');
    const wrong = [
      '',
      text.replace(/[0-9a-f]{8}\n$/, '00000000\n'),
      text.replace(' 40 ', ' 41 '),
      text.replace('beacon', 'node'),
      text.slice(0, 50),
      text.repeat(BEACON_CHAINS_KEPT_MAX + 1),
      `${text}\n`,
    ];
    for (const changed of wrong) {
      await writeFile(path, changed);
      const error = await expectCodeAsync('INVALID_IDENTITY', open(LENGTH));
      expect(error.message).toContain(path);
      expect(error.message).not.toMatch(/[0-9a-f]{64}/);
    }
    await writeFile(path, text);
    await chmod(path, 0o640);
    await expectCodeAsync('INVALID_IDENTITY', open(LENGTH));
    await chmod(path, 0o600);
    await open(LENGTH);
  });

  test('in a folder that cannot be is a failure of the disk', async () => {
    await writeFile(join(folder, 'file'), '');
    const inFile = join(folder, 'file', 'beacon.key');
    await expectCodeAsync('DISK', openBeacon({ path: inFile, owner, random: systemRandom }));
  });
});

describe('a chain', () => {
  test('gives every reveal that the ledger asks for, over restarts, and then none', async () => {
    let contributor = foundingContributor((await open(LENGTH)).commitment());
    for (let block = 0; block < LENGTH; block++) {
      contributor = step(await open(), contributor);
    }
    const beacon = await open();
    expect(contributor.current?.remaining).toBe(0);
    expect(beacon.reveal(contributor, FIRST)).toBeUndefined();
  });

  test('of which the state knows another has nothing to reveal', async () => {
    const beacon = await open(LENGTH);
    expect(beacon.reveal(undefined, FIRST)).toBeUndefined();
    const foreign = foundingContributor({ tip: digestFrom('foreign'), remaining: 10 });
    expect(beacon.reveal(foreign, FIRST)).toBeUndefined();
    expect(beacon.reveal({ current: undefined, pending: undefined }, FIRST)).toBeUndefined();
  });

  test('is followed by the next from the epoch on in which that comes into force', async () => {
    const beacon = await open(LENGTH);
    let contributor = step(beacon, foundingContributor(beacon.commitment()));
    contributor = commitChain(contributor, await beacon.renew(contributor), FIRST);
    const again = await open();
    contributor = step(again, contributor);
    expect(contributor.current?.remaining).toBe(LENGTH - 2);
    contributor = step(again, contributor, 1 as Epoch);
    expect(contributor).toMatchObject({ current: { remaining: LENGTH - 1 }, pending: undefined });
    step(await open(), contributor, 1 as Epoch);
  });

  test('that the state knows is kept however often the next is made, and the file stays small', async () => {
    const beacon = await open(LENGTH);
    let contributor = step(beacon, foundingContributor(beacon.commitment()));
    const tips = new Set<string>();
    for (let round = 0; round < 10; round++) {
      const next = await beacon.renew(contributor);
      tips.add(toHex(next.tip));
      expect(beacon.commitment()).toEqual(next);
      if (round % 2 === 0) contributor = commitChain(contributor, next, FIRST);
      contributor = step(round % 3 === 0 ? await open() : beacon, contributor);
      const lines = (await readFile(path, 'utf8')).trim().split('\n');
      expect(lines.length).toBeLessThanOrEqual(BEACON_CHAINS_KEPT_MAX);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
    }
    expect(tips.size).toBe(10);
    step(await open(), contributor, 1 as Epoch);
  });

  test('runs out when fewer reveals are left than asked for, unless the next one is on its way', async () => {
    const beacon = await open(LENGTH);
    const contributor = foundingContributor(beacon.commitment());
    expect(beacon.isRunningOut(undefined, FIRST, 1)).toBe(true);
    expect(beacon.isRunningOut(contributor, FIRST, LENGTH)).toBe(false);
    expect(beacon.isRunningOut(contributor, FIRST, LENGTH + 1)).toBe(true);
    const foreign = { tip: digestFrom('foreign'), remaining: 1000 };
    expect(beacon.isRunningOut(foundingContributor(foreign), FIRST, 1)).toBe(true);
    const next = commitChain(contributor, await beacon.renew(contributor), FIRST);
    expect(beacon.isRunningOut(next, FIRST, LENGTH + 1)).toBe(false);
    expect(beacon.isRunningOut(next, 1 as Epoch, LENGTH + 1)).toBe(true);
    const lost = commitChain(contributor, foreign, FIRST);
    expect(beacon.isRunningOut(lost, FIRST, LENGTH + 1)).toBe(true);
  });
});
