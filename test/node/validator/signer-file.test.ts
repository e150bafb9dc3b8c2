import { chmod, copyFile, mkdtemp, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StoreError } from '../../../src/base/errors.ts';
import type { Clock } from '../../../src/base/ports.ts';
import { signBytes } from '../../../src/consensus/sign-bytes.ts';
import { GUARD_PAGE_LENGTH } from '../../../src/consensus/signer-guard.ts';
import type { BlockId, Proposal, UnsignedMessage, Vote } from '../../../src/consensus/types.ts';
import type { SignerPort } from '../../../src/node/validator/ports.ts';
import {
  guardNewKey,
  type OpenedSigner,
  openSigner,
  type SignerFileOptions,
} from '../../../src/node/validator/signer-file.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { nativeVerify } from '../../../src/runtime/crypto.ts';
import { createIdentity, identityFromSeed } from '../../../src/runtime/identity.ts';
import { A, B, network } from '../../consensus/signed.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { digestFrom } from '../../helpers/records.ts';
import { seededChance, SimulatedDisk, systemError } from '../../runtime/simulated-disk.ts';

const FOLDER = '/signer';
const FILE = '/signer/guard';
const identity = identityFromSeed(digestFrom('validator'));

const message = (
  kind: UnsignedMessage['kind'],
  height: number,
  round: number,
  blockId: BlockId = A,
): UnsignedMessage => ({ kind, height, round, blockId, validRound: -1, validator: 0 });
const asHeard = (unsigned: UnsignedMessage): Proposal | Vote => ({
  ...unsigned,
  signature: identity.signer.sign(signBytes(network, unsigned)),
});
type Result = Proposal | Vote | StoreError;
const signed = (signer: SignerPort, unsigned: UnsignedMessage): Promise<Result> =>
  new Promise((done) => signer.sign(unsigned, done));
const codeOf = (result: Result): string => (result instanceof StoreError ? result.code : 'signed');

/** Time passes when the test says so. */
class ManualClock implements Clock {
  readonly #timers = new Set<() => void>();
  now = (): number => systemClock.now();
  monotonic = (): number => systemClock.monotonic();
  sleep = (delayMs: number): Promise<void> => systemClock.sleep(delayMs);
  timer(_delayMs: number, run: () => void): () => void {
    this.#timers.add(run);
    return () => this.#timers.delete(run);
  }
  pass(): void {
    for (const run of this.#timers) run();
    this.#timers.clear();
  }
}

/** Opens on a simulated disk; listening is over unless a clock is given. */
async function open(disk: SimulatedDisk, options: Partial<SignerFileOptions> = {}): Promise<OpenedSigner> {
  const clock = new ManualClock();
  const opened = await openSigner({ folder: FOLDER, network, clock, identity, files: disk, ...options });
  clock.pass();
  return opened;
}

async function newDisk(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  await guardNewKey({ folder: FOLDER, network, files: disk }, identity.nodeId);
  return disk;
}

describe('a signature', () => {
  test('is good, comes back the same when asked again, and no other comes for its place or one before', async () => {
    const { signer } = await open(await newDisk());
    const first = (await signed(signer, message('prevote', 5, 1))) as Vote;
    expect(nativeVerify(identity.nodeId, signBytes(network, first), first.signature)).toBe(true);
    expect(await signed(signer, message('prevote', 5, 1))).toEqual(first);
    expect(codeOf(await signed(signer, message('prevote', 5, 1, B)))).toBe('ALREADY_EXISTS');
    expect(codeOf(await signed(signer, message('proposal', 5, 1)))).toBe('ALREADY_EXISTS');
    expect(codeOf(await signed(signer, message('precommit', 5, 0)))).toBe('ALREADY_EXISTS');
    expect(codeOf(await signed(signer, message('precommit', 4, 9)))).toBe('ALREADY_EXISTS');
    expect(codeOf(await signed(signer, message('precommit', 5, 1)))).toBe('signed');
    expect(codeOf(await signed(signer, message('proposal', 6, 0)))).toBe('signed');
  });

  test('leaves after its record is durable', async () => {
    const disk = await newDisk();
    const { signer } = await open(disk);
    const operations: string[] = [];
    disk.hook = ({ kind }) => void operations.push(kind) as undefined;
    for (let round = 0; round < 5; round++) {
      operations.length = 0;
      await signed(signer, message('prevote', 5, round));
      expect(operations).toEqual(['write', 'sync']);
      const left = disk.restart(() => 0.99, true);
      expect((await open(left)).last).toMatchObject({ height: 5, round, kind: 'prevote' });
    }
  });

  test('is remembered over restarts', async () => {
    const disk = await newDisk();
    for (let round = 0; round < 5; round++) {
      const { signer, last } = await open(disk);
      expect(last?.round).toBe(round === 0 ? undefined : round - 1);
      if (round > 0)
        expect(codeOf(await signed(signer, message('prevote', 5, round - 1, B)))).toBe('ALREADY_EXISTS');
      expect(codeOf(await signed(signer, message('prevote', 5, round)))).toBe('signed');
      await signer.close();
    }
  });

  test('of several asked at once comes in order, one record each; beyond the bound they are refused', async () => {
    const disk = await newDisk();
    const { signer } = await open(disk);
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, round) => signed(signer, message('prevote', 5, round))),
    );
    // One is under way, sixteen wait.
    expect(results.map(codeOf)).toEqual([...Array(17).fill('signed'), 'BUSY', 'BUSY', 'BUSY']);
    await signer.close();
  });
});

describe('the disk', () => {
  test('the power fails anywhere: every signature that left has its record, and no place gets two', async () => {
    for (let seed = 0; seed < 300; seed++) {
      const chance = seededChance(seed);
      let disk = await newDisk();
      const texts = new Map<string, BlockId>();
      let lastRound = -1;
      for (let life = 0; life < 6; life++) {
        disk = disk.restart(chance, true);
        let left = 1 + Math.floor(chance() * 30);
        const current = disk;
        disk.hook = () => (--left === 0 ? current.cut() : undefined);
        try {
          const { signer, last } = await open(disk);
          expect(last?.round ?? -1).toBeGreaterThanOrEqual(lastRound);
          for (let step = 0; step < 8; step++) {
            const round = Math.max(0, lastRound - 1) + Math.floor(chance() * 4);
            const result = await signed(signer, message('prevote', 5, round, chance() < 0.5 ? A : B));
            if (result instanceof StoreError) continue;
            expect(texts.get(`${round}`) ?? result.blockId).toBe(result.blockId);
            texts.set(`${round}`, result.blockId!);
            lastRound = round;
          }
          await signer.close();
        } catch (error) {
          if (!disk.isDead) throw error;
        }
      }
    }
  });

  test.each(['write', 'sync'] as const)(
    'after a failed %s nothing is signed any more, though the disk works again',
    async (kind) => {
      const disk = await newDisk();
      const stopped: StoreError[] = [];
      const { signer } = await open(disk, { onStopped: (reason) => stopped.push(reason) });
      await signed(signer, message('prevote', 5, 0));
      disk.hook = (operation) => {
        if (operation.kind === kind) throw systemError('EIO');
        return undefined;
      };
      const both = [signed(signer, message('prevote', 5, 1)), signed(signer, message('prevote', 5, 2))];
      expect((await Promise.all(both)).map(codeOf)).toEqual(['DISK', 'DISK']);
      disk.hook = () => undefined;
      expect(codeOf(await signed(signer, message('prevote', 5, 0)))).toBe('DISK');
      expect(stopped.map(({ code }) => code)).toEqual(['DISK']);
      await signer.close();
      expect(disk.openFiles).toBe(0);
    },
  );

  test('a sync that failed, then a restart without power cut, then one with: the record that was read stays', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const chance = seededChance(seed);
      const disk = await newDisk();
      const first = await open(disk);
      await signed(first.signer, message('prevote', 5, 0));
      disk.hook = ({ kind }) => {
        if (kind === 'sync') throw systemError('EIO');
        return undefined;
      };
      await signed(first.signer, message('prevote', 5, 1));
      // The pages hold round 1 and count as clean; the disk holds round 0.
      const second = disk.restart(chance, false);
      const opened = await open(second);
      expect(opened.last?.round).toBe(1);
      let left = Math.floor(chance() * 3);
      second.hook = () => (--left < 0 ? second.cut() : undefined);
      await signed(opened.signer, message('prevote', 5, 2));
      const { last } = await open(second.restart(chance, true));
      expect([1, 2]).toContain(last?.round);
    }
  });

  test('a full disk is no trouble: the file has its length from the beginning', async () => {
    const disk = await newDisk();
    const length = disk.bytesOf(FILE).length;
    const { signer } = await open(disk);
    for (let round = 0; round < 5; round++) await signed(signer, message('prevote', 5, round));
    expect(disk.bytesOf(FILE).length).toBe(length);
  });

  test('a guard with no readable page is refused, and so is one of another network or key', async () => {
    const disk = await newDisk();
    await expectCodeAsync('WRONG_NETWORK', open(disk, { network: digestFrom('other') }));
    const other = identityFromSeed(digestFrom('other'));
    await expectCodeAsync('INVALID_CONFIG', open(disk, { identity: other }));
    for (let at = 0; at < disk.bytesOf(FILE).length; at += GUARD_PAGE_LENGTH) disk.bytesOf(FILE)[at]! ^= 1;
    const error = await expectCodeAsync('DAMAGED', open(disk));
    expect(error.message).toContain(FILE);
    // The lock was given back each time.
    await expectCodeAsync('DAMAGED', open(disk));
  });
});

describe('a second copy of the key', () => {
  const stopsOn = async (heard: UnsignedMessage): Promise<string> => {
    const stopped: StoreError[] = [];
    const { signer } = await open(await newDisk(), { onStopped: (reason) => stopped.push(reason) });
    await signed(signer, message('prevote', 5, 1));
    signer.observe(asHeard(heard));
    const code = codeOf(await signed(signer, message('prevote', 9, 0)));
    expect(stopped.map((reason) => reason.code)).toEqual(code === 'signed' ? [] : [code]);
    await signer.close();
    return code;
  };

  test('is heard by what was not signed here, and then nothing is signed any more', async () => {
    expect(await stopsOn(message('prevote', 5, 1, B))).toBe('LOCKED');
    expect(await stopsOn(message('precommit', 5, 1))).toBe('LOCKED');
    expect(await stopsOn(message('proposal', 6, 0))).toBe('LOCKED');
  });

  test('is not what was signed here and comes back', async () => {
    expect(await stopsOn(message('prevote', 5, 1))).toBe('signed');
    expect(await stopsOn(message('precommit', 5, 0))).toBe('signed');
  });

  test('is heard before the first signature: nothing leaves while it listens', async () => {
    const clock = new ManualClock();
    const { signer } = await openSigner({ folder: FOLDER, network, clock, identity, files: await newDisk() });
    const asked = signed(signer, message('prevote', 5, 1));
    await new Promise((resolve) => setImmediate(resolve));
    signer.observe(asHeard(message('prevote', 5, 0)));
    expect(codeOf(await asked)).toBe('LOCKED');
    clock.pass();
    expect(codeOf(await signed(signer, message('prevote', 5, 2)))).toBe('LOCKED');
    await signer.close();
  });

  test('that says the same while a record is being written holds the signature back', async () => {
    const { signer } = await open(await newDisk());
    const asked = signed(signer, message('prevote', 5, 1));
    signer.observe(asHeard(message('prevote', 5, 1)));
    expect(codeOf(await asked)).toBe('LOCKED');
    await signer.close();
  });

  test('includes this one from before its guard was put back', async () => {
    const disk = await newDisk();
    const old = Uint8Array.from(disk.bytesOf(FILE));
    const { signer } = await open(disk);
    const spoken = (await signed(signer, message('prevote', 5, 1))) as Vote;
    await signer.close();
    disk.bytesOf(FILE).set(old);
    const again = await open(disk);
    again.signer.observe(spoken);
    const result = await signed(again.signer, message('prevote', 5, 1, B));
    expect(result).toMatchObject({ code: 'LOCKED', next: expect.stringContaining('put back') });
    await again.signer.close();
  });
});

test('what waits while it listens is signed when that is over', async () => {
  const clock = new ManualClock();
  const { signer } = await openSigner({ folder: FOLDER, network, clock, identity, files: await newDisk() });
  let result: Result | undefined;
  signer.sign(message('prevote', 5, 1), (answer) => {
    result = answer;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(result).toBeUndefined();
  clock.pass();
  await new Promise((resolve) => setImmediate(resolve));
  expect(codeOf(result!)).toBe('signed');
  await signer.close();
});

test('closing answers what waits, and waits for the record under way', async () => {
  const disk = await newDisk();
  const { signer } = await open(disk);
  const asked = [signed(signer, message('prevote', 5, 1)), signed(signer, message('prevote', 5, 2))];
  await signer.close();
  expect((await Promise.all(asked)).map(codeOf)).toEqual(['CLOSED', 'CLOSED']);
  expect(codeOf(await signed(signer, message('prevote', 5, 3)))).toBe('CLOSED');
  expect(disk.openFiles).toBe(0);
});

describe('key and guard in one folder', () => {
  async function temporary(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-signer-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    return folder;
  }
  const openAt = (folder: string): Promise<OpenedSigner> =>
    openSigner({ folder, network, clock: systemClock, listenMs: 1 });

  test('are made on the first start, private to their user, and used on the next', async () => {
    const folder = join(await temporary(), 'validator', 'signer');
    const { signer, node, last } = await openAt(folder);
    expect(last).toBeUndefined();
    const vote = (await signed(signer, message('prevote', 5, 1))) as Vote;
    expect(nativeVerify(node, signBytes(network, vote), vote.signature)).toBe(true);
    await signer.close();
    expect((await readdir(folder)).sort()).toEqual(['guard', 'key']);
    for (const name of ['guard', 'key']) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    const again = await openAt(folder);
    expect(again).toMatchObject({ node, last: { height: 5, round: 1, kind: 'prevote' } });
    await again.signer.close();
  });

  test('a key without guard is refused, with the way out', async () => {
    const folder = await temporary();
    await (await openAt(folder)).signer.close();
    await unlink(join(folder, 'guard'));
    const error = await expectCodeAsync('INVALID_IDENTITY', openAt(folder));
    expect(error.message).toContain('has no guard file');
    expect(error.next).toContain('as it was when it stopped');
    expect(await readdir(folder)).toEqual(['key']);
  });

  test('a guard of signatures without key is refused; one that never signed makes way for a new key', async () => {
    const folder = await temporary();
    const first = await openAt(folder);
    await first.signer.close();
    await unlink(join(folder, 'key'));
    const second = await openAt(folder);
    expect(second.node).not.toEqual(first.node);
    await signed(second.signer, message('prevote', 5, 1));
    await second.signer.close();
    await unlink(join(folder, 'key'));
    const error = await expectCodeAsync('INVALID_IDENTITY', openAt(folder));
    expect(error.message).toContain('is missing');
  });

  test('a first start that ended before the key had its name goes on with that key', async () => {
    const folder = await temporary();
    const { nodeId } = await createIdentity(join(folder, 'key.new'));
    const { signer, node } = await openAt(folder);
    expect(node).toEqual(nodeId);
    await signer.close();
    await rename(join(folder, 'key'), join(folder, 'key.new'));
    const again = await openAt(folder);
    expect(again.node).toEqual(nodeId);
    await again.signer.close();
  });

  test('a key that others can read, a guard that others can read', async () => {
    const folder = await temporary();
    await (await openAt(folder)).signer.close();
    for (const name of ['key', 'guard']) {
      await chmod(join(folder, name), 0o644);
      await expectCodeAsync('INVALID_IDENTITY', openAt(folder));
      await chmod(join(folder, name), 0o600);
    }
  });

  test('a guard is made for a key once, by whoever vouches that it never signed', async () => {
    const folder = await temporary();
    await guardNewKey({ folder, network }, identity.nodeId);
    await expectCodeAsync('ALREADY_EXISTS', guardNewKey({ folder, network }, identity.nodeId));
    const opened = await openSigner({ folder, network, identity, clock: systemClock });
    await expectCodeAsync('LOCKED', openAt(folder));
    await expectCodeAsync('LOCKED', guardNewKey({ folder, network }, identity.nodeId));
    await opened.signer.close();
  });

  test('a copy of the folder that both run is not seen by the lock, and is heard instead', async () => {
    const [one, two] = [await temporary(), await temporary()];
    await (await openAt(one)).signer.close();
    for (const name of ['guard', 'key']) await copyFile(join(one, name), join(two, name));
    const [here, there] = [await openAt(one), await openAt(two)];
    const vote = (await signed(here.signer, message('prevote', 5, 1))) as Vote;
    there.signer.observe(vote);
    expect(codeOf(await signed(there.signer, message('prevote', 5, 1, B)))).toBe('LOCKED');
    await Promise.all([here.signer.close(), there.signer.close()]);
  });
});
