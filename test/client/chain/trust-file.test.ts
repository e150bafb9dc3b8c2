import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { memoryTrust } from '../../../src/client/chain/memory-trust.ts';
import {
  decodeTrust,
  encodeTrust,
  type SavedTrust,
  TRUST_LENGTH_MAX,
  type TrustStore,
} from '../../../src/client/chain/trust.ts';
import { trustFile, trustPath } from '../../../src/client/chain/trust-file.ts';
import { systemFiles } from '../../../src/runtime/files.ts';
import { expectCode, expectCodeAsync } from '../../helpers/expect-code.ts';
import { digestFrom } from '../../helpers/records.ts';
import { HeaderChain, NETWORK } from './header-chain.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'holdfast-trust-'));
});
afterEach(() => rm(home, { recursive: true }));

const chain = new HeaderChain({ members: () => ['a', 'b', 'c', 'd'] });
const fork = chain.fork(5, {});
const saved: SavedTrust = { network: NETWORK, trustPeriodMs: 1000, light: chain.light(7), attack: undefined };

describe('a trusted header', () => {
  test.each([undefined, [chain.light(7), fork.light(7)] as const])(
    'is read back as it was written',
    (attack) => {
      const bytes = encodeTrust({ ...saved, attack });
      expect(bytes.length).toBeLessThan(TRUST_LENGTH_MAX);
      const back = decodeTrust(bytes, NETWORK);
      expect(toHex(encodeTrust(back))).toBe(toHex(bytes));
      expect(back.light.header.height).toBe(7);
      expect(back.attack?.map(({ id }) => toHex(id))).toEqual(attack?.map(({ id }) => toHex(id)));
    },
  );

  test('of another network, or damaged, is refused', () => {
    const bytes = encodeTrust(saved);
    expectCode('WRONG_NETWORK', () => decodeTrust(bytes, digestFrom('other')));
    expectCode('INVALID_ENCODING', () => decodeTrust(bytes.subarray(1), NETWORK));
    expectCode('INVALID_ENCODING', () => decodeTrust(bytes.with(0, bytes[0]! ^ 1), NETWORK));
  });
});

const stores: Readonly<Record<string, () => TrustStore>> = {
  'in memory': () => memoryTrust(),
  'in a file': () => trustFile(trustPath(home, NETWORK)),
};

describe.each(Object.entries(stores))('a store %s', (_name, create) => {
  test('gives what was saved last, and nothing before', async () => {
    const store = create();
    expect(await store.load()).toBeUndefined();
    await store.save(encodeTrust(saved));
    await store.save(encodeTrust({ ...saved, light: chain.light(8) }));
    const back = decodeTrust((await store.load())!, NETWORK);
    expect(back.light.header.height).toBe(8);
  });
});

describe('a file of trust', () => {
  test('is its owner’s alone, named by its network, and replaced whole', async () => {
    const path = trustPath(home, NETWORK);
    expect(path.startsWith(home)).toBe(true);
    expect(path).toContain(toHex(NETWORK).slice(0, 16));
    const store = trustFile(path);
    await store.save(encodeTrust(saved));
    await store.save(encodeTrust(saved));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(dirname(path))).toHaveLength(1);
  });

  test('stays as it was when the disk refuses', async () => {
    const path = trustPath(home, NETWORK);
    await trustFile(path).save(encodeTrust(saved));
    const failing = {
      ...systemFiles,
      rename: () => Promise.reject(Object.assign(new Error('no'), { code: 'EIO' })),
    };
    const other = encodeTrust({ ...saved, light: chain.light(8) });
    await expectCodeAsync('DISK', trustFile(path, failing).save(other));
    expect(decodeTrust((await trustFile(path).load())!, NETWORK).light.header.height).toBe(7);
  });
});
